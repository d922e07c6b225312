"""The search on the command line: filters in the query, pages as one answer, a table or JSON."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from deploy.local.commands import cli, payments

PAYMENT = {
    "payment": {
        "transaction_id": "pay_1",
        "amount_usd": "100.00",
        "payout_amount": "154050.00",
        "destination_currency": "NGN",
        "corridor_id": "us-ng",
        "onramp": "stripe",
        "offramp": "wise",
        "created_at": "2026-11-29T18:30:00.123Z",
        "reference": "",
        "hold": {"reason": "outcome_unknown"},
    },
    "merchant_id": "mer_1",
    "state": "PAYING_OUT",
}
Asked = list[dict[str, list[str]]]


class Pages:
    """Answers with these pages, the last one without a token."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = list(sizes)
        self.asked: Asked = []

    def __call__(self, _: Any, method: str, path: str) -> Any:
        assert (method, urlsplit(path).path) == ("GET", "/api/admin/payments")
        self.asked.append(parse_qs(urlsplit(path).query))
        size = self.sizes.pop(0)
        return {
            "payments": [PAYMENT] * size,
            "unreadable_transaction_ids": ["pay_9"] if self.sizes else [],
            "next_page_token": f"after-{len(self.asked)}" if self.sizes else "",
        }


def run(monkeypatch: pytest.MonkeyPatch, pages: Pages, *words: str) -> None:
    monkeypatch.setattr(payments, "call", pages)
    parsed = cli.read(["payments", "search", *words])
    assert parsed.run(parsed) == 0


def test_each_filter_is_one_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(0)
    run(
        *(monkeypatch, pages, "order 7&x=1", "--state", "FUNDED", "--state", "PAYING_OUT"),
        *("--hold", "late_funds", "--overdue", "--provider", "wise", "--corridor", "us-ng"),
        *("--merchant", "mer_1", "--from-usd", "1", "--to-usd", "2.50"),
        *("--after", "2026-11-29T18:30:00Z", "--before", "2026-11-30T00:00:00Z"),
    )

    assert pages.asked == [
        {
            "query": ["order 7&x=1"],
            "states": ["FUNDED", "PAYING_OUT"],
            "hold_reasons": ["late_funds"],
            "overdue": ["true"],
            "provider": ["wise"],
            "corridor_id": ["us-ng"],
            "merchant_id": ["mer_1"],
            "amount_from_usd": ["1"],
            "amount_to_usd": ["2.50"],
            "created_after": ["2026-11-29T18:30:00Z"],
            "created_before": ["2026-11-30T00:00:00Z"],
            "page_size": ["50"],
        }
    ]


def test_pages_are_one_answer_up_to_the_limit(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The second page has looked at many and found none.
    pages = Pages(200, 0, 50, 50)
    run(monkeypatch, pages, "--limit", "250", "--json")

    assert [(one["page_size"], one.get("page_token")) for one in pages.asked] == [
        (["200"], None),
        (["50"], ["after-1"]),
        (["50"], ["after-2"]),
    ]
    said = json.loads(capsys.readouterr().out)
    assert (len(said["payments"]), said["next_page_token"]) == (250, "after-3")
    assert said["payments"][0]["merchant_id"] == "mer_1"
    assert said["unreadable_transaction_ids"] == ["pay_9"] * 3


def test_a_table_has_a_line_for_each_payment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, Pages(1), "--page-token", "here")

    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == list(payments.HEAD)
    assert line.split() == [
        *("pay_1", "PAYING_OUT", "outcome_unknown", "100.00", "154050.00", "NGN", "us-ng"),
        *("stripe/wise", "2026-11-29T18:30:00", "-"),
    ]


def test_a_search_says_that_nothing_was_found_or_that_more_follows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, Pages(0), "pay_2")
    assert "No payment was found." in capsys.readouterr().out

    run(monkeypatch, Pages(1, 1), "--limit", "1")
    said = capsys.readouterr().out
    assert "--page-token after-1" in said
    assert "pay_9  cannot be read" in said


@pytest.mark.parametrize("words", [("--json", "pay_2"), ("pay_2", "--json")])
def test_an_id_stands_before_or_behind_the_filters(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = Pages(0)
    run(monkeypatch, pages, *words)

    assert pages.asked == [{"query": ["pay_2"], "page_size": ["50"]}]


def test_every_filter_of_the_call_can_be_said() -> None:
    from caravel.payments.v1 import search_pb2

    fields = set(search_pb2.SearchPaymentsRequest.DESCRIPTOR.fields_by_name)
    words = vars(cli.read(["payments", "search"]))

    assert fields - {"page_size"} <= set(words)
