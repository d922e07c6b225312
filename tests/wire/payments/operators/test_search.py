"""Payments of all merchants, as operators find them: by each id that a payment has, by each filter,
page by page, and never more than was asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from caravel.payments.v1 import search_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.payment import Payment, State
from services.payments.operators.search import Sought
from services.payments.operators.store import search as store
from services.payments.operators.store.search import PostgresSearch
from services.payments.orders.store.payments import PostgresPayments
from services.shared.ids import Prefix, encode_id, first_id, new_id
from tests.makers import make_new_payment, make_quote, make_terms
from tests.poison import UNGUARDED, run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import refused, unknown_payout


async def _made(engine: AsyncEngine, key: str = "", **changes: Any) -> Payment:
    merchant_id = changes.get("merchant_id", "sandbox")
    terms = changes.pop("terms", make_terms())
    quote = make_quote(merchant_id=merchant_id, terms=terms)
    new = make_new_payment(key=key, quote=quote, **changes)
    await PostgresPayments(engine).create([new])
    return new.payment


async def _asked(service: Service, **fields: Any) -> search_pb2.SearchPaymentsResponse:
    return await service.search.SearchPayments(search_pb2.SearchPaymentsRequest(**fields))


async def _found(service: Service, **fields: Any) -> list[str]:
    return [one.payment.transaction_id for one in (await _asked(service, **fields)).payments]


async def test_a_payment_is_found_by_every_id_that_it_has(
    service: Service, engine: AsyncEngine
) -> None:
    await _made(engine)
    payment_id, transaction_id = await unknown_payout(engine, "mer_b")
    refund, dispute = new_id(), new_id()
    await run(
        engine,
        "INSERT INTO merchants (id, display_name) VALUES ('mer_b', 'B')",
        "UPDATE payments SET reference = 'invoice 7', collection_reference = 'pi_7' WHERE id = :id",
        "UPDATE idempotency_keys SET key = 'key-7' WHERE payment_id = :id",
        "UPDATE attempts SET provider_reference = 'lwp_7' WHERE step = 'payout'",
        """
        INSERT INTO refunds (merchant_id, payment_id, number, id, amount_minor, currency, reason,
               requested_by, provider, status, provider_reference)
        VALUES ('mer_b', :id, 1, :refund, 5, 'USD', '', 'api', 'stripe', 'PENDING', '')
        """,
        """
        INSERT INTO disputes (merchant_id, payment_id, number, id, provider, provider_reference,
               kind, status, reason, currency, withdrawn_minor, stated_at, stops)
        VALUES ('mer_b', :id, 1, :dispute, 'stripe', 'dp_7', 'DISPUTE', 'NEEDS_RESPONSE', '',
                'USD', 0, now(), false)
        """,
        id=payment_id,
        refund=refund,
        dispute=dispute,
    )
    quote = (await _asked(service, query=transaction_id)).payments[0].payment.quote_id

    for query in (
        transaction_id,
        quote,
        encode_id(Prefix.REFUND, refund),
        encode_id(Prefix.DISPUTE, dispute),
        "invoice 7",
        "key-7",
        "pi_7",
        "lwp_7",
        "dp_7",
        f"{transaction_id}-payout-1",
    ):
        assert await _found(service, query=query) == [transaction_id], query


@pytest.mark.parametrize(
    "query",
    [
        "invoice",
        "%",
        "' OR true --",
        "pay_",
        "pay_00000000000000000000000000",
        "quo_01jd8x3v9me7rb5k3n6q2f4h8z",
        "-payout-1",
        "pay_00000000000000000000000000-payout-",
        " ",
        "x" * 255,
    ],
)
async def test_an_id_that_nothing_has_finds_nothing(
    service: Service, engine: AsyncEngine, query: str
) -> None:
    await _made(engine, reference="invoice 7")

    assert await _found(service, query=query) == []


async def test_a_reference_finds_all_its_payments_page_by_page(
    service: Service, engine: AsyncEngine
) -> None:
    made = [await _made(engine, reference="rent") for _ in range(3)]
    await _made(engine)

    first = await _asked(service, query="rent", page_size=2)
    second = await _asked(service, query="rent", page_size=2, page_token=first.next_page_token)

    shown = [one.payment.transaction_id for one in (*first.payments, *second.payments)]
    assert shown == [payment.transaction_id for payment in reversed(made)]
    assert second.next_page_token == ""


async def test_each_filter_leaves_the_payments_that_meet_it(
    service: Service, engine: AsyncEngine
) -> None:
    dear = await _made(
        engine, merchant_id="mer_b", corridor_id="us-in", offramp="other", terms=make_terms(50_000)
    )
    cheap = await _made(engine)
    _, held = await unknown_payout(engine)
    await run(
        engine,
        "UPDATE payments SET state = 'CREATED', hold_reason = NULL, waiting_since = NULL, "
        "deadline_at = NULL WHERE merchant_id = 'mer_b' OR id = :id",
        id=cheap.id,
    )

    for filters, expected in (
        ({"merchant_id": "mer_b"}, [dear.transaction_id]),
        ({"corridor_id": "us-in"}, [dear.transaction_id]),
        ({"provider": "other"}, [dear.transaction_id]),
        ({"provider": "stripe"}, [held, cheap.transaction_id, dear.transaction_id]),
        ({"amount_from_usd": "100.01"}, [dear.transaction_id]),
        ({"amount_to_usd": "100.00"}, [held, cheap.transaction_id]),
        ({"amount_from_usd": "100.00", "amount_to_usd": "499.99"}, [held, cheap.transaction_id]),
        ({"amount_from_usd": "100.00", "amount_to_usd": "100"}, [held, cheap.transaction_id]),
        ({"states": ["PAYING_OUT", "FAILED"]}, [held]),
        ({"hold_reasons": ["outcome_unknown", "disputed"]}, [held]),
        ({"hold_reasons": ["disputed"]}, []),
        ({"on_hold": True}, [held]),
        ({"on_hold": True, "hold_reasons": ["disputed"]}, []),
        ({"overdue": True}, []),
        ({"merchant_id": "mer_b", "provider": "local_wallet"}, []),
        ({"query": held, "states": ["CREATED"]}, []),
        ({"merchant_id": "mer_nobody"}, []),
    ):
        assert await _found(service, **filters) == expected, filters


async def test_overdue_payments_are_those_that_the_list_of_them_has(
    service: Service, engine: AsyncEngine
) -> None:
    late, fresh = await _made(engine), await _made(engine)
    await run(
        engine,
        UNGUARDED,
        "UPDATE payments SET created_at = now() WHERE id = :fresh",
        "UPDATE payment_events SET occurred_at = now() - interval '1 day' WHERE payment_id = :late",
        late=late.id,
        fresh=fresh.id,
    )

    assert await _found(service, overdue=True) == [late.transaction_id]
    assert await _found(service, overdue=True, query=late.transaction_id) == [late.transaction_id]
    assert await _found(service, overdue=True, query=fresh.transaction_id) == []


async def test_times_of_creation_are_a_range_without_its_end(
    service: Service, engine: AsyncEngine
) -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    made = []
    for hours in range(3):
        at = noon + timedelta(hours=hours)
        made.append((await _made(engine, id=first_id(at), created_at=at)).transaction_id)

    both = {"created_after": noon, "created_before": noon + timedelta(hours=2)}
    assert await _found(service, **both) == [made[1], made[0]]
    assert await _found(service, created_after=noon + timedelta(hours=1)) == [made[2], made[1]]
    far = {
        "created_after": datetime(1, 1, 2, tzinfo=UTC),
        "created_before": datetime(9999, 12, 30, tzinfo=UTC),
    }
    assert await _found(service, **far) == made[::-1]


async def test_pages_follow_each_other_newest_first(service: Service, engine: AsyncEngine) -> None:
    made = [(await _made(engine)).transaction_id for _ in range(5)]

    token, pages = "", []
    while True:
        page = await _asked(service, page_size=2, page_token=token)
        pages.append([one.payment.transaction_id for one in page.payments])
        token = page.next_page_token
        if not token:
            break

    assert pages == [[made[4], made[3]], [made[2], made[1]], [made[0]]]


async def test_a_token_is_good_for_its_filters_alone(service: Service, engine: AsyncEngine) -> None:
    for _ in range(2):
        await _made(engine)
    token = (await _asked(service, page_size=1)).next_page_token

    for other in ({"states": ["CREATED"]}, {"query": "x"}, {"overdue": True}):
        call = service.search.SearchPayments(
            search_pb2.SearchPaymentsRequest(page_token=token, **other)
        )
        assert (await refused(call))[:2] == ("INVALID_ARGUMENT", "FIELD_INVALID")


async def test_a_search_that_takes_too_long_says_how_far_it_looked_and_goes_on_there(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_FIRST", 2)
    monkeypatch.setattr(store, "LOOKED_MAX", 2)
    sought = await _made(engine)
    await run(engine, "UPDATE payments SET state = 'COMPLETED', due_at = NULL")
    others = [await _made(engine) for _ in range(4)]
    ticks = iter(range(100))
    search = PostgresSearch(engine, clock=lambda: float(next(ticks)))
    wanted = Sought(states=(State.COMPLETED,))

    pages, before = [], None
    while True:
        page = await search.page(wanted, (), before=before, limit=1)
        pages.append([one.transaction_id for one in page.payments])
        if page.before is None:
            break
        assert page.looked_until is not None
        before = page.before

    assert pages == [[], [], [sought.transaction_id]]
    assert before == others[0].id


async def test_a_payment_that_cannot_be_read_is_named_among_the_others(
    service: Service, engine: AsyncEngine
) -> None:
    whole, broken = await _made(engine), await _made(engine)
    await run(engine, "UPDATE payments SET route = '7' WHERE id = :id", id=broken.id)

    page = await _asked(service)

    assert [one.payment.transaction_id for one in page.payments] == [whole.transaction_id]
    assert list(page.unreadable_transaction_ids) == [broken.transaction_id]


async def test_a_payment_is_shown_masked_and_without_the_secret_of_its_payer(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await _made(engine)
    await run(
        engine,
        "UPDATE payments SET state = 'COLLECTING', next_action = "
        """'{"kind": "use_sdk", "client_secret": "pi_secret", "url": "https://bank"}'""",
    )

    [found] = (await _asked(service, query=payment.transaction_id)).payments

    assert found.payment.recipient.wallet.wallet_id.startswith("****")
    assert found.payment.next_action.kind == "use_sdk"
    assert "pi_secret" not in str(found)
    assert (found.merchant_id, found.state) == ("sandbox", "COLLECTING")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"query": "x" * 256}, "FIELD_INVALID"),
        ({"query": "a\0"}, "CHARACTER_FORBIDDEN"),
        ({"states": ["COMPLETED", "completed"]}, "FIELD_INVALID"),
        ({"states": [""]}, "FIELD_INVALID"),
        ({"hold_reasons": ["ON_HOLD"]}, "FIELD_INVALID"),
        ({"provider": "x" * 65}, "FIELD_INVALID"),
        ({"merchant_id": "\t"}, "CHARACTER_FORBIDDEN"),
        ({"amount_from_usd": "-1"}, "AMOUNT_NOT_POSITIVE"),
        ({"amount_to_usd": "1e3"}, "FIELD_INVALID"),
        ({"amount_to_usd": "0.001"}, "AMOUNT_PRECISION_EXCEEDED"),
        ({"amount_from_usd": "9" * 15}, "AMOUNT_ABOVE_MAXIMUM"),
        ({"amount_from_usd": "2", "amount_to_usd": "1"}, "FIELDS_CONTRADICTORY"),
        ({"page_size": -1}, "FIELD_INVALID"),
        ({"page_token": "x"}, "FIELD_INVALID"),
        ({"page_token": "WyJhIl0"}, "FIELD_INVALID"),
    ],
)
async def test_a_value_that_is_no_filter_is_refused(
    service: Service, fields: dict[str, Any], reason: str
) -> None:
    call = service.search.SearchPayments(search_pb2.SearchPaymentsRequest(**fields))

    assert (await refused(call))[1] == reason
