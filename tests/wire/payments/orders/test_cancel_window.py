"""A corridor file with a cancel window, as a client meets it: the quote, the disclosure and the
payment say it, a file that has changed since changes nothing, and a cancel gives back the fees."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from caravel.payments.v1 import disclosures_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.database.payments.engine.carried import carry
from tests.poison import run
from tests.wire.payments.calls import new_key, order
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments

SAID = "You can cancel for a full refund within 30 minutes of payment."
WINDOW = timedelta(minutes=30)


def _file(folder: Path, minutes: int) -> Path:
    """Nigeria's file, with a window where there are minutes; the fees stay with us."""
    was = (CORRIDORS / "us-ng.toml").read_text()
    terms = f'[refunds]\nfees = "kept"\ncancel_window_minutes = {minutes}'
    now = was.replace('[refunds]\nfees = "returned"', terms)
    assert now != was
    (folder / "us-ng.toml").write_text(now)
    return folder


async def _quote(service: Service) -> payments_pb2.Quote:
    asked = payments_pb2.CreateQuoteRequest(amount_usd="100.00", destination_currency="NGN")
    return await service.payments.CreateQuote(asked)


async def _statements(service: Service, quote_id: str) -> str:
    asked = disclosures_pb2.GetQuoteDisclosureRequest(quote_id=quote_id)
    shown = await service.disclosures.GetQuoteDisclosure(asked)
    return " ".join(one for section in shown.sections for one in section.statements)


async def _shown(service: Service, payment: payments_pb2.Payment) -> payments_pb2.Payment:
    asked = payments_pb2.GetPaymentRequest(transaction_id=payment.transaction_id)
    return await service.payments.GetPayment(asked)


async def _minutes(service: Service) -> Mapping[str, int]:
    offered = await service.payments.ListCorridors(payments_pb2.ListCorridorsRequest())
    return {one.corridor_id: one.cancel_window_minutes for one in offered.corridors}


async def test_a_window_is_kept_though_its_corridors_file_has_none_any_more(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    async with serving_payments(engine, _file(tmp_path, 30)) as service:
        quote = await _quote(service)
        assert await _minutes(service) == {"us-ng": 30}
    async with serving_payments(engine, _file(tmp_path, 0)) as service:
        assert (await _quote(service)).cancel_window_minutes == 0
        assert quote.cancel_window_minutes == 30
        assert SAID in await _statements(service, quote.quote_id)

        payment = await service.payments.CreatePayment(
            order(quote_id=quote.quote_id), metadata=new_key()
        )
        assert not payment.HasField("cancellable_until")
        await carry(engine)

        waits = await _shown(service, payment)
        assert waits.status == payments_pb2.Payment.PROCESSING
        left = waits.cancellable_until.ToDatetime() - waits.created_at.ToDatetime()
        assert timedelta(0) < left <= WINDOW + timedelta(minutes=1)
        asked = disclosures_pb2.GetReceiptRequest(transaction_id=payment.transaction_id)
        receipt = await service.disclosures.GetReceipt(asked)
        assert SAID in " ".join(one for part in receipt.sections for one in part.statements)

        cancel = payments_pb2.CancelPaymentRequest(transaction_id=payment.transaction_id)
        await service.payments.CancelPayment(cancel)
        await carry(engine)

        ended = await _shown(service, payment)
        assert ended.status == payments_pb2.Payment.REFUNDED
        assert ended.refunded_usd == ended.amount_usd == "100.00"


async def test_a_window_that_its_file_gets_later_does_not_stop_an_older_quote(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    async with serving_payments(engine, _file(tmp_path, 0)) as service:
        quote = await _quote(service)
        assert SAID not in await _statements(service, quote.quote_id)
    async with serving_payments(engine, _file(tmp_path, 30)) as service:
        payment = await service.payments.CreatePayment(
            order(quote_id=quote.quote_id), metadata=new_key()
        )
        await carry(engine)

        paid = await _shown(service, payment)
        assert paid.status == payments_pb2.Payment.COMPLETED
        assert not paid.HasField("cancellable_until")


async def test_after_its_window_a_payment_is_paid_out(engine: AsyncEngine, tmp_path: Path) -> None:
    async with serving_payments(engine, _file(tmp_path, 30)) as service:
        payment = await service.payments.CreatePayment(order(), metadata=new_key())
        await carry(engine)
        await run(engine, "UPDATE payments SET cancellable_until = now(), due_at = now()")
        await carry(engine)

        assert (await _shown(service, payment)).status == payments_pb2.Payment.COMPLETED
