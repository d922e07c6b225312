"""A provider's words are kept whatever they hold: a text that no database could hold is replaced,
so it is never refused for good, nor again and again."""

from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.store.work import PostgresWork
from services.payments.model.answer import Answer, Outcome
from services.payments.model.payment import Failure
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from tests.makers import CAPABILITIES, make_new_payment
from tests.poison import arrival, rows

STRANGE = ["\0", "a\0b", "\ud800", "\0\udfff\\u0000 \\ud800"]


@pytest.mark.parametrize("text", STRANGE)
async def test_an_event_with_strange_texts_is_kept_once(engine: AsyncEngine, text: str) -> None:
    new = make_new_payment()
    await PostgresPayments(engine).create([new])
    good = arrival(new.payment.id)
    answer = Answer(
        outcome=Outcome.FAILED,
        provider_reference=text,
        failure=Failure(code=f"c{text}", message=f"m{text}"),
        actor="provider:local_wallet",
        event_id=f"e{text}",
        key=text,
    )
    event = replace(
        good.event, event_id=f"e{text}", event_type=f"t{text}", transaction_id=text, answer=answer
    )
    strange = replace(good, event=event, body=text.encode("utf-8", "surrogatepass"))
    inbox = PostgresInbox(engine)

    receipts = [await inbox.receive([strange]) for _ in range(2)]

    assert receipts == [[Receipt.ACCEPTED], [Receipt.DUPLICATE]]
    ((kept, body),) = await rows(
        engine, "SELECT answer->>'failure_message', body FROM webhook_inbox"
    )
    assert kept == "m" + text.replace("\0", "\ufffd").replace("\ud800", "\ufffd").replace(
        "\udfff", "\ufffd"
    )
    # As it came, to be read again one day.
    assert body == text.encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("text", STRANGE)
async def test_a_providers_answer_with_strange_texts_is_recorded(
    engine: AsyncEngine, text: str
) -> None:
    await PostgresPayments(engine).create([make_new_payment()])
    decider, store = Decider(CAPABILITIES, spread=lambda: 0.0), PostgresWork(engine)
    async with store.begin() as transaction:
        plans = [
            decider.plan(work) for work in await transaction.claim("w", limit=1, lease_seconds=9)
        ]
        await transaction.write([plan.change for plan in plans])
        await transaction.commit()
    refusal = Answer(
        outcome=Outcome.FAILED,
        provider_reference=text,
        failure=Failure(code="card_declined", message=f"no {text}"),
    )

    async with store.begin() as transaction:
        (work,) = await transaction.mark_sent([plan.work for plan in plans])
        now, _ = await transaction.untouched([], lease_seconds=0)
        written = await transaction.write([decider.settle(work, refusal, now)])
        await transaction.commit()

    assert len(written) == 1
    assert await rows(engine, "SELECT state FROM payments") == [("FAILED",)]
