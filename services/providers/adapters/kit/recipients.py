"""The refusal that adapters share for an operation whose recipient they cannot pay: it is not
sent, and so nothing moved."""

from services.providers.domain import Operation, OperationResult, failed
from services.providers.failures import RECIPIENT_MISSING

# A kind that the provider does not pay. It says nothing of the recipient: the next offramp may.
RECIPIENT_UNSUPPORTED = "recipient_unsupported"
UNPAYABLE = frozenset({RECIPIENT_MISSING, RECIPIENT_UNSUPPORTED})


def unpayable(operation: Operation, provider: str) -> OperationResult:
    """FAILED: the payment names nobody, or somebody whom the provider does not pay."""
    if operation.recipient is None:
        return failed(operation.key, RECIPIENT_MISSING, "the payment names nobody to pay")
    kind = operation.recipient.kind.replace("_", " ")
    words = f"{provider} pays no such {kind} in {operation.amount.currency}"
    return failed(operation.key, RECIPIENT_UNSUPPORTED, words)
