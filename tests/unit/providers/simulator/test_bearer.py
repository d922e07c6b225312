"""The edge of the JSON providers: the key opens, and a refusal is answered as it says."""

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from services.providers.simulator.bearer import Refusal, answering

UNKNOWN = Refusal(401, "who is there?", {"error": "unknown"})


async def _answer(key: str, handler_error: Refusal | None = None) -> tuple[int, object]:
    async def handler(_: web.Request) -> web.Response:
        if handler_error:
            raise handler_error
        return web.json_response({"ok": True})

    request = make_mocked_request("GET", "/", headers={"authorization": key})
    response = await answering(handler, key="k-1", unknown=UNKNOWN)(request)
    return response.status, json.loads(response.text or "")


async def test_the_key_opens() -> None:
    assert await _answer("Bearer k-1") == (200, {"ok": True})


@pytest.mark.parametrize("key", ["", "Bearer ", "Bearer k-2", "Bearer k-1 ", "Bearer k-\u00fc"])
async def test_caller_without_the_key_is_refused(key: str) -> None:
    assert await _answer(key) == (401, {"error": "unknown"})


async def test_a_refusal_becomes_its_answer() -> None:
    refusal = Refusal(422, "no", {"error": "no"})

    assert await _answer("Bearer k-1", refusal) == (422, {"error": "no"})
