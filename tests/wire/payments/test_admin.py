"""The operators' RPCs as a gRPC client meets them: what is set aside is listed, tried again or
given up; holds end; attempts are resolved; and every refusal has its reason."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from caravel.payments.v1 import admin_pb2, payments_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.domain.attempt import AttemptState, Step
from services.payments.store import PostgresPayments, PostgresWork
from services.shared.ids import decode_id
from tests.makers import make_attempt, make_new_payment
from tests.poison import (
    claims,
    rows,
    run,
    set_aside_event,
    set_aside_notice,
    set_aside_step,
    tell,
)
from tests.wire.payments.conftest import Service

Letter = admin_pb2.DeadLetter
Verb = Callable[..., Awaitable[Any]]


async def _refusal(call: Any) -> tuple[str, str, str | None]:
    """Code, reason and retry-after of a refused call."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    trailers = dict(caught.value.trailing_metadata() or ())
    return caught.value.code().name, info.reason, trailers.get("retry-after")


async def _payment(engine: AsyncEngine) -> UUID:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    return new.payment.id


async def _unknown_payout(engine: AsyncEngine) -> tuple[UUID, str]:
    """A payment on hold over a payout that nobody knows the outcome of."""
    new = make_new_payment()
    payment = new.payment
    await PostgresPayments(engine).create([new])
    attempts = [
        make_attempt(payment, Step.COLLECTION, AttemptState.SUCCEEDED),
        make_attempt(payment, Step.PAYOUT, AttemptState.UNKNOWN),
    ]
    for attempt in attempts:
        await run(
            engine,
            """
            INSERT INTO attempts (merchant_id, payment_id, step, number, provider, key,
                   amount_minor, currency, state, provider_reference, inconclusive_count,
                   sent_at, last_sent_at)
            VALUES ('sandbox', :payment_id, :step, 1, :provider, :key, :amount, :currency, :state,
                    '', 0, now() - interval '1 day', now() - interval '1 day')
            """,
            payment_id=payment.id,
            step=attempt.step,
            provider=attempt.provider,
            key=attempt.key,
            amount=attempt.amount.amount_minor,
            currency=attempt.amount.currency,
            state=attempt.state,
        )
    await run(
        engine,
        "UPDATE payments SET state = 'PAYING_OUT', hold_reason = 'outcome_unknown', due_at = NULL",
    )
    return payment.id, payment.transaction_id


async def _letters(service: Service, **fields: Any) -> list[Letter]:
    listed = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(**fields))
    return list(listed.dead_letters)


async def _actions(service: Service) -> list[tuple[str, str, str, str]]:
    listed = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    return [(a.operator, a.action, a.subject, a.note) for a in listed.actions]


def _requeue(letter: str, **fields: str) -> admin_pb2.RequeueDeadLetterRequest:
    given = {"operator": "ada", "note": "mended", **fields}
    return admin_pb2.RequeueDeadLetterRequest(dead_letter_id=letter, **given)


def _discard(letter: str, **fields: str) -> admin_pb2.DiscardDeadLetterRequest:
    given = {"operator": "ada", "note": "seen to", **fields}
    return admin_pb2.DiscardDeadLetterRequest(dead_letter_id=letter, **given)


def _release(transaction_id: str, **fields: str) -> admin_pb2.ReleaseHoldRequest:
    return admin_pb2.ReleaseHoldRequest(
        transaction_id=transaction_id, **{"operator": "ada", **fields}
    )


def _resolve(transaction_id: str, **fields: Any) -> admin_pb2.ResolveAttemptRequest:
    given = {
        "operator": "ada",
        "evidence": "statement, line 12",
        "outcome": admin_pb2.ResolveAttemptRequest.SUCCEEDED,
    }
    return admin_pb2.ResolveAttemptRequest(transaction_id=transaction_id, **{**given, **fields})


