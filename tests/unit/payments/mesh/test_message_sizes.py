"""The largest batches that the settings allow fit into what the other services take."""

from annotated_types import Le
from caravel.common.v1 import corridors_pb2, money_pb2, recipient_pb2
from caravel.fees.v1 import fees_pb2
from caravel.fx.v1 import fx_pb2
from caravel.providers.v1 import providers_pb2
from google.protobuf.message import Message

from services.payments.config import ServiceSettings, WorkerSettings
from services.shared.corridors.loading import FILES_MAX_BYTES
from services.shared.limits import BATCH_MESSAGE_MAX_BYTES

AMOUNT = money_pb2.Money(currency_code="USD", amount_minor=2**62)
TRACE = "0" * 32


def most(settings: type[ServiceSettings | WorkerSettings], name: str) -> int:
    """The largest value that a setting may have."""
    bounds = settings.model_fields[name].metadata
    [bound] = [one.le for one in bounds if isinstance(one, Le)]
    return int(str(bound))


def wide(characters: int) -> str:
    """A text of so many characters, each of the most bytes."""
    return "\N{LINEAR B SYLLABLE B008 A}" * characters


def largest() -> recipient_pb2.BankAccount:
    """Every text of an account at its longest: a name in any letters, and the plain characters of
    the other formats. Its type is a number."""
    fields = recipient_pb2.BankAccount.DESCRIPTOR.fields
    texts = {field.name: "x" * 64 for field in fields if field.enum_type is None}
    texts["holder_name"] = wide(140)
    return recipient_pb2.BankAccount(**texts)  # type: ignore[arg-type]


def operation() -> providers_pb2.Operation:
    """The largest that payments sends: convert bounds what merchants write, tables the rest."""
    return providers_pb2.Operation(
        provider="p" * 32,
        kind=providers_pb2.REFUND,
        key="k" * 255,
        amount=AMOUNT,
        transaction_id="t" * 32,
        reference=wide(140),
        payment_method=wide(255),
        recipient=recipient_pb2.Recipient(bank_account=largest()),
        provider_reference="r" * 255,
        collection_reference="r" * 255,
        trace_id=TRACE,
    )


def test_a_claim_fits_into_one_call_of_providers() -> None:
    count = most(WorkerSettings, "claim_max")

    assert size(providers_pb2.ExecuteRequest(operations=[operation()] * count)) < (
        BATCH_MESSAGE_MAX_BYTES
    )


def test_a_batch_of_creations_fits_into_one_call_of_fees_and_of_fx() -> None:
    count = most(ServiceSettings, "batch_max")
    fee = fees_pb2.FeeQuery(corridor_id="c" * 64, amount=AMOUNT, trace_id=TRACE)
    rate = fx_pb2.RateQuery(corridor_id="c" * 64, trace_ids=[TRACE])

    file = corridors_pb2.CorridorFile(name="us-in.toml", content="#" * FILES_MAX_BYTES)
    corridors = corridors_pb2.CorridorsVersion(version="0" * 64, files=[file])
    fees = fees_pb2.CalculateFeesRequest(queries=[fee] * count, corridors=corridors)
    rates = fx_pb2.GetRatesRequest(queries=[rate] * count, corridors=corridors)

    assert size(fees) < BATCH_MESSAGE_MAX_BYTES
    assert size(rates) < BATCH_MESSAGE_MAX_BYTES


def size(message: Message) -> int:
    """Its bytes on the wire."""
    return message.ByteSize()
