"""The head of every webhook: first its proof, over the bytes as they came, then its JSON. Standard
Webhooks have a module of their own."""

import hmac
from collections.abc import Iterable
from typing import Any

from services.providers.adapters.kit.http import AnswerInvalid, read_object
from services.providers.domain import WebhookSignatureInvalid
from services.shared.errors import Invalid, field_invalid


def check_proof(given: str, proofs: Iterable[bytes], *, provider: str) -> None:
    """Raises WebhookSignatureInvalid unless the header's value is one of the proofs."""
    value = given.encode()
    if not any(hmac.compare_digest(proof, value) for proof in proofs):
        raise WebhookSignatureInvalid(provider=provider)


def read_event_object(body: bytes, *, exact: bool = False) -> dict[str, Any]:
    """The event's JSON object; exact reads fractions as Decimal. Raises Invalid."""
    try:
        return read_object(body, exact=exact)
    except AnswerInvalid:
        raise not_an_event("a JSON object") from None


def not_an_event(wanted: str) -> Invalid:
    """The refusal of a body that is no event."""
    return field_invalid("body", f"body must be {wanted}")