async def test_dead_letters_of_all_kinds_are_one_list(
    service: Service, engine: AsyncEngine
) -> None:
    step, event, notice = [await _payment(engine) for _ in range(3)]
    await set_aside_step(engine, step)
    await set_aside_event(engine, event)
    await set_aside_notice(engine, notice)

    letters = {letter.kind: letter for letter in await _letters(service)}

    assert {kind: decode_id("pay", one.transaction_id) for kind, one in letters.items()} == {
        Letter.STEP: step,
        Letter.INBOX: event,
        Letter.OUTBOX: notice,
    }
    assert [letters[kind].reason for kind in (Letter.STEP, Letter.INBOX, Letter.OUTBOX)] == [
        "step_failed",
        "event_failed",
        "delivery_failed",
    ]
    assert [letters[kind].attempts for kind in (Letter.STEP, Letter.INBOX)] == [5, 5]
    assert letters[Letter.STEP].last_error.startswith("KeyError in payments.store.rows")
    assert all(letter.set_aside_at.seconds for letter in letters.values())


async def test_dead_letters_come_by_page_and_by_kind(service: Service, engine: AsyncEngine) -> None:
    payment = await _payment(engine)
    for _ in range(5):
        await set_aside_notice(engine, payment)
    await set_aside_step(engine, payment)
    seen, token = [], ""
    for _ in range(3):
        page = await service.admin.ListDeadLetters(
            admin_pb2.ListDeadLettersRequest(page_size=2, page_token=token, kind=Letter.OUTBOX)
        )
        seen += [letter.dead_letter_id for letter in page.dead_letters]
        token = page.next_page_token

    assert len(set(seen)) == 5
    assert token == ""
    assert len(await _letters(service)) == 6


async def test_a_requeued_step_goes_on(service: Service, engine: AsyncEngine) -> None:
    payment = await _payment(engine)
    await set_aside_step(engine, payment)
    (letter,) = await _letters(service)

    action = await service.admin.RequeueDeadLetter(_requeue(letter.dead_letter_id))
    plans, _ = await claims(engine).take(16)

    assert (action.operator, action.action) == ("ada", "REQUEUE_DEAD_LETTER")
    assert action.subject == letter.dead_letter_id
    assert [plan.work.payment.id for plan in plans] == [payment]
    assert await _letters(service) == []
    assert await _actions(service) == [
        ("ada", "REQUEUE_DEAD_LETTER", letter.dead_letter_id, "mended")
    ]
    history = await rows(engine, "SELECT actor, cause FROM payment_events ORDER BY sequence")
    assert ("operator:ada", "step_requeued") in history
    assert await rows(engine, "SELECT step_failures, last_error FROM payments") == [(0, None)]


async def test_a_discarded_step_is_off_the_list_and_stays_on_hold(
    service: Service, engine: AsyncEngine
) -> None:
    await set_aside_step(engine, await _payment(engine))
    (letter,) = await _letters(service)

    await service.admin.DiscardDeadLetter(_discard(letter.dead_letter_id))

    assert await _letters(service) == []
    shown = await service.payments.GetPayment(
        payments_pb2.GetPaymentRequest(transaction_id=letter.transaction_id)
    )
    assert shown.hold.reason == "discarded_by_operator"
    assert (await claims(engine).take(16))[1] == 0
    released = await service.admin.ReleaseHold(_release(letter.transaction_id))
    assert released.status == payments_pb2.Payment.PENDING


async def test_a_requeued_event_is_applied(service: Service, engine: AsyncEngine) -> None:
    payment, _ = await _unknown_payout(engine)
    await run(engine, "UPDATE payments SET hold_reason = NULL")
    await set_aside_event(engine, payment)
    (letter,) = await _letters(service)

    await service.admin.RequeueDeadLetter(_requeue(letter.dead_letter_id))
    await claims(engine).take(16)

    assert await rows(engine, "SELECT state, failures FROM webhook_inbox") == [("APPLIED", 0)]
    assert await rows(engine, "SELECT state FROM payments") == [("COMPLETED",)]


