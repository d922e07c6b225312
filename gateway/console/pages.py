"""The pages, and the base that they share: the session of the browser, templates, and refusals as
pages."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from gateway.console import views
from gateway.console.client import Acting, Payments
from gateway.console.refusals import Refused, of_payments
from gateway.console.requests import Origins, address_of, read_form
from gateway.console.sessions import Session, Sessions
from services.shared.errors import DomainError, unexpected
from services.shared.log import get_logger
from services.shared.telemetry import request_id_var

_UNANSWERED = {
    404: ("PAGE_NOT_FOUND", "There is no such page."),
    405: ("METHOD_NOT_ALLOWED", "This page cannot be asked for in this way."),
}
HERE = Path(__file__).resolve().parent
# So many of a list are on the first page.
SHOWN = 25
FOR_US, FOR_MERCHANT = "ON_HOLD", ("RETURNED", "ACTION_REQUIRED", "PARTLY_REFUNDED")
# Dead letters by their kind, and how the page calls them; those that may be money come first.
LETTERS = {
    "ORPHAN": "Events about payments that are not here",
    "STEP": "Steps that broke down",
    "UNREADABLE": "Rows that cannot be read",
    "INBOX": "Events of providers that cannot be applied",
    "OUTBOX": "Events that merchants never took",
}


@dataclass
class Visit:
    """One request, and the session that its answer leaves behind."""

    request: Request
    session: Session
    # The session is to be written into the answer.
    is_changed: bool = False
    operator: views.Operator | None = field(default=None)

    def move_to(self, session: Session) -> None:
        """Has the answer carry this session."""
        self.session, self.is_changed = session, True

    @property
    def acting(self) -> Acting:
        """The operator who has signed in."""
        return Acting(credential=self.session.credential, address=address_of(self.request))


Answer = Callable[[Visit], Awaitable[Response]]


class Pages:
    """The needs of every page, and the pages that show what waits."""

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
        self._templates.globals["shown"] = SHOWN
        self._templates.filters["stamp"] = views.stamp
        self._templates.filters["iso"] = datetime.isoformat

    def route(self, answer: Answer, *, signed_in: bool = True) -> Callable[..., Awaitable[Any]]:
        """A handler for Starlette: the answer, or the page of a refusal."""

        async def handle(request: Request) -> Response:
            visit = Visit(request, self.sessions.new())
            try:
                self._origins.check_host(request)
                visit.session = self.sessions.read(request)
                if request.method == "POST":
                    self._origins.check_origin(request)
                if signed_in and not visit.session.credential:
                    return self._to_sign_in(request)
                response = await answer(visit)
            except Refused as refused:
                response = self._refusal(visit, refused)
            except DomainError as error:
                response = self._refusal(visit, of_payments(error))
            except Exception:  # noqa: BLE001 - whatever it is, the operator gets a page
                get_logger().exception("page_failed")
                response = self._refusal(visit, of_payments(unexpected()))
            if visit.is_changed or self.sessions.is_due(visit.session):
                self.sessions.write(request, response, visit.session)
            return response

        return handle

    def render(
        self, visit: Visit, name: str, status: int = HTTPStatus.OK, **values: Any
    ) -> HTMLResponse:
        """A page made of a template."""
        now = datetime.fromtimestamp(self._now(), UTC)
        text = self._templates.get_template(name).render(
            session=visit.session,
            operator=visit.operator,
            now=now,
            age=lambda since: views.span(now - since),
            left=lambda until: views.span(until - now) if until > now else "over",
            **values,
        )
        return HTMLResponse(text, status, headers={"cache-control": "no-store"})

    async def form(self, visit: Visit) -> dict[str, str]:
        """The fields of the form that was sent. Raises Refused."""
        return dict(await read_form(visit.request, visit.session))

    async def waiting(self, visit: Visit) -> Response:
        """All that waits for a person."""
        acting, ask = visit.acting, self.payments
        visit.operator = await ask.operator(acting)
        # Each list is asked for by itself, so that no long one hides another.
        overdue = await ask.overdue(acting)
        waiting = await ask.waiting(acting, FOR_MERCHANT)
        past = {one.transaction_id for one in overdue.items}
        lists = views.Waiting(
            held=await ask.waiting(acting, [FOR_US]),
            overdue=overdue.only(lambda one: not one.is_held),
            merchants=waiting.only(lambda one: one.transaction_id not in past),
            letters={kind: await ask.dead_letters(acting, kind) for kind in LETTERS},
            disputes=await ask.disputes(acting),
        )
        return self.render(visit, "waiting.html", lists=lists, letters=LETTERS)

    async def payment(self, visit: Visit) -> Response:
        """One payment with its history."""
        visit.operator = await self.payments.operator(visit.acting)
        transaction_id = visit.request.path_params["transaction_id"]
        payment = await self.payments.payment(visit.acting, transaction_id)
        return self.render(visit, "payment.html", payment=payment)

    async def account(self, visit: Visit) -> Response:
        """The operator who has signed in, and until when."""
        visit.operator = await self.payments.operator(visit.acting)
        ends_at = datetime.fromtimestamp(self.sessions.end_of(visit.session), UTC)
        started_at = datetime.fromtimestamp(visit.session.started_at, UTC)
        return self.render(visit, "account.html", ends_at=ends_at, started_at=started_at)

    async def unanswered(self, request: Request, error: Exception) -> Response:
        """The page for a path that is not there, or a method that it does not have."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        reason, sentence = _UNANSWERED.get(status, _UNANSWERED[404])
        response = self._refusal(
            Visit(request, self.sessions.new()), Refused(status, reason, sentence)
        )
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)
        return response

    def _to_sign_in(self, request: Request) -> Response:
        if request.method != "GET":
            raise Refused(403, "NOT_SIGNED_IN", "Sign in first. Nothing was changed.")
        wanted = quote(request.url.path, safe="/")
        where = "/sign-in" if wanted == "/" else f"/sign-in?next={wanted}"
        return RedirectResponse(where, HTTPStatus.SEE_OTHER, headers={"cache-control": "no-store"})

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
            request_id=request_id_var.get(),
        )
        if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
            response.headers["retry-after"] = "5"
        return response
