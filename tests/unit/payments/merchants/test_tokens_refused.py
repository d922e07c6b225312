"""Every token that must be refused, each of them really signed, and the few that must."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from services.payments.merchants.tokens.claims import meaning
from services.payments.merchants.tokens.issuers import Issuer
from services.payments.merchants.tokens.keys import Keys, VerifyingKey, parse_keys
from services.payments.merchants.tokens.verified import TokenExpired, TokenInvalid, TokenPrincipal
from services.payments.merchants.tokens.verifier import Trusted, Verifier
from services.shared.clock import SystemClock
from tests.tokens import AUDIENCE, ISSUER, Signer, base64url, make_claims, make_signer

SCOPES = {
    TokenPrincipal.MERCHANT: frozenset({"payments:read", "payments:write"}),
    TokenPrincipal.OPERATOR: frozenset({"operate:read"}),
}
OTHER = "https://other.example"
GOOD = {name: make_signer(name, f"good-{name}") for name in ("RS256", "ES256", "EdDSA")}
STRANGER = make_signer("EdDSA", "good-EdDSA")
OF_OTHER = make_signer("EdDSA", "key-of-other")


def now() -> int:
    return int(time.time())


class FixedKeys:
    """The keys of an issuer, as they are."""

    def __init__(self, keys: Keys) -> None:
        self.keys = keys

    def get(self, key_id: str) -> VerifyingKey | None:
        return self.keys.get(key_id)

    async def look_for(self, key_id: str) -> VerifyingKey | None:
        return None


def trusted(issuer: str, *signers: Signer, skew: int = 10) -> Trusted:
    algorithms = ("RS256", "ES256", "EdDSA")
    settings = Issuer(
        issuer=issuer,
        audience=AUDIENCE,
        algorithms=algorithms,
        principal=TokenPrincipal.MERCHANT,
        scopes_claim="scope",
        merchant_claim="merchant",
    )
    text = json.dumps({"keys": [signer.jwk for signer in signers]}).encode()
    return Trusted(
        issuer=issuer,
        audience=AUDIENCE,
        algorithms=algorithms,
        keys=FixedKeys(parse_keys(text, algorithms, issuer)),
        meaning=lambda claims: meaning(settings, claims, SCOPES),
        maximum_lifetime_seconds=3600,
        clock_skew_seconds=skew,
    )


def make_verifier() -> Verifier:
    return Verifier((trusted(ISSUER, *GOOD.values()), trusted(OTHER, OF_OTHER)), SystemClock())


def signed(**changes: Any) -> str:
    return GOOD["EdDSA"].token(make_claims(**changes))


def headed(**header: Any) -> str:
    return GOOD["EdDSA"].token(make_claims(), **header)


def by_secret(secret: bytes, algorithm: str = "HS256", kid: str = "good-RS256") -> str:
    """A token whose secret is a public key, which everybody has."""
    header = json.dumps({"alg": algorithm, "kid": kid, "typ": "JWT"}).encode()
    text = f"{base64url(header)}.{base64url(json.dumps(make_claims()).encode())}"
    return f"{text}.{base64url(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def public_pem(signer: Signer) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = signer.private.public_key()
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def raw(header: str | None = None, payload: str | bytes | None = None) -> str:
    header = header or '{"alg":"EdDSA","kid":"good-EdDSA"}'
    body = json.dumps(make_claims()) if payload is None else payload
    return GOOD["EdDSA"].raw(header.encode(), body if isinstance(body, bytes) else body.encode())


def with_claim(text: str) -> str:
    """The payload of a good token, with more JSON at its end."""
    return f"{json.dumps(make_claims())[:-1]},{text}}}"


def other_payload(token: str, **changes: Any) -> str:
    header, _, signature = token.split(".")
    return ".".join((header, base64url(json.dumps(make_claims(**changes)).encode()), signature))


def other_signature(token: str, signature: bytes) -> str:
    return f"{token.rpartition('.')[0]}.{base64url(signature)}"


def der_signature() -> str:
    """ECDSA's usual encoding, which is not that of JWS."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256

    token = GOOD["ES256"].token(make_claims())
    text = token.rpartition(".")[0]
    return other_signature(token, GOOD["ES256"].private.sign(text.encode(), ec.ECDSA(SHA256())))