@pytest.mark.parametrize("table", ["webhook_inbox", "outbox"])
async def test_a_discarded_row_is_kept_and_never_comes_back(
    service: Service, engine: AsyncEngine, table: str
) -> None:
    payment = await _payment(engine)
    await (set_aside_event if table == "webhook_inbox" else set_aside_notice)(engine, payment)
    (letter,) = await _letters(service)

    await service.admin.DiscardDeadLetter(_discard(letter.dead_letter_id))

    assert await _letters(service) == []
    assert await rows(engine, f"SELECT state FROM {table}") == [("DISCARDED",)]
    again = service.admin.RequeueDeadLetter(_requeue(letter.dead_letter_id))
    assert (await _refusal(again))[1] == "DEAD_LETTER_NOT_FOUND"


async def test_a_requeued_notification_is_pending_again(
    service: Service, engine: AsyncEngine
) -> None:
    await set_aside_notice(engine, await _payment(engine))
    (letter,) = await _letters(service)

    await service.admin.RequeueDeadLetter(_requeue(letter.dead_letter_id))

    pending = "SELECT state, failures, due_at <= now() FROM outbox"
    assert await rows(engine, pending) == [("PENDING", 0, True)]


@pytest.mark.parametrize("discarding", [False, True])
@pytest.mark.parametrize("set_aside", [set_aside_step, set_aside_event, set_aside_notice])
async def test_a_verb_is_done_once_and_logged_once(
    service: Service, engine: AsyncEngine, set_aside: Verb, discarding: bool
) -> None:
    await set_aside(engine, await _payment(engine))
    (letter,) = await _letters(service)

    async def act() -> Any:
        if discarding:
            return await service.admin.DiscardDeadLetter(_discard(letter.dead_letter_id))
        return await service.admin.RequeueDeadLetter(_requeue(letter.dead_letter_id))

    await act()

    assert (await _refusal(act()))[:2] == ("NOT_FOUND", "DEAD_LETTER_NOT_FOUND")
    assert len(await _actions(service)) == 1


@pytest.mark.parametrize("letter", ["nonsense", "step_", "step_MDE5", "inbox_YQ", "outbox_YSBi"])
async def test_an_unknown_dead_letter_is_refused(service: Service, letter: str) -> None:
    for call in (
        service.admin.RequeueDeadLetter(_requeue(letter)),
        service.admin.DiscardDeadLetter(_discard(letter)),
    ):
        assert (await _refusal(call))[:2] == ("NOT_FOUND", "DEAD_LETTER_NOT_FOUND")


async def test_a_step_that_still_cannot_be_read_stays_set_aside(
    service: Service, engine: AsyncEngine
) -> None:
    await set_aside_step(engine, await _payment(engine))
    await run(engine, "UPDATE payments SET route = '{}'")
    (letter,) = await _letters(service)

    for call in (
        service.admin.RequeueDeadLetter(_requeue(letter.dead_letter_id)),
        service.admin.DiscardDeadLetter(_discard(letter.dead_letter_id)),
        service.admin.ReleaseHold(_release(letter.transaction_id)),
        service.admin.ResolveAttempt(_resolve(letter.transaction_id)),
    ):
        assert (await _refusal(call))[:2] == ("FAILED_PRECONDITION", "PAYMENT_UNREADABLE")
    assert len(await _letters(service)) == 1
    assert await _actions(service) == []


async def test_a_released_hold_is_decided_anew_by_the_evidence(
    service: Service, engine: AsyncEngine
) -> None:
    payment, transaction_id = await _unknown_payout(engine)

    shown = await service.admin.ReleaseHold(_release(transaction_id, note="asked the wallet"))
    await tell(engine, payment)
    await claims(engine).take(16)

    assert shown.status == payments_pb2.Payment.PROCESSING
    assert not shown.HasField("hold")
    assert await rows(engine, "SELECT state FROM payments") == [("COMPLETED",)]
    assert await _actions(service) == [("ada", "RELEASE_HOLD", transaction_id, "asked the wallet")]


