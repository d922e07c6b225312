"""Each state of a payment against each set of operations that it may have lost, and each outcome of
them: it comes to no state from which the engine sends past what is on record."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, combinations, product

import pytest

from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, Work
from services.payments.mesh.ports import ListedOperation
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, Step, intend
from services.payments.model.payment import UNCOLLECTED, Failure, State
from services.payments.model.progress import STEP_OF_STATE
from services.payments.operators.decisions import end_hold
from services.payments.recovery.ports import LostOperation, Stated, Undecided
from services.payments.recovery.taken_up import hold_alone, take_up
from tests.database.payments.recovery.drill import ADA
from tests.makers import CAPABILITIES, make_attempt, make_payment, make_work

DECIDER = Decider(CAPABILITIES, spread=lambda: 0.0)
COLLECTION, PAYOUT, REFUND = Step
PAID = Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1")
PENDING = Answer(outcome=Outcome.PENDING, provider_reference="x_1")
FAILED = Answer(outcome=Outcome.FAILED, failure=Failure(code="payout_blocked", message="no"))
UNFUNDED = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="transfer_unfunded", message="no"))
PROVIDERS = {COLLECTION: "stripe", PAYOUT: "local_wallet", REFUND: "stripe"}
BEFORE_COLLECTION = frozenset({State.CREATED, State.COLLECTING})
BEFORE_PAYOUT = BEFORE_COLLECTION | {State.FUNDED, State.CONVERTED, State.PAYING_OUT}
LOST = tuple(chain.from_iterable(combinations(Step, size) for size in (1, 2, 3)))


def make_known(state: State) -> Work:
    """A payment in this state, with the attempts that lead to it."""
    tried: list[Attempt] = []
    payment = make_payment(state=state, version=5)
    if state not in BEFORE_COLLECTION | UNCOLLECTED:
        tried.append(make_attempt(payment, COLLECTION, AttemptState.SUCCEEDED))
    ends = {State.COMPLETED: AttemptState.SUCCEEDED, State.RETURNED: AttemptState.REVERSED}
    if state in ends or state is State.ACTION_REQUIRED:
        tried.append(make_attempt(payment, PAYOUT, ends.get(state, AttemptState.FAILED)))
    work = replace(make_work(state), payment=payment)
    step = STEP_OF_STATE.get(state)
    present = next((a for a in reversed(tried) if a.step is step), None)
    return replace(work, attempt=present, earlier=tuple(a for a in tried if a is not present))


def lose(work: Work, steps: Sequence[Step], answer: Answer) -> Sequence[Stated]:
    """The next operation of each of these steps, as its provider has it."""
    return [_lost(work, step, PAID if step is COLLECTION else answer) for step in steps]


def _lost(work: Work, step: Step, answer: Answer) -> Stated:
    tried = [a for a in (work.attempt, *work.earlier) if a is not None and a.step is step]
    key = intend(work.payment, step, len(tried) + 1).key
    listed = ListedOperation(key=key, provider_reference="x_1", created_at=None)
    operation = LostOperation(provider=PROVIDERS[step], step=step, listed=listed)
    return Stated(operation=operation, answer=answer)


def taken(work: Work, stated: Sequence[Stated]) -> Sequence[Change]:
    """The changes; those of the hold alone where it cannot be decided."""
    try:
        return take_up(work, stated, CAPABILITIES, ADA.actor)
    except Undecided:
        return hold_alone(work, ADA.actor)


def after(work: Work, changes: Sequence[Change]) -> Work:
    """The payment as it is claimed once the changes were written."""
    tried = {a.key: a for a in (work.attempt, *work.earlier) if a is not None}
    tried |= {c.attempt.key: c.attempt for c in changes if c.attempt is not None}
    payment = changes[-1].payment
    of_step = [a for a in tried.values() if a.step is STEP_OF_STATE.get(payment.state)]
    live = [a for a in of_step if a.state is AttemptState.SUCCEEDED and a.step is not REFUND]
    last = max(of_step, key=lambda attempt: attempt.number, default=None)
    present = live[0] if live else last
    others = tuple(a for a in tried.values() if a is not present)
    return replace(work, payment=payment, attempt=present, earlier=others)


def cases() -> Iterator[tuple[State, Sequence[Step], Answer]]:
    yield from product(State, LOST, (PAID, PENDING, FAILED))
    yield from product(State, [(PAYOUT,), (COLLECTION, PAYOUT)], [UNFUNDED])


@pytest.mark.parametrize(("state", "steps", "answer"), [*cases()])
def test_it_is_held_with_all_on_record_and_nothing_is_sent_past_it(
    state: State, steps: Sequence[Step], answer: Answer
) -> None:
    work = make_known(state)
    stated = lose(work, steps, answer)

    changes = taken(work, stated)

    held = after(work, changes)
    tried = [a for a in (held.attempt, *held.earlier) if a is not None]
    assert held.payment.hold_reason == "recovered"
    assert [c.before.version for c in changes[1:]] == [c.payment.version for c in changes[:-1]]
    for step in Step:
        assert sum(a.is_live for a in tried if a.step is step) <= 1
    if len(changes) == 1:
        return
    assert {one.operation.listed.key for one in stated} <= {a.key for a in tried}
    if {PAYOUT, REFUND} & {*steps}:
        assert held.payment.state not in BEFORE_PAYOUT
    released = replace(held, payment=end_hold(held, ADA).payment)
    if {*steps} != {COLLECTION} and answer is not FAILED:
        assert DECIDER.plan(released).call is not Call.SEND


@pytest.mark.parametrize(("state", "steps", "answer"), [*cases()])
def test_every_minor_unit_stands_on_an_account(
    state: State, steps: Sequence[Step], answer: Answer
) -> None:
    work = make_known(state)
    stated = lose(work, steps, answer)

    changes = taken(work, stated)

    if len(changes) == 1:
        return
    accounts: dict[str, int] = {}
    for posting in (one for change in changes for one in change.postings):
        amount = posting.amount.amount_minor
        accounts[posting.debit] = accounts.get(posting.debit, 0) + amount
        accounts[posting.credit] = accounts.get(posting.credit, 0) - amount
    expected: dict[str, int] = {}
    for one in stated:
        attempt = intend(work.payment, one.operation.step, 1)
        if one.answer.outcome is Outcome.SUCCEEDED:
            is_in, is_payout = attempt.step is COLLECTION, attempt.step is PAYOUT
            kind = "offramp" if is_payout else "onramp"
            name = f"{kind}:{PROVIDERS[attempt.step]}:{attempt.amount.currency}"
            moved = attempt.amount.amount_minor * (1 if is_in else -1)
            expected[name] = expected.get(name, 0) + moved
    found = {name: sum_ for name, sum_ in accounts.items() if "ramp:" in name and sum_}
    assert found == {name: amount for name, amount in expected.items() if amount}
