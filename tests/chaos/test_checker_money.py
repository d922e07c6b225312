"""The checker checked, where the money is: three books that agree pass, and I3 to I9 find the one
evidence that was made to break them."""

from dataclasses import replace

import pytest

from tests.chaos.checker import check_facts, render
from tests.chaos.worlds import (
    AMOUNT,
    PAID,
    PAYOUT,
    REFUNDED,
    UNWOUND,
    Story,
    World,
    broken,
    clean,
    story,
)


def test_books_that_agree_pass() -> None:
    report = check_facts(clean().facts())

    assert report.broken == []
    assert (report.safe, report.live) == (True, True)
    assert all(report.finding(name).checked for name in ("I1", "I2", "I3", "I4", "I5", "I6", "I9"))


def test_the_table_shows_what_is_wrong() -> None:
    world = clean()
    world.keys.clear()

    shown = render(check_facts(world.facts()))

    assert "NOT SAFE, live" in shown
    assert "I2: pay_" in shown


def test_i3_a_second_charge() -> None:
    world, life = story()
    life.completed()
    charge = next(a for a in world.attempts if a.key.startswith(life.public_id))
    life.effect(charge, "charge_succeeded", named="another")

    assert {"I3", "I9"} <= broken(world.facts())


def test_i3_a_charge_that_came_again_after_it_was_forgotten_is_explained() -> None:
    world, life = story()
    collection = life.attempt("collection", 1, "SUCCEEDED")
    life.effect(collection, "charge_succeeded", "forgotten", named="first")
    life.effect(collection, "charge_succeeded", named="second")
    life.event("COLLECTING", "FUNDED", "collection_succeeded", ())
    report = check_facts(world.facts())

    assert report.finding("I3").violations == []
    assert report.finding("I3").explained != []


def test_i3_a_failed_payment_whose_payer_was_charged() -> None:
    world, life = story()
    life.effect(life.attempt("collection", 1, "FAILED"), "charge_succeeded")
    life.event("COLLECTING", "FAILED", "collection_failed")

    assert broken(world.facts()) == {"I3", "I9"}


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_i3_a_cancelled_payment_whose_charge_its_onramp_forgot(is_forgotten: bool) -> None:
    world, life = story()
    charge = life.attempt("collection", 1, "FAILED")
    life.effect(charge, "charge_succeeded", *(["forgotten"] if is_forgotten else []))
    life.event("COLLECTING", "CANCELLED", "cancelled")

    assert ("I3" in broken(world.facts())) is not is_forgotten


def test_i4_two_live_payouts() -> None:
    world, life = story()
    life.collected()
    first = life.attempt("payout", 1, "FAILED", "flutterwave")
    life.effect(first, "payout_accepted")
    second = life.attempt("payout", 2, "SUCCEEDED", "local_wallet")
    life.effect(second, "payout_accepted", "payout_completed")
    life.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)

    assert broken(world.facts()) == {"I4"}


def test_i4_a_success_after_a_failure_is_explained_once_a_person_is_called() -> None:
    world, life = _late_success()
    life.held("late_success")
    report = check_facts(world.facts())

    assert report.broken == []
    assert report.finding("I4").explained != []


def test_i4_a_late_success_without_any_event_is_explained() -> None:
    world, _ = _late_success()

    assert broken(world.facts()) == set()


def test_i4_i20_a_late_success_that_was_received_and_led_to_nothing() -> None:
    world, life = _late_success()
    life.received("SUCCEEDED", f"{life.public_id}-payout-1")

    assert {"I4", "I20"} <= broken(world.facts())


def test_i4_a_late_success_that_came_back_at_once_is_explained() -> None:
    world, life = _late_success()
    life.received("SUCCEEDED", f"{life.public_id}-payout-1")
    (late,) = [one for one in world.attempts if one.key == f"{life.public_id}-payout-1"]

    life.effect(late, "payout_returned")

    assert "I4" not in broken(world.facts())


def test_i20_a_success_that_was_taken_back_is_not_late_but_may_be_held_for_it() -> None:
    for is_held in (False, True):
        world, life = story()
        life.collected()
        first = life.attempt("payout", 1, "FAILED", "flutterwave")
        life.effect(first, "payout_accepted", "payout_completed", "payout_returned")
        second = life.attempt("payout", 2, "SUCCEEDED", "local_wallet")
        life.effect(second, "payout_accepted", "payout_completed")
        life.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
        life.received("SUCCEEDED", f"{life.public_id}-payout-1")
        if is_held:
            life.held("late_success")

        assert "I20" not in broken(world.facts())


def test_i4_a_return_that_is_taken_back_is_explained_once_a_person_is_called() -> None:
    for is_held in (False, True):
        world, life = story()
        life.collected()
        attempt = life.attempt("payout", 1, "REVERSED", "local_wallet")
        life.effect(attempt, "payout_accepted", "payout_completed", "payout_returned")
        life.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
        returned = [(credit, debit, *rest) for debit, credit, *rest in PAID]
        life.event("COMPLETED", "RETURNED", "payout_returned", returned)
        life.effect(attempt, "payout_completed")
        life.received("SUCCEEDED", attempt.key)
        if is_held:
            place = world.attempts.index(attempt)
            world.attempts[place] = replace(attempt, moved_minor=PAYOUT, moved_currency="INR")
            suspended = ("suspense:local_wallet:INR", "offramp:local_wallet:INR", "INR", PAYOUT)
            life.event("RETURNED", "RETURNED", "held_late_success", [suspended])
            life.change(hold_reason="late_success", deadline_at=life.now)

        assert (broken(world.facts()) == set()) is is_held