@pytest.mark.parametrize(
    ("outcome", "status", "attempt"),
    [
        ("SUCCEEDED", payments_pb2.Payment.COMPLETED, "SUCCEEDED"),
        ("FAILED", payments_pb2.Payment.REFUNDING, "FAILED"),
    ],
)
async def test_a_person_states_how_an_attempt_ended(
    service: Service, engine: AsyncEngine, outcome: str, status: int, attempt: str
) -> None:
    _, transaction_id = await _unknown_payout(engine)

    shown = await service.admin.ResolveAttempt(
        _resolve(transaction_id, outcome=outcome, provider_reference="w_7")
    )

    assert shown.status == status
    stored = "SELECT state, provider_reference FROM attempts WHERE step = 'payout'"
    assert await rows(engine, stored) == [(attempt, "w_7")]
    listed = await service.payments.ListPaymentEvents(
        payments_pb2.ListPaymentEventsRequest(transaction_id=transaction_id)
    )
    resolved = next(event for event in listed.events if event.cause == "attempt_resolved")
    assert resolved.actor == "operator:ada"
    assert resolved.evidence["evidence"] == "statement, line 12"
    assert [action[1] for action in await _actions(service)] == ["RESOLVE_ATTEMPT"]
    again = service.admin.ResolveAttempt(_resolve(transaction_id, outcome=outcome))
    assert (await _refusal(again))[1] == "PAYMENT_NOT_ON_HOLD"


async def test_a_payment_without_an_open_attempt_has_nothing_to_resolve(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await _unknown_payout(engine)
    await run(engine, "UPDATE attempts SET state = 'FAILED' WHERE step = 'payout'")

    refused = await _refusal(service.admin.ResolveAttempt(_resolve(transaction_id)))

    assert refused[:2] == ("FAILED_PRECONDITION", "ATTEMPT_NOT_OPEN")


async def test_an_attempt_at_a_provider_that_is_gone_cannot_be_resolved(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await _unknown_payout(engine)
    await run(engine, "UPDATE attempts SET provider = 'acme' WHERE step = 'payout'")

    refused = await _refusal(service.admin.ResolveAttempt(_resolve(transaction_id)))

    assert refused[:2] == ("FAILED_PRECONDITION", "ATTEMPT_NOT_OPEN")


async def test_a_payment_that_is_not_on_hold_is_neither_released_nor_resolved(
    service: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await _unknown_payout(engine)
    await run(engine, "UPDATE payments SET hold_reason = NULL")

    for call in (
        service.admin.ReleaseHold(_release(transaction_id)),
        service.admin.ResolveAttempt(_resolve(transaction_id)),
    ):
        assert (await _refusal(call))[:2] == ("FAILED_PRECONDITION", "PAYMENT_NOT_ON_HOLD")


@pytest.mark.parametrize("transaction_id", ["nonsense", "pay_01m83kn3s0e24t886s6p8k72tv"])
async def test_an_unknown_payment_is_refused(service: Service, transaction_id: str) -> None:
    for call in (
        service.admin.ReleaseHold(_release(transaction_id)),
        service.admin.ResolveAttempt(_resolve(transaction_id)),
    ):
        assert (await _refusal(call))[:2] == ("NOT_FOUND", "PAYMENT_NOT_FOUND")


async def test_a_payment_that_a_worker_has_now_is_busy(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await _payment(engine)
    await set_aside_step(engine, payment)
    (letter,) = await _letters(service)
    await run(engine, "UPDATE payments SET due_at = now()")
    async with PostgresWork(engine).begin() as transaction:
        assert await transaction.claim("worker", limit=1, lease_seconds=30)
        await transaction.commit()

    for call in (
        service.admin.RequeueDeadLetter(_requeue(letter.dead_letter_id)),
        service.admin.DiscardDeadLetter(_discard(letter.dead_letter_id)),
        service.admin.ReleaseHold(_release(letter.transaction_id)),
        service.admin.ResolveAttempt(_resolve(letter.transaction_id)),
    ):
        assert await _refusal(call) == ("ABORTED", "PAYMENT_BUSY", "1")
    assert await _actions(service) == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"operator": ""}, "FIELD_REQUIRED"),
        ({"operator": "  "}, "FIELD_REQUIRED"),
        ({"operator": "x" * 65}, "FIELD_INVALID"),
        ({"operator": "a\nb"}, "FIELD_INVALID"),
        ({"note": "x" * 501}, "FIELD_INVALID"),
        ({"note": "a\x00b"}, "FIELD_INVALID"),
    ],
)
async def test_who_acts_and_why_is_read_strictly(
    service: Service, fields: dict[str, str], reason: str
) -> None:
    letter = f"step_{uuid4().hex}"
    for call in (
        service.admin.RequeueDeadLetter(_requeue(letter, **fields)),
        service.admin.DiscardDeadLetter(_discard(letter, **fields)),
        service.admin.ReleaseHold(_release(letter, **fields)),
        service.admin.ResolveAttempt(_resolve(letter, **fields)),
    ):
        assert (await _refusal(call))[:2] == ("INVALID_ARGUMENT", reason)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"outcome": 0}, "FIELD_REQUIRED"),
        ({"outcome": 7}, "FIELD_INVALID"),
        ({"evidence": ""}, "FIELD_REQUIRED"),
        ({"evidence": "x" * 501}, "FIELD_INVALID"),
        ({"provider_reference": "x" * 256}, "FIELD_INVALID"),
    ],
)
async def test_a_resolution_is_read_strictly(
    service: Service, fields: dict[str, Any], reason: str
) -> None:
    call = service.admin.ResolveAttempt(_resolve("pay_1", **fields))

    assert (await _refusal(call))[:2] == ("INVALID_ARGUMENT", reason)


