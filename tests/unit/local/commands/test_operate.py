"""An operator's verb on a payment: the request of each, its preview, and the answer to a person."""

from collections.abc import Iterator
from typing import Any

import pytest

from deploy.local.commands.operate import VERBS
from tests.unit.local.commands.listening import Listener, listening, run

PAYMENT = {"transaction_id": "pay_1", "status": "PROCESSING"}
STANDING = {"state": "PAYING_OUT", "hold_reason": "", "status": "PROCESSING"}
PREVIEW = {
    "transaction_id": "pay_1",
    "verb": "FORCE_PAYOUT",
    "before": {**STANDING, "hold_reason": "payout_failed"},
    "after": STANDING,
    "needs_second_person": True,
    "provider_answers": [{"provider": "bank", "key": "pay_1-payout-1", "answer": "FAILED"}],
    "postings": [{"debit": "a", "credit": "b", "amount": "1.00", "currency": "USD"}],
    "merchant_events": [{"event_type": "payment.processing", "url": "https://shop.example"}],
}


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening(PAYMENT) as kept:
        yield kept


@pytest.mark.parametrize(
    ("words", "body", "has_key"),
    [
        (["force", "--provider", "bank"], {"provider": "bank"}, True),
        (["hold"], {}, False),
        (["try"], {}, False),
        (["refund", "--amount", "5.00", "--ends-payout"], {"amount_usd": "5.00"}, True),
        (["correct", "--recipient", '{"wallet": {}}'], {"recipient": {"wallet": {}}}, True),
        (["release"], {"honour_locked_rate": False}, False),
        (["resolve", "--outcome", "FAILED"], {"outcome": "FAILED"}, False),
    ],
)
def test_each_verb_is_called_with_its_own_words(
    words: list[str], body: dict[str, Any], has_key: bool, listener: Listener
) -> None:
    verb, *given = words

    assert run(listener, "operate", verb, "pay_1", *given, "--note", "seen") == 0

    [(method, path, _, sent)] = listener.requests
    assert (method, path) == ("POST", f"/api/admin/payments/pay_1:{verb}")
    assert {**body, "note": "seen"}.items() <= sent.items()
    assert (listener.keys != [None]) is has_key


def test_an_adjustment_is_never_done_by_one_person(listener: Listener) -> None:
    assert run(listener, "operate", "adjust", "pay_1", "--amount-minor", "100") == 1

    assert not listener.requests


@pytest.mark.parametrize("verb", VERBS)
def test_a_preview_does_nothing_else(verb: str, listener: Listener) -> None:
    listener.answer = PREVIEW

    assert run(listener, "operate", verb, "pay_1", "--preview") == 0

    [(method, path, _, sent)] = listener.requests
    assert (method, path) == ("POST", "/api/admin/previews")
    assert sent[VERBS[verb].name]["transaction_id"] == "pay_1"


def test_a_preview_is_shown_with_all_that_would_happen(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.answer = PREVIEW

    run(listener, "operate", "force", "pay_1", "--provider", "bank", "--preview")

    shown = capsys.readouterr().out
    assert "bank says of pay_1-payout-1: FAILED" in shown
    assert "Needs two people" in shown
    assert "PAYING_OUT, on hold as payout_failed -> PAYING_OUT; due never" in shown
    assert "posts 1.00 USD to a from b" in shown
    assert "sends payment.processing to https://shop.example" in shown


def test_a_preview_of_a_refusal_is_shown(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = {"reason": "PAYOUT_STILL_OPEN", "message": "It may still move money."}
    listener.answer = {**PREVIEW, "refusal": refusal}

    run(listener, "operate", "force", "pay_1", "--preview")

    assert "Refused now, PAYOUT_STILL_OPEN: It may still move money\n" in capsys.readouterr().out


def test_a_verb_that_got_no_answer_can_be_tried_again_under_its_key(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.status, listener.answer = 503, {}

    assert run(listener, "operate", "refund", "pay_1", "--full", "--key", "k-1") == 1

    assert "--key k-1" in capsys.readouterr().err


def test_a_recipient_that_is_no_json_is_refused(
    listener: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(listener, "operate", "correct", "pay_1", "--recipient", "{") == 1

    assert listener.requests == []
    assert "not JSON" in capsys.readouterr().err
