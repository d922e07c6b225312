"""The principal of a call, of every credential and every kind of call."""

from dataclasses import replace
from datetime import datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

import pytest

from services.payments.merchants.authoriser import (
    Authoriser,
    acting_merchant,
    acting_principal,
)
from services.payments.merchants.domain import Merchant, MerchantKey, OperatorKey
from services.payments.merchants.key_text import digest_of, new_key_text
from services.payments.merchants.limits import load_limits
from services.payments.merchants.tokens.verified import TokenInvalid, Verified
from services.payments.model.principal import CredentialKind
from services.shared.contract import Access, PrincipalKind
from services.shared.deployment import Deployment
from services.shared.errors import DomainError
from services.shared.grpc_calls import Caller
from services.shared.ids import new_id
from tests.makers import NOW

READ = Access(principal=PrincipalKind.MERCHANT, scopes=frozenset({"payments:read"}))
WRITE = Access(principal=PrincipalKind.MERCHANT, scopes=frozenset({"payments:write"}))
OPERATE = Access(principal=PrincipalKind.OPERATOR, scopes=frozenset({"operate:read"}))
ACME = Merchant(id="mer_acme", display_name="Acme", created_at=NOW)
KEY_ID, OPERATOR_KEY_ID = new_id(), new_id()
TEXT = new_key_text(KEY_ID, is_operators=False, is_live=False)
LIVE_TEXT = new_key_text(KEY_ID, is_operators=False, is_live=True)
OPERATORS_TEXT = new_key_text(OPERATOR_KEY_ID, is_operators=True, is_live=False)
KEY = MerchantKey(
    merchant_id=ACME.id,
    id=KEY_ID,
    name="shop",
    digest=digest_of(TEXT),
    scopes=frozenset({"payments:read"}),
    created_at=NOW,
    created_by="command",
)
OPERATOR_KEY = OperatorKey(
    operator="amina",
    id=OPERATOR_KEY_ID,
    name="laptop",
    digest=digest_of(OPERATORS_TEXT),
    scopes=frozenset({"operate:read"}),
    created_at=NOW,
    created_by="command",
)


class Known:
    """The port Credentials with what a test puts in."""

    def __init__(self) -> None:
        self.key = KEY
        self.owner = ACME
        self.operators_key = OPERATOR_KEY
        self.used: list[UUID] = []

    async def merchant_key(self, key_id: UUID) -> tuple[MerchantKey, Merchant] | None:
        return (self.key, self.owner) if key_id == self.key.id else None

    async def operator_key(self, key_id: UUID) -> OperatorKey | None:
        return self.operators_key if key_id == self.operators_key.id else None

    async def merchant(self, merchant_id: str) -> Merchant | None:
        return self.owner if merchant_id == self.owner.id else None

    def note_use(self, key: MerchantKey | OperatorKey) -> None:
        self.used.append(key.id)


class NoTokens:
    """The port TokenVerifier where no issuer is known."""

    async def verify(self, token: str) -> Verified:
        raise TokenInvalid


class Clock:
    """Stands still."""

    def now(self) -> datetime:
        return NOW


@pytest.fixture
def known() -> Known:
    return Known()


def caller(*pairs: tuple[str, str]) -> Caller:
    return Caller(pairs=pairs, metadata=dict(pairs))


def bearer(text: str, *others: tuple[str, str]) -> Caller:
    return caller(("authorization", f"Bearer {text}"), *others)


async def refused(
    known: Known, sender: Caller, access: Access = READ, deployment: Deployment = Deployment.STAGING
) -> str:
    """The reason of the refusal; empty where there is none."""
    limits = load_limits(None, deployment)
    try:
        await Authoriser(known, NoTokens(), limits, Clock(), deployment=deployment).admit(
            access, sender
        )
    except DomainError as error:
        return error.error_reason
    return ""


