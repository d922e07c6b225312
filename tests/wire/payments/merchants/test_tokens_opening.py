"""The tokens of a real issuer, from the file of issuers to the verified token: keys that rotate, an
issuer that is away, and one that comes back."""

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.payments.merchants.domain import CredentialsUnverifiable
from services.payments.merchants.tokens.issuers import IssuersError
from services.payments.merchants.tokens.opening import Tokens, TokenSettings, opened_tokens
from services.payments.merchants.tokens.verified import TokenInvalid, Verified
from tests.polling import until
from tests.tokens import AUDIENCE, Signer, make_claims, make_signer
from tests.wire.payments.merchants.conftest import IssuerServer

ROLES = {"viewer": frozenset({"operate:read"})}


def settings(
    path: Path, issuer: IssuerServer, more: str = "", principal: str = "merchant"
) -> TokenSettings:
    path.write_text(
        f"""
        [[issuers]]
        issuer = "{issuer.url}"
        audience = "{AUDIENCE}"
        algorithms = ["RS256", "ES256", "EdDSA"]
        principal = "{principal}"
        scopes_claim = "scope"
        merchant_claim = "merchant"
        keys_refresh_seconds = 1
        keys_retry_seconds = 1
        {more}
        """
    )
    return TokenSettings(issuer="http://us.example", issuers=path, plain_http=True)


def token(issuer: IssuerServer, signer: Signer, **changes: Any) -> str:
    return signer.token(make_claims(iss=issuer.url, **changes))


async def verified(tokens: Tokens, text: str) -> Verified | None:
    """The content of a token; None where it cannot be verified now."""
    try:
        return await tokens.verifier.verify(text)
    except CredentialsUnverifiable:
        return None


async def away(_: web.Request) -> web.StreamResponse:
    return web.Response(status=503)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuers.toml"


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_token_of_each_algorithm_is_verified_by_published_keys(
    issuer: IssuerServer, path: Path, algorithm: str
) -> None:
    issuer.signers = [make_signer(algorithm)]
    async with opened_tokens(settings(path, issuer), ROLES) as tokens:
        found = await tokens.verifier.verify(token(issuer, issuer.signers[0]))

    assert (found.merchant_id, found.scopes) == ("mer_1", {"payments:read", "payments:write"})
    assert issuer.asked[:2] == ["/.well-known/openid-configuration", "/keys"]


async def test_a_key_that_is_rotated_in_serves_and_one_that_is_gone_does_not(
    issuer: IssuerServer, path: Path
) -> None:
    old, new = make_signer(key_id="old"), make_signer(key_id="new")
    issuer.signers = [old]
    async with opened_tokens(settings(path, issuer), ROLES) as tokens:
        await tokens.verifier.verify(token(issuer, old))
        issuer.signers = [new]

        async def new_one() -> bool:
            try:
                return bool(await verified(tokens, token(issuer, new)))
            except TokenInvalid:
                return False

        assert await until(new_one, bool)
        with pytest.raises(TokenInvalid):
            await tokens.verifier.verify(token(issuer, old))


async def test_an_issuer_that_goes_away_is_verified_by_its_last_keys(
    issuer: IssuerServer, path: Path
) -> None:
    known, unknown = issuer.signers[0], make_signer(key_id="unknown")
    async with opened_tokens(settings(path, issuer), ROLES) as tokens:
        issuer.answer = away

        async def unverifiable() -> bool:
            try:
                return await verified(tokens, token(issuer, unknown)) is None
            except TokenInvalid:
                return False

        assert await until(unverifiable, bool)
        assert await tokens.verifier.verify(token(issuer, known))


async def test_an_issuer_that_is_away_at_the_start_stops_nothing_and_comes_back(
    issuer: IssuerServer, path: Path
) -> None:
    issuer.answer = away
    async with opened_tokens(settings(path, issuer), ROLES) as tokens:
        text = token(issuer, issuer.signers[0])
        assert await verified(tokens, text) is None
        issuer.answer = None

        async def come_back() -> Verified | None:
            return await verified(tokens, text)

        assert await until(come_back, bool)


async def test_a_role_that_is_not_there_stops_the_start(issuer: IssuerServer, path: Path) -> None:
    wrong = settings(path, issuer, 'groups_claim = "g"\nroles = { staff = "king" }', "operator")

    with pytest.raises(IssuersError, match="no role king"):
        async with opened_tokens(wrong, ROLES):
            pass
