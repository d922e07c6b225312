"""A recipient between its noun and the message of the contract. The message is asked for its own
fields, so that this module needs none of the generated code, and both services read alike."""

from typing import Any

from services.shared.recipients.nouns import (
    Recipient,
    RecipientKind,
    given_fields,
    recipient_of,
)


def read_recipient(message: Any) -> Recipient | None:
    """The recipient of a message; None where it has none of the kinds."""
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    given = {}
    for field, value in getattr(message, kind).ListFields():
        known = field.enum_type and field.enum_type.values_by_number.get(value)
        # Zero is what an absent enum means.
        if value:
            given[field.name] = known.name if known else str(value)
    return recipient_of(RecipientKind(kind), given)


def recipient_fields(recipient: Recipient) -> dict[str, Any]:
    """The fields of the message, which are those of its JSON too."""
    return {recipient.kind.value: {"holder_name": "", **given_fields(recipient)}}
