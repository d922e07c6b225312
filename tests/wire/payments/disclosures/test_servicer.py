"""A merchant reads how its own prices were made, after whatever has become of the corridor."""

from pathlib import Path

import grpc
import pytest
from caravel.payments.v1 import disclosures_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.poison import UNGUARDED, run
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments

AGREES = disclosures_pb2.ExplanationStep.AGREES


def quote_request() -> payments_pb2.CreateQuoteRequest:
    return payments_pb2.CreateQuoteRequest(amount_usd="100.00", destination_currency="NGN")


def explain_quote(quote_id: str) -> disclosures_pb2.ExplainQuoteRequest:
    return disclosures_pb2.ExplainQuoteRequest(quote_id=quote_id)


async def test_a_quote_explains_each_figure(service: Service) -> None:
    quote = await service.payments.CreateQuote(quote_request())

    explained = await service.disclosures.ExplainQuote(explain_quote(quote.quote_id))

    assert (explained.quote_id, explained.transaction_id) == (quote.quote_id, "")
    assert explained.differing == 0
    (payout,) = [step for step in explained.steps if step.figure == "payout_amount"]
    assert payout.finding == AGREES
    assert payout.result == payout.stored == quote.payout_amount
    assert {one.name: one.value for one in payout.inputs} == {
        "net_usd": quote.net_usd,
        "fx_rate": quote.fx_rate,
    }


