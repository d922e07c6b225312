"""schemathesis' own checks reach the tally: a server that takes everything is found out."""

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.hostile.oracle import Tally
from tests.hostile.schema import Share, run

DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "t", "version": "1"},
    "paths": {
        "/things": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"count": {"type": "integer"}},
                                "required": ["count"],
                                "additionalProperties": False,
                            }
                        }
                    },
                },
                "responses": {"200": {"description": "Done."}},
            }
        }
    },
}


async def test_a_server_that_takes_what_breaks_the_document_is_found() -> None:
    async def take(_: web.Request) -> web.Response:
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/things", take)
    tally = Tally()
    async with TestServer(app) as server:
        share = Share(number=0, of=1, each=5, seed=1)
        await asyncio.to_thread(run, str(server.make_url("")), DOCUMENT, share, tally)

    assert {fault.kind for fault in tally.faults.values()} == {"schema, negative"}
    assert tally.cases >= 10