# By the problem: the name of the case, and how its token is made.
CASES: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "form": {
        "nothing": lambda: "",
        "a word": lambda: "token",
        "two parts": lambda: "a.b",
        "four parts": lambda: f"{signed()}.a",
        "five parts, as an encrypted one": lambda: "a.b.c.d.e",
        "no signature": lambda: f"{signed().rpartition('.')[0]}.",
        "alg none without a signature": lambda: f"{headed(alg='none').rpartition('.')[0]}.",
        "padding": lambda: f"{signed()}==",
        "a blank": lambda: f" {signed()}",
        "a line break": lambda: f"{signed()}\n",
        "letters of another alphabet": lambda: signed().replace("e", "é", 1),
        "8193 characters": lambda: signed(pad="x" * 7000)[:8193].ljust(8193, "A"),
        "a megabyte": lambda: signed(pad="x" * 1_000_000),
        "a header that is no JSON": lambda: raw(header="{"),
        "a header that is a list": lambda: raw(header='["EdDSA"]'),
        "a payload that is no JSON": lambda: raw(payload="{"),
        "a payload that is a text": lambda: raw(payload='"x"'),
        "a payload of deep lists": lambda: raw(payload="[" * 4000),
        "a payload that is no UTF-8": lambda: raw(payload=b'{"iss":"\xff"}'),
        "a claim twice": lambda: raw(payload=with_claim('"sub":"client-2"')),
        "a claim twice, once escaped": lambda: raw(payload=with_claim('"\\u0073ub":"client-2"')),
        "a name twice within a claim": lambda: raw(payload=with_claim('"a":{"b":1,"b":2}')),
        "an algorithm twice": lambda: raw(header='{"alg":"EdDSA","kid":"good-EdDSA","alg":"none"}'),
        "a number that is none": lambda: raw(payload=with_claim('"nbf":NaN')),
        "a number with too many digits": lambda: raw(payload=with_claim(f'"n":{"9" * 5000}')),
    },
    "header": {
        "crit": lambda: headed(crit=["exp"], exp=now()),
        "crit that is empty": lambda: headed(crit=[]),
        "b64": lambda: headed(b64=False),
        "a key of its own": lambda: STRANGER.token(make_claims(), jwk=STRANGER.jwk),
        "the address of its keys": lambda: headed(jku="https://evil.example/jwks"),
        "the address of its certificate": lambda: headed(x5u="https://evil.example/x"),
        "a certificate": lambda: headed(x5c=["MIIB"]),
        "compression": lambda: headed(zip="DEF"),
        "no algorithm": lambda: headed(alg=None),
        "an algorithm that is a list": lambda: headed(alg=["EdDSA"]),
        "no kid": lambda: headed(kid=None),
        "a kid that is a number": lambda: headed(kid=1),
        "an empty kid": lambda: headed(kid=""),
        "a kid without end": lambda: headed(kid="k" * 257),
        "a typ that is a number": lambda: headed(typ=1),
        "a token that ends a session": lambda: headed(typ="logout+jwt"),
        "a security event": lambda: headed(typ="secevent+jwt"),
    },
    "algorithm": {
        "none": lambda: headed(alg="none"),
        "None": lambda: headed(alg="None"),
        "nOnE": lambda: headed(alg="nOnE"),
        "HS256 by a public key in PEM": lambda: by_secret(public_pem(GOOD["RS256"])),
        "HS256 by a public key's JWK": lambda: by_secret(json.dumps(GOOD["RS256"].jwk).encode()),
        "HS256 by the bytes of a public key": lambda: by_secret(
            GOOD["EdDSA"].private.public_key().public_bytes_raw(), kid="good-EdDSA"
        ),
        "HS512": lambda: by_secret(public_pem(GOOD["RS256"]), "HS512"),
        "PS256 for a key of RS256": lambda: GOOD["RS256"].token(make_claims(), alg="PS256"),
        "RS512 for a key of RS256": lambda: GOOD["RS256"].token(make_claims(), alg="RS512"),
        "ES256 for a key of RS256": lambda: GOOD["RS256"].token(make_claims(), alg="ES256"),
        "EdDSA for a key of ES256": lambda: GOOD["ES256"].token(make_claims(), alg="EdDSA"),
        "small letters": lambda: headed(alg="eddsa"),
    },
    "key": {
        "a kid that nobody has": lambda: headed(kid="unknown"),
        "a kid of another issuer": lambda: OF_OTHER.token(make_claims()),
        "a kid that leads elsewhere": lambda: headed(kid="../../etc/passwd"),
        "our kid at another issuer": lambda: GOOD["EdDSA"].token(make_claims(iss=OTHER)),
    },
    "signature": {
        "by a stranger's key of our kid": lambda: STRANGER.token(make_claims()),
        "by another key of the issuer": lambda: GOOD["EdDSA"].token(
            make_claims(), alg="RS256", kid="good-RS256"
        ),
        "of another payload": lambda: other_payload(signed(), sub="client-2"),
        "of another merchant": lambda: other_payload(signed(), merchant="mer_2"),
        "of zeros": lambda: other_signature(signed(), bytes(64)),
        "of zeros, for ES256": lambda: other_signature(
            GOOD["ES256"].token(make_claims()), bytes(64)
        ),
        "of zeros, for RS256": lambda: other_signature(
            GOOD["RS256"].token(make_claims()), bytes(256)
        ),
        "cut off": lambda: signed()[:-8],
        "in DER": der_signature,
    },
    "issuer": {
        "unknown": lambda: signed(iss="https://evil.example"),
        "with a stroke at its end": lambda: signed(iss=f"{ISSUER}/"),
        "in capitals": lambda: signed(iss=ISSUER.upper()),
    },
    "audience": {
        "another": lambda: signed(aud="https://other.example"),
        "others": lambda: signed(aud=["https://other.example", "x"]),
        "with more at its end": lambda: signed(aud=f"{AUDIENCE}.evil.example"),
        "a number": lambda: signed(aud=1),
        "numbers": lambda: signed(aud=[1]),
    },
    "claim": {
        "no exp": lambda: signed(exp=None),
        "no aud": lambda: signed(aud=None),
        "no aud in a list": lambda: signed(aud=[]),
        "no iss": lambda: signed(iss=None),
        "no sub": lambda: signed(sub=None),
        "neither iat nor nbf": lambda: signed(iat=None),
        "no merchant": lambda: signed(merchant=None),
        "iss that is a list": lambda: signed(iss=[ISSUER]),
        "exp that is a text": lambda: signed(exp=str(now() + 300)),
        "exp that is true": lambda: signed(exp=True),
        "exp that is null": lambda: raw(payload=with_claim('"nbf":null')),
        "exp before all times": lambda: signed(exp=-1),
        "exp without end": lambda: raw(
            payload=json.dumps(make_claims(exp=0))[:-1] + ',"nbf":1e400}'
        ),
        "exp after all times": lambda: signed(exp=10**15),
        "iat that is a list": lambda: signed(iat=[now()]),
        "sub that is a number": lambda: signed(sub=7),
        "an empty sub": lambda: signed(sub=""),
        "a sub without end": lambda: signed(sub="s" * 257),
        "a sub that turns the text around": lambda: signed(sub="a\u202eb"),
        "a sub with a line break": lambda: signed(sub="a\nb"),
        "a merchant that is a list": lambda: signed(merchant=["mer_1"]),
        "scopes that are a number": lambda: signed(scope=1),
        "scopes that are numbers": lambda: signed(scope=[1]),
    },
    "lifetime": {
        "a day": lambda: signed(exp=now() + 86_400),
        "an hour and more since it began": lambda: signed(iat=now() - 3590, exp=now() + 60),
        "a year, by nbf": lambda: signed(iat=None, nbf=now(), exp=now() + 31_536_000),
    },
    "not_yet_valid": {
        "nbf in a minute": lambda: signed(nbf=now() + 60),
        "iat in a minute": lambda: signed(iat=now() + 60, exp=now() + 120),
    },
}
ALL = [(problem, name) for problem, cases in CASES.items() for name in cases]


