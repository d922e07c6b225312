"""Verified tokens are kept while they hold, and the keys of an issuer through its outage."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from services.payments.merchants.domain import CredentialsUnverifiable
from services.payments.merchants.tokens.held_keys import WAITING_MAX, HeldKeys, Patience
from services.payments.merchants.tokens.keys import Keys, KeysUnreadable, parse_keys
from services.payments.merchants.tokens.verified import (
    TokenInvalid,
    TokenPrincipal,
    Verified,
)
from services.payments.merchants.tokens.verifier import Trusted, Verifier
from tests.tokens import AUDIENCE, ISSUER, Signer, make_claims, make_signer

ALGORITHMS = ("RS256", "ES256", "EdDSA")
FIRST, SECOND = make_signer(key_id="first"), make_signer(key_id="second")


def keys_of(*signers: Signer) -> Keys:
    text = json.dumps({"keys": [signer.jwk for signer in signers]}).encode()
    return parse_keys(text, ALGORITHMS, ISSUER)


@dataclass
class Steps:
    """An issuer whose answers a test sets, and time that only passes where a test says so."""

    keys: Keys | Exception
    seconds: float = 0.0
    fetches: int = 0
    meanings: int = 0
    released: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def fetch(self) -> Keys:
        self.fetches += 1
        self.began.set()
        if self.released:
            await self.released.wait()
        if isinstance(self.keys, Exception):
            raise self.keys
        return self.keys

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.seconds)

    def meaning(self, claims: object) -> Verified:
        self.meanings += 1
        return Verified(principal=TokenPrincipal.MERCHANT, issuer=ISSUER, subject="client-1")


def held(steps: Steps) -> HeldKeys:
    return HeldKeys(
        ISSUER, steps.fetch, Patience(refresh=300, retry=10, held=3600), steps.monotonic
    )


def verifier(steps: Steps, keys: HeldKeys, cached_max: int = 4) -> Verifier:
    trusted = Trusted(
        issuer=ISSUER,
        audience=AUDIENCE,
        algorithms=ALGORITHMS,
        keys=keys,
        meaning=steps.meaning,
        maximum_lifetime_seconds=3600,
        clock_skew_seconds=10,
    )
    return Verifier((trusted,), steps, cached_max=cached_max)


async def test_a_token_is_verified_once() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    verify, token = verifier(steps, keys), FIRST.token(make_claims())

    assert len({id(await verify.verify(token)) for _ in range(5)}) == 1
    assert steps.meanings == 1


async def test_a_kept_token_is_verified_again_after_its_end() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    verify, token = verifier(steps, keys), FIRST.token(make_claims())
    await verify.verify(token)
    steps.seconds = 301

    await verify.verify(token)

    assert steps.meanings == 2


async def test_no_more_tokens_are_kept_than_the_bound() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    verify = verifier(steps, keys, cached_max=4)
    tokens = [FIRST.token(make_claims(sub=f"client-{number}")) for number in range(5)]
    for token in tokens:
        await verify.verify(token)

    await verify.verify(tokens[4])
    assert steps.meanings == 5
    await verify.verify(tokens[0])
    assert steps.meanings == 6


async def test_a_kept_token_ends_with_its_key() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    verify, token = verifier(steps, keys), FIRST.token(make_claims())
    await verify.verify(token)
    steps.keys = keys_of(SECOND)
    await keys.fetch()

    with pytest.raises(TokenInvalid):
        await verify.verify(token)


async def test_a_kept_token_ends_where_its_kid_means_another_key() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    verify, token = verifier(steps, keys), FIRST.token(make_claims())
    await verify.verify(token)
    steps.keys = keys_of(make_signer(key_id="first"))
    await keys.fetch()

    with pytest.raises(TokenInvalid):
        await verify.verify(token)


async def test_a_key_that_is_fetched_again_is_the_same() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    before = keys.get("first")
    steps.keys = keys_of(FIRST, SECOND)
    await keys.fetch()

    assert keys.get("first") is before
    assert keys.get("second")


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), KeysUnreadable("x"), ValueError()])
async def test_keys_that_never_came_make_a_token_unverifiable(error: Exception) -> None:
    steps = Steps(error)
    keys = held(steps)
    await keys.fetch()

    with pytest.raises(CredentialsUnverifiable) as refused:
        await verifier(steps, keys).verify(FIRST.token(make_claims()))

    assert refused.value.retry_after_seconds == 10


async def test_keys_are_held_through_an_outage_and_not_for_longer() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    verify, token = verifier(steps, keys), FIRST.token(make_claims())
    await verify.verify(token)
    steps.keys = OSError()
    steps.seconds = 3599
    await keys.fetch()
    await verify.verify(token)
    steps.seconds = 3601

    with pytest.raises(CredentialsUnverifiable):
        await verify.verify(token)


async def test_an_unknown_kid_is_fetched_at_a_bounded_rate() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    steps.seconds = 11
    for number in range(50):
        with pytest.raises(TokenInvalid):
            await verifier(steps, keys).verify(SECOND.token(make_claims(), kid=f"no-{number}"))

    assert steps.fetches == 2


async def test_a_new_key_is_found_by_its_first_token() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    steps.keys, steps.seconds = keys_of(FIRST, SECOND), 11

    assert await verifier(steps, keys).verify(SECOND.token(make_claims()))


async def test_an_unknown_kid_is_unverifiable_while_its_issuer_is_away() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    steps.keys, steps.seconds = OSError(), 11
    verify = verifier(steps, keys)

    for _ in range(3):
        with pytest.raises(CredentialsUnverifiable):
            await verify.verify(SECOND.token(make_claims()))
    await verify.verify(FIRST.token(make_claims()))

    assert steps.fetches == 2


async def test_so_many_calls_wait_for_an_issuer_and_no_more() -> None:
    """A call that waits has proven nothing yet, and has a place that others need."""
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    steps.keys, steps.seconds, steps.released = keys_of(SECOND), 11, asyncio.Event()
    verify = verifier(steps, keys)
    tokens = [SECOND.token(make_claims()) for _ in range(WAITING_MAX + 20)]
    waiting = [asyncio.create_task(verify.verify(token)) for token in tokens]

    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    refused = {type(one.exception()) for one in done}
    steps.released.set()
    ends = await asyncio.gather(*waiting, return_exceptions=True)

    assert refused == {CredentialsUnverifiable}
    assert sum(isinstance(end, CredentialsUnverifiable) for end in ends) == 20


async def test_many_tokens_of_a_new_key_wait_for_one_fetch() -> None:
    steps = Steps(keys_of(FIRST))
    keys = held(steps)
    await keys.fetch()
    steps.keys, steps.seconds, steps.released = keys_of(SECOND), 11, asyncio.Event()
    steps.began.clear()
    verify, token = verifier(steps, keys), SECOND.token(make_claims())
    waiting = [asyncio.create_task(verify.verify(token)) for _ in range(20)]
    await steps.began.wait()
    # One who stops to wait takes the answer from nobody else.
    waiting[0].cancel()
    steps.released.set()

    answers = await asyncio.gather(*waiting, return_exceptions=True)

    assert isinstance(answers[0], asyncio.CancelledError)
    assert all(isinstance(answer, Verified) for answer in answers[1:])
    assert steps.fetches == 2


async def test_keys_are_fetched_before_anything_else_and_then_again() -> None:
    steps = Steps(OSError())
    keys = HeldKeys(ISSUER, steps.fetch, Patience(refresh=0.001, retry=0.001, held=60))
    async with keys.refreshed():
        assert steps.fetches == 1
        steps.keys = keys_of(FIRST)
        while steps.fetches < 5:
            steps.began.clear()
            await steps.began.wait()
        assert keys.get("first")
    fetches = steps.fetches
    await asyncio.sleep(0)
    assert steps.fetches == fetches


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'"keys"',
        b"{}",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1, null, "x", {}]}',
        b"[" * 100_000,
        b'{"keys": ' + b"[" * 100_000,
        json.dumps({"keys": [FIRST.jwk] * 101}).encode(),
    ],
    ids=lambda part: str(part)[:40],
)
def test_a_text_that_is_no_set_of_keys_is_none(text: bytes) -> None:
    with pytest.raises(KeysUnreadable):
        parse_keys(text, ALGORITHMS, ISSUER)


SMALL = make_signer("RS256", "small")


@pytest.mark.parametrize(
    "member",
    [
        {**FIRST.jwk, "kid": ""},
        {**FIRST.jwk, "kid": 7},
        {name: value for name, value in FIRST.jwk.items() if name != "kid"},
        {**FIRST.jwk, "use": "enc"},
        {**FIRST.jwk, "key_ops": ["sign"]},
        {**FIRST.jwk, "alg": "ES256"},
        {**FIRST.jwk, "alg": "HS256"},
        {**FIRST.jwk, "crv": "Ed448"},
        {**FIRST.jwk, "x": "AAAA"},
        {**FIRST.jwk, "x": 7},
        {**FIRST.jwk, "d": FIRST.jwk["x"]},
        {"kty": "oct", "kid": "first", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"},
        {**make_signer("ES256", "e").jwk, "crv": "secp256k1"},
        {**make_signer("ES256", "e").jwk, "x": "AAAA"},
        {**SMALL.jwk, "n": "AQAB"},
        {**SMALL.jwk, "e": ""},
        {"kty": ["RSA"], "kid": "first"},
    ],
    ids=lambda part: str(part)[:40],
)
def test_a_key_that_cannot_serve_is_left_out(member: dict[str, object]) -> None:
    text = json.dumps({"keys": [member, SECOND.jwk]}).encode()

    assert list(parse_keys(text, ALGORITHMS, ISSUER)) == ["second"]


def test_a_key_id_that_is_there_twice_means_nothing() -> None:
    text = json.dumps({"keys": [FIRST.jwk, SECOND.jwk, make_signer(key_id="first").jwk]}).encode()

    assert list(parse_keys(text, ALGORITHMS, ISSUER)) == ["second"]


def test_an_algorithm_that_an_issuer_may_not_use_has_no_keys() -> None:
    with pytest.raises(KeysUnreadable):
        parse_keys(json.dumps({"keys": [SMALL.jwk]}).encode(), ("ES256",), ISSUER)
