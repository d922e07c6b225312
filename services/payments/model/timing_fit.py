"""Whether the times fit together: those that the environment sets, those that providers declare,
and our own. A process refuses to start on times that do not, because each misfit would be seen only
later, as a payment that is held, forgotten or sent too late."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from services.payments.model import timing
from services.payments.model.attempt import Capabilities, LookUp
from services.shared.errors import CannotStart


class Misfit(StrEnum):
    """Times that contradict each other; the names are for machines, and stay as they are."""

    # A send would outlive its lease.
    LEASE_SHORTER_THAN_A_CALL = "LEASE_SHORTER_THAN_A_CALL"
    # A payout that follows its collection would have less time than one operation may take.
    LEASE_TOO_SHORT_TO_FOLLOW = "LEASE_TOO_SHORT_TO_FOLLOW"
    # An event to a merchant would outlive its lease.
    LEASE_SHORTER_THAN_A_DELIVERY = "LEASE_SHORTER_THAN_A_DELIVERY"
    # The payments of a worker that died would rest for longer than the overdue list looks ahead.
    LEASE_LONGER_THAN_THE_LIST = "LEASE_LONGER_THAN_THE_LIST"
    # Payments whose wake-up was lost would count as overdue between two steps.
    POLL_LONGER_THAN_A_STEP = "POLL_LONGER_THAN_A_STEP"
    # Payments would count as forgotten although the next poll finds them.
    FORGOTTEN_BEFORE_THE_POLL = "FORGOTTEN_BEFORE_THE_POLL"
    # The call would end before the operation that it carries.
    CALL_SHORTER_THAN_AN_OPERATION = "CALL_SHORTER_THAN_AN_OPERATION"
    # A back-off would begin above its longest pause.
    BACK_OFF_SHRINKS = "BACK_OFF_SHRINKS"
    # An open payment would be due later than the list of the overdue looks.
    WAIT_LONGER_THAN_THE_LIST = "WAIT_LONGER_THAN_THE_LIST"
    # Rows in memory would be too old to count before they are read again.
    TOO_OLD_BETWEEN_READINGS = "TOO_OLD_BETWEEN_READINGS"
    # The call for a page of a provider's events would outlive the lease of its worker.
    LISTING_LEASE_SHORTER_THAN_A_CALL = "LISTING_LEASE_SHORTER_THAN_A_CALL"
    # A provider's payments would be held before its "absent" could prove anything.
    HELD_BEFORE_ABSENCE = "HELD_BEFORE_ABSENCE"
    # A provider would forget a key while a send under it is still under way.
    KEY_SHORTER_THAN_A_CALL = "KEY_SHORTER_THAN_A_CALL"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One misfit, with a sentence that says what to change."""

    misfit: Misfit
    sentence: str


