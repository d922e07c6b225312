"""Lists: one page after the other, filtered by the address, and as a file of exactly that."""

import csv
import io
from collections.abc import Mapping
from typing import Any

import pytest

from gateway.console import lists
from gateway.console.client import Record
from tests.wire.console.conftest import OPERATOR, Browser, ScriptedPayments, answer_of

KEY = "cvo_test_a-key"


def actions(request: Mapping[str, Any]) -> Record:
    """Seven actions, by pages of three."""
    begins = int(request["page_token"] or 0)
    ends = min(begins + 3, 7)
    return answer_of(
        "ListOperatorActions",
        actions=[{"operator": f"=o{at}", "action": "RELEASE_HOLD"} for at in range(begins, ends)],
        next_page_token=str(ends) if ends < 7 else "",
        unreadable_action_ids=["act_9"] if ends == 7 else [],
    )


@pytest.fixture
async def signed_in(browser: Browser, payments: ScriptedPayments) -> Browser:
    payments.answers["ListOperatorActions"] = actions
    await browser.sign_in_by_key(KEY)
    return browser


async def test_every_page_of_a_list_can_be_reached(signed_in: Browser) -> None:
    first = (await signed_in.get("/actions?merchant_id=mer_1")).text
    assert "=o0" in first and "=o3" not in first and "First page" not in first
    second = (await signed_in.get("/actions?merchant_id=mer_1&page=3")).text
    assert "=o3" in second and 'href="/actions?merchant_id=mer_1&amp;page=6" rel="next"' in second
    last = (await signed_in.get("/actions?merchant_id=mer_1&page=6")).text

    assert "=o6" in last and 'rel="next"' not in last
    assert "cannot be read: act_9" in last


async def test_a_list_asks_only_by_its_own_filters(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    await signed_in.get("/actions?merchant_id=mer_1&operator=eve&page_size=9&format=html")

    assert payments.requests("ListOperatorActions") == [
        {"merchant_id": "mer_1", "page_size": lists.PAGE_SIZE, "page_token": ""}
    ]


async def test_a_file_has_all_that_is_filtered_and_no_formula(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    answer = await signed_in.get("/actions?merchant_id=mer_1&format=csv")

    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["Operator"] for row in rows] == [f"'=o{at}" for at in range(7)]
    assert {one["merchant_id"] for one in payments.requests("ListOperatorActions")} == {"mer_1"}
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="actions.csv"'
    assert answer.headers["cache-control"] == "no-store"


async def test_a_file_is_whole_or_refused(
    signed_in: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "FILE_PAGES_MAX", 2)

    answer = await signed_in.get("/actions?format=csv")

    assert (answer.status_code, signed_in.reason) == (400, "FILE_TOO_LONG")


async def test_a_filter_that_is_none_is_refused_with_a_page(signed_in: Browser) -> None:
    answer = await signed_in.get("/dead-letters?kind=NONSENSE")

    assert (answer.status_code, signed_in.reason) == (400, "FIELD_INVALID")


async def test_verbs_and_pages_are_shown_to_those_who_may(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.says("ListDeadLetters", dead_letters=[{"dead_letter_id": "step_1", "kind": "STEP"}])
    page = (await signed_in.get("/dead-letters")).text
    assert "/do/requeue?dead_letter_id=step_1" in page and "/operator-keys" in page

    payments.answers["GetOperator"] = {**OPERATOR, "scopes": ["operate:read"]}
    page = (await signed_in.get("/dead-letters")).text
    assert "/do/requeue" not in page and "/operator-keys" not in page
