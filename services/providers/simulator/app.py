"""The simulator's one HTTP server: every provider's own API side by side, and pages of its own: GET
/healthz, GET /book for whoever wants to know what really happened, and /control, where faults are
turned on."""

import re
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path

from aiohttp import web

from services.providers.simulator.book import Book, open_file
from services.providers.simulator.catalogue import APIS
from services.providers.simulator.config import Config
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.event_faults import UnreliableSender
from services.providers.simulator.faults.http_faults import HttpFaults

REQUEST_BYTES_MAX = 64 * 1024


async def create_app(
    config: Config, opened: Callable[[Path], RawIOBase] = open_file
) -> web.Application:
    """The application, going on where its book ends."""
    book = Book(config.book_file, opened)
    control = Control(book)
    sender = UnreliableSender(control)
    apis = [api(config, book, sender, control) for api in APIS.values()]
    faults = HttpFaults(control, book, sender)
    app = web.Application(client_max_size=REQUEST_BYTES_MAX, middlewares=[faults.middleware])
    wires = [api.wire() for api in apis]
    refusing = [wire.unrecognized for wire in wires]
    for api, wire in zip(apis, wires, strict=True):
        control.add(wire)
        app.add_routes(api.routes())
    app.add_routes(control.routes())

    async def show_book(request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        if not since.isdecimal() or len(since) > 12:
            raise web.HTTPBadRequest(text="since is the number of lines that you already have")
        return web.json_response([line.shown() for line in book.lines[int(since) :]])

    async def unrecognized(request: web.Request) -> web.Response:
        if "//" in request.path:
            # Some SDKs write two slashes behind the address; providers' fronts take them for one.
            raise web.HTTPPermanentRedirect(re.sub("/{2,}", "/", request.path_qs))
        for answer in refusing:
            if answer and (refused := await answer(request)):
                return refused
        return web.json_response({"message": "There is nothing here."}, status=404)

    app.add_routes([web.get("/healthz", _health), web.get("/book", show_book)])
    # The last one: what no other takes.
    app.add_routes([web.route("*", "/{path:.*}", unrecognized)])

    async def close(_: web.Application) -> None:
        for api in apis:
            await api.close()
        await faults.close()
        await sender.close()
        await book.close()

    app.on_cleanup.append(close)
    return app


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "SERVING"})