def test_i9_a_success_of_before_the_return_is_not_the_late_one() -> None:
    for is_late in (False, True):
        world, life = story()
        life.collected()
        attempt = life.attempt("payout", 1, "REVERSED", "flutterwave")
        life.effect(attempt, "payout_accepted", "payout_completed")
        if not is_late:
            life.received("SUCCEEDED", attempt.key)
        life.effect(attempt, "payout_returned", "payout_completed")
        if is_late:
            life.received("SUCCEEDED", attempt.key)
        life.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
        returned = [(credit, debit, *rest) for debit, credit, *rest in PAID]
        life.event("COMPLETED", "RETURNED", "payout_returned", returned)

        assert ("I9" in broken(world.facts())) is is_late


def test_i4_a_payout_beside_a_refund() -> None:
    world, life = story()
    life.collected()
    failed = life.attempt("payout", 1, "FAILED", "local_wallet")
    life.effect(failed, "payout_accepted")
    life.event("PAYING_OUT", "REFUNDING", "payout_failed", UNWOUND)
    life.effect(life.attempt("refund", 1, "SUCCEEDED"), "refund_succeeded")
    life.event("REFUNDING", "REFUNDED", "refund_succeeded", REFUNDED)
    life.change(refunded_minor=AMOUNT)

    assert broken(world.facts()) == {"I4"}


def test_i4_a_cancelled_payment_that_was_paid_out() -> None:
    world, life = story()
    life.completed().change(cancel_requested_at=life.now)
    life.asked("cancel", 200, response=life.answer)

    assert broken(world.facts()) == {"I4"}


@pytest.mark.parametrize("is_live", [False, True])
def test_i4_a_payment_cancelled_after_its_recipient_was_refused(is_live: bool) -> None:
    world, life = story()
    life.refused().change(cancel_requested_at=life.now)
    life.asked("cancel", 200, response=life.answer)
    life.event("ACTION_REQUIRED", "REFUNDING", "refund_requested", UNWOUND)
    life.change(deadline_at=None, due_at=None)
    life.effect(life.attempt("refund", 1, "SUCCEEDED"), "refund_succeeded")
    life.event("REFUNDING", "REFUNDED", "refund_succeeded", REFUNDED)
    life.change(refunded_minor=AMOUNT)
    if is_live:
        second = life.attempt("payout", 2, "SUCCEEDED", "local_wallet")
        life.effect(second, "payout_accepted", "payout_completed")

    assert ("I4" in broken(world.facts())) is is_live
    assert is_live or broken(world.facts()) == set()


def test_i5_another_amount_at_the_provider() -> None:
    world = clean()
    world.book[0] = replace(world.book[0], currency="EUR")

    assert broken(world.facts()) == {"I5"}


def test_i5_an_effect_of_which_no_intent_was_written() -> None:
    world, life = story()
    charge = replace(life.attempt("collection", 1, "FAILED"), key="a-key-of-nobody")
    life.effect(charge, "payout_failed")
    life.event("COLLECTING", "FAILED", "collection_failed")

    assert broken(world.facts()) == {"I5"}


def test_i5_more_given_back_than_was_taken() -> None:
    world, life = story()
    life.refunded()
    refund = next(a for a in world.attempts if a.step == "refund" and a.payment_id == life.id)
    life.effect(refund, "refund_succeeded", named="again")

    assert {"I5", "I9"} <= broken(world.facts())


def test_i9_a_payout_that_our_book_does_not_have() -> None:
    world, life = story()
    life.completed()
    world.postings.pop()

    assert "I9" in broken(world.facts())


def test_i9_the_difference_of_a_held_payment_is_explained_and_no_other() -> None:
    world, life = story()
    life.effect(life.attempt("collection", 1, "UNKNOWN"), "charge_succeeded")
    life.held("outcome_unknown")
    modes = {"amnesia": {"probability": 1}}
    nemesis = [{"provider": "stripe", "seed": 1, "modes": modes}]
    whole = check_facts(world.facts(nemesis=nemesis))
    world.book[-1] = replace(world.book[-1], amount_minor=AMOUNT + 1)
    other = check_facts(world.facts(nemesis=nemesis))

    assert whole.broken == []
    assert "I9" in other.broken


def test_i9_a_charge_that_is_held_for_its_amount_and_on_no_account() -> None:
    world, life = story()
    life.effect(life.attempt("collection", 1, "UNKNOWN"), "charge_succeeded")
    life.held("amount_mismatch")
    modes = {"amount+1": {"probability": 1}}
    lied = [{"provider": "stripe", "seed": 1, "modes": modes}]

    assert broken(world.facts(nemesis=lied)) == {"I9"}


