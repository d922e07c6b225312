"""The faults of requests: a middleware around every provider's own handlers that loses requests and
answers, refuses, delays, hides and forgets. It knows a provider only by its Wire."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aiohttp import web

from services.providers.simulator.background import Background
from services.providers.simulator.book import FORGOTTEN, Book, BookFull, Line
from services.providers.simulator.faults.answer_faults import lying
from services.providers.simulator.faults.control import Control, Subject
from services.providers.simulator.faults.event_faults import UnreliableSender
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.faults.wire import Call, Wire, row

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The answers of the faults below, by status; each provider has its own words.
MESSAGES = {
    429: "Too many requests; slow down.",
    500: "Something went wrong on our side.",
    503: "The service is unavailable right now.",
}
# The modes that answer before anything is done, the first one that is active.
REFUSALS = {
    Mode.BROWNOUT: 503,
    Mode.WEBHOOK_ONLY: 503,
    Mode.RATE_LIMIT: 429,
    Mode.ERROR_BEFORE: 500,
}
RETRY_AFTER = {"Retry-After": "1"}
# How often a request that waits looks whether its caller is still there.
GLANCE_SECONDS = 0.02


@dataclass(frozen=True)
class Asked:
    """A request about an operation, and the modes that strike it."""

    request: web.Request
    wire: Wire
    call: Call
    subject: Subject
    # The key or id as the request has it.
    name: str
    active: dict[Mode, int]


class HttpFaults:
    """The middleware and what it remembers."""

    def __init__(self, control: Control, book: Book, sender: UnreliableSender) -> None:
        self._control = control
        self._book = book
        self._sender = sender
        self._cached_errors: set[tuple[str, str]] = set()
        self._later = Background()

    async def close(self) -> None:
        """Forgets what was still to be done."""
        await self._later.close()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Passes a request on to its provider, as well as the active modes allow."""
        resource = request.match_info.route.resource
        found = self._control.call(request.method, resource.canonical if resource else "")
        try:
            return await self._answered(request, handler, found)
        except BookFull:
            # Nothing was done, and nothing is remembered of it.
            body = found[0].error(503, MESSAGES[503]) if found else {"message": MESSAGES[503]}
            return _json(503, body)

    async def _answered(
        self, request: web.Request, handler: Handler, found: tuple[Wire, Call] | None
    ) -> web.StreamResponse:
        if found is None:
            return await handler(request)
        asked = await self._asked(request, *found)
        if (instead := await self._before(asked)) is not None:
            return instead
        if Mode.LATE_EFFECT in asked.active:
            # Read while its caller is there: soon there is nobody to read it from.
            await request.read()
            self._later.start(_do_later(asked, handler))
            return _hang_up(request)
        answer = await self._handled(asked, handler)
        return await self._after(asked, answer) if isinstance(answer, web.Response) else answer

    async def _asked(self, request: web.Request, wire: Wire, call: Call) -> Asked:
        name = await call.key.read(request)
        subject = self._control.subject(wire.provider, name)
        if call.words:
            subject = replace(subject, words=await call.words.read(request))
        if call.amount_minor:
            text = await call.amount_minor.read(request)
            amount = int(text) if text.isdecimal() and len(text) < 20 else None
            subject = replace(subject, amount_minor=amount)
        step = call.step if name else call.without_key or call.step
        active = self._control.active(subject, step)
        return Asked(request, wire, call, subject, name, active)

    async def _before(self, asked: Asked) -> web.Response | None:
        """The answer of a fault that does nothing else; None where no such fault is on."""
        active, wire = asked.active, asked.wire
        if Mode.SLOW_LOOK_UP in active:
            await _wait(asked.request, timedelta(seconds=active[Mode.SLOW_LOOK_UP]))
        if Mode.DROP_BEFORE_ACCEPT in active:
            return _hang_up(asked.request)
        for mode, status in REFUSALS.items():
            if mode in active:
                return _error(wire, status)
        if self._is_known(asked) and Mode.KEY_MISMATCH in active:
            return _json(*wire.mismatch)
        if wire.no_balance and Mode.NO_BALANCE in active and not self._is_known(asked):
            return _json(*wire.no_balance)
        refusal = row(asked.call.refusals, active.get(Mode.REFUSED))
        if refusal and not self._is_known(asked):
            return _json(*refusal)
        return self._cached_error(asked)

    async def _handled(self, asked: Asked, handler: Handler) -> web.StreamResponse:
        wire, active = asked.wire, asked.active
        if wire.forget_key and Mode.KEY_TTL in active and self._is_older(asked, Mode.KEY_TTL):
            wire.forget_key(asked.subject.key)
        for lag in (Mode.LOOK_UP_LAG, Mode.LIST_LAG):
            if lag in active and self._is_known(asked) and not self._is_older(asked, lag):
                return await handler(asked.call.key.hidden(asked.request, asked.name))
        if Mode.WEBHOOK_FIRST not in active:
            return await handler(asked.request)
        async with self._sender.event_first(wire.provider, asked.subject.key):
            return await handler(asked.request)

    async def _after(self, asked: Asked, answer: web.Response) -> web.Response:
        active, wire = asked.active, asked.wire
        if Mode.AMNESIA in active:
            await self._forget(wire, asked.subject.key)
        if Mode.ACCEPT_THEN_HANG in active:
            await _wait(asked.request, timedelta.max)
        if Mode.ERROR_AFTER in active:
            # With cache_500 beside it, this error too is the key's answer from now on.
            return self._cached_error(asked, first=True) or _error(wire, 500)
        return lying(answer, active, wire) if active else answer

    def _cached_error(self, asked: Asked, *, first: bool = False) -> web.Response | None:
        """The error that is kept under the key; it outlives the mode that put it there."""
        if asked.call.step is not Step.SEND:
            return None
        name = (asked.wire.provider, asked.subject.key)
        if name in self._cached_errors:
            return _error(asked.wire, 500, replayed=True)
        later = Mode.ERROR_AFTER in asked.active and not first
        if Mode.ERROR_CACHED not in asked.active or later:
            return None
        self._cached_errors.add(name)
        return _error(asked.wire, 500)

    async def _forget(self, wire: Wire, key: str) -> None:
        if known := self._book.about(wire.provider, key):
            # At once, before the provider takes another step with it.
            wire.forget(key)
            now = datetime.now(UTC).isoformat(timespec="microseconds")
            await self._book.write(replace(known[0], effect=FORGOTTEN, state={}, at=now))

    def _known(self, asked: Asked) -> list[Line]:
        return self._book.about(asked.wire.provider, asked.subject.key)

    def _is_known(self, asked: Asked) -> bool:
        return bool(self._known(asked))

    def _is_older(self, asked: Asked, mode: Mode) -> bool:
        """True when the operation's last effect is older than the mode's seconds."""
        known = self._known(asked)
        if not known:
            return False
        age = datetime.now(UTC) - datetime.fromisoformat(known[-1].at)
        return age >= timedelta(seconds=asked.active[mode])


async def _do_later(asked: Asked, handler: Handler) -> None:
    await asyncio.sleep(asked.active[Mode.LATE_EFFECT])
    await handler(asked.request)


def _error(wire: Wire, status: int, *, replayed: bool = False) -> web.Response:
    headers = RETRY_AFTER if status == 429 else wire.replay_headers if replayed else {}
    return web.json_response(wire.error(status, MESSAGES[status]), status=status, headers=headers)


def _json(status: int, body: object) -> web.Response:
    return web.json_response(body, status=status)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    # Goes nowhere: the connection is gone.
    return web.Response()


async def _wait(request: web.Request, longest: timedelta) -> None:
    """Waits; ends early when the caller has gone, for nobody is there to wait for."""
    loop = asyncio.get_running_loop()
    end = loop.time() + longest.total_seconds()
    # The server says nothing when a caller goes; one has to look.
    while request.transport is not None and loop.time() < end:  # noqa: ASYNC110
        await asyncio.sleep(GLANCE_SECONDS)