@pytest.mark.parametrize(
    "sender",
    [
        bearer(TEXT),
        caller(("authorization", f"bearer  {TEXT} ")),
        caller(("x-api-key", TEXT)),
    ],
)
async def test_a_merchants_key_makes_its_merchant_act(known: Known, sender: Caller) -> None:
    assert await refused(known, sender) == ""

    principal = acting_principal()
    assert acting_merchant() == ACME.id
    assert (principal.kind, principal.credential_id) == (CredentialKind.MERCHANT_KEY, KEY.key_id)
    assert principal.scopes == KEY.scopes
    assert known.used == [KEY.id]


async def test_an_operators_key_makes_its_operator_act(known: Known) -> None:
    assert await refused(known, bearer(OPERATORS_TEXT), OPERATE) == ""

    principal = acting_principal()
    assert (principal.kind, principal.name) == (CredentialKind.OPERATOR_KEY, "amina")
    with pytest.raises(LookupError):
        acting_merchant()


@pytest.mark.parametrize(
    ("sender", "reason"),
    [
        (caller(), "CREDENTIALS_MISSING"),
        (caller(("authorization", "")), "API_KEY_INVALID"),
        (caller(("x-api-key", "")), "API_KEY_INVALID"),
        (caller(("authorization", "Bearer ")), "API_KEY_INVALID"),
        (caller(("x-api-key", TEXT), ("authorization", "")), "CREDENTIALS_AMBIGUOUS"),
        (caller(("x-api-key", TEXT), ("x-api-key", TEXT)), "CREDENTIALS_AMBIGUOUS"),
        (bearer(TEXT, ("x-api-key", TEXT)), "CREDENTIALS_AMBIGUOUS"),
        (bearer(TEXT, ("authorization", f"Bearer {TEXT}")), "CREDENTIALS_AMBIGUOUS"),
        (bearer(f"{TEXT},Bearer {TEXT}"), "CREDENTIALS_AMBIGUOUS"),
        (caller(("x-api-key", f"{TEXT},{TEXT}")), "CREDENTIALS_AMBIGUOUS"),
        (caller(("authorization", f"Basic {TEXT}")), "API_KEY_INVALID"),
        (caller(("authorization", TEXT)), "API_KEY_INVALID"),
        (bearer("nobody"), "API_KEY_INVALID"),
        (bearer("no.bo.dy"), "TOKEN_INVALID"),
        (caller(("x-api-key", "no.bo.dy")), "API_KEY_INVALID"),
        (bearer(TEXT[:-1]), "API_KEY_MISTYPED"),
        (bearer(LIVE_TEXT), "API_KEY_OF_OTHER_DEPLOYMENT"),
        (
            bearer(new_key_text(KEY_ID, is_operators=False, is_live=False)),
            "API_KEY_INVALID",
        ),
        (
            bearer(new_key_text(new_id(), is_operators=False, is_live=False)),
            "API_KEY_INVALID",
        ),
        (bearer(OPERATORS_TEXT), "PRINCIPAL_NOT_ALLOWED"),
    ],
)
async def test_a_bad_credential_is_refused(known: Known, sender: Caller, reason: str) -> None:
    assert await refused(known, sender) == reason
    assert known.used == ([OPERATOR_KEY.id] if reason == "PRINCIPAL_NOT_ALLOWED" else [])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revoked_at": NOW}, "API_KEY_REVOKED"),
        ({"expires_at": NOW}, "API_KEY_EXPIRED"),
        ({"expires_at": NOW + timedelta(seconds=1)}, ""),
        ({"revoked_at": NOW, "expires_at": NOW}, "API_KEY_REVOKED"),
    ],
)
async def test_a_key_that_has_ended_is_refused(
    known: Known, changes: dict[str, datetime], reason: str
) -> None:
    known.key = replace(KEY, **changes)  # type: ignore[arg-type]

    assert await refused(known, bearer(TEXT)) == reason


