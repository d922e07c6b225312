"""What the verbs and the worker need from outside, as Protocols. The store, the clients and the
tests' fakes implement them; nothing here says how."""

from services.payments.ports.merchants import (
    EndpointStore,
    EventSender,
    Outbox,
)
from services.payments.ports.operations import (
    LetterFilter,
    Operations,
    OperatorTransaction,
)
from services.payments.ports.services import (
    FeeBook,
    FeeQuery,
    IncomingWebhook,
    ProviderCall,
    ProviderEvent,
    Providers,
    RateQuery,
    Rates,
)
from services.payments.ports.store import (
    Arrival,
    Encode,
    IdempotencyKey,
    Inbox,
    NewPayment,
    PaymentFilter,
    PaymentStore,
    Receipt,
    StoredAnswer,
)
from services.payments.ports.work import (
    WorkStore,
    WorkTransaction,
)

__all__ = [
    "Arrival",
    "Encode",
    "EndpointStore",
    "EventSender",
    "FeeBook",
    "FeeQuery",
    "IdempotencyKey",
    "Inbox",
    "IncomingWebhook",
    "LetterFilter",
    "NewPayment",
    "Operations",
    "OperatorTransaction",
    "Outbox",
    "PaymentFilter",
    "PaymentStore",
    "ProviderCall",
    "ProviderEvent",
    "Providers",
    "RateQuery",
    "Rates",
    "Receipt",
    "StoredAnswer",
    "WorkStore",
    "WorkTransaction",
]