async def test_a_payment_explains_itself_by_its_quote(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    request = disclosures_pb2.ExplainPaymentRequest(transaction_id=payment.transaction_id)

    explained = await service.disclosures.ExplainPayment(request)

    assert explained.transaction_id == payment.transaction_id
    assert explained.quote_id == payment.quote_id
    assert explained.differing == 0
    assert explained.steps[-1].figure == "payment payout_amount"


async def test_a_corridor_that_is_gone_changes_no_explanation(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    async with serving_payments(engine, CORRIDORS) as service:
        quote = await service.payments.CreateQuote(quote_request())
        before = await service.disclosures.ExplainQuote(explain_quote(quote.quote_id))
    other = tmp_path / "us-in.toml"
    text = (CORRIDORS / "us-in.toml").read_text()
    other.write_text(text.replace('flat_usd = "1.00"', 'flat_usd = "0.90"'))

    async with serving_payments(engine, tmp_path) as service:
        after = await service.disclosures.ExplainQuote(explain_quote(quote.quote_id))

    assert after == before
    assert after.differing == 0


async def test_a_figure_that_differs_is_counted(service: Service, engine: AsyncEngine) -> None:
    quote = await service.payments.CreateQuote(quote_request())
    await run(engine, UNGUARDED, "UPDATE quotes SET terms = terms || '{\"net_minor\": 9751}'")

    explained = await service.disclosures.ExplainQuote(explain_quote(quote.quote_id))

    wrong = [step for step in explained.steps if step.finding == step.DIFFERS]
    assert [step.figure for step in wrong] == ["net_usd", "payout_amount"]
    assert explained.differing == 2


@pytest.mark.parametrize("quote_id", ["quo_01jd8x3v9me7rb5k3n6q2f4h8z", "invoice 7"])
async def test_an_unknown_quote_is_refused(service: Service, quote_id: str) -> None:
    code, reason, _, _ = await refusal(service.disclosures.ExplainQuote(explain_quote(quote_id)))

    assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "QUOTE_NOT_FOUND")


async def test_an_unknown_payment_is_refused(service: Service) -> None:
    request = disclosures_pb2.ExplainPaymentRequest(transaction_id="pay_1")

    _, reason, _, _ = await refusal(service.disclosures.ExplainPayment(request))

    assert reason == "PAYMENT_NOT_FOUND"


async def test_a_quote_discloses_its_figures_in_the_locale(service: Service) -> None:
    request = payments_pb2.CreateQuoteRequest(
        amount_usd="100.00", destination_currency="EUR", destination_country="FR"
    )
    quote = await service.payments.CreateQuote(request)
    wanted = disclosures_pb2.GetQuoteDisclosureRequest(quote_id=quote.quote_id, locale="fr-FR")

    disclosure = await service.disclosures.GetQuoteDisclosure(wanted)

    assert (disclosure.kind, disclosure.locale) == ("quote", "fr-FR")
    assert [section.rule for section in disclosure.sections] == [
        "us_remittance_rule",
        "eu_2021_1230",
    ]
    items = {item.name: item for section in disclosure.sections for item in section.items}
    assert items["total"].value == quote.amount_usd
    assert items["total"].text == "100,00\N{NO-BREAK SPACE}USD"
    assert items["total_to_recipient"].value == quote.payout_amount
    assert items["total_to_recipient"].currency == "EUR"


async def test_a_disclosure_is_a_page_too_that_may_load_nothing(service: Service) -> None:
    quote = await service.payments.CreateQuote(quote_request())
    wanted = disclosures_pb2.GetQuoteDisclosurePageRequest(quote_id=quote.quote_id)

    call = service.disclosures.GetQuoteDisclosurePage(wanted)
    page = await call

    assert page.content_type == "text/html; charset=utf-8"
    assert page.data.startswith(b'<!doctype html>\n<html lang="en-US">')
    headers = dict(await call.initial_metadata())
    assert str(headers["content-security-policy"]).startswith("default-src 'none'")


async def test_a_changed_corridor_changes_no_disclosure(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    text = (CORRIDORS / "us-ng.toml").read_text()
    async with serving_payments(engine, CORRIDORS) as service:
        quote = await service.payments.CreateQuote(quote_request())
        wanted = disclosures_pb2.GetQuoteDisclosureRequest(quote_id=quote.quote_id)
        before = await service.disclosures.GetQuoteDisclosure(wanted)
    changed = text.replace("us_remittance_rule", "eu_2021_1230")
    assert changed != text
    (tmp_path / "us-ng.toml").write_text(changed)

    async with serving_payments(engine, tmp_path) as service:
        assert await service.disclosures.GetQuoteDisclosure(wanted) == before


async def test_a_payment_that_was_collected_has_a_receipt(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    wanted = disclosures_pb2.GetReceiptRequest(transaction_id=payment.transaction_id)
    _, reason, _, _ = await refusal(service.disclosures.GetReceipt(wanted))
    assert reason == "RECEIPT_NOT_READY"

    await run(engine, UNGUARDED, "UPDATE payments SET state = 'COMPLETED'")

    receipt = await service.disclosures.GetReceipt(wanted)
    assert (receipt.kind, receipt.transaction_id) == ("receipt", payment.transaction_id)
    page = await service.disclosures.GetReceiptPage(
        disclosures_pb2.GetReceiptPageRequest(transaction_id=payment.transaction_id)
    )
    assert payment.transaction_id.encode() in page.data


async def test_a_receipt_of_a_refunded_payment_promises_no_payout(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    change = "UPDATE payments SET state = 'REFUNDED', refunded_minor = amount_minor"
    await run(engine, UNGUARDED, change)
    wanted = disclosures_pb2.GetReceiptRequest(transaction_id=payment.transaction_id)

    receipt = await service.disclosures.GetReceipt(wanted)

    items = {item.name: item.value for section in receipt.sections for item in section.items}
    assert receipt.sections[0].rule == "state"
    assert items["refunded"] == payment.amount_usd
    assert set(items).isdisjoint({"date_available", "total_to_recipient"})


async def test_a_receipt_is_refused_while_a_part_of_the_history_cannot_be_read(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())
    await run(
        engine,
        UNGUARDED,
        "UPDATE payments SET state = 'COMPLETED'",
        "UPDATE payment_events SET cause = 'no cause'",
    )
    wanted = disclosures_pb2.GetReceiptRequest(transaction_id=payment.transaction_id)

    _, reason, _, _ = await refusal(service.disclosures.GetReceipt(wanted))

    assert reason == "PAYMENT_UNREADABLE"


async def test_a_quote_without_kept_terms_is_refused(service: Service, engine: AsyncEngine) -> None:
    quote = await service.payments.CreateQuote(quote_request())
    await run(engine, UNGUARDED, "UPDATE quotes SET terms = terms - 'disclosure'")
    wanted = disclosures_pb2.GetQuoteDisclosureRequest(quote_id=quote.quote_id)

    _, reason, metadata, _ = await refusal(service.disclosures.GetQuoteDisclosure(wanted))

    assert (reason, metadata) == ("DISCLOSURE_NOT_KEPT", {"quote_id": quote.quote_id})


async def test_a_locale_without_words_is_refused(service: Service) -> None:
    quote = await service.payments.CreateQuote(quote_request())
    wanted = disclosures_pb2.GetQuoteDisclosureRequest(quote_id=quote.quote_id, locale="tlh")

    code, reason, _, fields = await refusal(service.disclosures.GetQuoteDisclosure(wanted))

    assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "LOCALE_UNSUPPORTED")
    assert fields == ["locale"]
