"""Numbers that an enum does not have, wherever in a message they are."""

import pytest
from caravel.fees.v1 import fees_pb2
from caravel.payments.v1 import payments_pb2
from caravel.providers.v1 import providers_pb2
from google.protobuf import struct_pb2
from google.protobuf.message import Message

from services.shared.enum_numbers import refuse_unknown_numbers
from services.shared.errors import Invalid


def unknown(kind: type[Message], text: bytes) -> Message:
    """The message as it comes from the wire, where any number may stand."""
    return kind.FromString(text)


def nested() -> Message:
    known = providers_pb2.Operation(kind=providers_pb2.PAYOUT)
    text = providers_pb2.ExecuteRequest(operations=[known, known]).SerializeToString()
    return unknown(providers_pb2.ExecuteRequest, text + b"\x0a\x02\x10\x63")


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (unknown(payments_pb2.ListPaymentsRequest, b"\x18\x63"), "status"),
        (nested(), "operations[2].kind"),
        (unknown(struct_pb2.Struct, b"\x0a\x07\x0a\x01k\x12\x02\x08\x05"), "fields.null_value"),
        (
            unknown(struct_pb2.ListValue, b"\x0a\x02\x10\x01\x0a\x06\x32\x04\x0a\x02\x08\x05"),
            "values[1].list_value.values[0].null_value",
        ),
    ],
)
def test_it_is_refused_by_the_name_of_its_field(message: Message, path: str) -> None:
    with pytest.raises(Invalid) as refused:
        refuse_unknown_numbers(message)

    assert refused.value.violations[0].field == path


@pytest.mark.parametrize(
    "message",
    [
        payments_pb2.ListPaymentsRequest(status=payments_pb2.Payment.COMPLETED),
        payments_pb2.CreatePaymentRequest(amount_usd="1"),
        providers_pb2.ExecuteRequest(operations=[providers_pb2.Operation()]),
        providers_pb2.ExecuteRequest(),
        fees_pb2.CalculateFeesRequest(),
        struct_pb2.Struct(fields={"k": struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)}),
    ],
    ids=lambda message: type(message).__name__,
)
def test_message_with_known_enum_numbers_passes(message: Message) -> None:
    refuse_unknown_numbers(message)
