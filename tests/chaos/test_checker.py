"""The checker checked: three books that agree pass, and each invariant finds the one evidence that
was made to break it."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.books import EndpointRow, OutboxRow
from tests.chaos.checker import Facts, judge, render
from tests.chaos.receiver import Receipt
from tests.chaos.worlds import AMOUNT, BEGAN, PAID, PAYOUT, REFUNDED, UNWOUND, Story, World

Spoil = Callable[[World], Facts]


def clean() -> World:
    """One payment of each end."""
    world = World()
    Story(world, 1).completed()
    Story(world, 2).refunded()
    Story(world, 3).declined()
    return world


def story(number: int = 4, reference: str = "") -> tuple[World, Story]:
    """The clean world and a new payment in it."""
    world = clean()
    return world, Story(world, number, reference)


def broken(facts: Facts) -> set[str]:
    """The invariants that are found broken."""
    return set(judge(facts).broken)


def test_books_that_agree_pass() -> None:
    report = judge(clean().facts())

    assert report.broken == []
    assert (report.safe, report.live) == (True, True)
    assert all(report.finding(name).checked for name in ("I1", "I2", "I3", "I4", "I5", "I6", "I9"))


def test_the_table_shows_what_is_wrong() -> None:
    world = clean()
    world.keys.clear()

    shown = render(judge(world.facts()))

    assert "NOT SAFE, live" in shown
    assert "I2: pay_" in shown


# I1, I2: what was acknowledged.


def test_i1_an_acknowledged_payment_that_is_gone() -> None:
    world = clean()
    world.asked("get", 200, payment_id="pay_gone", response="{}")

    assert broken(world.facts()) == {"I1"}


@pytest.mark.parametrize(
    "change", [{"amount_minor": 1}, {"reference": "other"}, {"payment_method": "other"}]
)
def test_i1_a_payment_that_is_not_as_it_was_asked_for(change: dict[str, Any]) -> None:
    world, told = story()
    told.declined()
    told.change(**change)

    assert "I1" in broken(world.facts())


def test_i1_a_history_that_was_read_and_is_another_now() -> None:
    world = clean()
    events = [{"sequence": 1, "to_state": "CREATED", "cause": "something_else"}]
    paid = world.events[0]
    assert paid.sequence == 1
    Story.asked(told := Story(world, 4), "events", 200, response=json.dumps({"events": events}))
    told.declined()

    assert broken(world.facts()) == {"I1"}


def test_i1_a_cancellation_that_was_acknowledged_and_forgotten() -> None:
    world, told = story()
    told.declined().asked("cancel", 200, response=told.answer)

    assert broken(world.facts()) == {"I1"}


def test_i1_a_refund_that_was_acknowledged_and_forgotten() -> None:
    world, told = story()
    told.declined().asked("refund", 200, idem_key="refund-4", response=told.answer)

    assert broken(world.facts()) == {"I1"}


def test_i2_a_payment_that_nobody_asked_for() -> None:
    world, told = story()
    told.declined()
    del world.records[-2:]

    assert broken(world.facts()) == {"I2"}


def test_i2_two_payments_under_one_key() -> None:
    world = clean()
    world.keys.append(replace(world.keys[0], payment_id=world.keys[1].payment_id))

    assert broken(world.facts()) == {"I2"}


# I3, I4, I5, I9: the money.


def test_i3_a_second_charge() -> None:
    world, told = story()
    told.completed()
    charge = next(a for a in world.attempts if a.key.startswith(told.public_id))
    told.effect(charge, "charge_succeeded", named="another")

    assert {"I3", "I9"} <= broken(world.facts())


def test_i3_a_charge_that_came_again_after_it_was_forgotten_is_explained() -> None:
    world, told = story()
    collection = told.attempt("collection", 1, "SUCCEEDED")
    told.effect(collection, "charge_succeeded", "forgotten", named="first")
    told.effect(collection, "charge_succeeded", named="second")
    told.event("COLLECTING", "FUNDED", "collection_succeeded", ())
    report = judge(world.facts())

    assert report.finding("I3").violations == []
    assert report.finding("I3").explained != []


def test_i3_a_failed_payment_whose_payer_was_charged() -> None:
    world, told = story()
    told.effect(told.attempt("collection", 1, "FAILED"), "charge_succeeded")
    told.event("COLLECTING", "FAILED", "collection_failed")

    assert broken(world.facts()) == {"I3", "I9"}


def test_i4_two_live_payouts() -> None:
    world, told = story()
    told.collected()
    first = told.attempt("payout", 1, "FAILED", "flutterwave")
    told.effect(first, "payout_accepted")
    second = told.attempt("payout", 2, "SUCCEEDED", "local_wallet")
    told.effect(second, "payout_accepted", "payout_completed")
    told.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)

    assert broken(world.facts()) == {"I4"}


def test_i4_a_success_after_a_failure_is_explained_once_a_person_is_called() -> None:
    world, told = _late_success()
    told.held("late_success")
    report = judge(world.facts())

    assert report.broken == []
    assert report.finding("I4").explained != []


def test_i4_a_late_success_of_which_nobody_was_told_is_explained() -> None:
    world, _ = _late_success()

    assert broken(world.facts()) == set()


def test_i4_i20_a_late_success_that_was_heard_and_led_to_nothing() -> None:
    world, told = _late_success()
    told.heard("SUCCEEDED", f"{told.public_id}-payout-1")

    assert {"I4", "I20"} <= broken(world.facts())


def test_i4_a_payout_beside_a_refund() -> None:
    world, told = story()
    told.collected()
    failed = told.attempt("payout", 1, "FAILED", "local_wallet")
    told.effect(failed, "payout_accepted")
    told.event("PAYING_OUT", "REFUNDING", "payout_failed", UNWOUND)
    told.effect(told.attempt("refund", 1, "SUCCEEDED"), "refund_succeeded")
    told.event("REFUNDING", "REFUNDED", "refund_succeeded", REFUNDED)
    told.change(refunded_minor=AMOUNT)

    assert broken(world.facts()) == {"I4"}


def test_i4_a_cancelled_payment_that_was_paid_out() -> None:
    world, told = story()
    told.completed().change(cancel_requested_at=told.now)
    told.asked("cancel", 200, response=told.answer)

    assert broken(world.facts()) == {"I4"}


def test_i5_another_amount_at_the_provider() -> None:
    world = clean()
    world.book[0] = replace(world.book[0], currency="EUR")

    assert broken(world.facts()) == {"I5"}


def test_i5_an_effect_of_which_no_intent_was_written() -> None:
    world, told = story()
    charge = replace(told.attempt("collection", 1, "FAILED"), key="a-key-of-nobody")
    told.effect(charge, "payout_failed")
    told.event("COLLECTING", "FAILED", "collection_failed")

    assert broken(world.facts()) == {"I5"}


def test_i5_more_given_back_than_was_taken() -> None:
    world, told = story()
    told.refunded()
    refund = next(a for a in world.attempts if a.step == "refund" and a.payment_id == told.id)
    told.effect(refund, "refund_succeeded", named="again")

    assert {"I5", "I9"} <= broken(world.facts())


def test_i9_a_payout_that_our_book_does_not_have() -> None:
    world, told = story()
    told.completed()
    world.postings.pop()

    assert "I9" in broken(world.facts())


def test_i9_the_difference_of_a_held_payment_is_explained_and_no_other() -> None:
    world, told = story()
    told.effect(told.attempt("collection", 1, "UNKNOWN"), "charge_succeeded")
    told.held("amount_mismatch")
    nemesis = [{"provider": "stripe", "modes": {"amount+1": 0.1}}]
    whole = judge(world.facts(nemesis=nemesis))
    world.book[-1] = replace(world.book[-1], amount_minor=AMOUNT + 1)
    other = judge(world.facts(nemesis=nemesis))

    assert whole.broken == []
    assert "I9" in other.broken


# I6, I7, I8: our own book.


def test_i6_a_posting_that_the_history_does_not_ask_for() -> None:
    world = clean()
    fee = world.postings[1]
    world.postings.append(replace(fee, debit="fx:rounding:USD", amount_minor=1))

    assert broken(world.facts()) == {"I6"}


def test_i7_a_balance_that_is_not_the_sum() -> None:
    facts = clean().facts()
    first, *others = facts.ledger.balances
    balances = [replace(first, balance_minor=first.balance_minor + 1), *others]

    assert "I7" in broken(replace(facts, ledger=replace(facts.ledger, balances=balances)))


def test_i8_something_left_of_a_payment_that_is_over() -> None:
    world, told = story()
    told.completed()
    paid = world.postings.pop()
    world.postings.append(replace(paid, amount_minor=PAYOUT - 1))

    assert {"I8", "I6", "I9"} == broken(world.facts())


# I10, I16, IE: states and time.


def test_i10_a_move_that_the_table_does_not_have() -> None:
    world, told = story()
    told.event("CREATED", "FUNDED", "collection_succeeded")

    assert "I10" in broken(world.facts())


def test_i10_a_gap_in_the_history() -> None:
    world = clean()
    world.events.remove(next(e for e in world.events if e.cause == "collection_intended"))

    assert "I10" in broken(world.facts())


def test_i10_a_second_try_while_the_first_may_be_alive() -> None:
    world, told = story()
    told.attempt("collection", 1, "UNKNOWN")
    told.attempt("collection", 2, "FAILED")
    told.event("COLLECTING", "FAILED", "collection_failed")

    assert broken(world.facts()) == {"I10"}


def test_i16_an_attempt_that_was_sent_after_its_successor_began() -> None:
    world, told = story()
    told.collected()
    first = told.attempt("payout", 1, "FAILED", "flutterwave")
    told.effect(second := told.attempt("payout", 2, "SUCCEEDED", "local_wallet"), "payout_accepted")
    told.effect(second, "payout_completed")
    told.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
    told.effect(first, "payout_accepted", "payout_failed")

    assert "I16" in broken(world.facts())


def test_i16_something_sent_for_a_payment_that_was_over() -> None:
    world, told = story()
    collection = told.attempt("collection", 1, "FAILED")
    told.event("COLLECTING", "CANCELLED", "cancelled")
    told.effect(collection, "charge_succeeded")

    assert "I16" in broken(world.facts())


def test_ie_a_payment_that_expired_too_early() -> None:
    world, told = story()
    told.event("CREATED", "EXPIRED", "expired")
    early = broken(world.facts())
    world.quotes[-1] = replace(world.quotes[-1], expires_at=told.now - timedelta(hours=1))

    assert early == {"IE"}
    assert broken(world.facts()) == set()


def test_ie_late_money_that_was_exchanged_at_the_old_rate() -> None:
    world, told = story()
    told.completed()
    world.quotes[-1] = replace(world.quotes[-1], expires_at=told.now - timedelta(hours=1))

    assert broken(world.facts()) == {"IE"}


# I11, I12, I17: what clients may rely on.


@pytest.mark.parametrize(("status", "spaces"), [(201, " "), (404, "")])
def test_i11_a_replay_that_is_answered_otherwise(status: int, spaces: str) -> None:
    world, told = story()
    told.declined()
    again = {"idem_key": told.key, "request": told.request, "meta": {"replayed": "true"}}
    told.asked("create", status, response=told.answer + spaces, **again)

    assert broken(world.facts()) == {"I11"}


def test_i11_another_body_under_a_used_key() -> None:
    world, told = story()
    told.declined().asked("create", 404, idem_key=told.key, request={"other": 1})

    assert broken(world.facts()) == {"I11"}


def test_i12_an_effect_of_what_was_refused() -> None:
    world, told = story()
    told.declined()
    world.asked("refund", 400, idem_key="refused")
    world.keys.append(replace(world.keys[-1], key="refused", operation="RefundPayment"))

    assert broken(world.facts()) == {"I12"}


def test_i12_a_cancellation_that_was_refused_and_counts() -> None:
    world, told = story()
    told.declined().asked("cancel", 400)
    told.change(cancel_requested_at=told.now)

    assert broken(world.facts()) == {"I12"}


@pytest.mark.parametrize(
    ("epoch", "status", "code", "is_broken"),
    [
        ("load", 503, 14, False),
        ("load", 0, None, False),
        ("load", 500, 13, True),
        ("load", 502, None, True),
        ("load", 503, 2, True),
        ("quiet", 503, 14, True),
        ("quiet", 0, None, True),
        ("quiet", 404, None, True),
    ],
)
def test_i17_answers_that_no_client_may_see(
    epoch: str, status: int, code: int | None, is_broken: bool
) -> None:
    world = clean()
    world.asked("list", status, epoch=epoch, grpc_code=code)

    assert broken(world.facts()) == ({"I17"} if is_broken else set())


# I13, I14, IW: events in and out.


def test_i13_a_payment_that_a_replayed_webhook_changed() -> None:
    before = {"pay_a": "1", "pay_b": "busy 1", "pay_c": "1"}
    after = {"pay_a": "1", "pay_b": "2", "pay_c": "busy 2"}
    facts = clean().facts(digests_before=before, digests_after=after)

    assert broken(facts) == {"I13"}
    assert len(judge(facts).finding("I13").violations) == 1


ENDPOINT = EndpointRow(
    id=clean().payments[0].id, url="", secret="whsec_c2VjcmV0", created_at=BEGAN, disabled_at=None
)


def _listened(state: str = "DELIVERED") -> tuple[World, list[OutboxRow]]:
    """A world in which a merchant listens and has been told of every end."""
    world = clean()
    rows = [
        OutboxRow(
            payment_id=event.payment_id, sequence=event.sequence, endpoint_id=ENDPOINT.id,
            event_type=f"payment.{event.to_state.lower()}",
            body=json.dumps({"id": f"evt_{event.payment_id}_{event.sequence}"}).encode(),
            state=state, due_at=BEGAN, lease_until=None,
        )
        for event in world.events
        if event.to_state in ("COMPLETED", "REFUNDED", "FAILED")
    ]  # fmt: skip
    world.others = {"endpoints": [ENDPOINT], "outbox": rows}
    return world, rows


def _receipts(rows: list[OutboxRow]) -> list[Receipt]:
    return [_receipt(json.loads(row.body)["id"], row.body.decode()) for row in rows]


def _receipt(event_id: str, body: str, **changes: Any) -> Receipt:
    signed = hmac.digest(b"secret", f"{event_id}.1000.{body}".encode(), hashlib.sha256)
    known = {
        "event_id": event_id, "event_type": "payment.completed", "payment_id": "",
        "body_sha256": body, "signed_at": "1000", "at_unix": 1001.0, "answered": "200",
        "body": body, "signature": f"v1,{base64.b64encode(signed).decode()}",
    }  # fmt: skip
    return Receipt(**{**known, **changes})


def test_i14_every_end_was_told() -> None:
    world, rows = _listened()

    assert broken(world.facts(receipts=_receipts(rows))) == set()


def test_i14_an_end_that_nobody_is_told_of() -> None:
    world, rows = _listened()
    told = rows.pop()

    assert broken(world.facts(receipts=_receipts(rows))) == {"I14"}
    assert told.event_type == "payment.failed"


def test_i14_delivered_and_never_received() -> None:
    world, rows = _listened()
    receipts = _receipts(rows)
    receipts[0] = replace(receipts[0], answered="500")

    assert broken(world.facts(receipts=receipts)) == {"I14"}


@pytest.mark.parametrize(
    "change", [{"signature": "v1,AAAA"}, {"body_sha256": "other"}, {"event_id": "evt_of_nothing"}]
)
def test_i14_a_delivery_that_is_not_ours(change: dict[str, str]) -> None:
    world, rows = _listened()
    first, *_ = receipts = _receipts(rows)

    assert broken(world.facts(receipts=[*receipts, replace(first, **change)])) == {"I14"}


FORGED = {"provider": "stripe", "forged": "empty_secret"}
HINT = {"provider": "stripe", "hint": "stripe"}


@pytest.mark.parametrize(
    ("meta", "status", "answer", "is_broken"),
    [
        (FORGED, 401, "", False),
        (FORGED, 200, "", True),
        (FORGED, 400, "", True),
        (HINT, 401, "", True),
        (HINT, 200, '{"result": "ACCEPTED"}', True),
        (HINT, 200, '{"result": "IGNORED"}', False),
        (HINT, 503, "", False),
    ],
)
def test_iw_what_is_taken_is_kept_and_what_is_forged_is_refused(
    meta: dict[str, str], status: int, answer: str, is_broken: bool
) -> None:
    world = clean()
    world.asked("webhook", status, meta=meta, idem_key="evt_1", response=answer)

    assert broken(world.facts()) == ({"IW"} if is_broken else set())


# I15, I20, I21.


def test_i15_a_payment_that_has_not_come_to_its_end() -> None:
    world, told = story()
    told.attempt("collection", 1, "SENT")
    report = judge(world.facts())

    assert report.broken == ["I15"]
    assert (report.safe, report.live) == (True, False)


@pytest.mark.parametrize("change", [{"due_at": BEGAN}, {"lease_until": BEGAN}])
def test_i15_a_payment_that_is_due_or_leased(change: dict[str, Any]) -> None:
    world, told = story()
    told.completed().change(**change)

    assert broken(world.facts()) == {"I15"}


def test_i15_a_payment_that_waits_for_its_provider_or_its_merchant_is_no_violation() -> None:
    world, told = story(reference="sim:hold")
    told.collected()
    told.effect(told.attempt("payout", 1, "ACCEPTED", "local_wallet"), "payout_accepted")
    parted = Story(world, 5).unpaid()
    refund = replace(parted.attempt("refund", 1, "SUCCEEDED"), amount_minor=1)
    parted.effect(refund, "refund_succeeded")
    world.attempts[-1] = refund
    posting = ("payments:USD", "onramp:stripe:USD", "USD", 1)
    parted.event("REFUNDING", "REFUNDING", "refund_succeeded", [posting])
    parted.change(refunded_minor=1)

    assert broken(world.facts()) == set()


def test_i20_a_hold_that_nothing_explains() -> None:
    world, told = story()
    told.attempt("collection", 1, "UNKNOWN")
    told.held("amount_mismatch")
    lied = [{"provider": "stripe", "modes": {"net_of_fee": 1.0}}]

    assert broken(world.facts()) == {"I20"}
    assert broken(world.facts(nemesis=lied)) == set()


def test_i20_a_lie_about_the_amount_that_was_believed() -> None:
    world, told = story(reference="sim:amount+1@local_wallet")
    told.completed()

    assert broken(world.facts()) == {"I20"}


def test_i20_a_refund_that_failed_and_called_nobody() -> None:
    world, told = story()
    told.unpaid()
    told.effect(told.attempt("refund", 1, "FAILED"), "refund_failed")
    unheard = broken(world.facts())
    told.held("refund_failed")

    assert "I20" in unheard
    assert broken(world.facts()) == set()


@pytest.mark.parametrize(
    ("line", "is_broken"),
    [
        ('{"event": "sent", "token": "s3cret-value"}', True),
        ('{"event": "sent", "account": "9988776655443"}', True),
        ('{"event": "paid", "card": "4242424242424242"}', True),
        ('{"event": "paid", "card": "4242424242424241", "ns": 1700000000000000000}', False),
    ],
)
def test_i21_a_log_that_says_too_much(tmp_path: Path, line: str, is_broken: bool) -> None:
    world = clean()
    world.payments[0] = replace(world.payments[0], recipient={"account": "9988776655443"})
    world.records[0] = replace(
        world.records[0],
        request={**world.records[0].request, "recipient": {"account": "9988776655443"}},
    )
    log = tmp_path / "worker.log"
    log.write_text(f'{{"event": "started"}}\n{line}\n')

    facts = world.facts(logs=[log], secrets={"api key": "s3cret-value"})

    assert broken(facts) == ({"I21"} if is_broken else set())


def _late_success() -> tuple[World, Story]:
    """A payout that failed, its successor that arrived, and then the first one arrives too."""
    world, told = story()
    told.collected()
    first = told.attempt("payout", 1, "FAILED", "flutterwave")
    told.effect(first, "payout_accepted", "payout_failed")
    second = told.attempt("payout", 2, "SUCCEEDED", "local_wallet")
    told.effect(second, "payout_accepted", "payout_completed")
    told.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
    told.effect(first, "payout_completed")
    return world, told
