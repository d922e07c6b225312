"""One row that cannot be read breaks nothing but itself: pages come and name it, a call
for it is refused with a reason of its own, and it is counted and logged without its words."""

import json
from typing import Any

import grpc
import pytest
from caravel.payments.v1 import admin_pb2, history_pb2, payments_pb2, refunds_pb2
from prometheus_client import REGISTRY
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import READABLE, PostgresAudit
from services.payments.audit.verify import render
from services.payments.base.convert import decode_answer
from services.payments.model.payment import Payment
from services.payments.orders.store.payments import PostgresPayments
from services.shared.ids import decode_id
from tests.logs import logged
from tests.makers import make_new_payment
from tests.poison import UNGUARDED, rows, run, set_aside_step
from tests.polling import until
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import discard, letters, refused, requeue

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


async def three(engine: AsyncEngine, damage: str) -> list[Payment]:
    """Three payments, oldest first, of which the second is damaged."""
    new = [make_new_payment() for _ in range(3)]
    await PostgresPayments(engine).create(new)
    damage = damage.replace(":", chr(92) + ":")
    change = f"UPDATE payments SET {damage}, due_at = NULL WHERE id = :id"
    await run(engine, UNGUARDED)
    await run(engine, change, id=new[1].payment.id)
    return [item.payment for item in new]


async def unreadable(service: Service) -> list[admin_pb2.DeadLetter]:
    """The operators' list of rows that cannot be read."""
    return await letters(service, kind=admin_pb2.DeadLetter.UNREADABLE)


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
        written = json.dumps(lines())

    assert [one.transaction_id for one in page.payments] == [
        newest.transaction_id,
        oldest.transaction_id,
    ]
    assert list(page.unreadable_transaction_ids) == [damaged.transaction_id]
    assert counted("payments") == before + 1
    assert "row_unreadable" in written and damaged.transaction_id in written
    assert "Lovelace" not in written and "SELECT" not in written and "NONSENSE" not in written
    # It is nobody's step, so that only the list says it to operators.
    [letter] = await until(lambda: unreadable(service), bool)
    assert letter.transaction_id == damaged.transaction_id
    assert (letter.reason, letter.record.table) == ("row_unreadable", "payments")
    assert json.loads(letter.record.key) == ["sandbox", str(damaged.id)]
    assert letter.record.column == DAMAGE[kind].split(" = ")[0]
    assert letter.set_aside_at.seconds and "Lovelace" not in str(letter)


@pytest.mark.parametrize("kind", DAMAGE)
async def test_the_one_payment_is_unreadable_to_every_call(
    service: Service, engine: AsyncEngine, kind: str
) -> None:
    oldest, damaged, _ = await three(engine, DAMAGE[kind])
    named = damaged.transaction_id

    for call in (
        service.payments.GetPayment(payments_pb2.GetPaymentRequest(transaction_id=named)),
        service.payments.CancelPayment(payments_pb2.CancelPaymentRequest(transaction_id=named)),
        service.refunds.CreateRefund(
            refunds_pb2.CreateRefundRequest(transaction_id=named, full=True), metadata=new_key()
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
        "cause = 'nonsense'",
        "cause = 'held_nonsense'",
        "evidence = '{\"a\": 7}'",
        "evidence = '[]'",
        "occurred_at = '20000-01-01'",
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
        history_pb2.ListPaymentEventsRequest(transaction_id=new.payment.transaction_id)
    )

    assert [event.sequence for event in history.events] == [1]
    assert list(history.unreadable_sequences) == [2]
    [letter] = await until(lambda: unreadable(service), bool)
    assert letter.transaction_id == new.payment.transaction_id
    assert letter.record.table == "payment_events"
    assert letter.record.column == change.split(" = ", maxsplit=1)[0]


async def test_a_quote_that_cannot_be_read_stops_no_other(
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

    listed = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest())
    acted = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())

    assert {decode_id("pay", one.transaction_id) for one in listed.dead_letters} == {new.payment.id}
    assert len(listed.dead_letters) == 2
    assert all(letter.set_aside_at.seconds for letter in listed.dead_letters)
    assert [action.action for action in acted.actions] == ["AN_ACTION_OF_TOMORROW"]
    assert await rows(engine, "SELECT count(*) FROM payments") == [(1,)]


def get(service: Service, payment: Payment) -> Any:
    return service.payments.GetPayment(
        payments_pb2.GetPaymentRequest(transaction_id=payment.transaction_id)
    )


async def test_a_burst_of_reads_is_one_write(service: Service, engine: AsyncEngine) -> None:
    _, damaged, _ = await three(engine, DAMAGE["an unknown state"])
    written = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        written.extend(["write"] if "INSERT INTO unreadable_rows" in statement else [])

    for _ in range(20):
        await refusal(get(service, damaged))
        await service.payments.ListPayments(payments_pb2.ListPaymentsRequest())
    [letter] = await until(lambda: unreadable(service), bool)

    assert letter.transaction_id == damaged.transaction_id
    assert written == ["write"]


async def test_an_entry_stays_until_its_row_can_be_read(
    service: Service, engine: AsyncEngine
) -> None:
    _, damaged, _ = await three(engine, DAMAGE["an unknown state"])
    await refusal(get(service, damaged))
    [letter] = await until(lambda: unreadable(service), bool)

    again = service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
    assert (await refused(again))[:2] == ("FAILED_PRECONDITION", "PAYMENT_UNREADABLE")
    assert await unreadable(service) == [letter]

    await run(engine, "UPDATE payments SET state = 'CREATED' WHERE state = 'NONSENSE'")
    await service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
    assert await unreadable(service) == []
    once = service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
    assert (await refused(once))[1] == "DEAD_LETTER_NOT_FOUND"


