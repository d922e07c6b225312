"""The public RPCs as a gRPC client meets them: idempotency, refusals with reasons, reading."""

import asyncio
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import history_pb2, payers_pb2, payments_pb2

from services.shared.ids import encode_id, new_id
from tests.makers import USER
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service


async def test_a_payment_is_created_with_figures_that_reproduce_by_hand(service: Service) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())

    assert payment.transaction_id.startswith("pay_")
    assert payment.status == payments_pb2.Payment.PENDING
    assert (payment.amount_usd, payment.fee_usd, payment.net_usd) == ("100.00", "2.50", "97.50")
    assert [(fee.name, fee.amount_usd) for fee in payment.fees] == [
        ("flat", "1.00"),
        ("percentage", "1.50"),
    ]
    assert (payment.fx_rate, payment.payout_amount) == ("1522.59875", "148453.38")
    assert (payment.onramp, payment.offramp) == ("stripe", "flutterwave")


async def test_the_same_key_and_body_replays_the_first_answer(service: Service) -> None:
    key = new_key()
    first = await service.payments.CreatePayment(order(), metadata=key)

    call = service.payments.CreatePayment(order(amount_usd="100"), metadata=key)

    assert await call == first
    assert dict(await call.initial_metadata())["idempotent-replayed"] == "true"


async def test_quotes_around_a_key_do_not_make_it_another_key(service: Service) -> None:
    first = await service.payments.CreatePayment(order(), metadata=new_key("k-1"))

    assert await service.payments.CreatePayment(order(), metadata=new_key('"k-1"')) == first


async def test_fifty_requests_with_one_key_make_one_payment(service: Service) -> None:
    key = new_key()
    calls = [service.payments.CreatePayment(order(), metadata=key) for _ in range(50)]

    payments = await asyncio.gather(*calls)

    assert len({payment.transaction_id for payment in payments}) == 1
    replayed = [dict(await call.initial_metadata()).get("idempotent-replayed") for call in calls]
    assert replayed.count(None) == 1
    listed = await service.payments.ListPayments(payments_pb2.ListPaymentsRequest())
    assert len(listed.payments) == 1


async def test_payments_that_arrive_together_are_priced_together(service: Service) -> None:
    await asyncio.gather(
        *(service.payments.CreatePayment(order(), metadata=new_key()) for _ in range(40))
    )

    assert sum(service.fees.calls) == 40
    assert len(service.fees.calls) < 40


async def test_the_same_key_with_another_body_is_refused(service: Service) -> None:
    key = new_key()
    await service.payments.CreatePayment(order(), metadata=key)

    call = service.payments.CreatePayment(order(amount_usd="100.01"), metadata=key)
    code, reason, _, _ = await refusal(call)

    assert (code, reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IDEMPOTENCY_KEY_REUSED")


async def test_a_refused_body_leaves_its_key_free(service: Service) -> None:
    key = new_key()
    await refusal(service.payments.CreatePayment(order(amount_usd="0.50"), metadata=key))

    assert await service.payments.CreatePayment(order(), metadata=key)


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ((), "IDEMPOTENCY_KEY_REQUIRED"),
        ((("idempotency-key", ""),), "IDEMPOTENCY_KEY_INVALID"),
        ((("idempotency-key", "k" * 256),), "IDEMPOTENCY_KEY_INVALID"),
        ((("idempotency-key", "with space"),), "IDEMPOTENCY_KEY_INVALID"),
        ((("idempotency-key", "a"), ("idempotency-key", "b")), "IDEMPOTENCY_KEY_INVALID"),
        ((("idempotency-key", "a,b"),), "IDEMPOTENCY_KEY_INVALID"),
    ],
)
async def test_a_key_must_be_given_once_and_well_formed(
    service: Service, metadata: tuple[tuple[str, str], ...], reason: str
) -> None:
    call = service.payments.CreatePayment(order(), metadata=metadata)

    assert (await refusal(call))[:2] == (grpc.StatusCode.INVALID_ARGUMENT, reason)


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"user_id": ""}, "FIELD_REQUIRED", "user_id"),
        ({"user_id": "42"}, "FIELD_INVALID", "user_id"),
        ({"user_id": f"{{{USER}}}"}, "FIELD_INVALID", "user_id"),
        ({"amount_usd": ""}, "FIELD_REQUIRED", "amount_usd"),
        ({"amount_usd": "0"}, "AMOUNT_NOT_POSITIVE", "amount_usd"),
        ({"amount_usd": "-5"}, "AMOUNT_NOT_POSITIVE", "amount_usd"),
        ({"amount_usd": "100.005"}, "AMOUNT_PRECISION_EXCEEDED", "amount_usd"),
        ({"amount_usd": "NaN"}, "FIELD_INVALID", "amount_usd"),
        ({"amount_usd": "1_000"}, "FIELD_INVALID", "amount_usd"),
        ({"amount_usd": "\uff11\uff12"}, "FIELD_INVALID", "amount_usd"),
        ({"amount_usd": "1e999999"}, "FIELD_INVALID", "amount_usd"),
        ({"destination_currency": ""}, "FIELD_REQUIRED", "destination_currency"),
        ({"destination_currency": "inr"}, "CURRENCY_UNKNOWN", "destination_currency"),
        ({"destination_currency": "XXX"}, "CURRENCY_UNKNOWN", "destination_currency"),
        ({"destination_country": "ng"}, "FIELD_INVALID", "destination_country"),
        ({"destination_country": "ZZ"}, "FIELD_INVALID", "destination_country"),
        ({"destination_country": "Nigeria"}, "FIELD_INVALID", "destination_country"),
        ({"reference": "x" * 141}, "FIELD_INVALID", "reference"),
        ({"payer": 7}, "FIELD_INVALID", "payer"),
        ({"payer": 2, "return_url": "http://shop.example"}, "FIELD_INVALID", "return_url"),
    ],
)
async def test_a_malformed_field_is_named(
    service: Service, changes: dict[str, Any], reason: str, field: str
) -> None:
    call = service.payments.CreatePayment(order(**changes), metadata=new_key())

    assert await refusal(call) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        reason,
        {"field": field}
        if reason != "AMOUNT_PRECISION_EXCEEDED"
        else {"field": field, "max_decimals": "2"},
        [field],
    )


