"""One row that cannot be read breaks nothing but itself: pages come and name it, whoever asks for
it is told so by a reason of its own, and it is counted and logged without its words."""

import json

import grpc
import pytest
from caravel.payments.v1 import admin_pb2, payments_pb2
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.domain.payment import Payment
from services.payments.store import PostgresPayments
from services.shared.ids import decode_id
from tests.logs import logged
from tests.makers import make_new_payment
from tests.poison import rows, run
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service

DAMAGE = {
    "an unknown state": "state = 'NONSENSE'",
    "an unknown currency": "destination_currency = 'ZZZ'",
    "a route without providers": "route = '{}'",
    "a route of another form": "route = '[7]'",
    "a recipient with a strange field": """recipient = '{"words": "Ada Lovelace"}'""",
    "fees of another form": "fees = '[7]'",
    "a fee without a name": """fees = '[{"name": null, "amount_minor": 1}]'""",
    "a fee in fractions": """fees = '[{"name": "flat", "amount_minor": 1.5}]'""",
    "a negative fee": """fees = '[{"name": "flat", "amount_minor": -5}]'""",
    "a negative amount": "amount_minor = -10000",
    "a negative refund": "refunded_minor = -1",
    "an amount out of bounds": "payout_minor = 9223372036854775807",
    "a rate that is none": "rate = 'NaN'",
    "an infinite rate": "rate = 'Infinity'",
    "late funds of another form": "late_funds = '{}'",
    "an unknown rule": "exchange_rule = 99",
    "a year that Python has not": "updated_at = '20000-01-01'",
    "a year before all of ours": "created_at = '0044-03-15 BC'",
    "a number that Python reads not": f"fees = '[{{\"amount_minor\": {'9' * 5000}}}]'",
}
# The database would refuse some of it.
UNCHECKED = """
    DO $$ DECLARE name text; BEGIN
        FOR name IN SELECT conname FROM pg_constraint
                     WHERE conrelid = 'payments'::regclass AND contype = 'c' LOOP
            EXECUTE format('ALTER TABLE payments DROP CONSTRAINT %I', name);
        END LOOP;
        ALTER TABLE payments DISABLE TRIGGER USER;
    END $$
"""


async def three(engine: AsyncEngine, damage: str) -> list[Payment]:
    """Three payments, oldest first, of which the second is damaged."""
    new = [make_new_payment() for _ in range(3)]
    await PostgresPayments(engine).create(new)
    change = f"UPDATE payments SET {damage.replace(':', chr(92) + ':')} WHERE id = :id"
    await run(engine, UNCHECKED)
    await run(engine, change, id=new[1].payment.id)
    return [item.payment for item in new]


def counted(table: str) -> float:
    return REGISTRY.get_sample_value("caravel_unreadable_rows_total", {"table": table}) or 0.0


@pytest.mark.parametrize("kind", DAMAGE)
async def test_a_page_comes_without_what_cannot_be_read_and_names_it(
    service: Service, engine: AsyncEngine, kind: str
) -> None:
    oldest, damaged, newest = await three(engine, DAMAGE[kind])
    before = counted("payments")

    with logged() as lines:
        page = await service.payments.ListPayments(payments_pb2.ListPaymentsRequest())
        told = json.dumps(lines())

    assert [one.transaction_id for one in page.payments] == [
        newest.transaction_id,
        oldest.transaction_id,
    ]
    assert list(page.unreadable_transaction_ids) == [damaged.transaction_id]
    assert counted("payments") == before + 1
    assert "row_unreadable" in told and damaged.transaction_id in told
    assert "Lovelace" not in told and "SELECT" not in told and "NONSENSE" not in told


@pytest.mark.parametrize("kind", DAMAGE)
async def test_the_one_payment_is_unreadable_to_every_call(
    service: Service, engine: AsyncEngine, kind: str
) -> None:
    oldest, damaged, _ = await three(engine, DAMAGE[kind])
    named = damaged.transaction_id

    for call in (
        service.payments.GetPayment(payments_pb2.GetPaymentRequest(transaction_id=named)),
        service.payments.CancelPayment(payments_pb2.CancelPaymentRequest(transaction_id=named)),
        service.payments.RefundPayment(
            payments_pb2.RefundPaymentRequest(transaction_id=named, full=True), metadata=new_key()
        ),
    ):
        assert (await refusal(call))[:3] == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "PAYMENT_UNREADABLE",
            {"transaction_id": named},
        )
    other = payments_pb2.GetPaymentRequest(transaction_id=oldest.transaction_id)
    assert (await service.payments.GetPayment(other)).transaction_id == oldest.transaction_id


