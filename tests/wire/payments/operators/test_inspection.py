"""One payment with all that is on record about it, as operators see it, and the overview of all."""

from typing import Any
from uuid import UUID

import pytest
from caravel.common.v1 import recipient_pb2
from caravel.payments.v1 import inspected_pb2, inspection_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.operators import inspected as nouns
from services.shared.ids import new_id
from tests.poison import run
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import refused, release, unknown_payout
from tests.wire.payments.operators.keys import operator_key


async def _inspected(
    service: Service, transaction_id: str, **fields: Any
) -> inspection_pb2.InspectedPayment:
    request = inspection_pb2.InspectPaymentRequest(transaction_id=transaction_id, **fields)
    return await service.inspection.InspectPayment(request)


async def _with_every_part(engine: AsyncEngine, payment_id: UUID) -> None:
    """Adds a posting, a received event and a delivery that is set aside."""
    endpoint = UUID("0199d3a1-5c1e-7f7a-9b52-3f1d2c4b5a69")
    await run(
        engine,
        """
        INSERT INTO postings (merchant_id, payment_id, sequence, position, debit, credit, currency,
               amount_minor, cause)
        VALUES ('sandbox', :id, 1, 0, 'onramp:stripe:USD', 'payments:USD', 'USD', 10000, 'funds')
        """,
        """
        INSERT INTO webhook_inbox (provider, event_id, merchant_id, payment_id, event_type, step,
               answer, body, state)
        VALUES ('stripe', 'evt_1', 'sandbox', :id, 'paid', 'collection',
                '{"outcome": "SUCCEEDED", "signed": true}', '', 'APPLIED')
        """,
        "INSERT INTO merchants (id, display_name) VALUES ('sandbox', 's') ON CONFLICT DO NOTHING",
        """
        INSERT INTO webhook_endpoints (merchant_id, id, url, secret)
        VALUES ('sandbox', :endpoint, 'https://shop.example/hook?token=secret', 'whsec')
        """,
        """
        INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body, state,
               failures, last_error)
        VALUES ('sandbox', :id, 1, :endpoint, 'payment.pending', '', 'SET_ASIDE', 11, 'HTTP 500')
        """,
        id=payment_id,
        endpoint=endpoint,
    )


async def test_a_payment_is_shown_with_all_that_is_on_record(
    service: Service, engine: AsyncEngine
) -> None:
    payment_id, transaction_id = await unknown_payout(engine)
    await _with_every_part(engine, payment_id)

    shown = await _inspected(service, transaction_id)

    assert shown.state == "PAYING_OUT"
    assert [(one.step, one.state) for one in shown.attempts] == [
        ("collection", "SUCCEEDED"),
        ("payout", "UNKNOWN"),
    ]
    assert [(one.debit, one.credit, one.amount) for one in shown.postings] == [
        ("onramp:stripe:USD", "payments:USD", "100.00")
    ]
    [quote] = shown.quotes
    assert quote.is_current
    assert quote.rate_trail.source == "test"
    [received] = shown.received_events
    assert (received.event_id, received.outcome, received.signed) == ("evt_1", "SUCCEEDED", True)
    [delivery] = shown.deliveries
    assert (delivery.url, delivery.state) == ("https://shop.example/hook", "SET_ASIDE")
    assert delivery.dead_letter_id.startswith("outbox_")
    assert shown.next.reason == inspected_pb2.NextStep.OPERATOR_DECIDES
    assert list(shown.next.verbs) == [":release", ":resolve", ":try"]
    assert list(shown.cut) == []
    assert list(shown.unreadable) == []


