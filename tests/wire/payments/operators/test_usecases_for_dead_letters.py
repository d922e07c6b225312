"""Dead letters as operators meet them over gRPC: listed by page and kind, tried again, given up;
each verb is done once and logged once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.shared.ids import decode_id
from tests.poison import (
    claims,
    rows,
    run,
    set_aside_event,
    set_aside_notice,
    set_aside_step,
)
from tests.wire.payments.conftest import Service
from tests.wire.payments.operators.calls import (
    actions,
    discard,
    letters,
    new_payment,
    refused,
    release,
    requeue,
    resolve,
    unknown_payout,
)

Letter = admin_pb2.DeadLetter
Verb = Callable[..., Awaitable[Any]]


async def test_dead_letters_of_all_kinds_are_one_list(
    service: Service, engine: AsyncEngine
) -> None:
    step, event, notice = [await new_payment(engine) for _ in range(3)]
    await set_aside_step(engine, step)
    await set_aside_event(engine, event)
    await set_aside_notice(engine, notice)

    by_kind = {letter.kind: letter for letter in await letters(service)}

    assert {kind: decode_id("pay", one.transaction_id) for kind, one in by_kind.items()} == {
        Letter.STEP: step,
        Letter.INBOX: event,
        Letter.OUTBOX: notice,
    }
    assert [by_kind[kind].reason for kind in (Letter.STEP, Letter.INBOX, Letter.OUTBOX)] == [
        "step_failed",
        "event_failed",
        "delivery_failed",
    ]
    assert [by_kind[kind].attempts for kind in (Letter.STEP, Letter.INBOX)] == [5, 5]
    assert by_kind[Letter.STEP].last_error.startswith("KeyError in payments.base.condition_rows")
    assert all(letter.set_aside_at.seconds for letter in by_kind.values())


async def test_dead_letters_come_by_page_and_by_kind(service: Service, engine: AsyncEngine) -> None:
    payment = await new_payment(engine)
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
    assert len(await letters(service)) == 6


async def test_a_requeued_step_goes_on(service: Service, engine: AsyncEngine) -> None:
    payment = await new_payment(engine)
    await set_aside_step(engine, payment)
    (letter,) = await letters(service)

    action = await service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
    plans, _ = await claims(engine).take(16)

    assert (action.operator, action.action) == ("ada", "REQUEUE_DEAD_LETTER")
    assert action.subject == letter.dead_letter_id
    assert [plan.work.payment.id for plan in plans] == [payment]
    assert await letters(service) == []
    assert await actions(service) == [
        ("ada", "REQUEUE_DEAD_LETTER", letter.dead_letter_id, "mended")
    ]
    history = await rows(engine, "SELECT actor, cause FROM payment_events ORDER BY sequence")
    assert ("operator:ada", "step_requeued") in history
    assert await rows(engine, "SELECT step_failures, last_error FROM payments") == [(0, None)]


async def test_a_discarded_step_is_off_the_list_and_stays_on_hold(
    service: Service, engine: AsyncEngine
) -> None:
    await set_aside_step(engine, await new_payment(engine))
    (letter,) = await letters(service)

    await service.admin.DiscardDeadLetter(discard(letter.dead_letter_id))

    assert await letters(service) == []
    shown = await service.payments.GetPayment(
        payments_pb2.GetPaymentRequest(transaction_id=letter.transaction_id)
    )
    assert shown.hold.reason == "discarded_by_operator"
    assert (await claims(engine).take(16))[1] == 0
    released = await service.admin.ReleaseHold(release(letter.transaction_id))
    assert released.status == payments_pb2.Payment.PENDING


async def test_a_requeued_event_is_applied(service: Service, engine: AsyncEngine) -> None:
    payment, _ = await unknown_payout(engine)
    await run(engine, "UPDATE payments SET hold_reason = NULL")
    await set_aside_event(engine, payment)
    (letter,) = await letters(service)

    await service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
    await claims(engine).take(16)

    assert await rows(engine, "SELECT state, failures FROM webhook_inbox") == [("APPLIED", 0)]
    assert await rows(engine, "SELECT state FROM payments") == [("COMPLETED",)]


@pytest.mark.parametrize("table", ["webhook_inbox", "outbox"])
async def test_a_discarded_row_is_kept_and_never_comes_back(
    service: Service, engine: AsyncEngine, table: str
) -> None:
    payment = await new_payment(engine)
    await (set_aside_event if table == "webhook_inbox" else set_aside_notice)(engine, payment)
    (letter,) = await letters(service)

    await service.admin.DiscardDeadLetter(discard(letter.dead_letter_id))

    assert await letters(service) == []
    assert await rows(engine, f"SELECT state FROM {table}") == [("DISCARDED",)]
    again = service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
    assert (await refused(again))[1] == "DEAD_LETTER_NOT_FOUND"


async def test_a_requeued_notification_is_pending_again(
    service: Service, engine: AsyncEngine
) -> None:
    await set_aside_notice(engine, await new_payment(engine))
    (letter,) = await letters(service)

    await service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))

    pending = "SELECT state, failures, due_at <= now() FROM outbox"
    assert await rows(engine, pending) == [("PENDING", 0, True)]


@pytest.mark.parametrize("discarding", [False, True])
@pytest.mark.parametrize("set_aside", [set_aside_step, set_aside_event, set_aside_notice])
async def test_a_verb_is_done_once_and_logged_once(
    service: Service, engine: AsyncEngine, set_aside: Verb, discarding: bool
) -> None:
    await set_aside(engine, await new_payment(engine))
    (letter,) = await letters(service)

    async def act() -> Any:
        if discarding:
            return await service.admin.DiscardDeadLetter(discard(letter.dead_letter_id))
        return await service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))

    await act()

    assert (await refused(act()))[:2] == ("NOT_FOUND", "DEAD_LETTER_NOT_FOUND")
    assert len(await actions(service)) == 1


@pytest.mark.parametrize("letter", ["nonsense", "step_", "step_MDE5", "inbox_YQ", "outbox_YSBi"])
async def test_an_unknown_dead_letter_is_refused(service: Service, letter: str) -> None:
    for call in (
        service.admin.RequeueDeadLetter(requeue(letter)),
        service.admin.DiscardDeadLetter(discard(letter)),
    ):
        assert (await refused(call))[:2] == ("NOT_FOUND", "DEAD_LETTER_NOT_FOUND")


@pytest.mark.parametrize(
    ("strange", "reason"),
    [
        ("merchant_id = NULL, payment_id = gen_random_uuid()", "payment_unknown"),
        ("failures = 0", "attempt_unknown"),
    ],
)
async def test_an_orphan_says_why_it_cannot_be_requeued_and_is_discarded(
    service: Service, engine: AsyncEngine, strange: str, reason: str
) -> None:
    await set_aside_event(engine, await new_payment(engine))
    await run(engine, f"UPDATE webhook_inbox SET state = 'UNMATCHED', {strange}")
    (letter,) = await letters(service)

    assert (letter.kind, letter.reason) == (Letter.ORPHAN, reason)
    assert letter.requeue_refusal == "DEAD_LETTER_UNMATCHED"
    for _ in range(2):
        again = service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id))
        assert (await refused(again))[:2] == ("FAILED_PRECONDITION", "DEAD_LETTER_UNMATCHED")
    assert await letters(service) == [letter]

    await service.admin.DiscardDeadLetter(discard(letter.dead_letter_id))
    assert await letters(service) == []


async def test_a_step_that_still_cannot_be_read_stays_set_aside(
    service: Service, engine: AsyncEngine
) -> None:
    await set_aside_step(engine, await new_payment(engine))
    await run(engine, "UPDATE payments SET route = '{}'")
    (letter,) = await letters(service)

    for call in (
        service.admin.RequeueDeadLetter(requeue(letter.dead_letter_id)),
        service.admin.DiscardDeadLetter(discard(letter.dead_letter_id)),
        service.admin.ReleaseHold(release(letter.transaction_id)),
        service.admin.ResolveAttempt(resolve(letter.transaction_id)),
    ):
        assert (await refused(call))[:2] == ("FAILED_PRECONDITION", "PAYMENT_UNREADABLE")
    assert len(await letters(service)) == 1
    assert await actions(service) == []


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
        assert (await refused(call))[:2] == ("INVALID_ARGUMENT", "FIELD_INVALID")


async def test_a_page_token_is_good_for_its_own_kind_only(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await new_payment(engine)
    for _ in range(2):
        await set_aside_notice(engine, payment)
    page = await service.admin.ListDeadLetters(admin_pb2.ListDeadLettersRequest(page_size=1))

    call = service.admin.ListDeadLetters(
        admin_pb2.ListDeadLettersRequest(page_token=page.next_page_token, kind=Letter.STEP)
    )

    assert (await refused(call))[1] == "FIELD_INVALID"


async def test_actions_come_by_page_the_last_first(service: Service, engine: AsyncEngine) -> None:
    payment = await new_payment(engine)
    for _ in range(3):
        await set_aside_notice(engine, payment)
    for number, letter in enumerate(await letters(service)):
        await service.admin.DiscardDeadLetter(discard(letter.dead_letter_id, note=str(number)))

    first = await service.admin.ListOperatorActions(
        admin_pb2.ListOperatorActionsRequest(page_size=2)
    )
    second = await service.admin.ListOperatorActions(
        admin_pb2.ListOperatorActionsRequest(page_size=2, page_token=first.next_page_token)
    )

    assert [action.note for action in first.actions] == ["2", "1"]
    assert [action.note for action in second.actions] == ["0"]
    assert second.next_page_token == ""
