"""A batch is planned so that a payment fails without the others, and an event without its
payment."""

from dataclasses import replace

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import InboxEvent, Plan, Work
from services.payments.engine.isolation import is_unavailable, plan_apart, without_events
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import State
from services.shared.errors import Unavailable
from tests.makers import CAPABILITIES, make_work


class FailsOnEvents(Decider):
    """A decider that breaks down over certain events, and over payments without a reference."""

    def __init__(self) -> None:
        super().__init__(CAPABILITIES, spread=lambda: 0.0)

    def plan(self, work: Work) -> Plan:
        if any(inbox.event_id.startswith("bad") for inbox in work.inbox):
            raise RuntimeError
        if work.payment.reference == "bad":
            raise RuntimeError
        return super().plan(work)


def _event(event_id: str) -> InboxEvent:
    return InboxEvent(
        provider="local_wallet",
        event_id=event_id,
        step=Step.PAYOUT,
        answer=Answer(outcome=Outcome.SUCCEEDED, event_id=event_id),
    )


def _bad(work: Work) -> Work:
    return replace(work, payment=replace(work.payment, reference="bad"))


def test_a_payment_that_cannot_be_planned_fails_alone() -> None:
    good, bad = make_work(State.CREATED), _bad(make_work(State.CREATED))

    planned = plan_apart(FailsOnEvents(), [good, bad, good])

    assert len(planned.plans) == 2
    assert [failure.lease.payment_id for failure in planned.failures] == [bad.payment.id]
    assert planned.failures[0].lease.token == bad.lease_token


def test_events_that_cannot_be_applied_fail_and_the_others_are_applied() -> None:
    inbox = tuple(_event(name) for name in ("bad-1", "good", "bad-2"))
    work = make_work(State.PAYING_OUT, AttemptState.ACCEPTED, inbox=inbox)

    planned = plan_apart(FailsOnEvents(), [work])

    assert [failure.event_id for failure in planned.event_failures] == ["bad-1", "bad-2"]
    assert planned.failures == []
    assert planned.plans[0].change.payment.state is State.COMPLETED


def test_a_payment_that_fails_without_its_events_too_is_itself_to_blame() -> None:
    work = _bad(make_work(State.PAYING_OUT, AttemptState.ACCEPTED, inbox=(_event("bad"),)))

    planned = plan_apart(FailsOnEvents(), [work])

    assert len(planned.failures) == 1
    assert planned.event_failures == []


def test_events_can_be_left_out_with_the_error_counted_to_them() -> None:
    work, failures = without_events([make_work(State.PAYING_OUT, inbox=(_event("one"),))], "why")

    assert work[0].inbox == ()
    assert [(failure.event_id, failure.error) for failure in failures] == [("one", "why")]


def test_a_group_of_errors_is_nobodys_fault_only_if_all_of_it_is() -> None:
    assert is_unavailable(ExceptionGroup("", [Unavailable(), Unavailable()]))
    assert not is_unavailable(ExceptionGroup("", [Unavailable(), RuntimeError()]))
