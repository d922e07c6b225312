"""No attempt is called absent before the provider's declared lag has passed since the last moment
at which a request under its key could have left, whatever the lease, the clocks, and the moments of
sending and asking are."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, InboxEvent, Work
from services.payments.model.answer import SUCCEEDED_LATE, Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.payment import Failure, State
from services.payments.model.timing import CACHED_ERRORS, CALL, CLOCK_SKEW, DOUBTED_TRIES, SENDS_MAX
from tests.makers import NOW, make_attempt, make_capabilities, make_payment

ABSENT = Answer(outcome=Outcome.ABSENT)
STEPS = {
    Step.COLLECTION: State.COLLECTING,
    Step.PAYOUT: State.PAYING_OUT,
    Step.REFUND: State.REFUNDING,
}
NOTHING, MOMENT = timedelta(0), timedelta(microseconds=1)


@dataclass(frozen=True, kw_only=True)
class Story:
    """One attempt that was marked under a lease and may leave late, and a look-up by whoever took
    its payment over. All times are since the claim, by a clock that is right."""

    lease: timedelta
    marked: timedelta
    # When the request left at last, by the provider service's clock.
    left: timedelta
    asked: timedelta
    recorded: timedelta
    # How far the clock of the provider service is ahead of the database's.
    ahead: timedelta
    lag: timedelta


AT_ONCE = Story(
    lease=timedelta(seconds=30),
    marked=NOTHING,
    left=NOTHING,
    asked=NOTHING,
    recorded=NOTHING,
    ahead=NOTHING,
    lag=timedelta(seconds=60),
)


def spans(longest: timedelta) -> st.SearchStrategy[timedelta]:
    return st.timedeltas(min_value=NOTHING, max_value=longest)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    lease = draw(st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(minutes=10)))
    marked = lease * draw(st.integers(min_value=0, max_value=999)) / 1000
    # A process may stand still at any point, but for the last one: what limits it is the mark.
    left = draw(
        st.timedeltas(min_value=marked, max_value=may_leave_until(lease, marked))
        | st.just(may_leave_until(lease, marked))
    )
    lag = draw(spans(timedelta(minutes=10)) | st.just(NOTHING))
    ahead = draw(st.timedeltas(min_value=-CLOCK_SKEW, max_value=CLOCK_SKEW))
    soon = st.timedeltas(min_value=-timedelta(seconds=20), max_value=timedelta(seconds=20))
    asked = max(draw(soon.map(lambda late: left + lag + late) | spans(timedelta(hours=1))), marked)
    return Story(
        lease=lease,
        marked=marked,
        left=left,
        asked=asked,
        # The answer is recorded when the database allows it.
        recorded=asked + draw(spans(timedelta(minutes=20))),
        ahead=ahead,
        lag=lag,
    )


def may_leave_until(lease: timedelta, marked: timedelta) -> timedelta:
    """As the statement of the mark says it: test_a_mark_says_until_when_the_request_may_leave."""
    return min(lease, marked + CALL)


def sent(step: Step, story: Story, **changes: Any) -> Attempt:
    """The attempt as the database has it after the mark."""
    marked_at = NOW + story.marked
    return make_attempt(
        make_payment(state=STEPS[step]),
        step,
        AttemptState.UNKNOWN,
        sent_at=marked_at,
        last_sent_at=marked_at,
        leaves_until=NOW + may_leave_until(story.lease, story.marked),
        **changes,
    )


def look_up(story: Story, work: Work, known: dict[str, Any]) -> Change:
    declared = {
        name: make_capabilities(name, look_up_lag=story.lag, **known)
        for name in ("stripe", "local_wallet")
    }
    asked = replace(work, claimed_at=NOW + story.asked)
    return Decider(declared, lambda: 0.0).settle(asked, ABSENT, NOW + story.recorded)


def is_too_early(story: Story, look_up_is: LookUp) -> bool:
    """Whether the question was asked before the lag had passed since the request really left."""
    really_left = story.left - story.ahead
    lag = story.lag if look_up_is is LookUp.EVENTUAL else NOTHING
    return story.asked - really_left <= lag


def unwanted(step: Step, story: Story, **changes: Any) -> Work:
    attempt = sent(step, story, **changes)
    payment = make_payment(state=STEPS[step], version=5, cancel_requested_at=NOW)
    return Work(payment=payment, attempt=attempt, inbox=(), lease_token=8, claimed_at=NOW)


@given(stories(), st.sampled_from([LookUp.STRONG, LookUp.EVENTUAL]))
def test_an_unwanted_collection_is_not_called_absent_too_early(
    story: Story, look_up_is: LookUp
) -> None:
    change = look_up(story, unwanted(Step.COLLECTION, story), {"look_up": look_up_is})

    is_over = change.payment.state is not State.COLLECTING
    assert not (is_over and is_too_early(story, look_up_is))


@given(stories(), st.sampled_from(list(Step)), st.sampled_from([LookUp.STRONG, LookUp.EVENTUAL]))
@pytest.mark.parametrize(
    "used_up",
    [
        {"sends": SENDS_MAX},
        {
            "inconclusive_count": CACHED_ERRORS,
            "failure": Failure(code="provider_fault", message="500"),
        },
    ],
)
def test_a_key_that_is_used_up_is_not_called_absent_too_early(
    used_up: dict[str, Any], story: Story, step: Step, look_up_is: LookUp
) -> None:
    attempt = sent(step, story, **used_up)
    payment = make_payment(state=STEPS[step], version=5)
    work = Work(payment=payment, attempt=attempt, inbox=(), lease_token=8, claimed_at=NOW)

    change = look_up(story, work, {"look_up": look_up_is, "caches_errors": True})

    is_over = change.attempt is None or not change.attempt.is_live
    assert not (is_over and is_too_early(story, look_up_is))


@given(stories(), st.sampled_from([LookUp.STRONG, LookUp.EVENTUAL]))
def test_a_late_success_is_not_called_absent_too_early(story: Story, look_up_is: LookUp) -> None:
    late = Failure(code=SUCCEEDED_LATE, message="late")
    over = replace(sent(Step.COLLECTION, story), state=AttemptState.FAILED, failure=late)
    payment = make_payment(state=State.CANCELLED, version=5)
    work = Work(payment=payment, attempt=over, inbox=(), lease_token=8, claimed_at=NOW)

    change = look_up(story, work, {"look_up": look_up_is})

    is_dropped = change.payment.hold_reason is None
    assert not (is_dropped and is_too_early(story, look_up_is))


@pytest.mark.parametrize(("look_up_is", "seconds"), [(LookUp.STRONG, 30), (LookUp.EVENTUAL, 77)])
def test_an_unwanted_collection_is_called_absent_as_soon_as_that_is_proven(
    look_up_is: LookUp, seconds: int
) -> None:
    for more, state in ((NOTHING, State.COLLECTING), (MOMENT, State.CANCELLED)):
        asked = timedelta(seconds=seconds) + more
        story = replace(AT_ONCE, asked=asked, recorded=asked)
        change = look_up(story, unwanted(Step.COLLECTION, story), {"look_up": look_up_is})
        assert change.payment.state is state


@given(stories(), st.sampled_from(list(Step)))
def test_a_next_attempt_waits_until_the_last_request_has_left(story: Story, step: Step) -> None:
    """A definitive no to one send says nothing of another that is still to leave."""
    attempt = sent(step, story)
    payment = make_payment(state=STEPS[step], version=5)
    work = Work(payment=payment, attempt=attempt, inbox=(), lease_token=8, claimed_at=NOW)
    refused = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="no"))
    answered = min(story.asked, story.left)
    decider = Decider({a: make_capabilities(a) for a in ("stripe", "local_wallet")}, lambda: 0.0)

    change = decider.settle(replace(work, claimed_at=NOW + answered), refused, NOW + answered)

    if change.due_in is not None:
        assert answered + change.due_in > story.left - story.ahead


@pytest.mark.parametrize(
    ("look_up_is", "asked", "reason"),
    [
        (LookUp.EVENTUAL, timedelta(seconds=77), None),
        (LookUp.EVENTUAL, timedelta(seconds=77) + MOMENT, "provider_contradicts_itself"),
        (LookUp.STRONG, NOTHING, "provider_contradicts_itself"),
    ],
)
def test_a_success_that_a_look_up_does_not_show_yet_is_no_contradiction(
    look_up_is: LookUp, asked: timedelta, reason: str | None
) -> None:
    """A payout that has succeeded has arrived, so a look-up without a lag has no excuse."""
    story = replace(AT_ONCE, asked=asked, recorded=asked)
    done = replace(sent(Step.PAYOUT, story), state=AttemptState.SUCCEEDED)
    payment = make_payment(state=State.COMPLETED, version=5)
    work = Work(payment=payment, attempt=done, inbox=(), lease_token=8, claimed_at=NOW)

    assert look_up(story, work, {"look_up": look_up_is}).payment.hold_reason == reason


@pytest.mark.parametrize(("more", "is_closed"), [(NOTHING, False), (MOMENT, True)])
def test_an_event_is_not_dropped_for_a_look_up_that_may_not_show_it_yet(
    more: timedelta, is_closed: bool
) -> None:
    asked = timedelta(seconds=77) + more
    story = replace(AT_ONCE, asked=asked, recorded=asked)
    over = replace(sent(Step.PAYOUT, story), state=AttemptState.FAILED)
    event = InboxEvent(
        provider=over.provider,
        event_id="evt_1",
        step=Step.PAYOUT,
        answer=Answer(outcome=Outcome.SUCCEEDED, event_id="evt_1", key=over.key),
        asked_since=NOW + asked,
        asked=DOUBTED_TRIES,
    )
    payment = make_payment(state=State.REFUNDING, version=5)
    work = Work(
        payment=payment,
        attempt=over,
        inbox=(event,),
        lease_token=8,
        claimed_at=NOW,
        disputed=event,
    )

    change = look_up(story, work, {"look_up": LookUp.EVENTUAL})

    assert bool(change.closed_events) is is_closed
