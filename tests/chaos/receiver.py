"""The merchant's own endpoint: it writes down what it is sent, and only then answers, as badly as
the seed wants it to. The signature is checked by the Standard Webhooks later."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from aiohttp import web

FILE = "receiver.jsonl"
TOLERANCE_SECONDS = 300
HANG_SECONDS = 40


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """One delivery, as it came."""

    event_id: str
    event_type: str
    payment_id: str
    body_sha256: str
    # The signature; checked by code that knows the secret.
    signed_at: str
    signature: str
    at_unix: float
    # The answer: "200", "500", "hang" or "reset".
    answered: str
    body: str


class Receiver:
    """The endpoint; an async context manager."""

    def __init__(self, folder: Path, rng: Random, *, misbehaves: float = 0.15) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        # Heal it by setting this to 0.
        self.misbehaves = misbehaves
        self.url = ""
        self._rng = rng
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> "Receiver":
        app = web.Application()
        app.add_routes([web.post("/events", self._take)])
        self._file = self.path.open("ab")
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/events"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            await self._runner.cleanup()
        self._file.close()

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        answered = "200"
        if self._rng.random() < self.misbehaves:
            answered = self._rng.choice(("500", "500", "hang", "reset"))
        self._write(_receipt(request, body, answered))
        if answered == "hang":
            await asyncio.sleep(HANG_SECONDS)
        if answered == "reset" and request.transport is not None:
            request.transport.abort()
        return web.Response(status=200 if answered == "200" else 500)

    def _write(self, receipt: Receipt) -> None:
        self._file.write(f"{json.dumps(asdict(receipt))}\n".encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def read(folder: Path) -> Sequence[Receipt]:
    """All that was received."""
    path = folder / FILE
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [Receipt(**json.loads(line)) for line in lines]


def is_genuine(receipt: Receipt, secrets: Iterable[str]) -> bool:
    """Whether one of the secrets has signed this body, and lately when it came."""
    at = receipt.signed_at
    if not receipt.event_id or not at.isdecimal():
        return False
    if abs(receipt.at_unix - int(at)) > TOLERANCE_SECONDS:
        return False
    signed = f"{receipt.event_id}.{at}.{receipt.body}".encode()
    keys = [base64.b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    ours = {f"v1,{base64.b64encode(hmac.digest(k, signed, hashlib.sha256)).decode()}" for k in keys}
    return not ours.isdisjoint(receipt.signature.split(" "))


def _receipt(request: web.Request, body: bytes, answered: str) -> Receipt:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    whole = parsed if isinstance(parsed, dict) else {}
    data = whole.get("data")
    about = data if isinstance(data, dict) else whole
    return Receipt(
        event_id=request.headers.get("webhook-id", ""),
        event_type=str(whole.get("type", "")),
        payment_id=str(about.get("transaction_id", "")),
        body_sha256=hashlib.sha256(body).hexdigest(),
        signed_at=request.headers.get("webhook-timestamp", ""),
        signature=request.headers.get("webhook-signature", ""),
        at_unix=time.time(),
        answered=answered,
        body=body.decode(errors="replace"),
    )
