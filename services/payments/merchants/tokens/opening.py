"""Opens the verifier and the issuer of tokens, as the settings say: the keys of foreign issuers are
fetched once before it is ready, and in the background from then on."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
from pydantic import SecretStr

from services.payments.merchants.tokens.claims import meaning
from services.payments.merchants.tokens.fetching import KeyFetcher, open_session, url_problem
from services.payments.merchants.tokens.held_keys import HeldKeys
from services.payments.merchants.tokens.issuers import Issuer, IssuersError, Scopes, load_issuers
from services.payments.merchants.tokens.issuing import TokenIssuing
from services.payments.merchants.tokens.signing import SigningKeys
from services.payments.merchants.tokens.verified import TokenPrincipal
from services.payments.merchants.tokens.verifier import Trusted, Verifier
from services.shared.clock import SystemClock
from services.shared.contract import PrincipalKind, scopes_of

Roles = Mapping[str, frozenset[str]]


@dataclass(frozen=True, kw_only=True)
class TokenSettings:
    """Where the issuers and the keys of tokens are, and our own name among issuers."""

    issuer: str
    # PEM; a secret that follows its file is followed.
    signing_keys: SecretStr | None = None
    issuers: Path | None = None
    # Whether keys may be fetched, and tokens issued, over plain HTTP.
    plain_http: bool = False


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The verifier of all tokens, and the issuer of our own."""

    verifier: Verifier
    issuing: TokenIssuing


def all_scopes() -> Scopes:
    """Every scope, by the kind of principal whose tokens can have it."""
    return {
        TokenPrincipal.MERCHANT: scopes_of(PrincipalKind.MERCHANT),
        TokenPrincipal.OPERATOR: scopes_of(PrincipalKind.OPERATOR),
    }


def own_tokens(settings: TokenSettings) -> Tokens:
    """Our own tokens alone. Raises SigningKeysError."""
    return _tokens(_issuing(settings), ())


@asynccontextmanager
async def opened_tokens(settings: TokenSettings, roles: Roles) -> AsyncIterator[Tokens]:
    """Our own tokens, and those of the file of issuers.

    Raises SigningKeysError, IssuersError. An issuer that cannot be reached stops nothing: its
    tokens are CREDENTIALS_UNVERIFIABLE until it can.
    """
    issuing, scopes = _issuing(settings), all_scopes()
    issuers: tuple[Issuer, ...] = ()
    if settings.issuers:
        issuers = load_issuers(
            settings.issuers,
            scopes=scopes,
            roles=frozenset(roles),
            own=issuing.issuer,
            plain_http=settings.plain_http,
        )
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(open_session())
        foreign = []
        for issuer in issuers:
            keys = _held(issuer, session, plain_http=settings.plain_http)
            await stack.enter_async_context(keys.refreshed())
            foreign.append(_foreign(issuer, keys, scopes))
        yield _tokens(issuing, tuple(foreign))


def _tokens(issuing: TokenIssuing, foreign: tuple[Trusted, ...]) -> Tokens:
    own = issuing.trusted()
    trusted = (own, *foreign) if own else foreign
    return Tokens(verifier=Verifier(trusted, SystemClock()), issuing=issuing)


def _issuing(settings: TokenSettings) -> TokenIssuing:
    keys = None
    if settings.signing_keys:
        if problem := url_problem(settings.issuer, plain_http=settings.plain_http):
            raise IssuersError(f"TOKEN_ISSUER {problem}")
        keys = SigningKeys(settings.signing_keys.get_secret_value)
    return TokenIssuing(settings.issuer, keys, scopes_of(PrincipalKind.MERCHANT))


def _held(issuer: Issuer, session: aiohttp.ClientSession, *, plain_http: bool) -> HeldKeys:
    fetcher = KeyFetcher(
        session, issuer.issuer, issuer.jwks_url, issuer.algorithms, plain_http=plain_http
    )
    return HeldKeys(issuer.issuer, fetcher.fetch, issuer.patience)


def _foreign(issuer: Issuer, keys: HeldKeys, scopes: Scopes) -> Trusted:
    return Trusted(
        issuer=issuer.issuer,
        audience=issuer.audience,
        algorithms=issuer.algorithms,
        keys=keys,
        meaning=partial(meaning, issuer, scopes=scopes),
        maximum_lifetime_seconds=issuer.maximum_lifetime_seconds,
        clock_skew_seconds=issuer.clock_skew_seconds,
    )
