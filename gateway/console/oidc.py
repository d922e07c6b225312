"""Sign-in at the operators' OpenID provider: authorization code with PKCE, state and nonce, and
every check of OpenID Connect Core 1.0 §3.1.3.7. Authlib speaks OAuth and knows the claims, joserfc
verifies signatures; the times and the refusals are ours."""

import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from pydantic import SecretStr

from gateway.console.refusals import Refused, sign_in_refused
from gateway.console.sessions import SIGN_IN_SECONDS, SignIn
from services.shared.log import get_logger

# As payments takes them of foreign issuers.
ALGORITHMS = ("RS256", "ES256", "EdDSA", "Ed25519")
ANSWER_SECONDS = 5.0
DISCOVERED_SECONDS = 300.0
# How far the provider's clock and ours may be apart.
SKEW_SECONDS = 10
_METHODS = "token_endpoint_auth_methods_supported"
# RFC 6750 §2.1.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, kw_only=True)
class Granted:
    """The tokens that the provider has given for a code."""

    access_token: str = field(repr=False)
    id_token: str = field(repr=False)
    subject: str
    ends_at: float


class OpenIdProvider:
    """The operators' provider, as its discovery document describes it."""

    def __init__(
        self,
        issuer: str,
        client_id: str,
        client_secret: SecretStr | None,
        *,
        scopes: str,
        redirect_uri: str,
        plain_http: bool,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._scopes = scopes
        self._redirect_uri = redirect_uri
        self._plain_http = plain_http
        self._now = now
        self._metadata: Mapping[str, Any] = {}
        self._discovered_at = float("-inf")

    @property
    def name(self) -> str:
        """How people know it."""
        return urlsplit(self.issuer).netloc

    async def begin(self, wanted: str) -> tuple[str, SignIn]:
        """Where to send an operator, and what to know of the sign-in when they return. Raises
        Refused."""
        metadata = await self._discover()
        sign_in = SignIn(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            begun_at=self._now(),
            wanted=wanted,
        )
        async with self._client(metadata) as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=sign_in.state,
                nonce=sign_in.nonce,
                code_verifier=sign_in.verifier,
            )
        return str(url), sign_in

    async def finish(self, sign_in: SignIn | None, answer: Mapping[str, str]) -> Granted:
        """The tokens for the provider's answer to a sign-in. Raises Refused."""
        self._check_answer(sign_in, answer)
        assert sign_in is not None  # noqa: S101 - _check_answer has refused
        metadata = await self._discover()
        token = await self._exchange(metadata, sign_in, answer["code"])
        id_token, access_token = token.get("id_token"), token.get("access_token")
        if not isinstance(id_token, str) or not isinstance(access_token, str):
            raise sign_in_refused("ID_TOKEN_MISSING", "The sign-in service sent no ID token.")
        claims = await self._verified(metadata, sign_in, id_token, access_token)
        if not _BEARER.fullmatch(access_token):
            raise sign_in_refused("ACCESS_TOKEN_INVALID", "The access token is no bearer token.")
        return Granted(
            access_token=access_token,
            id_token=id_token,
            subject=claims["sub"],
            ends_at=self._end_of(token, claims),
        )

    def _end_of(self, token: Mapping[str, Any], claims: Mapping[str, Any]) -> float:
        lasts = token.get("expires_in")
        try:
            return self._now() + lasts if isinstance(lasts, int) else float(claims["exp"])
        except OverflowError:
            raise _wrong_claim("end") from None

    async def sign_out_url(self, id_token: str, back_to: str) -> str:
        """Where the operator ends the session at the provider; empty where that is not offered, or
        cannot be known now."""
        try:
            metadata = await self._discover()
        except Refused:
            return ""
        endpoint = metadata.get("end_session_endpoint")
        if not isinstance(endpoint, str) or not self._is_allowed(endpoint):
            return ""
        said = {"client_id": self._client_id, "post_logout_redirect_uri": back_to}
        if id_token:
            said["id_token_hint"] = id_token
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(said)}"

    def _check_answer(self, sign_in: SignIn | None, answer: Mapping[str, str]) -> None:
        if sign_in is None or not secrets.compare_digest(
            sign_in.state.encode(), answer.get("state", "").encode()
        ):
            raise sign_in_refused(
                "STATE_UNKNOWN",
                "This answer belongs to no sign-in that was begun in this browser, or to one that "
                "is over.",
            )
        if self._now() - sign_in.begun_at > SIGN_IN_SECONDS:
            raise sign_in_refused("SIGN_IN_TOO_SLOW", "The sign-in took too long.")
        # RFC 9207: a provider that says who it is must be the one that was asked.
        if answer.get("iss", self.issuer) != self.issuer:
            raise sign_in_refused("ISSUER_WRONG", "Another sign-in service has answered.")
        if "error" in answer:
            get_logger().info("sign_in_refused_there", error=answer["error"][:64])
            raise sign_in_refused("REFUSED_THERE", "The sign-in service has refused the sign-in.")
        if not answer.get("code"):
            raise sign_in_refused("CODE_MISSING", "The sign-in service has sent no code.")

    async def _exchange(
        self, metadata: Mapping[str, Any], sign_in: SignIn, code: str
    ) -> Mapping[str, Any]:
        try:
            async with self._client(metadata) as client:
                token: Mapping[str, Any] = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=self._redirect_uri,
                    code_verifier=sign_in.verifier,
                )
        except AuthlibBaseError as error:
            get_logger().info("code_refused", error=str(error.error)[:64])
            raise sign_in_refused(
                "CODE_REFUSED", "The sign-in service does not take its code, or not any more."
            ) from None
        except (httpx2.HTTPError, ValueError, TypeError) as error:
            raise _away(error) from None
        return token

    async def _verified(
        self, metadata: Mapping[str, Any], sign_in: SignIn, id_token: str, access_token: str
    ) -> Mapping[str, Any]:
        keys = await self._get(metadata["jwks_uri"])
        try:
            registry = JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
            token = jwt.decode(id_token, KeySet.import_key_set(keys), registry=registry)  # type: ignore[arg-type]
        except (JoseError, ValueError, TypeError, KeyError) as error:
            get_logger().info("id_token_refused", error=type(error).__name__)
            raise sign_in_refused(
                "SIGNATURE_WRONG", "The ID token is not signed by a key of the sign-in service."
            ) from None
        options = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._client_id},
            "nonce": {"essential": True, "value": sign_in.nonce},
        }
        known = {
            "nonce": sign_in.nonce,
            "client_id": self._client_id,
            "access_token": access_token,
        }
        claims = CodeIDToken(token.claims, token.header, options, known)
        try:
            claims.validate(now=int(self._now()), leeway=SKEW_SECONDS)
        except ExpiredTokenError:
            raise sign_in_refused("ID_TOKEN_EXPIRED", "The ID token has expired.") from None
        except (InvalidClaimError, MissingClaimError) as error:
            raise _wrong_claim(error.claim) from None
        except (JoseError, ValueError, TypeError):
            raise _wrong_claim("times") from None
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise _wrong_claim("sub")
        return dict(claims)

    async def _discover(self) -> Mapping[str, Any]:
        if self._now() - self._discovered_at < DISCOVERED_SECONDS:
            return self._metadata
        url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await self._get(url)
        if found.get("issuer") != self.issuer:
            raise sign_in_refused("ISSUER_WRONG", "The sign-in service calls itself another one.")
        are_methods = isinstance(found.get(_METHODS, []), list)
        if not are_methods or not all(self._is_allowed(found.get(name)) for name in _NEEDED):
            raise _away(ValueError("its document is incomplete"))
        self._metadata, self._discovered_at = found, self._now()
        return found

    def _is_allowed(self, url: object) -> bool:
        schemes = ("https://", "http://") if self._plain_http else ("https://",)
        return isinstance(url, str) and url.startswith(schemes)

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with httpx2.AsyncClient(timeout=ANSWER_SECONDS) as client:
                answer = await client.get(url, headers={"accept": "application/json"})
                answer.raise_for_status()
                found = answer.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise _away(error) from None
        if not isinstance(found, dict):
            raise _away(ValueError("no JSON object"))
        return found

    def _client(self, metadata: Mapping[str, Any]) -> AsyncOAuth2Client:
        secret = self._client_secret.get_secret_value() if self._client_secret else None
        offered = metadata.get(_METHODS, ["client_secret_basic"])
        method = "client_secret_basic" if "client_secret_basic" in offered else "client_secret_post"
        return AsyncOAuth2Client(
            self._client_id,
            secret,
            token_endpoint_auth_method=method if secret else "none",
            scope=self._scopes,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            timeout=ANSWER_SECONDS,
        )


_CLAIMS = {
    "iss": ("ISSUER_WRONG", "The ID token is of another sign-in service."),
    "aud": ("AUDIENCE_WRONG", "The ID token is for another application."),
    "azp": ("AUDIENCE_WRONG", "The ID token is for another application."),
    "nonce": ("NONCE_WRONG", "The ID token belongs to another sign-in."),
}


def _wrong_claim(name: str) -> Refused:
    usual = ("ID_TOKEN_INVALID", f"The ID token has no usable {name}.")
    return sign_in_refused(*_CLAIMS.get(name, usual))


def _away(error: Exception) -> Refused:
    get_logger().warning("provider_away", error=type(error).__name__)
    return Refused(
        503, "PROVIDER_AWAY", "The sign-in service cannot be reached now, or does not work."
    )
