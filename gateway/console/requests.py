"""Around every request: its id and trace, one line in the log, and the headers that bound what a
browser does with a page. The forms and origins that it takes are
here too."""

import secrets
import time
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from prometheus_client import Histogram
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.console.refusals import Refused
from gateway.console.sessions import Session
from services.shared.deployment import Deployment
from services.shared.env import is_loopback
from services.shared.log import get_logger
from services.shared.telemetry import read_traceparent, request_id_var, trace_id_var

FORM_BYTES_MAX, FORM_FIELDS_MAX = 16 * 1024, 20
SECONDS = Histogram(
    "caravel_console_seconds", "Time to answer one request, by page and status.", ["page", "status"]
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer a browser would send a form from origin "null".
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_STRICT_TRANSPORT = "max-age=31536000"


class RequestContext:
    """An application within the id and the trace of each request."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        secured = {"strict-transport-security": _STRICT_TRANSPORT} if secure else {}
        self._headers = [
            (name.encode(), value.encode()) for name, value in {**HEADERS, **secured}.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        request_id_var.set(sent.get("x-request-id", ""))
        trace_id_var.set(read_traceparent(sent.get("traceparent")))
        started, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            # The path as it is declared: what a caller writes is no label.
            page = getattr(scope.get("route"), "path", "") or "none"
            seconds = time.perf_counter() - started
            SECONDS.labels(page, status).observe(seconds)
            get_logger().info(
                "page", page=page, method=scope["method"], status=status,
                milliseconds=round(seconds * 1000, 1),
            )  # fmt: skip


def address_of(request: Request) -> str:
    """The operator's address, as the gateway saw it. Nobody but the gateway can connect."""
    return request.headers.get("x-client-address", "")


class Origins:
    """Where the console is, for which alone it answers and takes forms."""

    def __init__(self, url: str, deployment: Deployment) -> None:
        self._url = urlsplit(url)
        self._any_loopback = deployment is Deployment.SANDBOX and is_loopback(
            self._url.hostname or ""
        )

    def check_host(self, request: Request) -> None:
        """Raises Refused where the browser knows us by a name that is not ours: a stranger's name
        may lead to this machine."""
        host = request.headers.get("host", "")
        if host == self._url.netloc:
            return
        if self._any_loopback and is_loopback(_host_name(host)):
            return
        raise Refused(421, "HOST_UNKNOWN", f"The console is at {self._url.geturl()}.")

    def check_origin(self, request: Request) -> None:
        """Raises Refused where a form may come from a page that is not ours."""
        own = f"{self._url.scheme}://{request.headers.get('host', '')}"
        if request.headers.get("origin") != own:
            raise Refused(403, "ORIGIN_FORBIDDEN", "The form does not come from this console.")


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


async def read_form(request: Request, session: Session) -> Mapping[str, str]:
    """The fields of a form that this session was given. Raises Refused."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "CONTENT_TYPE_UNSUPPORTED", "A form is wanted here.")
    try:
        body = await _body(request)
        fields = dict(
            parse_qsl(
                body.decode("ascii"),
                keep_blank_values=True,
                max_num_fields=FORM_FIELDS_MAX,
                errors="strict",
            )
        )
    except ValueError:
        raise Refused(400, "FORM_UNREADABLE", "The form cannot be read.") from None
    if not secrets.compare_digest(
        fields.get("form_token", "").encode(), session.form_token.encode()
    ):
        raise Refused(
            403, "FORM_OUTDATED", "The form is of a session that is over. Load the page again."
        )
    return fields


async def _body(request: Request) -> bytes:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > FORM_BYTES_MAX:
                raise Refused(413, "REQUEST_TOO_LARGE", "The form is too large.")
    except ClientDisconnect:
        raise ValueError from None
    return body
