"""Keys never change, and what a provider has declared bounds how long they may be used."""

from datetime import timedelta

from services.payments.domain.attempt import Answer, AttemptState, Outcome, Step, intend
from tests.makers import CAPABILITIES, NOW, make_attempt, make_payment


def test_the_key_is_made_of_payment_step_and_number_alone() -> None:
    payment = make_payment()

    keys = {intend(payment, Step.PAYOUT, 1).key for _ in range(3)}

    assert keys == {f"{payment.transaction_id}-payout-1"}


def test_collection_takes_dollars_and_payout_gives_local_money() -> None:
    payment = make_payment()

    collection, payout = (intend(payment, step, 1) for step in (Step.COLLECTION, Step.PAYOUT))

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