@pytest.mark.parametrize(("problem", "name"), ALL, ids=lambda part: part)
async def test_a_token_is_refused_by_its_problem(problem: str, name: str) -> None:
    with pytest.raises(TokenInvalid) as refused:
        await make_verifier().verify(CASES[problem][name]())

    assert refused.value.metadata == {"problem": problem}


@pytest.mark.parametrize("algorithm", GOOD)
async def test_a_good_token_is_accepted(algorithm: str) -> None:
    verified = await make_verifier().verify(GOOD[algorithm].token(make_claims()))

    assert (verified.merchant_id, verified.subject, verified.issuer) == (
        "mer_1",
        "client-1",
        ISSUER,
    )
    assert verified.scopes == SCOPES[TokenPrincipal.MERCHANT]
    assert verified.credential_id == f"{ISSUER}#client-1"


OTHER_FORMS: Mapping[str, Callable[[], dict[str, Any]]] = {
    "several audiences": lambda: {"aud": [AUDIENCE, "another"]},
    "nbf in the place of iat": lambda: {"iat": None, "nbf": now() - 1},
    "fractions of a second": lambda: {"iat": now() + 0.5, "exp": now() + 300.5},
    "nbf within the skew": lambda: {"nbf": now() + 5},
    "exp within the skew": lambda: {"exp": now() - 3, "iat": now() - 100},
    "a list of scopes": lambda: {"scope": ["payments:read", "payments:write"]},
    "more claims": lambda: {"more": {"nested": [1, None, "x"]}},
}


@pytest.mark.parametrize("changes", OTHER_FORMS.values(), ids=OTHER_FORMS)
async def test_a_token_may_have_another_form(changes: Callable[[], dict[str, Any]]) -> None:
    verified = await make_verifier().verify(signed(**changes()))

    assert verified.scopes == SCOPES[TokenPrincipal.MERCHANT]


@pytest.mark.parametrize("seconds", [11, 3600])
async def test_an_expired_token_has_a_reason_of_its_own(seconds: int) -> None:
    token = signed(exp=int(time.time()) - seconds, iat=now() - seconds - 60)

    with pytest.raises(TokenExpired):
        await make_verifier().verify(token)


async def test_scopes_of_operators_are_cut_from_a_merchants_token() -> None:
    token = signed(scope="payments:read operate:read operate:approve keys:admin *")

    assert (await make_verifier().verify(token)).scopes == {"payments:read"}


async def test_no_refusal_shows_the_token() -> None:
    for problem, name in ALL:
        token = CASES[problem][name]()
        with pytest.raises(TokenInvalid) as refused:
            await make_verifier().verify(token)
        assert len(token) < 20 or token[:20] not in str(refused.value)
