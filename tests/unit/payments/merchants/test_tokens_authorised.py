"""The principal that a token stands for: a merchant that is there and enabled, an operator, or the
key that asked for it, as that key is now."""

from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest

from services.payments.merchants.authoriser import Authoriser, acting_principal
from services.payments.merchants.domain import CredentialsUnverifiable
from services.payments.merchants.limits import load_limits
from services.payments.merchants.tokens.verified import TokenExpired, TokenPrincipal, Verified
from services.payments.model.principal import CredentialKind
from services.shared.contract import Access
from services.shared.deployment import Deployment
from services.shared.errors import DomainError
from tests.makers import NOW
from tests.unit.payments.merchants.test_authoriser import (
    ACME,
    KEY,
    OPERATE,
    READ,
    WRITE,
    Clock,
    Known,
    bearer,
)

TOKEN = "aa.bb.cc"
ISSUER = "https://login.example"
SCOPES = frozenset({"payments:read"})


class Says:
    """The port TokenVerifier, with one answer."""

    def __init__(self, answer: Verified | DomainError) -> None:
        self._answer = answer

    async def verify(self, token: str) -> Verified:
        if isinstance(self._answer, DomainError):
            raise self._answer
        return self._answer


def verified(principal: TokenPrincipal, **changes: Any) -> Verified:
    facts = {"issuer": ISSUER, "subject": "client-1", "scopes": SCOPES} | changes
    return Verified(principal=principal, **facts)


MERCHANTS = verified(TokenPrincipal.MERCHANT, merchant_id=ACME.id, name="client-1")
OPERATORS = verified(
    TokenPrincipal.OPERATOR, scopes=frozenset({"operate:read"}), name="asha@staff.example"
)
OWN = verified(TokenPrincipal.KEY, subject=KEY.key_id, issuer="https://us.example")


async def refused(
    known: Known, answer: Verified | DomainError, access: Access = READ, address: str = ""
) -> tuple[str, dict[str, str]]:
    """The reason of the refusal and its metadata; empty where there is none."""
    limits = load_limits(None, Deployment.LIVE)
    authoriser = Authoriser(known, Says(answer), limits, Clock(), deployment=Deployment.LIVE)
    try:
        await authoriser.admit(access, bearer(TOKEN, ("x-client-address", address)))
    except DomainError as error:
        return error.error_reason, error.metadata
    return "", {}


@pytest.fixture
def known() -> Known:
    return Known()


async def test_a_merchants_token_makes_its_merchant_act(known: Known) -> None:
    assert await refused(known, MERCHANTS, address="203.0.113.9") == ("", {})

    principal = acting_principal()
    assert (principal.kind, principal.merchant_id) == (CredentialKind.MERCHANT_TOKEN, ACME.id)
    assert (principal.scopes, principal.credential_id) == (SCOPES, f"{ISSUER}#client-1")
    assert principal.address == "203.0.113.9"


async def test_an_operators_token_makes_its_operator_act_under_its_name(known: Known) -> None:
    assert await refused(known, OPERATORS, OPERATE) == ("", {})

    principal = acting_principal()
    assert (principal.kind, principal.merchant_id) == (CredentialKind.OPERATOR_TOKEN, None)
    assert (principal.name, principal.credential_id) == ("asha@staff.example", f"{ISSUER}#client-1")


async def test_our_own_token_makes_the_merchant_of_its_key_act(known: Known) -> None:
    assert await refused(known, OWN) == ("", {})

    principal = acting_principal()
    assert (principal.kind, principal.merchant_id) == (CredentialKind.MERCHANT_TOKEN, ACME.id)
    assert principal.credential_id == KEY.key_id
    assert known.used == [KEY.id]


@pytest.mark.parametrize(
    ("answer", "access", "reason"),
    [
        (MERCHANTS, WRITE, "SCOPE_MISSING"),
        (MERCHANTS, OPERATE, "PRINCIPAL_NOT_ALLOWED"),
        (replace(MERCHANTS, scopes=OPERATE.scopes), OPERATE, "PRINCIPAL_NOT_ALLOWED"),
        (OPERATORS, READ, "PRINCIPAL_NOT_ALLOWED"),
        (replace(OPERATORS, scopes=SCOPES), READ, "PRINCIPAL_NOT_ALLOWED"),
        (replace(OPERATORS, scopes=frozenset()), OPERATE, "SCOPE_MISSING"),
        (OWN, OPERATE, "PRINCIPAL_NOT_ALLOWED"),
        (replace(OWN, scopes=frozenset()), READ, "SCOPE_MISSING"),
        (replace(OWN, scopes=WRITE.scopes), WRITE, "SCOPE_MISSING"),
        (replace(OWN, subject="key_01jd8x3v9me7rb5k3n6q2f4h8z"), READ, "TOKEN_INVALID"),
        (replace(OWN, subject="nobody"), READ, "TOKEN_INVALID"),
        (replace(MERCHANTS, merchant_id="mer_nobody"), READ, "TOKEN_INVALID"),
        (replace(MERCHANTS, merchant_id=""), READ, "TOKEN_INVALID"),
        (TokenExpired(), READ, "TOKEN_EXPIRED"),
        (CredentialsUnverifiable(), READ, "CREDENTIALS_UNVERIFIABLE"),
    ],
)
async def test_a_token_gives_nothing_that_its_principal_has_not(
    known: Known, answer: Verified | DomainError, access: Access, reason: str
) -> None:
    assert (await refused(known, answer, access))[0] == reason


@pytest.mark.parametrize("answer", [MERCHANTS, OWN], ids=["foreign", "own"])
async def test_a_disabled_merchant_uses_no_token(known: Known, answer: Verified) -> None:
    known.owner = replace(ACME, disabled_at=NOW)

    assert (await refused(known, answer))[0] == "MERCHANT_DISABLED"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"revoked_at": NOW}, "API_KEY_REVOKED"),
        ({"expires_at": NOW}, "API_KEY_EXPIRED"),
        ({"expires_at": NOW + timedelta(seconds=1)}, ""),
        ({"scopes": frozenset()}, "SCOPE_MISSING"),
        ({"addresses": (ip_network("198.51.100.0/24"),)}, "ADDRESS_NOT_ALLOWED"),
        ({"addresses": (ip_network("203.0.113.0/24"),)}, ""),
    ],
    ids=["revoked", "expired", "not yet", "fewer scopes", "another address", "its address"],
)
async def test_our_own_token_is_as_good_as_its_key_is_now(
    known: Known, changes: dict[str, Any], reason: str
) -> None:
    known.key = replace(KEY, **changes)

    assert (await refused(known, OWN, address="203.0.113.9"))[0] == reason
