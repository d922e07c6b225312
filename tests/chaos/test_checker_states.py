"""The checker checked, on states, time, holds and liveness."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.providers.simulator.faults import control as simulator
from services.providers.simulator.faults.modes import Mode
from tests.chaos.checker import check_facts
from tests.chaos.checker.evidence import chance
from tests.chaos.worlds import (
    BEGAN,
    PAID,
    UNWOUND,
    Story,
    broken,
    clean,
    story,
)


def test_i10_a_move_that_the_table_does_not_have() -> None:
    world, life = story()
    life.event("CREATED", "FUNDED", "collection_succeeded")

    assert "I10" in broken(world.facts())


def test_i10_a_gap_in_the_history() -> None:
    world = clean()
    world.events.remove(next(e for e in world.events if e.cause == "collection_intended"))

    assert "I10" in broken(world.facts())


def test_i10_a_second_try_while_the_first_may_be_alive() -> None:
    world, life = story()
    life.attempt("collection", 1, "UNKNOWN")
    life.attempt("collection", 2, "FAILED")
    life.event("COLLECTING", "FAILED", "collection_failed")

    assert broken(world.facts()) == {"I10"}


def test_i16_an_attempt_that_was_sent_after_its_successor_began() -> None:
    world, life = story()
    life.collected()
    first = life.attempt("payout", 1, "FAILED", "flutterwave")
    life.effect(second := life.attempt("payout", 2, "SUCCEEDED", "local_wallet"), "payout_accepted")
    life.effect(second, "payout_completed")
    life.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
    life.effect(first, "payout_accepted", "payout_failed")

    assert "I16" in broken(world.facts())


def test_i16_something_sent_for_a_payment_that_was_over() -> None:
    world, life = story()
    collection = life.attempt("collection", 1, "FAILED")
    life.event("COLLECTING", "CANCELLED", "cancelled")
    life.effect(collection, "charge_succeeded")

    assert "I16" in broken(world.facts())


def test_ie_a_payment_that_expired_too_early() -> None:
    world, life = story()
    life.event("CREATED", "EXPIRED", "expired")
    early = broken(world.facts())
    world.quotes[-1] = replace(world.quotes[-1], expires_at=life.now - timedelta(hours=1))

    assert early == {"IE"}
    assert broken(world.facts()) == set()


def test_ie_late_money_that_was_exchanged_at_the_old_rate() -> None:
    world, life = story()
    life.completed()
    world.quotes[-1] = replace(world.quotes[-1], expires_at=life.now - timedelta(hours=1))

    assert broken(world.facts()) == {"IE"}


def test_i15_a_payment_that_has_not_come_to_its_end() -> None:
    world, life = story()
    life.attempt("collection", 1, "SENT")
    report = check_facts(world.facts())

    assert report.broken == ["I15", "I22"]
    assert (report.safe, report.live) == (True, False)


@pytest.mark.parametrize("change", [{"due_at": BEGAN}, {"lease_until": BEGAN}])
def test_i15_a_payment_that_is_due_or_leased(change: dict[str, Any]) -> None:
    world, life = story()
    life.completed().change(**change)

    assert broken(world.facts()) == {"I15"}


def test_i15_a_payment_that_waits_for_its_provider_or_its_merchant_is_no_violation() -> None:
    world, life = story(reference="sim:hold")
    life.collected()
    life.effect(life.attempt("payout", 1, "ACCEPTED", "local_wallet"), "payout_accepted")
    life.change(due_at=world.facts().ledger.now + timedelta(seconds=30))
    parted = Story(world, 5).unpaid()
    refund = replace(parted.attempt("refund", 1, "SUCCEEDED"), amount_minor=1)
    parted.effect(refund, "refund_succeeded")
    world.attempts[-1] = refund
    posting = ("payments:USD", "onramp:stripe:USD", "USD", 1)
    parted.event("REFUNDING", "PARTLY_REFUNDED", "refund_succeeded", [posting])
    deadline = BEGAN + timedelta(days=30)
    parted.change(refunded_minor=1, due_at=deadline, deadline_at=deadline)

    assert broken(world.facts()) == set()


def test_i10_a_refund_that_is_asked_for_again_ends_its_hold() -> None:
    world, life = story()
    life.unpaid()
    life.effect(life.attempt("refund", 1, "FAILED"), "refund_failed")
    life.held("refund_failed")
    life.change(hold_reason=None)
    unasked = broken(world.facts())
    life.event("REFUNDING", "REFUNDING", "refund_requested")

    assert "I10" in unasked
    assert "I10" not in broken(world.facts())


@pytest.mark.parametrize(("since", "is_over"), [(timedelta(0), False), (timedelta(hours=1), True)])
def test_i15_a_payer_may_be_waited_for_until_the_terms_end(since: timedelta, is_over: bool) -> None:
    world, life = story()
    life.attempt("collection", 1, "ACCEPTED")
    life.event("COLLECTING", "COLLECTING", "payer_asked")
    now = world.facts().ledger.now
    life.change(due_at=now + timedelta(seconds=30), quote_expires_at=now - since)

    assert broken(world.facts()) == ({"I15"} if is_over else set())


@pytest.mark.parametrize(
    ("cause", "is_ended"),
    [("hold_ended_by_outcome", True), ("hold_released", True), ("collection_unknown", False)],
)
def test_i10_an_outcome_or_a_release_ends_its_hold(cause: str, is_ended: bool) -> None:
    world, life = story()
    life.attempt("collection", 1, "UNKNOWN")
    life.held("outcome_unknown")
    life.change(hold_reason=None)
    life.event("COLLECTING", "COLLECTING", cause)

    assert ("I10" not in broken(world.facts())) is is_ended


@pytest.mark.parametrize(
    ("reason", "mode"),
    [("unknown_status", "unknown_status"), ("payout_unconfirmed", "webhook_only")],
)
def test_i20_a_hold_has_a_lie_that_fits_its_reason(reason: str, mode: str) -> None:
    def found(struck: str) -> set[str]:
        world, life = story()
        life.attempt("collection", 1, "UNKNOWN")
        life.held(reason)
        modes = {struck: {"probability": 1}}
        return broken(world.facts(nemesis=[{"provider": "stripe", "seed": 1, "modes": modes}]))

    assert "I20" not in found(mode)
    assert "I20" in found("brownout")


def test_i20_a_hold_that_nothing_explains() -> None:
    world, life = story()
    life.attempt("collection", 1, "UNKNOWN")
    life.held("amount_mismatch")
    lied = {"provider": "stripe", "seed": 7, "modes": {"net_of_fee": {"probability": 1.0}}}

    assert broken(world.facts()) == {"I20"}
    assert broken(world.facts(nemesis=[lied])) == set()


def test_i20_a_lie_that_struck_other_payments_explains_nothing() -> None:
    world, life = story()
    attempt = life.attempt("collection", 1, "UNKNOWN")
    life.held("amount_mismatch")
    struck = chance(7, attempt.key, "net_of_fee")

    def lied(probability: float) -> list[dict[str, Any]]:
        modes = {"net_of_fee": {"probability": probability}}
        return [{"provider": "stripe", "seed": 7, "modes": modes}]

    assert broken(world.facts(nemesis=lied(struck))) == {"I20"}
    assert broken(world.facts(nemesis=lied(struck + 1e-9))) == set()


def test_i20_a_charge_after_the_end_is_held_and_no_other_end_is() -> None:
    for is_late in (False, True):
        world, life = story()
        attempt = life.attempt("collection", 1, "FAILED")
        if not is_late:
            life.effect(attempt, "charge_succeeded")
        life.event("COLLECTING", "EXPIRED", "expired")
        if is_late:
            life.effect(attempt, "charge_succeeded")
        life.held("late_success")

        assert ("I20" in broken(world.facts())) is not is_late


def test_i16_an_effect_after_the_end_is_a_zombies_unless_the_provider_took_its_time() -> None:
    world, life = story()
    attempt = life.attempt("collection", 1, "FAILED")
    life.event("COLLECTING", "CANCELLED", "cancelled")
    life.effect(attempt, "charge_succeeded")
    life.held("late_success")
    modes = {"late_effect": {"probability": 1, "seconds": 70}}
    late = {"provider": "stripe", "seed": 7, "modes": modes}

    assert "I16" in broken(world.facts())
    assert "I16" not in broken(world.facts(nemesis=[late]))


@pytest.mark.parametrize(
    ("code", "seconds", "is_broken"),
    [
        ("insufficient_balance", 10, True),
        ("insufficient_balance", 45, False),
        ("invalid_account", 10, False),
    ],
)
def test_i23_a_payment_given_back_for_a_balance_that_was_empty_for_a_moment(
    code: str, seconds: int, is_broken: bool
) -> None:
    world, life = story()
    life.collected()
    life.attempt("payout", 1, "FAILED", "local_wallet")
    world.attempts[-1] = replace(world.attempts[-1], failure_code=code)
    life.now += timedelta(seconds=seconds)
    life.event("PAYING_OUT", "REFUNDING", "payout_failed", UNWOUND)
    life.held("refund_failed")

    assert ("I23" in broken(world.facts())) is is_broken


@pytest.mark.parametrize(
    ("minutes", "held", "is_broken"), [(29, False, False), (32, False, True), (32, True, False)]
)
def test_i22_an_outcome_that_nobody_knows_and_nobody_is_called_for(
    minutes: int, held: bool, is_broken: bool
) -> None:
    world, life = story()
    attempt = life.attempt("collection", 1, "UNKNOWN")
    now = world.facts().ledger.now
    world.attempts[-1] = replace(attempt, unknown_since=now - timedelta(minutes=minutes))
    life.change(due_at=now + timedelta(minutes=1))
    if held:
        life.held("outcome_unknown")

    assert ("I22" in broken(world.facts())) is is_broken


def test_i22_a_hold_without_a_deadline() -> None:
    world, life = story()
    life.attempt("collection", 1, "UNKNOWN")
    life.held("outcome_unknown")
    timely = broken(world.facts())
    life.change(deadline_at=None)

    assert "I22" not in timely
    assert "I22" in broken(world.facts())


def test_i22_an_open_payment_that_nobody_looks_at_for_long() -> None:
    world, life = story()
    life.attempt("collection", 1, "SENT")
    now = world.facts().ledger.now
    for minutes, is_broken in ((9, False), (11, True)):
        life.change(due_at=now + timedelta(minutes=minutes))
        assert ("I22" in broken(world.facts())) is is_broken
    life.change(due_at=None)
    assert "I22" in broken(world.facts())


def test_chance_is_the_simulators() -> None:
    for mode in Mode:
        assert chance(7, "key", mode.value) == simulator.chance(7, "key", mode)


def test_i20_a_lie_about_the_amount_is_believed_where_no_person_has_stated_it() -> None:
    world, life = story(reference="sim:amount+1@local_wallet")
    life.completed()
    assert broken(world.facts()) == {"I20"}

    life.event("COMPLETED", "COMPLETED", "attempt_resolved")
    assert "I20" not in broken(world.facts())


def test_i20_a_refund_that_failed_and_called_nobody() -> None:
    world, life = story()
    life.unpaid()
    life.effect(life.attempt("refund", 1, "FAILED"), "refund_failed")
    unreceived = broken(world.facts())
    life.held("refund_failed")

    assert "I20" in unreceived
    assert broken(world.facts()) == set()


def test_a_recipient_that_was_corrected_after_a_refusal_is_no_violation() -> None:
    world, life = story()
    life.refused()
    assert broken(world.facts()) == set()

    life.corrected()
    assert broken(world.facts()) == set()


def test_i24_a_refused_recipient_that_another_offramp_is_tried_for() -> None:
    world, life = story()
    life.collected()
    refused = life.attempt("payout", 1, "FAILED", "flutterwave")
    world.attempts[-1] = replace(refused, failure_code="recipient_invalid")
    paid = life.attempt("payout", 2, "SUCCEEDED", "local_wallet")
    life.effect(paid, "payout_accepted", "payout_completed")
    life.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)

    assert broken(world.facts()) == {"I24"}


def test_i24_a_refused_recipient_whose_money_goes_back_at_once() -> None:
    world, life = story()
    life.refunded()
    (place,) = [
        place
        for place, event in enumerate(world.events)
        if event.cause == "payout_failed" and event.payment_id == life.id
    ]
    said = replace(world.events[place], evidence={"failure_code": "recipient_invalid"})
    world.events[place] = said

    assert broken(world.facts()) == {"I24"}


def test_i24_a_correction_after_which_a_payout_has_lost_its_recipient() -> None:
    world, life = story()
    life.refused()
    life.corrected()
    place = next(n for n, a in enumerate(world.attempts) if a.recipient is not None)
    world.attempts[place] = replace(world.attempts[place], recipient=None)

    assert broken(world.facts()) == {"I24"}


@pytest.mark.parametrize("kept", [{"kind": "wallet"}, None])
def test_i24_an_earlier_recipient_that_was_paid_after_all(kept: dict[str, str] | None) -> None:
    world, life = story()
    life.refused()
    life.corrected().event("COMPLETED", "COMPLETED", "earlier_recipient_paid")
    world.attempts[-1] = replace(world.attempts[-1], recipient=kept)
    assert broken(world.facts()) == (set() if kept else {"I24"})


def test_i22_a_refused_recipient_that_may_wait_for_ever() -> None:
    world, life = story()
    life.refused()
    life.change(deadline_at=None)

    assert "I22" in broken(world.facts())
