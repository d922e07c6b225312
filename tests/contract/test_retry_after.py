"""Every adapter waits as long as its provider asks for, in whatever form: in answers, look-ups and
refunds, and whoever on the way has written the body."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from aiohttp import web

from services.providers.domain import Kind, Outcome
from services.providers.ports import Refunder
from tests.contract.cases import Case, send
from tests.contract.faults import every_adapter
from tests.contract.lab import answering

DATE = "Sat, 28 Nov 2026 12:00:00 GMT"
FORMS: Mapping[str, tuple[int, Mapping[str, str], int]] = {
    "seconds": (429, {"retry-after": "17"}, 17),
    "a date": (503, {"date": DATE, "retry-after": "Sat, 28 Nov 2026 12:00:40 GMT"}, 40),
    "the reset of a limit": (429, {"ratelimit-reset": "25"}, 25),
    "more than is believed": (503, {"retry-after": "86400"}, 300),
    "nothing": (500, {}, 0),
    "nonsense": (429, {"retry-after": "soon"}, 0),
}


@every_adapter
@pytest.mark.parametrize("body", [b"<html>Too busy</html>", b"{}"], ids=["html", "json"])
@pytest.mark.parametrize("form", FORMS)
async def test_every_adapter_waits_so_long(case: Case, form: str, body: bytes) -> None:
    status, headers, seconds = FORMS[form]

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, headers=headers, body=body)

    async with answering(refuse) as adapters:
        adapter, operation = adapters[case.provider], case.operation()
        results = [await send(adapter, operation), await adapter.look_up(operation)]
        if isinstance(adapter, Refunder):
            results.append(
                await adapter.refund(
                    replace(operation, kind=Kind.REFUND, collection_reference="pi_1")
                )
            )

    code = "rate_limited" if status == 429 else "provider_fault"
    for result in results:
        assert (result.outcome, result.retry_after_seconds) == (Outcome.UNKNOWN, seconds)
        assert result.failure
        assert result.failure.code == code
