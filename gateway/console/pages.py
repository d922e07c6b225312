"""The base of all pages: the session of the browser, the operator, templates, and refusals."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.console import figures, words
from gateway.console.client import Acting, Payments, Record, may
from gateway.console.listings import MENU
from gateway.console.refusals import Refused, of_payments
from gateway.console.requests import Origins, address_of, read_form
from gateway.console.sessions import Session, Sessions
from gateway.console.tables import used
from gateway.console.verbs import VERBS
from gateway.console.verbs import address_of as address_of_verb
from gateway.console.verbs.model import offers
from services.shared.errors import DomainError, unexpected
from services.shared.log import get_logger
from services.shared.telemetry import request_id_var

_UNANSWERED = {
    404: ("PAGE_NOT_FOUND", "There is no such page."),
    405: ("METHOD_NOT_ALLOWED", "This page cannot be asked for in this way."),
}
# These refusals may be over in a moment.
_LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# A script that reads a page again has it. It is no sign of a person, and puts off no idle end.
LIVE_HEADER = "x-live"
HERE = Path(__file__).resolve().parent


@dataclass
class Visit:
    """One request, and the session that its answer leaves behind."""

    request: Request
    session: Session
    # The session is to be written into the answer.
    is_changed: bool = False
    operator: Record | None = None

    def move_to(self, session: Session) -> None:
        """Has the answer carry this session."""
        self.session, self.is_changed = session, True

    @property
    def acting(self) -> Acting:
        """The operator who has signed in."""
        return Acting(credential=self.session.credential, address=address_of(self.request))


def to(address: str) -> Response:
    """Sends the browser on to the address by GET (303); no cache keeps it."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER, headers={"cache-control": "no-store"})


def _done(request: Request) -> str:
    """The sentences above the page that follows a verb."""
    query = request.query_params
    name = query.get("done", "")
    verb = VERBS.get(name)
    if verb is None:
        return "Proposed." if name == "propose" else ""
    # An address that somebody else has made puts no words on the page.
    count, refused = (
        number if number.isascii() and number.isdigit() else ""
        for number in (query.get(kind, "")[:9] for kind in ("count", "refused"))
    )
    said = f"Done: {verb.title}{f', {count}' if count else ''}."
    if refused.strip("0"):
        said += f" Not possible for {refused}: the audit trail has the reasons."
    if request.url.path == f"/do/{name}":
        said += " More may be left: go on with this form."
    return said


def _again(visit: Visit, refused: Refused) -> str:
    """The address of the page, where a later try may succeed; empty where none can."""
    request = visit.request
    if refused.status not in _LATER or request.method != "GET" or not visit.session.credential:
        return ""
    return f"{request.url.path}?{request.url.query}".removesuffix("?")


Answer = Callable[[Visit], Awaitable[Response]]


