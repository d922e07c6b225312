"""Money that a provider has moved and no payment counts: on suspense from when it is known, and off
it by whatever ends the hold."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, InboxEvent, Work
from services.payments.engine.decisions.waiting import live
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step
from services.payments.model.ledger import suspense_postings
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, State
from services.payments.model.timing import HELD_POLL
from services.payments.operators.decisions import end_hold, resolve
from services.shared.money import Money
from tests.history import attempt_of
from tests.makers import CAPABILITIES, NOW, make_attempt, make_event, make_payment, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
ADA = Operator(name="ada")
PAID_99 = Money(9_900, "USD")
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="declined"))
BLOCKED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))
AMOUNTS = st.one_of(
    st.none(),
    st.builds(Money, st.integers(min_value=0, max_value=10**9), st.sampled_from(["USD", "EUR"])),
)


def _stated(amount: Money | None) -> Answer:
    """The provider shows another amount than ours; this much has moved."""
    failure = Failure(code="amount_mismatch", message="see pi_1")
    return Answer(outcome=Outcome.UNKNOWN, amount=amount, failure=failure)


def _balances(*changes: Change) -> dict[str, int]:
    sums = Counter[str]()
    for posting in (posting for change in changes for posting in change.postings):
        sums[posting.debit] += posting.amount.amount_minor
        sums[posting.credit] -= posting.amount.amount_minor
    return {account: balance for account, balance in sums.items() if balance}


def _charged(amount: Money | None = PAID_99) -> tuple[Change, Work]:
    """A charge that is answered with another amount, and the payment as it is then held."""
    work = make_work(State.COLLECTING, AttemptState.SENT)
    held = DECIDER.settle(work, _stated(amount), NOW)
    return held, replace(work, payment=held.payment, attempt=held.attempt)


def _paid_and_held(reason: str) -> Work:
    """A payout that has succeeded, on hold, with an event that says that it has failed."""
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    event = make_event(attempt_of(work), Outcome.FAILED, signed=True)
    payment = replace(work.payment, hold_reason=reason)
    return replace(work, payment=payment, inbox=(event,))


@pytest.mark.parametrize("reason", ["late_success", "step_failed", "amount_mismatch"])
def test_a_payout_that_comes_back_during_a_hold_is_on_suspense_at_once(reason: str) -> None:
    work = _paid_and_held(reason)

    plan = DECIDER.plan(work)
    change = DECIDER.settle(plan.work, BLOCKED, NOW)

    assert plan.call is Call.LOOK_UP
    paid = work.payment.terms.payout
    assert _balances(change) == {
        f"offramp:local_wallet:{paid.currency}": paid.amount_minor,
        f"suspense:local_wallet:{paid.currency}": -paid.amount_minor,
    }
    assert (change.payment.state, change.payment.hold_reason) == (State.COMPLETED, reason)
    # The event is found at the end of the hold.
    assert (change.closed_events, change.due_in) == ((), None)


@pytest.mark.parametrize("last", [BLOCKED, Answer(outcome=Outcome.SUCCEEDED)])
def test_the_end_of_the_hold_brings_what_came_back_where_it_belongs(last: Answer) -> None:
    work = _paid_and_held("late_success")
    back = DECIDER.settle(work, BLOCKED, NOW)
    ended = replace(work, payment=replace(back.payment, hold_reason=None), attempt=back.attempt)

    plan = DECIDER.plan(ended)
    change = DECIDER.settle(plan.work, last, NOW)

    assert plan.call is Call.LOOK_UP
    returned = change.payment.state is State.RETURNED
    assert returned is (last is BLOCKED)
    paid = work.payment.terms.payout
    clearing, client = f"offramp:local_wallet:{paid.currency}", f"payments:{paid.currency}"
    expected = {clearing: paid.amount_minor, client: -paid.amount_minor} if returned else {}
    assert _balances(back, change) == expected
    assert change.attempt is not None
    assert change.attempt.moved is None


def test_a_hold_notes_a_return_once_and_forgets_it_where_it_was_none() -> None:
    work = _paid_and_held("late_success")
    back = DECIDER.settle(work, BLOCKED, NOW)
    noted = replace(work, payment=back.payment, attempt=back.attempt)

    assert DECIDER.settle(noted, BLOCKED, NOW).postings == ()
    stands = DECIDER.settle(noted, Answer(outcome=Outcome.SUCCEEDED), NOW)
    assert _balances(back, stands) == {}
    assert stands.payment.hold_reason == "late_success"


def test_a_hold_after_a_success_asks_nobody_without_an_event_of_a_failure() -> None:
    work = _paid_and_held("late_success")

    for quiet in (replace(work, inbox=()), work):
        decider = DECIDER if not quiet.inbox else Decider({}, spread=lambda: 0.0)
        assert decider.plan(quiet).call is None


def test_a_charge_of_another_amount_is_on_the_onramps_account_and_on_suspense() -> None:
    held, _ = _charged()

    assert held.payment.hold_reason == "amount_mismatch"
    assert _balances(held) == {"onramp:stripe:USD": 9_900, "suspense:stripe:USD": -9_900}
    assert held.posted_at == held.events[-1].sequence
    assert held.events[-1].evidence["stated"] == "99.00 USD"


def test_a_charge_in_another_currency_is_on_accounts_of_that_currency() -> None:
    held, _ = _charged(Money(10_000, "EUR"))

    assert _balances(held) == {"onramp:stripe:EUR": 10_000, "suspense:stripe:EUR": -10_000}


def test_where_nothing_has_moved_nothing_is_posted() -> None:
    held, _ = _charged(None)

    assert held.payment.hold_reason == "amount_mismatch"
    assert held.postings == ()


def test_the_same_amount_again_after_a_release_posts_nothing_more() -> None:
    held, work = _charged()
    released = end_hold(work, ADA)
    again = DECIDER.settle(replace(work, payment=released.payment), _stated(PAID_99), NOW)

    assert again.payment.hold_reason == "amount_mismatch"
    assert _balances(held, released, again) == _balances(held)


def test_an_amount_that_is_corrected_moves_suspense_by_the_difference() -> None:
    held, work = _charged()
    released = end_hold(work, ADA)
    again = DECIDER.settle(
        replace(work, payment=released.payment), _stated(Money(9_901, "USD")), NOW
    )

    assert [str(posting.amount) for posting in again.postings] == ["0.01"]
    assert _balances(held, again)["suspense:stripe:USD"] == -9_901


@pytest.mark.parametrize("amount", [None, Money(10_000, "USD")])
def test_a_success_after_all_takes_the_money_off_suspense(amount: Money | None) -> None:
    held, work = _charged()
    released = end_hold(work, ADA)
    done = DECIDER.settle(
        replace(work, payment=released.payment),
        Answer(outcome=Outcome.SUCCEEDED, amount=amount),
        NOW,
    )

    balances = _balances(held, released, done)
    assert balances["onramp:stripe:USD"] == 10_000
    assert "suspense:stripe:USD" not in balances
    assert done.payment.state is State.CONVERTED


def test_a_failure_after_all_leaves_nothing_on_any_account() -> None:
    held, work = _charged()
    released = end_hold(work, ADA)
    failed = DECIDER.settle(replace(work, payment=released.payment), REFUSED, NOW)

    assert failed.payment.state is State.FAILED
    assert _balances(held, released, failed) == {}


@pytest.mark.parametrize(
    ("outcome", "moved", "onramp", "suspense"),
    [
        (Outcome.SUCCEEDED, None, 10_000, 0),
        (Outcome.SUCCEEDED, Money(10_000, "USD"), 10_000, 0),
        (Outcome.SUCCEEDED, PAID_99, 9_900, 100),
        (Outcome.SUCCEEDED, Money(10_200, "USD"), 10_200, -200),
        (Outcome.FAILED, None, 0, 0),
    ],
)
def test_an_operator_says_what_has_moved_and_the_rest_stays_on_suspense(
    outcome: Outcome, moved: Money | None, onramp: int, suspense: int
) -> None:
    held, work = _charged()
    failure = Failure(code="stated_by_operator", message="") if outcome is Outcome.FAILED else None
    said = Answer(outcome=outcome, amount=moved, failure=failure, actor=ADA.actor)

    resolved = resolve(work, DECIDER, ADA, said, evidence="line 12", provider_answer="not asked")

    balances = _balances(held, resolved)
    assert balances.get("onramp:stripe:USD", 0) == onramp
    assert balances.get("suspense:stripe:USD", 0) == suspense
    assert resolved.payment.state is (State.FAILED if failure else State.CONVERTED)


def test_a_success_with_another_amount_later_is_on_suspense_by_the_difference() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)
    one_more = Money(work.payment.terms.payout.amount_minor + 1, "NGN")

    change = DECIDER.settle(work, _stated(one_more), NOW)

    assert _balances(change) == {"offramp:local_wallet:NGN": -1, "suspense:local_wallet:NGN": 1}


@pytest.mark.parametrize(
    ("step", "clearing", "sign"),
    [
        (Step.COLLECTION, "onramp:stripe:USD", 1),
        (Step.PAYOUT, "offramp:local_wallet:USD", -1),
        (Step.REFUND, "onramp:stripe:USD", -1),
    ],
)
def test_money_that_went_out_is_a_claim_and_money_that_came_in_a_debt(
    step: Step, clearing: str, sign: int
) -> None:
    attempt = make_attempt(make_payment(), step, AttemptState.FAILED)

    (posting,) = suspense_postings(attempt, attempt.known_to_have_moved(PAID_99))

    debited = clearing if sign > 0 else posting.debit
    assert clearing in (posting.debit, posting.credit)
    assert posting.debit == debited
    assert posting.amount == PAID_99


@given(seen=st.lists(st.tuples(st.sampled_from(AttemptState), AMOUNTS), max_size=6))
def test_however_often_it_changes_the_postings_add_up_to_what_is_so_now(
    seen: list[tuple[AttemptState, Money | None]],
) -> None:
    attempt: Attempt = make_attempt(make_payment(), Step.COLLECTION, AttemptState.SENT)
    sums = Counter[str]()
    for state, moved in seen:
        after = replace(attempt, state=state, moved=moved)
        for posting in suspense_postings(attempt, after):
            sums[posting.debit] += posting.amount.amount_minor
            sums[posting.credit] -= posting.amount.amount_minor
        attempt = after

    held = Counter[str]()
    if attempt.moved is not None:
        held[attempt.moved.currency] += attempt.moved.amount_minor
        if attempt.counted is not None:
            held[attempt.counted.currency] -= attempt.counted.amount_minor
    for currency in ("USD", "EUR"):
        assert sums[f"onramp:stripe:{currency}"] == held[currency]
        assert sums[f"suspense:stripe:{currency}"] == -held[currency]


# While it is held


def _open_payout(answer: Answer) -> tuple[Change, Work]:
    """A payout that the provider has taken over another amount and not finished yet."""
    work = make_work(State.PAYING_OUT, AttemptState.SENT)
    held = DECIDER.settle(work, answer, NOW)
    return held, replace(work, payment=held.payment, attempt=held.attempt)


def test_a_payout_of_another_amount_is_asked_about_until_it_has_moved() -> None:
    held, work = _open_payout(_stated(None))
    assert (held.postings, held.due_in) == ((), HELD_POLL)

    plan = DECIDER.plan(work)
    assert plan.call is Call.LOOK_UP
    still_open = DECIDER.settle(plan.work, _stated(None), NOW)
    moved = DECIDER.settle(plan.work, _stated(Money(700, "NGN")), NOW)

    assert (still_open.events, still_open.attempt, still_open.due_in) == ((), None, HELD_POLL)
    assert _balances(moved) == {"offramp:local_wallet:NGN": -700, "suspense:local_wallet:NGN": 700}
    assert moved.payment.hold_reason == "amount_mismatch"
    assert [event.cause for event in moved.events] == ["payout_amount_stated"]
    assert moved.due_in is None


def test_an_amount_that_is_right_after_all_ends_no_hold_by_itself() -> None:
    _, work = _open_payout(_stated(None))
    payout = work.payment.terms.payout

    right = DECIDER.settle(DECIDER.plan(work).work, Answer(outcome=Outcome.SUCCEEDED), NOW)

    assert right.payment.hold_reason == "amount_mismatch"
    assert _balances(right)["suspense:local_wallet:NGN"] == payout.amount_minor
    (event,) = right.events
    assert (event.actor, event.cause) == ("worker", "payout_amount_stated")
    assert event.evidence == {"key": live(work).key, "moved": f"{payout} NGN"}
    assert right.payment.version == event.sequence


def test_money_that_moved_and_failed_comes_off_suspense_again() -> None:
    held, work = _open_payout(_stated(Money(700, "NGN")))

    failed = DECIDER.settle(DECIDER.plan(work).work, BLOCKED, NOW)

    assert _balances(held, failed) == {}
    assert failed.payment.hold_reason == "amount_mismatch"


def test_an_event_without_a_signature_puts_nothing_on_suspense() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    for signed, postings in ((False, 0), (True, 1)):
        reported = Answer(
            outcome=Outcome.SUCCEEDED, amount=Money(1, "NGN"), event_id="evt_1", signed=signed
        )
        change = DECIDER.settle(work, reported, NOW)
        assert change.payment.hold_reason == "amount_mismatch"
        assert len(change.postings) == postings


@pytest.mark.parametrize("hold", [None, "late_success"])
def test_a_refund_that_came_back_is_the_onramps_again_and_owed_to_the_payer(
    hold: str | None,
) -> None:
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    payment = replace(work.payment, refunded=work.payment.terms.amount, hold_reason=hold)
    work = replace(work, payment=payment)
    failed = Answer(
        outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="account closed")
    )

    change = DECIDER.settle(work, failed, NOW)

    assert change.payment.hold_reason == (hold or "refund_reversed")
    assert _balances(change) == {"onramp:stripe:USD": 10_000, "payments:USD": -10_000}


def test_a_success_after_the_refund_is_on_suspense_from_when_the_provider_confirms_it() -> None:
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    failed = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED)
    reported = Answer(outcome=Outcome.SUCCEEDED, event_id="evt_1", key=failed.key, signed=True)
    event = InboxEvent(provider="local_wallet", event_id="evt_1", step=Step.PAYOUT, answer=reported)

    plan = DECIDER.plan(replace(work, earlier=(failed,), inbox=(event,)))
    assert (plan.call, plan.change.postings) == (Call.LOOK_UP, ())
    held = DECIDER.settle(plan.work, Answer(outcome=Outcome.SUCCEEDED), NOW)

    assert held.payment.hold_reason == "late_success"
    paid = work.payment.terms.payout.amount_minor
    assert _balances(held) == {
        "offramp:local_wallet:NGN": -paid,
        "suspense:local_wallet:NGN": paid,
    }
