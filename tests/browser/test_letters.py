"""Dead letters of a whole mesh, requeued and discarded in Chromium, until the effect is on the
payment's page. Events that merchants never took are among the verbs on deliveries."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest
from playwright.async_api import expect

from gateway.console.listings.payments import LETTERS
from services.payments.base.attempt_rows import answer_row
from services.payments.model.answer import Answer, Outcome
from services.shared.ids import decode_id, new_id
from tests.browser.operators import PATIENCE_MILLISECONDS, Operator, row_of
from tests.e2e.conftest import Mesh, Rest, owner_url
from tests.polling import until

_EVENT = """
    INSERT INTO webhook_inbox (provider, event_id, merchant_id, payment_id, event_type, step,
           answer, body, state, failures, last_error, set_aside_at)
    VALUES ('local_wallet', $2, {merchant}, $1, 'payment_completed', 'payout', $3, '', {state}, 5,
            'ValueError at services/payments/engine/decisions/table.py:41', now())
"""
# Leaves one set aside, as after days of failures; whatever made it fail is over.
SET_ASIDE: Mapping[str, str] = {
    "STEP": """
        UPDATE payments SET hold_reason = 'step_failed', step_failures = 5, due_at = NULL,
               -- A worker that still has it writes nothing more.
               lease_token = lease_token + 1, lease_until = NULL,
               waiting_since = now(), deadline_at = now() + interval '3 days',
               last_error = 'ValueError at services/payments/engine/decisions/table.py:41'
         WHERE id = $1
    """,
    "INBOX": _EVENT.format(merchant="'sandbox'", state="'SET_ASIDE'"),
    "ORPHAN": _EVENT.format(merchant="NULL", state="'UNMATCHED'"),
}


# The kind of a row that cannot be read: nothing sets it aside, somebody has to meet it.
DAMAGED = "UNREADABLE"


@dataclass(frozen=True)
class Letter:
    """One dead letter, by the payment whose it is and the text by which its row is found."""

    payment: str
    text: str


async def set_aside(mesh: Mesh, rest: Rest, kind: str) -> Letter:
    made = await rest.create(reference="sim:hold")
    transaction_id = str(made["transaction_id"])
    await rest.wait(transaction_id, {"SENT"})
    event_id, reference = f"evt_{uuid4().hex}", f"pi_{uuid4().hex}"
    answer = Answer(
        outcome=Outcome.SUCCEEDED,
        actor="provider:local_wallet",
        event_id=event_id,
        provider_reference=reference,
    )
    # The audit gives an event to its payment, where that is here.
    payment_id = new_id() if kind == "ORPHAN" else decode_id("pay", transaction_id)
    event = () if kind == "STEP" else (event_id, json.dumps(answer_row(answer)))
    owner = await asyncpg.connect(owner_url(mesh))
    await owner.execute(SET_ASIDE[kind], payment_id, *event)
    await owner.close()
    text = reference if kind == "ORPHAN" else transaction_id
    return Letter(f"/payments/{transaction_id}", text)


def test_each_kind_of_dead_letter_is_driven_here_or_as_said_above() -> None:
    assert {*SET_ASIDE, DAMAGED, "OUTBOX"} == LETTERS.keys()


@pytest.mark.parametrize(
    ("kind", "seen"),
    [("STEP", ("SENT", "discarded_by_operator")), ("INBOX", ("COMPLETED", "DISCARDED"))],
)
async def test_a_dead_letter_is_requeued_and_another_is_discarded(
    ada: Operator, rest: Rest, mesh: Mesh, kind: str, seen: tuple[str, str]
) -> None:
    letters = await asyncio.gather(*(set_aside(mesh, rest, kind) for _ in range(2)))

    for letter, verb, effect in zip(letters, ("Requeue", "Discard"), seen, strict=True):
        await ada.open(f"/dead-letters?kind={kind}")
        await ada.carry_out(verb, {"Note": "seen to"}, row_of(ada, letter.text))
        await expect(row_of(ada, letter.text)).to_have_count(0)
        await ada.open(letter.payment)
        await expect(ada.main).to_contain_text(effect, timeout=PATIENCE_MILLISECONDS)


async def test_an_event_of_no_payment_cannot_be_requeued_and_is_discarded(
    ada: Operator, rest: Rest, mesh: Mesh
) -> None:
    letter = await set_aside(mesh, rest, "ORPHAN")
    await ada.open("/dead-letters?kind=ORPHAN")
    row = row_of(ada, letter.text)
    await expect(row).to_contain_text("payment_unknown")
    await expect(row.get_by_role("link", name="Requeue")).to_have_count(0)
    name = await row.get_by_role("rowheader").text_content()

    await ada.open(f"/do/requeue?dead_letter_id={name}")
    await ada.fill({"Note": "once more"})
    await ada.main.get_by_role("button", name="Requeue now").click()
    await expect(ada.main).to_contain_text("DEAD_LETTER_UNMATCHED")
    await expect(ada.main).to_contain_text("discard it")
    # The browser says that it was refused.
    ada.complaints.clear()

    await ada.open("/dead-letters?kind=ORPHAN")
    await ada.carry_out("Discard", {"Note": "not ours"}, row_of(ada, letter.text))

    await expect(row_of(ada, letter.text)).to_have_count(0)


async def damage(mesh: Mesh, letter: Letter, state: str) -> None:
    """Gives the collection's attempt of the payment this state, which may be none."""
    owner = await asyncpg.connect(owner_url(mesh))
    await owner.execute(
        "UPDATE attempts SET state = $2 WHERE payment_id = $1 AND step = 'collection'",
        decode_id("pay", letter.text),
        state,
    )
    await owner.close()


