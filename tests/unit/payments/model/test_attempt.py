"""Keys never change, and what a provider has declared bounds how long they may be used."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step, intend, provider_after, served_by
from services.payments.model.quote import Route
from services.payments.model.timing import CLOCK_SKEW
from tests.makers import CAPABILITIES, NOW, make_attempt, make_payment


def test_the_key_is_made_of_payment_step_and_number_alone() -> None:
    payment = make_payment()

    keys = {intend(payment, Step.PAYOUT, 1).key for _ in range(3)}

    assert keys == {f"{payment.transaction_id}-payout-1"}


def test_collection_takes_dollars_and_payout_gives_local_money() -> None:
    payment = make_payment()

    collection, payout = (intend(payment, step, 1) for step in (Step.COLLECTION, Step.PAYOUT))

    for attempt in (collection, payout):
        assert (attempt.merchant_id, attempt.payment_id) == (payment.merchant_id, payment.id)
        assert attempt.number == 1
    assert (collection.provider, str(collection.amount)) == ("stripe", "100.00")
    assert (payout.provider, str(payout.amount)) == ("local_wallet", "148453.38")


def test_a_known_provider_reference_is_never_forgotten() -> None:
    attempt = make_attempt(make_payment(), Step.PAYOUT, AttemptState.SENT)
    known = attempt.answered(
        AttemptState.ACCEPTED, Answer(outcome=Outcome.PENDING, provider_reference="po_1")
    )

    silent = known.answered(AttemptState.UNKNOWN, Answer(outcome=Outcome.UNKNOWN))

    assert silent.provider_reference == "po_1"


def test_inconclusive_answers_are_counted_and_a_conclusive_one_ends_the_count() -> None:
    attempt = make_attempt(make_payment(), Step.PAYOUT, AttemptState.SENT)
    unknown = Answer(outcome=Outcome.UNKNOWN)

    twice = attempt.answered(AttemptState.UNKNOWN, unknown).answered(AttemptState.UNKNOWN, unknown)

    assert twice.inconclusive_count == 2
    accepted = twice.answered(AttemptState.ACCEPTED, Answer(outcome=Outcome.PENDING))
    assert accepted.inconclusive_count == 0


def test_a_key_may_be_sent_again_for_four_fifths_of_its_lifetime() -> None:
    stripe = CAPABILITIES["stripe"]
    attempt = make_attempt(make_payment(), Step.COLLECTION, AttemptState.SENT, sent_at=NOW)
    last = NOW + timedelta(hours=24) * 4 / 5

    assert stripe.may_send_again(attempt, last - timedelta(seconds=1))
    assert not stripe.may_send_again(attempt, last)


def test_where_a_forgotten_reference_is_recognised_absence_proves_that_it_may_be_sent() -> None:
    sent_at = NOW - timedelta(days=30)
    attempt = make_attempt(make_payment(), Step.PAYOUT, AttemptState.SENT, sent_at=sent_at)
    recognises = replace(CAPABILITIES["stripe"], repeats_forgotten=False)
    lag = recognises.look_up_lag

    just_sent, long_ago = (
        replace(attempt, leaves_until=NOW - CLOCK_SKEW - lag - more)
        for more in (timedelta(0), timedelta(microseconds=1))
    )

    assert not recognises.may_send_again(just_sent, NOW)
    assert recognises.may_send_again(long_ago, NOW)
    assert not CAPABILITIES["stripe"].may_send_again(long_ago, NOW)


@pytest.mark.parametrize(
    ("seconds", "believed"), [(-6, False), (-5, True), (0, True), (15, True), (16, False)]
)
def test_a_provider_s_own_time_counts_from_the_first_send_to_now_give_or_take_the_skew(
    seconds: int, believed: bool
) -> None:
    attempt = make_attempt(make_payment(), Step.COLLECTION, AttemptState.SENT, sent_at=NOW)
    said = NOW + timedelta(seconds=seconds)
    answer = Answer(outcome=Outcome.SUCCEEDED, occurred_at=said)

    taken_at = attempt.taken_at(answer, NOW + timedelta(seconds=10), timedelta(seconds=5))

    assert taken_at == (said if believed else NOW)


@pytest.mark.parametrize(
    ("step", "provider", "following"),
    [
        (Step.COLLECTION, "stripe", "adyen"),
        (Step.COLLECTION, "adyen", None),
        (Step.PAYOUT, "bank", "local_wallet"),
        (Step.PAYOUT, "local_wallet", None),
        (Step.PAYOUT, "one that has left the route", None),
        (Step.REFUND, "stripe", None),
    ],
)
def test_the_next_provider_is_the_route_s_and_a_refund_has_none(
    step: Step, provider: str, following: str | None
) -> None:
    route = Route(onramps=("stripe", "adyen"), offramps=("bank", "local_wallet"))

    assert provider_after(make_payment(route=route), step, provider) == following


def test_another_provider_serves_its_own_step_and_an_acknowledged_payout_is_void() -> None:
    payment = make_payment(sent_at=NOW)

    collected = served_by(payment, Step.COLLECTION, "adyen")
    paid_out = served_by(payment, Step.PAYOUT, "bank")

    assert collected == replace(payment, onramp="adyen")
    assert paid_out == replace(payment, offramp="bank", sent_at=None)