@pytest.mark.parametrize(
    "fields", [{"page_size": -1}, {"page_token": "nonsense"}, {"page_token": "W10"}]
)
async def test_a_malformed_list_request_is_refused(
    service: Service, fields: dict[str, Any]
) -> None:
    for call in (
        service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(**fields)),
        service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest(**fields)),
        service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(kind=9)),  # type: ignore[arg-type]
    ):
        assert (await _refusal(call))[:2] == ("INVALID_ARGUMENT", "FIELD_INVALID")


async def test_a_page_token_is_good_for_its_own_kind_only(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await _payment(engine)
    for _ in range(2):
        await set_aside_notice(engine, payment)
    page = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(page_size=1))

    call = service.admin.ListDeadLetters(
        admin_pb2.ListDeadLettersRequest(page_token=page.next_page_token, kind=Letter.STEP)
    )

    assert (await _refusal(call))[1] == "FIELD_INVALID"


async def test_actions_come_by_page_the_last_first(service: Service, engine: AsyncEngine) -> None:
    payment = await _payment(engine)
    for _ in range(3):
        await set_aside_notice(engine, payment)
    for number, letter in enumerate(await _letters(service)):
        await service.admin.DiscardDeadLetter(_discard(letter.dead_letter_id, note=str(number)))

    first = await service.admin.ListOperatorActions(
        admin_pb2.ListOperatorActionsRequest(page_size=2)
    )
    second = await service.admin.ListOperatorActions(
        admin_pb2.ListOperatorActionsRequest(page_size=2, page_token=first.next_page_token)
    )

    assert [action.note for action in first.actions] == ["2", "1"]
    assert [action.note for action in second.actions] == ["0"]
    assert second.next_page_token == ""


@pytest.mark.parametrize("service", [False], indirect=True)
async def test_outside_a_sandbox_nobody_is_an_operator_yet(service: Service) -> None:
    for call in (
        service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest()),
        service.admin.RequeueDeadLetter(_requeue("step_1")),
        service.admin.DiscardDeadLetter(_discard("step_1")),
        service.admin.ReleaseHold(_release("pay_1")),
        service.admin.ResolveAttempt(_resolve("pay_1")),
        service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest()),
    ):
        assert (await _refusal(call))[:2] == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
