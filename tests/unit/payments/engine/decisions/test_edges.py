"""Every edge of the transition table is walked here by the engine's own decisions, one test an
edge, and a test sees to it that none is missing. Any other move is refused in test_payment."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.returns_and_refunds import (
    cancel_or_expire,
    refund_on_request,
)
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import ALLOWED, Failure, Payment, State
from services.shared.money import Money
from services.shared.recipients import Wallet
from tests.makers import CAPABILITIES, NOW, make_attempt, make_trail, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
SUCCEEDED = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
REFUSED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="blocked"))
DECLINED = Answer(outcome=Outcome.FAILED, failure=Failure(code="card_declined", message="no"))
LATE = NOW + timedelta(hours=1)
PART = Money(4_000, "USD")


def _with(work: Work, **changes: object) -> Work:
    return replace(work, payment=replace(work.payment, **changes))  # type: ignore[arg-type]


def _walked(work: Work, change: Change) -> list[tuple[State, State]]:
    """The edges of a change, one by one, from the state that the payment was in."""
    moves = [(e.from_state, e.to_state) for e in change.events if e.from_state != e.to_state]
    assert moves[0][0] is work.payment.state
    return [(start, end) for start, end in moves if start is not None]


def test_created_to_collecting() -> None:
    work = make_work(State.CREATED)

    assert _walked(work, DECIDER.plan(work).change) == [(State.CREATED, State.COLLECTING)]


def test_created_to_cancelled() -> None:
    work = _with(make_work(State.CREATED), cancel_requested_at=NOW)

    assert _walked(work, DECIDER.plan(work).change) == [(State.CREATED, State.CANCELLED)]


def test_created_to_expired() -> None:
    work = replace(make_work(State.CREATED), claimed_at=LATE)

    assert _walked(work, DECIDER.plan(work).change) == [(State.CREATED, State.EXPIRED)]


def test_collecting_to_funded() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)

    change = DECIDER.settle(work, replace(SUCCEEDED, occurred_at=LATE), LATE)

    assert _walked(work, change) == [(State.COLLECTING, State.FUNDED)]
    assert change.due_in == timedelta(0)


def test_collecting_to_failed() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)

    change = DECIDER.settle(work, DECLINED, NOW)

    assert _walked(work, change) == [(State.COLLECTING, State.FAILED)]
    assert change.payment.failure == DECLINED.failure


def test_collecting_to_cancelled() -> None:
    work = _with(make_work(State.COLLECTING, AttemptState.INTENDED), cancel_requested_at=NOW)

    change = DECIDER.plan(work).change

    assert _walked(work, change) == [(State.COLLECTING, State.CANCELLED)]
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.FAILED


def test_collecting_to_expired() -> None:
    work = replace(make_work(State.COLLECTING, AttemptState.INTENDED), claimed_at=LATE)

    assert _walked(work, DECIDER.plan(work).change) == [(State.COLLECTING, State.EXPIRED)]


def test_funded_to_converted() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    in_time = DECIDER.settle(work, SUCCEEDED, NOW)
    late = make_work(State.FUNDED)
    repriced = DECIDER.price(late, make_trail(), LATE)

    assert _walked(work, in_time)[-1] == (State.FUNDED, State.CONVERTED)
    assert _walked(late, repriced) == [(State.FUNDED, State.CONVERTED)]


def test_funded_to_refunding() -> None:
    work = _with(make_work(State.COLLECTING, AttemptState.SENT), cancel_requested_at=NOW)

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert _walked(work, change)[-1] == (State.FUNDED, State.REFUNDING)
    # The dollars were never exchanged, so there is no exchange to take back.
    assert not any("exchange" in posting.cause for posting in change.postings)


def test_converted_to_paying_out() -> None:
    work = make_work(State.CONVERTED)

    assert _walked(work, DECIDER.plan(work).change) == [(State.CONVERTED, State.PAYING_OUT)]


def test_converted_to_refunding() -> None:
    work = _with(make_work(State.CONVERTED), cancel_requested_at=NOW)

    change = DECIDER.plan(work).change

    assert _walked(work, change) == [(State.CONVERTED, State.REFUNDING)]
    assert change.events[-1].evidence["refund_rate"] == str(work.payment.terms.rate)


def test_paying_out_to_completed() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT)

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert _walked(work, change) == [(State.PAYING_OUT, State.COMPLETED)]


def test_paying_out_to_refunding() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.SENT)

    change = DECIDER.settle(work, REFUSED, NOW)

    assert _walked(work, change) == [(State.PAYING_OUT, State.REFUNDING)]


def test_paying_out_to_action_required() -> None:
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED)
    failure = Failure(code="recipient_invalid", message="no")

    change = DECIDER.settle(work, replace(REFUSED, failure=failure), NOW)

    assert _walked(work, change) == [(State.PAYING_OUT, State.ACTION_REQUIRED)]


def test_action_required_to_paying_out() -> None:
    work = make_work(State.ACTION_REQUIRED, AttemptState.FAILED)

    change = correct(work, Wallet(wallet_id="wallet-2"))

    assert _walked(work, change) == [(State.ACTION_REQUIRED, State.PAYING_OUT)]


def test_action_required_to_refunding() -> None:
    work = make_work(State.ACTION_REQUIRED, AttemptState.FAILED)

    change = refund_on_request(work, None)

    assert _walked(work, change) == [(State.ACTION_REQUIRED, State.REFUNDING)]


def test_action_required_to_completed() -> None:
    work = make_work(State.ACTION_REQUIRED, AttemptState.FAILED)
    assert work.attempt is not None
    late = replace(work.attempt, failure=Failure(code=SUCCEEDED_LATE, message="late"))
    work = replace(work, attempt=late)

    change = DECIDER.settle(DECIDER.plan(work).work, SUCCEEDED, NOW)

    assert _walked(work, change) == [(State.ACTION_REQUIRED, State.COMPLETED)]
    assert [posting.cause for posting in change.postings] == ["paid_out"]


def test_completed_to_returned() -> None:
    work = make_work(State.COMPLETED, AttemptState.SUCCEEDED)

    change = DECIDER.settle(work, REFUSED, NOW)

    assert _walked(work, change) == [(State.COMPLETED, State.RETURNED)]
    assert change.attempt is not None
    assert change.attempt.state is AttemptState.REVERSED
    assert [posting.cause for posting in change.postings] == ["payout_returned"]


def test_returned_to_paying_out() -> None:
    work = make_work(State.RETURNED, AttemptState.REVERSED)

    change = correct(work, Wallet(wallet_id="wallet-2"))

    assert _walked(work, change) == [(State.RETURNED, State.PAYING_OUT)]


def test_returned_to_refunding() -> None:
    work = make_work(State.RETURNED, AttemptState.REVERSED)

    change = refund_on_request(work, None)

    assert _walked(work, change) == [(State.RETURNED, State.REFUNDING)]
    assert change.attempt is not None
    assert (change.attempt.step, change.attempt.state) == (Step.REFUND, AttemptState.INTENDED)


def test_refunding_to_refunded() -> None:
    work = make_work(State.REFUNDING, AttemptState.SENT)

    change = DECIDER.settle(work, SUCCEEDED, NOW)

    assert _walked(work, change) == [(State.REFUNDING, State.REFUNDED)]


def test_refunding_to_partly_refunded() -> None:
    work = make_work(State.REFUNDING, AttemptState.SENT)
    part = replace(make_attempt(work.payment, Step.REFUND, AttemptState.SENT), amount=PART)

    change = DECIDER.settle(replace(work, attempt=part), SUCCEEDED, NOW)

    assert _walked(work, change) == [(State.REFUNDING, State.PARTLY_REFUNDED)]


def test_partly_refunded_to_refunding() -> None:
    work = _with(make_work(State.PARTLY_REFUNDED, AttemptState.SUCCEEDED), refunded=PART)

    change = refund_on_request(work, PART)

    assert _walked(work, change) == [(State.PARTLY_REFUNDED, State.REFUNDING)]
    assert change.postings == ()


def test_refunded_to_partly_refunded() -> None:
    """The only refund has not reached the payer after all."""
    work = make_work(State.REFUNDED, AttemptState.SUCCEEDED)
    work = _with(work, refunded=work.payment.terms.amount)

    change = DECIDER.settle(work, REFUSED, NOW)

    assert _walked(work, change) == [(State.REFUNDED, State.PARTLY_REFUNDED)]


def test_partly_refunded_to_refunded() -> None:
    """The rest has gone back under an attempt that was over by our record."""
    work = _with(make_work(State.PARTLY_REFUNDED), refunded=PART)
    late = make_attempt(
        work.payment,
        Step.REFUND,
        AttemptState.FAILED,
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
    )

    change = DECIDER.settle(replace(work, attempt=late), SUCCEEDED, NOW)

    assert _walked(work, change) == [(State.PARTLY_REFUNDED, State.REFUNDED)]


def _taken_after_the_end(state: State) -> list[tuple[State, State]]:
    work = make_work(state)
    late = make_attempt(
        work.payment,
        Step.COLLECTION,
        AttemptState.FAILED,
        failure=Failure(code=SUCCEEDED_LATE, message="late"),
    )
    plan = DECIDER.plan(replace(work, earlier=(late,)))
    return _walked(work, DECIDER.settle(plan.work, SUCCEEDED, NOW))


def test_failed_to_refunding() -> None:
    assert _taken_after_the_end(State.FAILED) == [(State.FAILED, State.REFUNDING)]


def test_cancelled_to_refunding() -> None:
    assert _taken_after_the_end(State.CANCELLED) == [(State.CANCELLED, State.REFUNDING)]


def test_expired_to_refunding() -> None:
    assert _taken_after_the_end(State.EXPIRED) == [(State.EXPIRED, State.REFUNDING)]


def test_every_edge_of_the_table_has_its_test() -> None:
    edges = {
        f"test_{start.lower()}_to_{end.lower()}" for start, ends in ALLOWED.items() for end in ends
    }

    assert edges <= set(globals())


def _owed(payment: Payment, change: Change) -> Decimal:
    """The effect of the change on the payment's own dollar account."""
    signs = {
        posting: (posting.credit == "payments:USD") - (posting.debit == "payments:USD")
        for posting in change.postings
    }
    return sum((sign * posting.amount.decimal for posting, sign in signs.items()), Decimal(0))


def test_a_payment_cancelled_before_collection_posts_nothing() -> None:
    work = _with(make_work(State.CREATED), cancel_requested_at=NOW)

    assert cancel_or_expire(work).postings == ()


def test_a_refund_reverses_all_that_was_paid() -> None:
    work = make_work(State.CONVERTED)

    change = refund_on_request(work, None)

    # 97.01 exchanged, 0.49 markup and 2.50 fees come back to the account that has to give 100.00.
    assert _owed(work.payment, change) == Decimal("100.00")
