"""Every signed success or failure about a payment that is over, or waits for its merchant, against
every answer of its provider: one that contradicts our record is a hold or an orphan with the money
on an account, and none lets money leave twice."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.audit.checks import PostgresAudit
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.payment import Failure, Payment, State
from services.shared.errors import DomainError
from services.shared.money import Money
from tests.database.payments.engine.late_events import PART, REVERSED, SUCCEEDED, Desk
from tests.poison import rows

YES, NO = Outcome.SUCCEEDED, Outcome.FAILED
COLLECTION, PAYOUT, REFUND = Step
# The look-up says what the event says, the contrary, that it has nothing, or nothing at all.
LOOK_UPS = ("agrees", "denies", "absent", "silent")
# The state that a payment comes to, where it is another; its hold; an event that is listed as an
# orphan; or nothing of that.
Row = tuple[str, str, str, str]
NOTHING: Row = ("", "", "", "")
LATE: Row = ("late_success", "", "late_success", "late_success")
ORPHAN: Row = ("orphan", "", "", "")
_UNPROVEN = ("", "provider_contradicts_itself", "provider_contradicts_itself")
_BACK: Row = ("collection_reversed", *_UNPROVEN)
_GONE: Row = ("refund_reversed", *_UNPROVEN)
_GOES_ON: Row = ("REFUNDED", "REFUNDED", "REFUNDED", "REFUNDED")
# Of an attempt that we made.
OURS: Mapping[State, Mapping[tuple[Step, Outcome], Row]] = {
    State.FAILED: {(COLLECTION, YES): LATE, (COLLECTION, NO): NOTHING},
    State.EXPIRED: {},
    State.CANCELLED: {},
    State.COMPLETED: {
        (COLLECTION, YES): NOTHING,
        (COLLECTION, NO): _BACK,
        (PAYOUT, YES): NOTHING,
        (PAYOUT, NO): ("RETURNED", *_UNPROVEN),
    },
    State.ACTION_REQUIRED: {
        (COLLECTION, YES): NOTHING,
        (COLLECTION, NO): _BACK,
        (PAYOUT, YES): LATE,
        (PAYOUT, NO): NOTHING,
    },
    State.RETURNED: {
        (COLLECTION, YES): NOTHING,
        (COLLECTION, NO): _BACK,
        (PAYOUT, YES): LATE,
        (PAYOUT, NO): NOTHING,
    },
    # The refund was asked for before the event came, and its provider is asked before it is sent.
    State.REFUNDING: {
        (COLLECTION, YES): _GOES_ON,
        (COLLECTION, NO): ("collection_reversed", "REFUNDED", *_UNPROVEN[1:]),
        (PAYOUT, YES): ("late_success", "REFUNDED", "late_success", "late_success"),
        (PAYOUT, NO): ("REFUNDED", "late_success", "REFUNDED", "payout_unconfirmed"),
    },
    State.PARTLY_REFUNDED: {
        (COLLECTION, YES): NOTHING,
        (COLLECTION, NO): _BACK,
        (PAYOUT, YES): LATE,
        (PAYOUT, NO): NOTHING,
        (REFUND, YES): NOTHING,
        (REFUND, NO): _GONE,
    },
    State.REFUNDED: {
        (COLLECTION, YES): NOTHING,
        (COLLECTION, NO): _BACK,
        (PAYOUT, YES): LATE,
        (PAYOUT, NO): NOTHING,
        (REFUND, YES): NOTHING,
        (REFUND, NO): ("PARTLY_REFUNDED refund_reversed", *_UNPROVEN),
    },
}


@dataclass(frozen=True)
class Cell:
    """One event about a payment in one state, and the answer of its provider."""

    state: State
    step: Step
    # 1 is ours where there is one; 9 is an attempt that we never made.
    number: int
    outcome: Outcome
    look_up: str

    @property
    def expected(self) -> str:
        """The outcome by the tables above."""
        ours = self.number == 1
        row = OURS[self.state][self.step, self.outcome] if ours else self._of_a_stranger
        return row[LOOK_UPS.index(self.look_up)]

    @property
    def _of_a_stranger(self) -> Row:
        if self.state is not State.REFUNDING:
            return LATE if self.outcome is YES else ORPHAN
        if self.outcome is NO:
            return "REFUNDED orphan", "", "", ""
        # Once our own refund has ended, a success of another is none to come.
        held = "REFUNDED late_success" if self.step is REFUND else "late_success"
        return held, "REFUNDED", held, held

    @property
    def moves(self) -> int:
        """The change of the money at the provider that we must have on its account by then: in
        minor units, as an operation that succeeds has it."""
        if self.look_up != "agrees" or self.expected in ("", "orphan"):
            return 0
        return 1 if self.outcome is YES else -1

    @property
    def answer(self) -> Answer:
        """The answer of its provider about it."""
        contrary = NO if self.outcome is YES else YES
        said = {"agrees": self.outcome, "denies": contrary}.get(self.look_up)
        if said is None:
            absent = self.look_up == "absent"
            return Answer(outcome=Outcome.ABSENT if absent else Outcome.UNKNOWN)
        return SUCCEEDED if said is YES else REVERSED


CELLS = [
    Cell(state, step, number, outcome, look_up)
    for state, step, number, outcome, look_up in product(OURS, Step, (1, 9), (YES, NO), LOOK_UPS)
    if (
        (step, outcome) in OURS[state]
        if number == 1
        # Nobody is asked about a failure of what we never made.
        else outcome is YES or look_up == "agrees"
    )
]


async def _opened(desk: Desk, cells: list[Cell]) -> dict[Cell, Payment]:
    """A payment for each cell, in its state."""
    payments = {cell: await desk.open(cell.state) for cell in cells}
    by_state = defaultdict(list)
    for cell, payment in payments.items():
        by_state[cell.state].append(payment)
    await desk.bring(by_state)
    return payments


async def _report(desk: Desk, payments: Mapping[Cell, Payment]) -> None:
    for cell, payment in payments.items():
        desk.said[payment.id, cell.step, cell.number] = cell.answer
        await desk.report(payment, cell.step, cell.number, cell.outcome)


async def _standing(engine: AsyncEngine) -> dict[UUID, tuple[State, str]]:
    """The state of each payment, and its hold."""
    found = await rows(engine, "SELECT id, state, coalesce(hold_reason, '') FROM payments")
    return {row[0]: (State(row[1]), row[2]) for row in found}


async def _orphans(engine: AsyncEngine) -> set[UUID]:
    listed = "SELECT payment_id FROM webhook_inbox WHERE state = 'UNMATCHED'"
    return {row[0] for row in await rows(engine, listed)}


async def _at_providers(engine: AsyncEngine) -> dict[tuple[UUID, str], int]:
    """The money that came in, by payment and account of a provider."""
    found = await rows(
        engine,
        "SELECT payment_id, account, sum(minor) FROM (SELECT payment_id, debit AS account, "
        "amount_minor AS minor FROM postings UNION ALL SELECT payment_id, credit, -amount_minor "
        "FROM postings) AS sides WHERE account ~ '^(onramp|offramp):' GROUP BY 1, 2",
    )
    return {(row[0], row[1]): int(row[2]) for row in found}


async def _holds(engine: AsyncEngine) -> None:
    report = await PostgresAudit(engine, overdue_seconds=600).report()
    assert [finding.invariant for finding in report.broken] == []


def _account(payment: Payment, step: Step) -> tuple[UUID, str]:
    return payment.id, "offramp:local_wallet:NGN" if step is PAYOUT else "onramp:stripe:USD"


def _amount(payment: Payment, cell: Cell) -> int:
    if cell.step is PAYOUT:
        return -payment.terms.payout.amount_minor
    if cell.step is COLLECTION:
        return payment.terms.amount.amount_minor
    is_part = cell.state is State.PARTLY_REFUNDED and cell.number == 1
    return -(PART if is_part else payment.terms.amount).amount_minor


async def test_an_event_against_our_record_is_a_hold_or_an_orphan_whatever_its_provider_says(
    engine: AsyncEngine,
) -> None:
    desk = Desk(engine)
    payments = await _opened(desk, CELLS)
    standing, had = await _standing(engine), await _at_providers(engine)
    assert standing == {payment.id: (cell.state, "") for cell, payment in payments.items()}

    await _report(desk, payments)
    await desk.carry()

    after, orphans = await _standing(engine), await _orphans(engine)
    came_to = {}
    for cell, payment in payments.items():
        state, hold = after[payment.id]
        moved_on = state if state is not cell.state else ""
        orphan = "orphan" if payment.id in orphans else ""
        came_to[cell] = " ".join(word for word in (moved_on, hold, orphan) if word)
    assert came_to == {cell: cell.expected for cell in CELLS}
    has, moved = await _at_providers(engine), {}
    for cell, payment in payments.items():
        account = _account(payment, cell.step)
        moved[cell] = has.get(account, 0) - had.get(account, 0)
    # Those that go on with a refund move its money as well.
    still = [cell for cell in CELLS if cell.state is not State.REFUNDING]
    assert {c: moved[c] for c in still} == {c: c.moves * _amount(payments[c], c) for c in still}
    await _holds(engine)


@pytest.mark.parametrize("asked", ["with the event", "after it"])
async def test_a_refund_is_refused_or_never_sent_where_the_payout_was_paid_after_all(
    engine: AsyncEngine, asked: str
) -> None:
    """E2: paid, returned, paid again, and then a refund."""
    states = (State.RETURNED, State.ACTION_REQUIRED, State.PARTLY_REFUNDED)
    cells = [c for c in CELLS if c.step is PAYOUT and c.state in states and c.outcome is YES]
    desk = Desk(engine)
    payments = await _opened(desk, cells)

    await _report(desk, payments)
    if asked == "after it":
        await desk.carry()
    refused = {}
    for cell, payment in payments.items():
        try:
            await desk.refund(payment)
        except DomainError as error:
            refused[cell] = error.reason
    await desk.carry()

    refunded = {op[0] for op in desk.sent if op[1] is REFUND}
    held = {cell for cell in cells if (await _standing(engine))[payments[cell].id][1]}
    assert held == {cell for cell in cells if cell.expected}
    assert {cell for cell in cells if payments[cell].id in refunded} == set(cells) - held
    assert refused == ({} if asked == "with the event" else dict.fromkeys(held, "PAYMENT_ON_HOLD"))
    await _holds(engine)


@pytest.mark.parametrize("step", [COLLECTION, PAYOUT, REFUND])
async def test_a_success_that_is_none_of_ours_is_asked_about_once_its_step_has_ended(
    engine: AsyncEngine, step: Step
) -> None:
    """While the step may still begin again, the event may be about an attempt to come."""
    desk = Desk(engine)
    payment = await desk.open(State.CREATED)
    if step is REFUND:
        await desk.bring({State.REFUNDING: [payment]})
    await desk.report(payment, step, 9, YES)
    await desk.carry()

    ended = State.REFUNDED if step is REFUND else State.COMPLETED
    held = (State.CONVERTED if step is COLLECTION else ended, "late_success")
    assert await _standing(engine) == {payment.id: held}
    await _holds(engine)


@pytest.mark.parametrize("step", [COLLECTION, PAYOUT])
async def test_a_success_of_another_amount_than_was_counted_is_a_hold(
    engine: AsyncEngine, step: Step
) -> None:
    desk = Desk(engine)
    payment = await desk.open(State.COMPLETED)
    await desk.carry()
    amount = payment.terms.amount if step is COLLECTION else payment.terms.payout
    stated = Money(amount.amount_minor - 1, amount.currency)
    differs = Failure(code="amount_mismatch", message="another amount")
    desk.said[payment.id, step, 1] = Answer(outcome=Outcome.UNKNOWN, amount=stated, failure=differs)

    await desk.report(payment, step, 1, YES, amount=stated)
    await desk.carry()

    assert await _standing(engine) == {payment.id: (State.COMPLETED, "amount_mismatch")}
    await _holds(engine)