async def test_the_same_key_with_another_payer_is_another_request(service: Service) -> None:
    key = new_key()
    await service.payments.CreatePayment(order(payer=payers_pb2.PRESENT), metadata=key)

    call = service.payments.CreatePayment(order(), metadata=key)

    assert (await refusal(call))[1] == "IDEMPOTENCY_KEY_REUSED"


async def test_off_session_is_what_no_payer_means(service: Service) -> None:
    key = new_key()
    first = await service.payments.CreatePayment(order(), metadata=key)

    again = order(payer=payers_pb2.OFF_SESSION)
    assert await service.payments.CreatePayment(again, metadata=key) == first


async def test_every_malformed_field_is_named_at_once(service: Service) -> None:
    call = service.payments.CreatePayment(payments_pb2.CreatePaymentRequest(), metadata=new_key())

    assert (await refusal(call))[3] == ["user_id", "amount_usd", "destination_currency"]


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"amount_usd": "0.99"}, grpc.StatusCode.OUT_OF_RANGE, "AMOUNT_BELOW_MINIMUM"),
        ({"amount_usd": "10000.01"}, grpc.StatusCode.OUT_OF_RANGE, "AMOUNT_ABOVE_MAXIMUM"),
        (
            {"amount_usd": "2.50"},
            grpc.StatusCode.FAILED_PRECONDITION,
            "AMOUNT_TOO_SMALL_AFTER_FEES",
        ),
        (
            {"destination_currency": "CHF"},
            grpc.StatusCode.FAILED_PRECONDITION,
            "CORRIDOR_UNSUPPORTED",
        ),
        (
            {"destination_country": "IN"},
            grpc.StatusCode.FAILED_PRECONDITION,
            "CORRIDOR_UNSUPPORTED",
        ),
        (
            {"quote_id": encode_id("quo", new_id())},
            grpc.StatusCode.NOT_FOUND,
            "QUOTE_NOT_FOUND",
        ),
        ({"quote_id": "quo_x"}, grpc.StatusCode.NOT_FOUND, "QUOTE_NOT_FOUND"),
    ],
)
async def test_a_payment_that_is_not_offered_is_refused(
    service: Service, changes: dict[str, str], code: grpc.StatusCode, reason: str
) -> None:
    call = service.payments.CreatePayment(order(**changes), metadata=new_key())

    assert (await refusal(call))[:2] == (code, reason)


async def test_a_quote_is_kept_and_serves_one_payment(service: Service) -> None:
    quote = await service.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(amount_usd="100", destination_currency="NGN")
    )
    with_quote = order(quote_id=quote.quote_id)

    payment = await service.payments.CreatePayment(with_quote, metadata=new_key())
    again = service.payments.CreatePayment(with_quote, metadata=new_key())

    assert (payment.quote_id, payment.fx_rate) == (quote.quote_id, quote.fx_rate)
    assert (await refusal(again))[1] == "QUOTE_ALREADY_USED"
    shown = await service.payments.GetQuote(payments_pb2.GetQuoteRequest(quote_id=quote.quote_id))
    assert shown.state == payments_pb2.Quote.USED
    assert shown.transaction_id == payment.transaction_id