@pytest.mark.parametrize("kind", ["an unknown state", "a year that Python has not"])
async def test_pages_go_on_past_it(service: Service, engine: AsyncEngine, kind: str) -> None:
    payments = await three(engine, DAMAGE[kind])
    seen, token = [], ""
    for _ in range(3):
        page = await service.payments.ListPayments(
            payments_pb2.ListPaymentsRequest(page_size=1, page_token=token)
        )
        seen += [one.transaction_id for one in page.payments] + list(
            page.unreadable_transaction_ids
        )
        token = page.next_page_token

    assert seen == [payment.transaction_id for payment in reversed(payments)]
    assert token == ""


@pytest.mark.parametrize(
    "change",
    [
        "to_state = 'NONSENSE'",
        "from_state = 'NONSENSE'",
        "evidence = '{\"a\": 7}'",
        "evidence = '[]'",
    ],
)
async def test_a_history_comes_without_the_event_that_cannot_be_read(
    service: Service, engine: AsyncEngine, change: str
) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    await run(
        engine,
        "ALTER TABLE payment_events DISABLE TRIGGER USER",
        """
        INSERT INTO payment_events (merchant_id, payment_id, sequence, from_state, to_state, actor,
               cause, evidence, trace_id)
        SELECT merchant_id, payment_id, 2, to_state, to_state, actor, cause, evidence, trace_id
          FROM payment_events
        """,
        f"UPDATE payment_events SET {change.replace(': ', chr(92) + ': ')} WHERE sequence = 2",
    )

    history = await service.payments.ListPaymentEvents(
        payments_pb2.ListPaymentEventsRequest(transaction_id=new.payment.transaction_id)
    )

    assert [event.sequence for event in history.events] == [1]


async def test_a_quote_that_cannot_be_read_stops_no_neighbour(
    service: Service, engine: AsyncEngine
) -> None:
    created = await service.payments.CreateQuote(
        payments_pb2.CreateQuoteRequest(amount_usd="100.00", destination_currency="NGN")
    )
    await run(engine, "UPDATE quotes SET trail = '{}'")

    call = service.payments.GetQuote(payments_pb2.GetQuoteRequest(quote_id=created.quote_id))
    assert (await refusal(call))[1] == "QUOTE_NOT_FOUND"
    using = service.payments.CreatePayment(order(quote_id=created.quote_id), metadata=new_key())
    assert (await refusal(using))[1] == "QUOTE_NOT_FOUND"
    assert (await service.payments.CreatePayment(order(), metadata=new_key())).transaction_id


async def test_operators_lists_come_whatever_a_row_says(
    service: Service, engine: AsyncEngine
) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    await run(
        engine,
        "UPDATE payments SET hold_reason = 'step_failed', due_at = NULL, state = 'NONSENSE'",
        """
        INSERT INTO webhook_inbox (provider, event_id, merchant_id, payment_id, event_type, answer,
               body, state) VALUES ('p', 'e', 'sandbox', :id, 't', '{}', '', 'SET_ASIDE')
        """,
        """
        INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note)
        VALUES ('sandbox', :id, 'ada', 'AN_ACTION_OF_TOMORROW', 'x', '')
        """,
        id=new.payment.id,
    )

    letters = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())
    acted = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())

    assert {decode_id("pay", one.transaction_id) for one in letters.dead_letters} == {
        new.payment.id
    }
    assert len(letters.dead_letters) == 2
    assert all(letter.set_aside_at.seconds for letter in letters.dead_letters)
    assert [action.action for action in acted.actions] == ["AN_ACTION_OF_TOMORROW"]
    assert await rows(engine, "SELECT count(*) FROM payments") == [(1,)]