async def test_a_call_needs_each_of_its_scopes(known: Known) -> None:
    assert await refused(known, bearer(TEXT), WRITE) == "SCOPE_MISSING"
    known.key = replace(KEY, scopes=frozenset({"payments:read", "payments:write"}))
    assert await refused(known, bearer(TEXT), WRITE) == ""


async def test_a_merchant_may_not_make_an_operators_call(known: Known) -> None:
    known.key = replace(KEY, scopes=OPERATE.scopes)

    assert await refused(known, bearer(TEXT), OPERATE) == "PRINCIPAL_NOT_ALLOWED"


async def test_a_disabled_merchant_makes_no_calls(known: Known) -> None:
    known.owner = replace(ACME, disabled_at=NOW)

    assert await refused(known, bearer(TEXT)) == "MERCHANT_DISABLED"


async def test_the_sandboxs_merchant_makes_no_calls_elsewhere(known: Known) -> None:
    """Anybody could make its keys while the same database was a sandbox's."""
    known.owner = replace(ACME, id="sandbox")

    assert await refused(known, bearer(TEXT)) == "MERCHANT_DISABLED"
    assert await refused(known, bearer(TEXT), deployment=Deployment.SANDBOX) == ""


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("203.0.113.9", ""),
        ("2001:db8::1", ""),
        ("203.0.114.9", "ADDRESS_NOT_ALLOWED"),
        ("2001:db9::1", "ADDRESS_NOT_ALLOWED"),
        ("::ffff:203.0.113.9", ""),
        ("", "ADDRESS_NOT_ALLOWED"),
        ("nowhere", "ADDRESS_NOT_ALLOWED"),
    ],
)
async def test_a_key_is_bound_to_its_addresses(known: Known, address: str, reason: str) -> None:
    networks = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/32"))
    known.key = replace(KEY, addresses=networks)

    assert await refused(known, bearer(TEXT, ("x-client-address", address))) == reason


@pytest.mark.parametrize("kind", [PrincipalKind.PROVIDER_EVENT, PrincipalKind.ANYONE])
async def test_no_credential_is_read_where_none_is_needed(
    known: Known, kind: PrincipalKind
) -> None:
    access = Access(principal=kind, scopes=frozenset())

    assert await refused(known, bearer("nobody"), access) == ""


async def test_a_sandbox_needs_no_credential_and_refuses_a_bad_one(known: Known) -> None:
    assert await refused(known, caller(), deployment=Deployment.SANDBOX) == ""
    assert acting_merchant() == "sandbox"
    bad = await refused(known, bearer("nobody"), deployment=Deployment.SANDBOX)
    assert bad == "API_KEY_INVALID"


@pytest.mark.parametrize(
    ("deployment", "text", "reason"),
    [
        (Deployment.SANDBOX, TEXT, ""),
        (Deployment.STAGING, TEXT, ""),
        (Deployment.LIVE, TEXT, "API_KEY_OF_OTHER_DEPLOYMENT"),
        (Deployment.SANDBOX, LIVE_TEXT, "API_KEY_OF_OTHER_DEPLOYMENT"),
        (Deployment.STAGING, LIVE_TEXT, "API_KEY_OF_OTHER_DEPLOYMENT"),
        (Deployment.LIVE, LIVE_TEXT, ""),
    ],
)
async def test_a_deployment_takes_keys_of_its_own_kind(
    known: Known, deployment: Deployment, text: str, reason: str
) -> None:
    known.key = replace(KEY, digest=digest_of(text))

    assert await refused(known, bearer(text), deployment=deployment) == reason


async def test_the_console_does_nothing_without_an_operators_credential(known: Known) -> None:
    """Not even in a sandbox, where anybody else's call without one is the first operator's."""
    of_console = replace(caller(), service="console")

    assert await refused(known, of_console, OPERATE, Deployment.SANDBOX) == "CREDENTIALS_MISSING"
