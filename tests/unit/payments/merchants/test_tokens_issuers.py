"""The file of foreign issuers: taken whole, or refused with all that is wrong; and the meaning that
it gives to claims."""

from pathlib import Path
from typing import Any

import pytest

from services.payments.merchants.tokens.claims import meaning
from services.payments.merchants.tokens.issuers import Issuer, IssuersError, load_issuers
from services.payments.merchants.tokens.verified import TokenInvalid, TokenPrincipal
from tests.tokens import AUDIENCE, ISSUER, make_claims

SCOPES = {
    TokenPrincipal.MERCHANT: frozenset({"payments:read", "payments:write"}),
    TokenPrincipal.OPERATOR: frozenset({"operate:read", "audit:read"}),
}
ROLES = frozenset({"reader", "approver"})
MERCHANT = f"""
[[issuers]]
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
algorithms = ["RS256", "ES256"]
jwks_url = "{ISSUER}/jwks"
principal = "merchant"
scopes_claim = "scp"
scopes = {{ "caravel.all" = ["payments:read", "payments:write"] }}
merchant_claim = "azp"
merchants = {{ "client-1" = "mer_1" }}
"""
OPERATOR = """
[[issuers]]
issuer = "https://staff.example"
audience = "caravel"
algorithms = ["EdDSA"]
principal = "operator"
groups_claim = "realm_access.roles"
roles = { "payments-staff" = "reader" }
name_claim = "email"
"""


def load(tmp_path: Path, text: str, *, plain_http: bool = False) -> tuple[Issuer, ...]:
    path = tmp_path / "issuers.toml"
    path.write_text(text)
    return load_issuers(
        path, scopes=SCOPES, roles=ROLES, own="https://us.example", plain_http=plain_http
    )


def test_a_file_may_have_issuers_of_both_kinds(tmp_path: Path) -> None:
    merchants, operators = load(tmp_path, MERCHANT + OPERATOR)

    assert (merchants.principal, operators.principal) == ("merchant", "operator")
    assert operators.jwks_url is None
    assert merchants.maximum_lifetime_seconds == 3600


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "issuers: Field required"),
        ("issuers = []", "issuers: Tuple should have at least 1 item"),
        ("[[issuers", "cannot be read as TOML"),
        (MERCHANT + "issuer_url = 'x'", "issuers.0.issuer_url: Extra inputs"),
        (MERCHANT.replace("RS256", "HS256"), "issuers.0.algorithms.0"),
        (MERCHANT.replace("RS256", "none"), "issuers.0.algorithms.0"),
        (MERCHANT.replace('["RS256", "ES256"]', "[]"), "issuers.0.algorithms"),
        (MERCHANT.replace('"merchant"', '"key"'), "issuers.0.principal"),
        (MERCHANT.replace("https://login.example/jwks", "http://x/jwks"), "begin with https://"),
        (MERCHANT.replace("https://login.example/jwks", "https:///jwks"), "begin with https://"),
        (MERCHANT.replace("https://login.example/jwks", "https://u:p@x/"), "no user, password"),
        (MERCHANT.replace("https://login.example/jwks", "https://[x/"), "is no URL"),
        (MERCHANT.replace("https://login.example/jwks", "file:///etc/passwd"), "begin with https"),
        (MERCHANT.replace('scopes_claim = "scp"', ""), "scopes_claim is needed"),
        (MERCHANT.replace('merchant_claim = "azp"', ""), "merchant_claim is needed"),
        (MERCHANT.replace('"payments:write"]', '"operate:read"]'), "no scope of merchants"),
        (
            MERCHANT + 'groups_claim = "g"\nroles = { a = "reader" }',
            "groups_claim is for operators",
        ),
        (MERCHANT + "maximum_lifetime_seconds = 0", "maximum_lifetime_seconds"),
        (MERCHANT + "clock_skew_seconds = 3600", "clock_skew_seconds"),
        (MERCHANT + "keys_held_seconds = 100", "keys_held_seconds must not be less"),
        (MERCHANT + MERCHANT, f"{ISSUER} is there twice"),
        (MERCHANT.replace(ISSUER, "https://us.example"), "https://us.example is there twice"),
        (OPERATOR.replace('"reader"', '"king"'), "there is no role king"),
        (
            OPERATOR.replace('groups_claim = "realm_access.roles"', ""),
            "groups_claim or scopes_claim",
        ),
        (OPERATOR + 'merchant_claim = "azp"', "merchant_claim is for merchants"),
        (OPERATOR.replace("https://staff.example", "staff"), "without jwks_url"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(IssuersError, match=r"issuers\.toml") as refused:
        load(tmp_path, text)

    assert problem in str(refused.value)


def test_all_problems_are_said_at_once(tmp_path: Path) -> None:
    wrong = MERCHANT.replace("https://login.example/jwks", "http://x/jwks").replace(
        'merchant_claim = "azp"', ""
    )

    with pytest.raises(IssuersError) as refused:
        load(tmp_path, wrong + OPERATOR.replace('"reader"', '"king"'))

    for problem in ("begin with https", "merchant_claim is needed", "no role king"):
        assert problem in str(refused.value)


def test_a_sandbox_may_fetch_over_plain_http(tmp_path: Path) -> None:
    text = MERCHANT.replace("https://login.example/jwks", "http://127.0.0.1:9/jwks")

    assert load(tmp_path, text, plain_http=True)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(IssuersError, match="FileNotFoundError"):
        load_issuers(
            tmp_path / "none", scopes=SCOPES, roles=ROLES, own="https://us.example", plain_http=True
        )


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        (["caravel.all"], {"payments:read", "payments:write"}),
        ("payments:read other", {"payments:read"}),
        ("operate:read audit:read", set()),
        ([], set()),
        (None, set()),
    ],
)
def test_scopes_are_translated_and_cut_to_their_principal(
    tmp_path: Path, claim: Any, scopes: set[str]
) -> None:
    (issuer,) = load(tmp_path, MERCHANT)

    verified = meaning(issuer, make_claims(scp=claim, azp="client-1"), SCOPES)

    assert (verified.merchant_id, verified.scopes, verified.roles) == ("mer_1", scopes, set())


def test_a_name_without_a_merchant_is_refused(tmp_path: Path) -> None:
    (issuer,) = load(tmp_path, MERCHANT)

    with pytest.raises(TokenInvalid) as refused:
        meaning(issuer, make_claims(azp="client-2"), SCOPES)

    assert refused.value.metadata == {"problem": "merchant"}


@pytest.mark.parametrize(
    "claims",
    [
        {"realm_access": {"roles": ["payments-staff", "others"]}},
        {"realm_access.roles": ["payments-staff"]},
        {"realm_access": {"roles": "others payments-staff"}},
    ],
)
def test_groups_become_roles_and_nothing_of_a_merchant(
    tmp_path: Path, claims: dict[str, Any]
) -> None:
    (issuer,) = load(tmp_path, OPERATOR)

    verified = meaning(issuer, make_claims(email="asha@staff.example", **claims), SCOPES)

    assert (verified.roles, verified.name) == ({"reader"}, "asha@staff.example")
    assert (verified.merchant_id, verified.scopes) == ("", set())


def test_an_operator_without_the_name_of_its_issuer_is_refused(tmp_path: Path) -> None:
    (issuer,) = load(tmp_path, OPERATOR)

    with pytest.raises(TokenInvalid):
        meaning(issuer, make_claims(), SCOPES)
