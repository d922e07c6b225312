"""A hold is a warning that names the provider and both amounts; any other event is a line of the
log. Nothing of either repeats a provider's own words, which may name people."""

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.reporting import report_changes
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState
from services.payments.model.payment import Failure, State
from services.shared.money import Money
from tests.logs import logged
from tests.makers import CAPABILITIES, NOW, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)


def test_a_hold_is_a_warning_with_the_provider_and_both_amounts() -> None:
    work = make_work(State.COLLECTING, AttemptState.SENT)
    failure = Failure(code="amount_mismatch", message="Ada Obi, 0690000040")
    other = Answer(
        outcome=Outcome.UNKNOWN,
        provider_reference="pi_1",
        amount=Money(10_001, "USD"),
        failure=failure,
    )
    change = DECIDER.settle(work, other, NOW)

    with logged() as lines:
        report_changes([change])

    (line,) = lines()
    assert (line["event"], line["level"]) == ("payment_held", "warning")
    assert line["transaction_id"] == work.payment.transaction_id
    assert (line["reason"], line["provider"]) == ("amount_mismatch", "stripe")
    assert (line["expected"], line["stated"]) == ("100.00 USD", "100.01 USD")
    assert "Ada" not in str(line)
    assert change.events[0].evidence["expected"] == "100.00 USD"
    assert change.events[0].evidence["stated"] == "100.01 USD"


def test_any_other_event_is_a_line_of_the_log() -> None:
    change = DECIDER.settle(
        make_work(State.PAYING_OUT, AttemptState.SENT), Answer(outcome=Outcome.PENDING), NOW
    )

    with logged() as lines:
        report_changes([change])

    (line,) = lines()
    assert (line["event"], line["level"], line["cause"]) == (
        "payment_event",
        "info",
        "payout_accepted",
    )