class Pages:
    """The needs of every page, and the page of the account."""

    def __init__(
        self,
        payments: Payments,
        sessions: Sessions,
        origins: Origins,
        *,
        deployment: str,
        now: Callable[[], float],
    ) -> None:
        self.payments = payments
        self.sessions = sessions
        self._origins = origins
        self._now = now
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals["deployment"] = deployment
        self._templates.globals["menu"] = MENU
        self._templates.globals["verbs"] = VERBS
        self._templates.globals["offers"] = offers
        self._templates.filters["tone"] = words.tone
        self._templates.filters["shown_value"] = words.shown
        self._templates.filters["parts"] = words.parts
        self._templates.filters["end_of_wait"] = words.end_of_wait
        self._templates.filters["recipient"] = words.recipient
        self._templates.filters["posted"] = words.posted
        self._templates.filters["payload_lines"] = words.payload_lines
        self._templates.filters["used"] = used
        self._templates.filters["money"] = figures.money
        self._templates.filters["seconds"] = figures.seconds
        self._templates.tests["allowed"] = lambda name, may: may(VERBS[name].scope_call)
        self._templates.globals["address_of_verb"] = address_of_verb
        self._templates.filters["stamp"] = words.stamp
        self._templates.filters["iso"] = datetime.isoformat

    def route(
        self, answer: Answer, *, signed_in: bool = True, named: bool = True
    ) -> Callable[..., Awaitable[Any]]:
        """A handler for Starlette: the answer, or the page of a refusal. A page that is named asks
        payments for the operator who has signed in."""

        async def handle(request: Request) -> Response:
            visit = Visit(request, self.sessions.new())
            try:
                self._origins.check_host(request)
                visit.session = self.sessions.read(request)
                if request.method == "POST":
                    self._origins.check_origin(request)
                if signed_in and not visit.session.credential:
                    return self._to_sign_in(request)
                if signed_in and named:
                    visit.operator = await self.payments.call(visit.acting, "GetOperator")
                response = await answer(visit)
            except Refused as refused:
                response = self._refusal(visit, refused)
            except DomainError as error:
                response = self._refusal(visit, of_payments(error))
            except Exception:  # noqa: BLE001 - whatever it is, the operator gets a page
                get_logger().exception("page_failed")
                response = self._refusal(visit, of_payments(unexpected()))
            by_script = LIVE_HEADER in request.headers or request.url.path == "/live"
            if visit.is_changed or (self.sessions.is_due(visit.session) and not by_script):
                self.sessions.write(request, response, visit.session)
            return response

        return handle

    def now(self) -> datetime:
        """The time at which a page is made."""
        return datetime.fromtimestamp(self._now(), UTC)

    def render(
        self, visit: Visit, name: str, status: int = HTTPStatus.OK, live: str = "", **values: Any
    ) -> HTMLResponse:
        """A page made of a template; live is the payment with which it changes, or "all"."""
        now = self.now()
        text = self._templates.get_template(name).render(
            session=visit.session,
            operator=visit.operator,
            may=partial(may, visit.operator),
            here=visit.request.url.path,
            done=_done(visit.request),
            now=now,
            live=live,
            age=lambda since: words.span(now - since),
            left=lambda until: words.span(until - now) if until > now else "over",
            **values,
        )
        return HTMLResponse(text, status, headers={"cache-control": "no-store"})

    async def form(self, visit: Visit) -> dict[str, str]:
        """The fields of the form that was sent. Raises Refused."""
        return dict(await read_form(visit.request, visit.session))

    async def account(self, visit: Visit) -> Response:
        """The operator who has signed in, and until when."""
        ends_at = datetime.fromtimestamp(self.sessions.end_of(visit.session), UTC)
        started_at = datetime.fromtimestamp(visit.session.started_at, UTC)
        return self.render(visit, "account.html", ends_at=ends_at, started_at=started_at)

    async def unanswered(self, request: Request, error: Exception) -> Response:
        """The page for a path that is not there, or a method that it does not have."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        reason, sentence = _UNANSWERED.get(status, _UNANSWERED[404])
        visit = Visit(request, self.sessions.new())
        # An operator who has signed in keeps the menu.
        with suppress(Refused, DomainError):
            self._origins.check_host(request)
            visit.session = self.sessions.read(request)
            if visit.session.credential:
                visit.operator = await self.payments.call(visit.acting, "GetOperator")
        response = self._refusal(visit, Refused(status, reason, sentence))
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    def _to_sign_in(self, request: Request) -> Response:
        if request.method != "GET":
            raise Refused(403, "NOT_SIGNED_IN", "Sign in first. Nothing was changed.")
        query = f"?{request.url.query}" if request.url.query else ""
        wanted = quote(f"{request.url.path}{query}", safe="/")
        return to("/sign-in" if wanted == "/" else f"/sign-in?next={wanted}")

    def _refusal(self, visit: Visit, refused: Refused) -> Response:
        get_logger().info("page_refused", reason=refused.reason)
        if refused.ends_session and visit.session.credential:
            self.sessions.end(visit.session)
            visit.move_to(self.sessions.new())
        response = self.render(
            visit,
            "refusal.html",
            refused.status,
            title=HTTPStatus(refused.status).phrase,
            refused=refused,
            again=_again(visit, refused),
            request_id=request_id_var.get(),
        )
        if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["retry-after"] = "5"
        return response