class TimesDoNotFit(CannotStart):
    """The configured times contradict each other; the message begins each problem with its name."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.misfits = tuple(problem.misfit for problem in problems)
        words = "; ".join(f"{problem.misfit}: {problem.sentence}" for problem in problems)
        super().__init__(f"the times do not fit together: {words}")


@dataclass(frozen=True, kw_only=True)
class Times:
    """The times that depend on each other; those that no setting names are our own."""

    lease: timedelta
    poll: timedelta
    overdue: timedelta
    operation: timedelta = timing.OPERATION
    call: timedelta = timing.CALL
    lease_margin: timedelta = timing.LEASE_MARGIN
    delivery: timedelta = timing.DELIVERY
    looks_ahead: timedelta = timing.LOOKS_AHEAD
    between_steps: timedelta = timing.OURS
    longest_retry: timedelta = timing.LONGEST_RETRY
    longest_spread: timedelta = timing.LONGEST_SPREAD
    longest_poll: timedelta = timing.LONGEST_POLL
    longest_round: timedelta = timing.LONGEST_ROUND
    retry_after_max: timedelta = timing.RETRY_AFTER_MAX
    credentials_refresh: timedelta = timedelta(
        seconds=timing.CREDENTIALS_REFRESH_SECONDS + timing.CREDENTIALS_PAUSE_SECONDS
    )
    credentials_fresh: timedelta = timedelta(seconds=timing.CREDENTIALS_FRESH_SECONDS)
    held_refresh: timedelta = timedelta(seconds=timing.HELD_REFRESH_SECONDS)
    held_fresh: timedelta = timedelta(seconds=timing.HELD_FRESH_SECONDS)
    corridors_refresh: timedelta = timedelta(seconds=timing.CORRIDORS_REFRESH_SECONDS)
    corridors_fresh: timedelta = timedelta(seconds=timing.CORRIDORS_FRESH_SECONDS)
    listing_call: timedelta = timedelta(seconds=timing.LISTING_CALL_SECONDS)
    listing_lease: timedelta = timedelta(seconds=timing.LISTING_LEASE_SECONDS)
    longest_rest: timedelta = timing.FIRST_REST * timing.REST_FACTOR ** (timing.BREAKDOWNS_MAX - 1)


def refuse_misfits(times: Times, capabilities: Mapping[str, Capabilities]) -> None:
    """Raises TimesDoNotFit, with all problems, where there is one."""
    ours = (*_of_lease(times), *_of_polls(times), *_of_waits(times), *_of_readings(times))
    problems = (*ours, *_declared(capabilities))
    if problems:
        raise TimesDoNotFit(problems)


def _of_lease(times: Times) -> Iterator[Problem]:
    lease = times.lease
    shortest = times.call + times.lease_margin
    if lease < shortest:
        yield _lease(Misfit.LEASE_SHORTER_THAN_A_CALL, times, f"at least {_seconds(shortest)}")
    if timing.follows_within(lease) < times.operation:
        words = "half of it must last for one operation"
        yield _lease(Misfit.LEASE_TOO_SHORT_TO_FOLLOW, times, words)
    shortest = times.delivery + times.lease_margin
    if lease < shortest:
        yield _lease(Misfit.LEASE_SHORTER_THAN_A_DELIVERY, times, f"at least {_seconds(shortest)}")
    if lease > times.looks_ahead:
        words = f"at most {_seconds(times.looks_ahead)}"
        yield _lease(Misfit.LEASE_LONGER_THAN_THE_LIST, times, words)
    if times.call < times.operation:
        words = f"a call of {_seconds(times.call)} carries operations of longer"
        yield Problem(misfit=Misfit.CALL_SHORTER_THAN_AN_OPERATION, sentence=words)


def _lease(misfit: Misfit, times: Times, words: str) -> Problem:
    return Problem(misfit=misfit, sentence=f"LEASE_SECONDS is {_seconds(times.lease)}; {words}")


def _of_polls(times: Times) -> Iterator[Problem]:
    poll = f"POLL_SECONDS is {_seconds(times.poll)}"
    if times.poll > times.between_steps:
        words = f"{poll}; at most {_seconds(times.between_steps)}"
        yield Problem(misfit=Misfit.POLL_LONGER_THAN_A_STEP, sentence=words)
    if times.overdue <= times.poll:
        words = f"OVERDUE_SECONDS is {_seconds(times.overdue)}, and {poll}; it must be longer"
        yield Problem(misfit=Misfit.FORGOTTEN_BEFORE_THE_POLL, sentence=words)


def _of_waits(times: Times) -> Iterator[Problem]:
    pauses = (
        (timing.FIRST_RETRY, times.longest_retry),
        (timing.FIRST_POLL, times.longest_poll),
        (timing.FIRST_ROUND, times.longest_round),
    )
    if any(first > longest for first, longest in pauses):
        words = "the first pause is longer than the longest"
        yield Problem(misfit=Misfit.BACK_OFF_SHRINKS, sentence=words)
    longest = max(
        times.longest_retry,
        times.retry_after_max + times.longest_spread,
        times.longest_poll,
        times.longest_round,
        times.longest_rest,
        timing.RATE_RETRY,
    )
    if longest >= times.looks_ahead:
        words = f"a payment may wait for {_seconds(longest)}; the list of the overdue looks only "
        words += f"{_seconds(times.looks_ahead)} ahead"
        yield Problem(misfit=Misfit.WAIT_LONGER_THAN_THE_LIST, sentence=words)


def _of_readings(times: Times) -> Iterator[Problem]:
    held = (
        ("credentials", times.credentials_refresh, times.credentials_fresh),
        ("overrides and pauses", times.held_refresh, times.held_fresh),
        ("corridors", times.corridors_refresh, times.corridors_fresh),
    )
    for name, refresh, fresh in held:
        if refresh >= fresh:
            words = f"{name} are read every {_seconds(refresh)}, "
            words += f"and are too old after {_seconds(fresh)}"
            yield Problem(misfit=Misfit.TOO_OLD_BETWEEN_READINGS, sentence=words)
    if times.listing_lease <= times.listing_call:
        words = f"a call of {_seconds(times.listing_call)} for a page of events outlives "
        words += f"its lease of {_seconds(times.listing_lease)}"
        yield Problem(misfit=Misfit.LISTING_LEASE_SHORTER_THAN_A_CALL, sentence=words)


def _declared(capabilities: Mapping[str, Capabilities]) -> Iterator[Problem]:
    for name, known in sorted(capabilities.items()):
        proven_after = timing.CALL + timing.CLOCK_SKEW + max(known.look_up_lag, timing.LANDING)
        if known.look_up is LookUp.EVENTUAL and known.unknown_hold_after <= proven_after:
            words = f"{name} is held after {_seconds(known.unknown_hold_after)}, and "
            words += f"its look-up proves nothing before {_seconds(proven_after)}"
            yield Problem(misfit=Misfit.HELD_BEFORE_ABSENCE, sentence=words)
        kept = known.key_lifetime - timing.key_usable_for(known.key_lifetime)
        if known.repeats_forgotten and kept <= timing.UNDER_WAY:
            words = f"{name} forgets a key after {_seconds(known.key_lifetime)}, "
            words += f"and a send may be under way for {_seconds(timing.UNDER_WAY)}"
            yield Problem(misfit=Misfit.KEY_SHORTER_THAN_A_CALL, sentence=words)


def _seconds(time: timedelta) -> str:
    return f"{time / timedelta(seconds=1):g} s"
