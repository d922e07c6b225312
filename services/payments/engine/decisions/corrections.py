"""A merchant names another recipient after the first could not be paid, or has sent the money back:
it is paid out again, under a new attempt, once the offramps have said that it was not paid. Where
the first was paid after all, the payment shows that recipient again, with its route."""

from dataclasses import dataclass, replace
from datetime import timedelta

from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.waiting import release
from services.payments.model.attempt import Attempt, Step, served_by
from services.payments.model.causes import Cause
from services.payments.model.payment import (
    CORRECTABLE,
    Event,
    Payment,
    PaymentBusy,
    PaymentNotCorrectable,
    PaymentOnHold,
    State,
)
from services.payments.model.quote import Route
from services.payments.model.timing import CORRECTIONS_MAX
from services.shared.recipients import AccountCheck, Recipient, hint


@dataclass(frozen=True, kw_only=True)
class Corrected:
    """Another recipient as it will be sent, the answer about its account, and the route to it."""

    recipient: Recipient
    check: AccountCheck | None
    route: Route


def correct(
    work: Work,
    recipient: Recipient,
    account_check: AccountCheck | None = None,
    route: Route | None = None,
    *,
    corrected_before: int = 0,
    actor: str = "merchant",
) -> Change:
    """The payment on its way to another recipient, at its locked rate and payout amount, by the
    route that pays it; by its own where none is given. The first offramp is tried first, and its
    corridor's patience begins again. Its recipient was corrected so often before.

    Raises PaymentNotCorrectable for good, or PaymentOnHold or PaymentBusy for now.
    """
    check_correctable(work, corrected_before)
    before = work.payment
    payment, event = before.moved(
        State.PAYING_OUT,
        actor=actor,
        cause=Cause.RECIPIENT_CORRECTED,
        recipient_before=hint(before.recipient),
        recipient=hint(recipient),
    )
    payment = replace(payment, route=route or before.route)
    payment = served_by(payment, Step.PAYOUT, payment.route.offramps[0])
    return replace(
        release(work, due_in=timedelta(0)),
        payment=replace(
            payment,
            recipient=recipient,
            recipient_is_example=False,
            account_check=account_check,
            failure=None,
        ),
        events=(event,),
        corrects=True,
    )


def check_correctable(work: Work, corrected_before: int) -> None:
    """Raises what `correct` does, whoever the other recipient is."""
    payment = work.payment
    if payment.state not in CORRECTABLE or payment.cancel_requested_at is not None:
        raise PaymentNotCorrectable(status=payment.status)
    if payment.hold_reason is not None:
        raise PaymentOnHold(hold_reason=payment.hold_reason)
    if work.succeeded_late(Step.REFUND) is not None:
        # The money may have gone back by it: its onramp is asked first.
        raise PaymentBusy(transaction_id=payment.transaction_id)
    if corrected_before >= CORRECTIONS_MAX:
        raise PaymentNotCorrectable(status=payment.status, maximum=str(CORRECTIONS_MAX))


def with_recipient_paid(payment: Payment, payout: Attempt) -> tuple[Payment, tuple[Event, ...]]:
    """The payment with the recipient that this payout has paid and the route of then, and the event
    that says so; as it was where no correction has put another recipient in its place.

    No answer to the question about its account is kept: that was about the other one.
    """
    paid = payout.recipient
    if paid is None or paid == payment.recipient:
        return payment, ()
    noted, event = payment.noted(
        actor="worker",
        cause=Cause.EARLIER_RECIPIENT_PAID,
        key=payout.key,
        recipient_before=hint(payment.recipient),
        recipient=hint(paid),
    )
    shown = replace(
        noted,
        recipient=paid,
        recipient_is_example=False,
        account_check=None,
        # One from before routes were kept has none.
        route=payout.route or noted.route,
    )
    return shown, (event,)