async def completed(rest: Rest) -> Letter:
    """A payment that is over, so that no worker reads its rows."""
    made = await rest.create()
    transaction_id = str(made["transaction_id"])
    await rest.wait(transaction_id, {"COMPLETED"})
    return Letter(f"/payments/{transaction_id}", transaction_id)


async def test_a_row_that_cannot_be_read_is_discarded_by_one_and_another_requeued_once_repaired(
    ada: Operator, grace: Operator, rest: Rest, mesh: Mesh
) -> None:
    forgotten, repaired = [await completed(rest) for _ in range(2)]
    for letter in (forgotten, repaired):
        await damage(mesh, letter, "LOST")
        await ada.open(letter.payment)
        await expect(ada.main).to_contain_text("Rows that cannot be read are in: attempts")
        await seen(ada, letter)
    row = row_of(ada, forgotten.text)
    await expect(row).to_contain_text("row_unreadable")
    await expect(row).to_contain_text("attempts")

    await ada.carry_out("Discard", {"Note": "a test of the disk"}, row)
    await expect(row_of(ada, forgotten.text)).to_have_count(0)

    await grace.open(f"/dead-letters?kind={DAMAGED}")
    await grace.begin("Requeue", row_of(grace, repaired.text))
    await grace.fill({"Note": "is it well?"})
    await grace.main.get_by_role("button", name="Requeue now").click()
    await expect(grace.main).to_contain_text("PAYMENT_UNREADABLE")
    # The browser says that it was refused.
    grace.complaints.clear()
    for letter in (forgotten, repaired):
        await damage(mesh, letter, "SUCCEEDED")
    await grace.open(f"/dead-letters?kind={DAMAGED}")
    await grace.carry_out("Requeue", {"Note": "repaired"}, row_of(grace, repaired.text))

    await expect(row_of(grace, repaired.text)).to_have_count(0)
    await grace.open(repaired.payment)
    await expect(grace.main).not_to_contain_text("Rows that cannot be read")


async def seen(operator: Operator, letter: Letter) -> None:
    """Awaits the letter on the list, which is written after the page that has met the row."""

    async def listed() -> int:
        await operator.open(f"/dead-letters?kind={DAMAGED}")
        return await row_of(operator, letter.text).count()

    await until(listed, bool)
