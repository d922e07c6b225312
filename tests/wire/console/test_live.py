"""The stream of changes: relayed with the operator's own credential, from a browser's cursor on."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.console import live
from gateway.console.client import Record
from gateway.console.sessions import NOTED_SECONDS
from services.shared.errors import Invalid, Unavailable
from tests.wire.console.conftest import Browser, Clock, ScriptedPayments, answer_of

KEY = "cvo_test_a-key"


def changes(request: Mapping[str, Any]) -> Record:
    """One change, and then nobody answers."""
    if request["cursor"] == "c2":
        raise Unavailable("payments cannot answer now")
    change = {"transaction_id": "pay_1", "state": "PAYING_OUT"}
    is_reset = not request["cursor"]
    return answer_of("WatchChanges", changes=[change], cursor="c2", is_reset=is_reset)


@pytest.fixture
async def signed_in(browser: Browser, payments: ScriptedPayments) -> Browser:
    payments.answers["WatchChanges"] = changes
    await browser.sign_in_by_key(KEY)
    return browser


async def stream(browser: Browser, cursor: str = "") -> str:
    answer = await browser.client.get("/live", headers={"last-event-id": cursor} if cursor else {})
    assert answer.headers["content-type"].startswith("text/event-stream")
    return str(answer.text)


async def test_a_change_is_relayed_with_the_operators_own_credential(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    text = await stream(signed_in, "c1")

    [event] = [line for line in text.splitlines() if line.startswith('data: {"all"')]
    assert json.loads(event.removeprefix("data: ")) == {"all": False, "payments": ["pay_1"]}
    assert "id: c2\n" in text
    assert [one["cursor"] for one in payments.requests("WatchChanges")] == ["c1", "c2"]
    assert {one.credential for one in payments.asked_for} == {KEY}


async def test_a_first_stream_has_the_page_read_once(signed_in: Browser) -> None:
    assert '"all": true' in await stream(signed_in)


async def test_a_browser_waits_where_payments_is_away(signed_in: Browser) -> None:
    assert (await stream(signed_in, "c2")).endswith(live._LATER)


async def test_a_cursor_that_counts_no_more_is_forgotten(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.refusals["WatchChanges"] = Invalid("No such cursor.")

    assert (await stream(signed_in, "nonsense")).endswith(live._FROM_NOW)


async def test_nobody_watches_without_a_sign_in(
    browser: Browser, payments: ScriptedPayments
) -> None:
    answer = await browser.get("/live")

    assert answer.status_code == 303 and not payments.asked


async def test_a_stream_and_a_reading_by_script_put_off_no_idle_end(
    signed_in: Browser, clock: Clock
) -> None:
    clock.now += NOTED_SECONDS + 1

    streamed = await signed_in.client.get("/live", headers={"last-event-id": "c1"})
    read = await signed_in.client.get("/account", headers={"x-live": "1"})
    by_a_person = await signed_in.client.get("/account")

    assert "set-cookie" not in streamed.headers and "set-cookie" not in read.headers
    assert "set-cookie" in by_a_person.headers
