"""Signing in and out: at the OpenID provider, by an operator key, or in a sandbox as one of its two
operators. A sign-in makes a new session, and only once payments has taken the credential."""

import re
from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response

from gateway.console.client import Acting
from gateway.console.oidc import OpenIdProvider
from gateway.console.pages import Pages, Visit, to
from gateway.console.refusals import Refused, of_payments
from gateway.console.requests import address_of
from gateway.console.sessions import Session, SessionTooLarge
from services.shared.errors import DomainError
from services.shared.log import get_logger

# A key's own form is looked at by payments; what no header can carry goes no further.
_KEY = re.compile(r"[!-~]{1,200}", re.ASCII)
# Where a sign-in may lead to: our own pages.
_WANTED = re.compile(
    r"/(?!/|static/|sign-)[0-9A-Za-z_./-]{0,200}(\?[0-9A-Za-z_.%&=+:-]{0,2000})?", re.ASCII
)


class SigningIn:
    """The pages of signing in and out."""

    def __init__(
        self,
        pages: Pages,
        provider: OpenIdProvider | None,
        built_in: Mapping[str, str],
        console_url: str,
    ) -> None:
        """built_in are a sandbox's own operators, and their keys."""
        self._pages = pages
        self._provider = provider
        self._built_in = built_in
        self._console_url = console_url

    async def show(self, visit: Visit) -> Response:
        """The ways to sign in."""
        # The form below is of this session.
        visit.move_to(visit.session)
        return self._page(visit, _wanted(visit.request.query_params.get("next", "/")))

    async def by_key(self, visit: Visit) -> Response:
        """Signs in whoever has typed a key."""
        fields = await self._pages.form(visit)
        key = fields.get("key", "").strip()
        if not _KEY.fullmatch(key):
            raise Refused(400, "FIELD_REQUIRED", "Type an operator key, or paste it.")
        return await self._enter(visit, self._pages.sessions.signed_in(key), fields.get("next"))

    async def built_in(self, visit: Visit) -> Response:
        """Signs in as one of a sandbox's operators."""
        fields = await self._pages.form(visit)
        key = self._built_in.get(fields.get("operator", ""))
        if key is None:
            raise Refused(404, "PAGE_NOT_FOUND", "There is no such operator built in here.")
        return await self._enter(visit, self._pages.sessions.signed_in(key), fields.get("next"))

    async def begin(self, visit: Visit) -> Response:
        """Sends an operator to the provider."""
        provider = self._require_provider()
        url, sign_in = await provider.begin(_wanted(visit.request.query_params.get("next", "/")))
        visit.move_to(replace(visit.session, sign_in=sign_in))
        return to(url)

    async def callback(self, visit: Visit) -> Response:
        """Signs in whoever comes back from the provider."""
        provider = self._require_provider()
        sign_in = visit.session.sign_in
        # The answer counts once, whatever comes of it.
        visit.move_to(replace(visit.session, sign_in=None))
        granted = await provider.finish(sign_in, visit.request.query_params)
        try:
            session = self._pages.sessions.signed_in(
                granted.access_token, ends_at=granted.ends_at, id_token=granted.id_token
            )
        except SessionTooLarge:
            raise Refused(
                403, "TOKEN_TOO_LONG", "The access token is longer than this console can keep."
            ) from None
        return await self._enter(visit, session, sign_in.wanted if sign_in else None)

    async def sign_out(self, visit: Visit) -> Response:
        """Ends the session here, and offers to end it at the provider."""
        await self._pages.form(visit)
        before = visit.session
        self._pages.sessions.end(before)
        visit.move_to(self._pages.sessions.new())
        url = ""
        if before.id_token and self._provider:
            back_to = f"{self._console_url}/sign-in"
            url = await self._provider.sign_out_url(before.id_token, back_to)
        get_logger().info("signed_out")
        return self._pages.render(visit, "signed_out.html", url=url)

    async def _enter(self, visit: Visit, session: Session, wanted: str | None) -> Response:
        """Signs in, once payments has taken the credential."""
        acting = Acting(credential=session.credential, address=address_of(visit.request))
        try:
            operator = await self._pages.payments.call(acting, "GetOperator")
        except DomainError as error:
            # It is not the session's own credential that is refused.
            raise of_payments(error, ends_session=False) from None
        # The session from before is of no use to anybody who knew it.
        self._pages.sessions.end(visit.session)
        visit.move_to(session)
        get_logger().info(
            "signed_in", operator=operator["name"], credential_id=operator["credential_id"]
        )
        return to(_wanted(wanted or "/"))

    def _require_provider(self) -> OpenIdProvider:
        if self._provider is None:
            raise Refused(404, "PAGE_NOT_FOUND", "No sign-in service is set up here.")
        return self._provider

    def _page(self, visit: Visit, wanted: str) -> Response:
        return self._pages.render(
            visit,
            "sign_in.html",
            provider=self._provider.name if self._provider else "",
            built_in=tuple(self._built_in),
            wanted=wanted,
        )


def _wanted(path: str) -> str:
    return path if _WANTED.fullmatch(path) else "/"