async def test_a_quote_for_another_amount_is_refused(service: Service) -> None:
    quote = await service.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(amount_usd="100", destination_currency="NGN")
    )

    call = service.payments.CreatePayment(
        order(quote_id=quote.quote_id, amount_usd="101"), metadata=new_key()
    )

    assert (await refusal(call))[1:3] == ("QUOTE_MISMATCH", {"field": "amount_usd"})


async def test_a_quote_serves_a_payment_to_its_own_country_only(service: Service) -> None:
    quote = await service.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(
            amount_usd="100", destination_currency="NGN", destination_country="NG"
        )
    )

    elsewhere = order(quote_id=quote.quote_id, destination_country="GH")
    refused = service.payments.CreatePayment(elsewhere, metadata=new_key())
    assert (await refusal(refused))[1:3] == ("QUOTE_MISMATCH", {"field": "destination_country"})

    there = order(quote_id=quote.quote_id, destination_country="NG")
    payment = await service.payments.CreatePayment(there, metadata=new_key())
    assert payment.quote_id == quote.quote_id


async def test_the_same_key_with_another_country_is_another_request(service: Service) -> None:
    key = new_key()
    first = await service.payments.CreatePayment(order(), metadata=key)

    again = await service.payments.CreatePayment(order(), metadata=key)
    other = service.payments.CreatePayment(order(destination_country="NG"), metadata=key)

    assert again == first
    assert (await refusal(other))[1] == "IDEMPOTENCY_KEY_REUSED"


@pytest.mark.parametrize("transaction_id", [encode_id("pay", new_id()), "nonsense", "", "x" * 5000])
async def test_an_unknown_and_a_malformed_id_answer_alike(
    service: Service, transaction_id: str
) -> None:
    get = service.payments.GetPayment(payments_pb2.GetPaymentRequest(transaction_id=transaction_id))
    events = service.payments.ListPaymentEvents(
        history_pb2.ListPaymentEventsRequest(transaction_id=transaction_id)
    )

    for call in (get, events):
        assert (await refusal(call))[:2] == (grpc.StatusCode.NOT_FOUND, "PAYMENT_NOT_FOUND")


async def test_pages_follow_each_other_without_gap_or_overlap(service: Service) -> None:
    created = [
        (await service.payments.CreatePayment(order(), metadata=new_key())).transaction_id
        for _ in range(5)
    ]
    seen: list[str] = []
    request = payments_pb2.ListPaymentsRequest(page_size=2, destination_currency="NGN")
    while True:
        page = await service.payments.ListPayments(request)
        seen += [payment.transaction_id for payment in page.payments]
        if not page.next_page_token:
            break
        request.page_token = page.next_page_token

    assert seen == created[::-1]


@pytest.mark.parametrize(
    "request_",
    [
        payments_pb2.ListPaymentsRequest(page_size=-1),
        payments_pb2.ListPaymentsRequest(page_token="nonsense"),
        payments_pb2.ListPaymentsRequest(user_id="nobody"),
        payments_pb2.ListPaymentsRequest(destination_currency="nowhere"),
        payments_pb2.ListPaymentsRequest(created_after={"seconds": 10**15}),
    ],
)
async def test_a_malformed_list_request_is_refused(
    service: Service, request_: payments_pb2.ListPaymentsRequest
) -> None:
    code, _, _, _ = await refusal(service.payments.ListPayments(request_))

    assert code is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_page_token_is_good_for_its_own_filters_only(service: Service) -> None:
    for _ in range(2):
        await service.payments.CreatePayment(order(), metadata=new_key())
    page = await service.payments.ListPayments(payments_pb2.ListPaymentsRequest(page_size=1))

    call = service.payments.ListPayments(
        payments_pb2.ListPaymentsRequest(
            page_token=page.next_page_token, destination_currency="NGN"
        )
    )

    assert (await refusal(call))[3] == ["page_token"]


async def test_corridors_show_limits_and_an_indicative_rate(service: Service) -> None:
    offered = await service.payments.ListCorridors(payments_pb2.ListCorridorsRequest())

    by_id = {corridor.corridor_id: corridor for corridor in offered.corridors}
    assert list(by_id) == sorted(by_id)
    assert by_id["us-in"].destination_currency == "INR"
    assert by_id["us-in"].indicative_rate == "1522.59875"
