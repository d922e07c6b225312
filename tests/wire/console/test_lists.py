"""Lists: one page after the other, filtered by the address, and as a file of exactly that."""

import csv
import io
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.console import lists
from gateway.console.client import Record
from services.shared.errors import NotFound, Unavailable
from tests.wire.console.conftest import OPERATOR, Browser, ScriptedPayments, answer_of

KEY = "cvo_test_a-key"
NOW = datetime(2026, 11, 29, tzinfo=UTC)


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


async def test_a_page_that_cannot_be_read_now_can_be_tried_again(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    again = 'href="/actions?merchant_id=mer_1">Try again'
    payments.refusals["ListOperatorActions"] = Unavailable()
    page = await signed_in.get("/actions?merchant_id=mer_1")
    assert page.status_code == 503 and again in page.text

    payments.refusals["ListOperatorActions"] = NotFound()
    page = await signed_in.get("/actions?merchant_id=mer_1")
    assert page.status_code == 404 and again not in page.text


async def test_a_page_that_is_not_there_keeps_the_menu(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    for path in ("/no-such-page", "/payments/", "/do/no-such-verb"):
        page = await signed_in.get(path)
        assert page.status_code == 404 and 'aria-label="Console"' in page.text

    payments.refusals["GetOperator"] = Unavailable()
    page = await signed_in.get("/no-such-page")
    assert page.status_code == 404 and 'aria-label="Console"' not in page.text


async def test_a_list_asks_only_by_its_own_filters(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    await signed_in.get("/actions?merchant_id=mer_1&provider=eve&page_size=9&format=html")

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
    orphan = {"dead_letter_id": "orphan_1", "requeue_refusal": "DEAD_LETTER_UNMATCHED"}
    payments.says("ListDeadLetters", dead_letters=[orphan])
    page = (await signed_in.get("/dead-letters")).text
    assert "/do/discard?dead_letter_id=orphan_1" in page and "/do/requeue?" not in page

    payments.answers["GetOperator"] = {**OPERATOR, "scopes": ["operate:read"]}
    page = (await signed_in.get("/dead-letters")).text
    assert "/do/requeue" not in page and "/operator-keys" not in page


FOUND = {"payment": {"transaction_id": "pay_1", "status": "SENT"}, "merchant_id": "mer_1"}


async def test_an_id_that_finds_one_payment_leads_to_it(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.says("SearchPayments", payments=[FOUND])

    answer = await signed_in.get("/payments?query=+pi_3Nabc+")

    assert (answer.status_code, answer.headers["location"]) == (303, "/payments/pay_1")
    assert payments.requests("SearchPayments")[0]["query"] == "pi_3Nabc"


@pytest.mark.parametrize(
    ("query", "location"),
    [("prp_1", "/proposals/prp_1"), ("mer_1", "/merchants/mer_1/keys"), ("mer_/..", "mer_%2F..")],
)
async def test_an_id_of_something_else_leads_there(
    signed_in: Browser, query: str, location: str
) -> None:
    answer = await signed_in.get(f"/payments?query={query}")

    assert location in answer.headers["location"]


async def test_a_filtered_search_stays_a_list(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.says("SearchPayments", payments=[FOUND])

    page = await signed_in.get(
        "/payments?query=order-17&states=PAYING_OUT&on_hold=yes&created_after=2026-11-29T00:00"
    )

    [request] = payments.requests("SearchPayments")
    assert page.status_code == 200 and "pay_1" in page.text
    assert (request["states"], request["on_hold"]) == (["PAYING_OUT"], True)
    assert request["created_after"].isoformat() == "2026-11-29T00:00:00+00:00"


async def test_columns_of_the_address_are_shown_and_are_in_the_file(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.says("SearchPayments", payments=[FOUND])
    query = "/payments?states=PAYING_OUT&column=Payment&column=Fees&column=Nothing"

    page = (await signed_in.get(query)).text
    file = (await signed_in.get(f"{query}&format=csv")).text

    assert 'data-label="Fees"' in page and 'data-label="Status"' not in page
    assert "column=Payment&amp;column=Fees&amp;format=csv" in page
    assert file == "Payment,Fees (USD)\r\npay_1,\r\n"


@pytest.mark.parametrize("filtered", ["created_after=yesterday", "states=NONSENSE"])
async def test_a_filter_that_cannot_be_read_is_refused(signed_in: Browser, filtered: str) -> None:
    answer = await signed_in.get(f"/payments?{filtered}")

    assert (answer.status_code, signed_in.reason) == (400, "FIELD_INVALID")


async def test_an_empty_page_of_a_search_leads_on(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.says(
        "SearchPayments", next_page_token="2", looked_until=datetime(2026, 11, 29, tzinfo=UTC)
    )

    page = (await signed_in.get("/payments?provider=stripe")).text

    assert "All payments created after" in page and "2026-11-29 00:00:00 UTC" in page
    assert 'rel="next"' in page and "Nothing" not in page


async def test_a_list_offers_verbs_whose_subject_the_form_asks_for(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    pause = {"kind": "PROVIDER", "name": "wise", "in_force": True, "starts_at": NOW}
    payments.says("ListPauses", pauses=[pause, {**pause, "name": "stripe", "in_force": False}])

    page = (await signed_in.get("/pauses")).text

    assert 'href="/do/pause-provider"' in page and 'href="/do/pause-corridor"' in page
    assert "/do/resume-provider?provider=wise" in page
    assert "provider=stripe" not in page and "/do/resume-corridor" not in page


async def test_the_first_page_says_that_the_database_is_older(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.refusals["GetOverview"] = Unavailable("no figures")
    assert "The database is older" not in (await signed_in.get("/")).text
    payments.says(
        "GetDatabaseStanding",
        older=True,
        finding="a smaller <number>",
        recovery={"state": "RUNNING", "started_by": "ada", "to_decide": 7},
    )

    page = (await signed_in.get("/")).text

    assert "The database is older than what has happened." in page
    assert "a smaller &lt;number&gt;" in page and 'href="/do/accept-database"' in page
    assert "Recovery by ada: <code>RUNNING</code>, 7 payments to decide." in page
