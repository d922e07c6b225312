"""The one session of all adapters: its connections do not deliver a request long after."""

import asyncio
import socket

from aiohttp import web

from services.payments.model.timing import LANDING
from services.providers.adapters.kit.http import UNACKNOWLEDGED_SECONDS, open_session


async def test_an_unacknowledged_request_is_given_up_before_absence_may_count() -> None:
    looked = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await looked.wait()
        return response

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with open_session() as session, session.get(url) as response:
            assert response.connection is not None
            assert response.connection.transport is not None
            used = response.connection.transport.get_extra_info("socket")
            limit = used.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            looked.set()
    finally:
        await runner.cleanup()

    assert limit == UNACKNOWLEDGED_SECONDS * 1000
    assert LANDING.total_seconds() > UNACKNOWLEDGED_SECONDS
