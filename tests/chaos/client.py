"""One HTTP call of the load's clients, written into the history before it is sent and after it is
answered. The requests and their times are in driver and orders."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from tests.chaos.history import History, Record, sha256

TIMEOUT_SECONDS = 10
# Longer answers are kept by their digest only.
KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request: its kind, its subject, and the client's intention."""

    f: str
    method: str
    path: str
    body: Any = None
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    payment_id: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


class Client:
    """Sends calls and records them."""

    def __init__(self, session: aiohttp.ClientSession, history: History) -> None:
        self._session = session
        self._history = history

    async def send(self, call: Call, client: str) -> Record:
        """The end of the call, whatever it was."""
        body = call.body
        raw = body if isinstance(body, str | bytes) or body is None else json.dumps(body)
        data = raw.encode() if isinstance(raw, str) else raw
        invoked = await self._history.invoke(
            client,
            call.f,
            idem_key=call.key or "",
            payment_id=call.payment_id,
            request=body if not isinstance(body, bytes) else body.decode(errors="replace"),
            req_sha256=sha256(data or b""),
            meta=dict(call.meta),
        )
        headers = dict(call.headers)
        if data is not None:
            headers.setdefault("content-type", "application/json")
        if call.key is not None and call.f != "webhook":
            headers["idempotency-key"] = call.key
        try:
            async with self._session.request(
                call.method, URL(call.path, encoded=True), data=data, headers=headers
            ) as answer:
                read = await answer.read()
                return await self._answered(invoked, answer, read)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return await self._history.end(invoked, 0, reason=type(error).__name__)

    async def _answered(
        self, invoked: Record, answer: aiohttp.ClientResponse, read: bytes
    ) -> Record:
        reason, code = _refusal(read) if answer.status >= 400 else ("", None)
        fields: dict[str, Any] = {"reason": reason, "grpc_code": code, "resp_sha256": sha256(read)}
        if len(read) <= KEPT_BYTES:
            fields["response"] = read.decode(errors="replace")
        if not invoked.payment_id and 200 <= answer.status < 300:
            fields["payment_id"] = _payment_id(read)
        replayed = answer.headers.get("idempotent-replayed")
        if replayed:
            fields["meta"] = {**invoked.meta, "replayed": replayed}
        return await self._history.end(invoked, answer.status, **fields)


def _refusal(body: bytes) -> tuple[str, int | None]:
    try:
        status = json.loads(body)
        reasons = [one["reason"] for one in status.get("details", ()) if "reason" in one]
        return (reasons or [""])[0], int(status["code"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return "", None


def _payment_id(body: bytes) -> str:
    try:
        return str(json.loads(body).get("transaction_id", ""))
    except (ValueError, AttributeError):
        return ""