async def test_a_discarded_entry_is_listed_again_only_once_its_row_has_broken_again(
    service: Service, engine: AsyncEngine
) -> None:
    _, damaged, _ = await three(engine, DAMAGE["an unknown state"])
    audit = PostgresAudit(engine, overdue_seconds=60)
    await audit.report_part_unless_running()
    [letter] = await unreadable(service)

    await service.admin.DiscardDeadLetter(discard(letter.dead_letter_id))
    await audit.report_part_unless_running()
    assert await unreadable(service) == []

    for state in ("CREATED", "NONSENSE"):
        await run(engine, f"UPDATE payments SET state = '{state}' WHERE id = :id", id=damaged.id)
        await audit.report_part_unless_running()
    assert [one.transaction_id for one in await unreadable(service)] == [damaged.transaction_id]


BROKEN = {
    "payments": "UPDATE payments SET route = '{}'",
    "payment_events": "UPDATE payment_events SET evidence = '[]'",
    "quotes": "UPDATE quotes SET expires_at = '20000-01-01'",
    "webhook_endpoints": "UPDATE webhook_endpoints SET created_at = '20000-01-01'",
    "webhook_inbox": "UPDATE webhook_inbox SET answer = '{}'",
    "operator_actions": "UPDATE operator_actions SET acted_at = '20000-01-01'",
    "idempotency_keys": "UPDATE idempotency_keys SET response = ''",
}
ADDED = (
    """
    INSERT INTO webhook_endpoints (merchant_id, id, url, secret)
    SELECT merchant_id, id, 'https\\://example.com', 'whsec_' FROM payments
    """,
    """
    INSERT INTO webhook_inbox (provider, event_id, merchant_id, payment_id, event_type, answer,
           body, state)
    SELECT 'stripe', 'e', merchant_id, id, 'paid', '{"outcome"\\: "SUCCEEDED", "currency"\\: null,
           "provider_reference"\\: "", "failure_code"\\: null, "actor"\\: "", "event_id"\\: ""}',
           '', 'APPLIED' FROM payments
    """,
    """
    INSERT INTO operator_actions (merchant_id, id, operator, action, subject, note)
    SELECT merchant_id, id, 'ada', 'RELEASE_HOLD', 'x', '' FROM payments
    """,
)


@pytest.mark.parametrize("table", BROKEN)
async def test_the_audit_lists_what_nobody_has_read_and_takes_it_off_once_it_is_repaired(
    service: Service, engine: AsyncEngine, table: str
) -> None:
    await service.payments.CreatePayment(order(), metadata=new_key())
    audit = PostgresAudit(engine, overdue_seconds=600, decode_answer=decode_answer)
    await run(engine, UNGUARDED, *ADDED, f"CREATE TABLE kept AS SELECT * FROM {table}")

    assert await finding(audit) == 0
    await run(engine, BROKEN[table])
    assert await finding(audit) == 1
    [letter] = await unreadable(service)
    assert (letter.record.table, BROKEN[table].split()[3]) == (table, letter.record.column)
    verified = render(await audit.report(), await audit.accounts())
    assert f"\u2717 {READABLE}: 1" in verified and f"{table} {letter.record.column}" in verified

    values = f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM kept"
    await run(engine, *values)
    assert await finding(audit) == 0
    assert await unreadable(service) == []


async def finding(audit: PostgresAudit) -> int:
    """How many rows the next part of the audit says that cannot be read."""
    report = await audit.report_part_unless_running()
    assert report
    (found,) = (one.violations for one in report.findings if one.invariant == READABLE)
    return found


@pytest.mark.parametrize("response", ["''", "'\\x0aff'"])
async def test_a_replay_of_an_answer_that_cannot_be_read_names_the_payment(
    service: Service, engine: AsyncEngine, response: str
) -> None:
    key = new_key()
    first = await service.payments.CreatePayment(order(), metadata=key)
    await run(engine, f"UPDATE idempotency_keys SET response = {response}")

    for _ in range(2):
        assert (await refusal(service.payments.CreatePayment(order(), metadata=key)))[:3] == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "PAYMENT_UNREADABLE",
            {"transaction_id": first.transaction_id},
        )

    [letter] = await until(lambda: unreadable(service), bool)
    assert (letter.record.table, letter.record.column) == ("idempotency_keys", "response")
    assert await rows(engine, "SELECT count(*) FROM payments") == [(1,)]


async def test_the_worker_notes_what_it_cannot_read_and_a_requeued_step_ends_it(
    service: Service, engine: AsyncEngine
) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    await set_aside_step(engine, new.payment.id)

    async def noted() -> list[tuple[str, str, str]]:
        return await rows(engine, "SELECT table_name, column_name, state FROM unreadable_rows")

    assert await until(noted, bool) == [("payments", "route", "OPEN")]
    # One trouble is one line, which says what to repair.
    [letter] = await letters(service)
    assert (letter.kind, letter.record.column) == (admin_pb2.DeadLetter.STEP, "route")
    await service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
    assert await letters(service) == []
    assert await noted() == [("payments", "route", "ENDED")]
