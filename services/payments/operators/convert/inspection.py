"""The answers to operators who look at a payment, and at themselves."""

from caravel.payments.v1 import inspection_pb2

from services.payments.base.convert import timestamp, write_event, write_payment
from services.payments.model.payment import RecordedEvent, UnreadableEvent
from services.payments.model.principal import Principal
from services.payments.model.roles import roles_of_scopes
from services.payments.operators.ports import InspectedPayment


def write_principal(principal: Principal) -> inspection_pb2.Operator:
    """The operator of a call."""
    return inspection_pb2.Operator(
        name=principal.name,
        credential_id=principal.credential_id,
        roles=roles_of_scopes(principal.scopes),
        scopes=sorted(principal.scopes),
        expires_at=timestamp(principal.expires_at) if principal.expires_at else None,
        address=principal.address,
    )


def write_inspected(inspected: InspectedPayment) -> inspection_pb2.InspectedPayment:
    """A payment with its history, as operators see it."""
    return inspection_pb2.InspectedPayment(
        payment=write_payment(inspected.payment),
        merchant_id=inspected.payment.merchant_id,
        events=[write_event(one) for one in inspected.events if isinstance(one, RecordedEvent)],
        unreadable_sequences=[
            one.sequence for one in inspected.events if isinstance(one, UnreadableEvent)
        ],
    )
