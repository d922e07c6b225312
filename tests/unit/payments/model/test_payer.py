"""A payer's secret and page stay out of whatever prints a payment."""

from datetime import timedelta

from services.payments.model.causes import Cause
from services.payments.model.payer import NextAction, PresentPayer
from services.payments.model.payment import State
from tests.makers import NOW, make_payment

ACTION = NextAction(kind="redirect", client_secret="pi_1_secret_2", url="https://bank.example/3ds")


def test_neither_the_secret_nor_the_page_is_printed() -> None:
    printed = repr(make_payment(next_action=ACTION))

    assert "redirect" in printed
    assert ACTION.client_secret not in printed
    assert ACTION.url not in printed


def test_a_payer_may_act_until_the_terms_end() -> None:
    payment = make_payment(payer=PresentPayer())

    assert payment.payer_until == payment.last_moment


def test_a_payer_may_not_act_any_more_once_it_is_cancelled() -> None:
    payment = make_payment(
        payer=PresentPayer(),
        created_at=NOW - timedelta(minutes=1),
        cancel_requested_at=NOW,
    )

    assert payment.payer_until == NOW - timedelta(minutes=1)


def test_off_session_nobody_may_act() -> None:
    assert make_payment().payer_until is None


def test_an_action_is_asked_of_a_payer_only_while_the_collection_is_open() -> None:
    asked = make_payment(state=State.COLLECTING, next_action=ACTION)

    noted, _ = asked.noted(actor="worker", cause=Cause.COLLECTION_UNKNOWN)
    funded, _ = asked.moved(State.FUNDED, actor="worker", cause=Cause.COLLECTION_SUCCEEDED)

    assert noted.next_action == ACTION
    assert funded.next_action is None