def test_i9_a_held_charge_is_on_suspense_to_the_cent_that_was_lied_about() -> None:
    world, life = story()
    charge = life.attempt("collection", 1, "UNKNOWN")
    life.effect(charge, "charge_succeeded")
    world.attempts[-1] = replace(charge, moved_minor=AMOUNT + 1, moved_currency="USD")
    posting = ("onramp:stripe:USD", "suspense:stripe:USD", "USD", AMOUNT + 1)
    life.event("COLLECTING", "COLLECTING", "held_amount_mismatch", [posting])
    life.change(hold_reason="amount_mismatch", deadline_at=life.now)
    modes = {"amount+1": {"probability": 1}}
    lied = check_facts(world.facts(nemesis=[{"provider": "stripe", "seed": 1, "modes": modes}]))
    truthful = check_facts(world.facts())

    assert lied.broken == []
    assert "I9" in truthful.broken
    world.postings[-1] = replace(world.postings[-1], amount_minor=AMOUNT + 2)
    assert "I6" in broken(world.facts())


def test_i9_a_refund_that_came_back_is_not_the_payers_any_more() -> None:
    world, life = story()
    life.refunded()
    refund = next(a for a in world.attempts if a.step == "refund" and a.payment_id == life.id)
    life.effect(refund, "refund_failed")
    unknown = check_facts(world.facts())
    world.attempts[-1] = replace(refund, state="REVERSED")
    back = [(credit, debit, *rest) for debit, credit, *rest in REFUNDED]
    life.event("REFUNDED", "PARTLY_REFUNDED", "refund_returned", back)  # type: ignore[arg-type]
    life.change(refunded_minor=0)
    life.held("refund_reversed")
    known = check_facts(world.facts())

    assert "I9" in unknown.broken
    assert known.finding("I9").violations == known.finding("I5").violations == []


def test_i6_a_posting_that_the_history_does_not_ask_for() -> None:
    world = clean()
    fee = world.postings[1]
    world.postings.append(replace(fee, debit="fx:rounding:USD", amount_minor=1))

    assert broken(world.facts()) == {"I6"}


@pytest.mark.parametrize("is_posted", [True, False])
def test_i6_a_payout_that_came_back_is_corrected_and_paid_again(is_posted: bool) -> None:
    world, life = story()
    life.returned().corrected()
    if not is_posted:
        world.postings.pop()

    assert broken(world.facts()) == (set() if is_posted else {"I6", "I8", "I9"})


def test_i7_a_balance_that_is_not_the_sum() -> None:
    facts = clean().facts()
    first, *others = facts.ledger.balances
    balances = [replace(first, balance_minor=first.balance_minor + 1), *others]

    assert "I7" in broken(replace(facts, ledger=replace(facts.ledger, balances=balances)))


@pytest.mark.parametrize(
    ("account", "currency", "balance_minor", "is_broken"),
    [
        ("onramp:stripe:USD", "USD", -1, True),
        # A refund that was stated in another currency than the collection.
        ("onramp:stripe:EUR", "EUR", -1, False),
        ("offramp:local_wallet:INR", "INR", 1, True),
        ("payments:USD", "USD", 1, True),
    ],
)
def test_i7_an_account_with_a_sign_that_it_must_not_have(
    account: str, currency: str, balance_minor: int, is_broken: bool
) -> None:
    world = clean()
    debit, credit = ("suspense:a", account) if balance_minor < 0 else (account, "suspense:a")
    first = replace(world.postings[0], debit=debit, credit=credit, currency=currency)
    world.postings.append(replace(first, amount_minor=abs(balance_minor) + 10**9))

    assert ("I7" in broken(world.facts())) is is_broken


def test_i8_something_on_suspense_for_a_payment_that_is_over() -> None:
    world, life = story()
    life.declined()
    charge = replace(world.attempts[-1], moved_minor=AMOUNT, moved_currency="USD")
    world.attempts[-1] = charge
    life.effect(charge, "charge_succeeded")
    life.event(
        "FAILED", "FAILED", "noted", [("onramp:stripe:USD", "suspense:stripe:USD", "USD", AMOUNT)]
    )

    assert "I8" in broken(world.facts())
    life.held("late_success")
    assert "I8" not in broken(world.facts())


def test_i8_something_left_of_a_payment_that_is_over() -> None:
    world, life = story()
    life.completed()
    paid = world.postings.pop()
    world.postings.append(replace(paid, amount_minor=PAYOUT - 1))

    assert {"I8", "I6", "I9"} == broken(world.facts())


def _late_success() -> tuple[World, Story]:
    """A payout that failed, its successor that arrived, and then the first one arrives too."""
    world, life = story()
    life.collected()
    first = life.attempt("payout", 1, "FAILED", "flutterwave")
    life.effect(first, "payout_accepted", "payout_failed")
    second = life.attempt("payout", 2, "SUCCEEDED", "local_wallet")
    life.effect(second, "payout_accepted", "payout_completed")
    life.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
    life.effect(first, "payout_completed")
    return world, life