async def test_the_actions_on_a_payment_are_shown_also_those_that_were_refused(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await service.admin.ReleaseHold(release(transaction_id, note="seen to"))
    await refused(service.admin.ReleaseHold(release(transaction_id)))

    shown = await _inspected(service, transaction_id)

    assert [(one.action, one.note, one.refusal) for one in shown.actions] == [
        ("RELEASE_HOLD", "seen to", ""),
        ("RELEASE_HOLD", "", "PAYMENT_NOT_ON_HOLD"),
    ]


async def test_a_long_history_is_shown_from_its_end_and_page_by_page(
    service: Service, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(
        engine,
        """
        INSERT INTO payment_events (merchant_id, payment_id, sequence, from_state, to_state, actor,
               cause, evidence, trace_id)
        SELECT merchant_id, payment_id, n, 'PAYING_OUT', 'PAYING_OUT', 'worker', 'payout_unknown',
               '{}', trace_id
          FROM payment_events, generate_series(2, 10000) AS n WHERE sequence = 1
        """,
    )

    newest = await _inspected(service, transaction_id)
    before = await _inspected(service, transaction_id, before_sequence=newest.events[0].sequence)

    assert len(newest.events) == nouns.SHOWN_MAX
    assert newest.events[-1].sequence == 10_000
    assert before.events[-1].sequence == newest.events[0].sequence - 1
    assert list(newest.cut) == ["events"]


async def test_a_part_that_cannot_be_read_is_named_and_the_others_are_shown(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, "UPDATE attempts SET state = 'LOST' WHERE step = 'payout'")

    shown = await _inspected(service, transaction_id)

    assert [one.step for one in shown.attempts] == ["collection"]
    assert list(shown.unreadable) == ["attempts"]
    assert list(shown.next.verbs) == []


async def test_a_payment_is_shown_with_the_ways_to_pay_it_out(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)

    options = (await _inspected(service, transaction_id)).payout_options

    assert list(options.offramps) == ["flutterwave", "paystack", "local_wallet"]
    kinds = {one.kind: [field.name for field in one.required] for one in options.recipients}
    assert kinds[recipient_pb2.WALLET] == ["holder_name", "wallet_id"]
    assert kinds[recipient_pb2.BANK_ACCOUNT] == ["holder_name", "bank_code", "account_number"]


async def test_a_payment_whose_corridor_is_gone_is_shown_without_ways_to_pay_it_out(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(engine, "UPDATE payments SET corridor_id = 'us-xx'")

    shown = await _inspected(service, transaction_id)

    assert shown.state == "PAYING_OUT"
    assert not shown.HasField("payout_options")


async def test_no_payment_is_shown_for_an_id_that_nothing_has(service: Service) -> None:
    for unknown in ("pay_00000000000000000000000000", "", "pay_"):
        call = service.inspection.InspectPayment(
            inspection_pb2.InspectPaymentRequest(transaction_id=unknown)
        )
        assert (await refused(call))[1] in ("PAYMENT_NOT_FOUND", "FIELD_REQUIRED")


async def test_a_number_below_nothing_is_refused(service: Service, engine: AsyncEngine) -> None:
    _, transaction_id = await unknown_payout(engine)
    request = inspection_pb2.InspectPaymentRequest(
        transaction_id=transaction_id, before_sequence=-1
    )

    assert (await refused(service.inspection.InspectPayment(request)))[1] == "FIELD_INVALID"


async def test_a_payment_that_a_pause_keeps_back_says_so(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await run(
        engine,
        "UPDATE payments SET hold_reason = NULL, waiting_since = NULL, deadline_at = NULL, "
        "due_at = now()",
        "UPDATE attempts SET state = 'INTENDED' WHERE step = 'payout'",
        """
        INSERT INTO pauses (id, kind, name, under_way, reason, paused_by, starts_at, ends_at)
        VALUES (:id, 'PROVIDER', 'local_wallet', 'WAIT', 'outage', 'ada', now(),
                now() + interval '1 hour')
        """,
        id=new_id(),
    )

    shown = await _inspected(service, transaction_id)

    assert shown.next.reason == inspected_pb2.NextStep.PAUSED
    assert shown.next.at.ToDatetime() > shown.payment.updated_at.ToDatetime()


async def test_actions_are_for_those_alone_who_see_the_trail(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await unknown_payout(engine)
    await service.admin.ReleaseHold(release(transaction_id, note="seen to"))
    request = inspection_pb2.InspectPaymentRequest(transaction_id=transaction_id)

    for scopes, seen in ((("operate:read",), 0), (("operate:read", "audit:read"), 1)):
        key = await operator_key(engine, "ada", scopes=scopes)
        shown = await service.inspection.InspectPayment(request, metadata=(key.header,))
        assert len(shown.actions) == seen
