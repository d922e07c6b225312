"""The one table of the engine: in each situation of a payment, the move for each meaning of an
answer. Each move is a function in the module that it is imported from."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from services.payments.engine.decisions.before_send import came_back, unconfirmed
from services.payments.engine.decisions.case import Case, Meaning, Situation
from services.payments.engine.decisions.disputes import (
    absent_despite_event,
    confirm,
    wait_for_proof,
)
from services.payments.engine.decisions.facts import Change
from services.payments.engine.decisions.late_success import (
    ask_again_or_hold,
    failed_after_all,
    give_up,
    give_up_absent,
    take,
)
from services.payments.engine.decisions.moves import accept, fail, succeed
from services.payments.engine.decisions.payers import end_unpaid
from services.payments.engine.decisions.recounted import (
    ask_until_it_is_old,
    comes_back,
    outdated_event,
    shows_another_amount,
    stands,
)
from services.payments.engine.decisions.refusals import require_action
from services.payments.engine.decisions.suspense import mismatch, watch
from services.payments.engine.decisions.unknowns import absent, end_uncollected, not_sent, unknown
from services.payments.engine.decisions.waiting import release, since_claim, without_hold
from services.payments.engine.decisions.watched import (
    ask_later,
    comes_back_on_hold,
    contradicts,
    denied,
    other_amount,
    reversed_success,
    stays,
    stays_on_hold,
)
from services.payments.model.causes import Cause
from services.payments.model.timing import HELD_POLL

Move = Callable[[Case], Change]


def settle(case: Case) -> Change:
    """The change to record for any answer."""
    situation = case.situation()
    if situation not in (Situation.DISPUTED, Situation.RECOUNTED, Situation.BEFORE_SEND):
        case = case.with_event()
    return MOVES[situation][case.meaning()](case)


def end_hold(case: Case) -> Change:
    """The outcome that the hold has waited for: it ends, and the payment goes on by the table."""
    ended, event = without_hold(
        case.work, actor=case.answer.actor, cause=Cause.HOLD_ENDED_BY_OUTCOME
    )
    return since_claim(case.work, settle(replace(case, work=ended)), event)


def stay_held(case: Case) -> Change:
    """No outcome: the provider is asked again now and then."""
    return release(case.work, due_in=HELD_POLL)


def _row(*, otherwise: Move, **moves: Move) -> Mapping[Meaning, Move]:
    # Both are failures as any other, but for an open payout and an open collection.
    moves.setdefault("refused", moves.get("failed", otherwise))
    moves.setdefault("payer_away", moves.get("failed", otherwise))
    return {meaning: moves.get(meaning.lower(), otherwise) for meaning in Meaning}


MOVES: Mapping[Situation, Mapping[Meaning, Move]] = {
    Situation.OPEN: _row(
        succeeded=succeed,
        mismatch=mismatch,
        pending=accept,
        failed=fail,
        refused=require_action,
        payer_away=end_unpaid,
        not_sent=not_sent,
        absent=absent,
        otherwise=unknown,
    ),
    Situation.UNWANTED: _row(
        succeeded=succeed,
        mismatch=mismatch,
        pending=accept,
        failed=fail,
        payer_away=end_unpaid,
        not_sent=not_sent,
        absent=end_uncollected,
        otherwise=unknown,
    ),
    Situation.BESIDE: _row(
        succeeded=succeed,
        mismatch=mismatch,
        pending=accept,
        failed=give_up,
        absent=give_up_absent,
        otherwise=unknown,
    ),
    Situation.SUCCEEDED: _row(
        succeeded=stays,
        mismatch=other_amount,
        failed=reversed_success,
        absent=contradicts,
        denied=denied,
        otherwise=ask_later,
    ),
    Situation.ENDED: _row(
        succeeded=take,
        mismatch=confirm,
        failed=failed_after_all,
        otherwise=ask_again_or_hold,
    ),
    Situation.DISPUTED: _row(
        succeeded=confirm,
        mismatch=confirm,
        failed=outdated_event,
        absent=absent_despite_event,
        denied=absent_despite_event,
        otherwise=wait_for_proof,
    ),
    Situation.RECOUNTED: _row(
        succeeded=stands,
        mismatch=shows_another_amount,
        failed=comes_back,
        otherwise=ask_until_it_is_old,
    ),
    Situation.BEFORE_SEND: _row(
        succeeded=confirm, mismatch=confirm, failed=came_back, otherwise=unconfirmed
    ),
    Situation.DONE_ON_HOLD: _row(
        succeeded=stays_on_hold, failed=comes_back_on_hold, otherwise=stay_held
    ),
    Situation.ON_HOLD: _row(succeeded=end_hold, failed=end_hold, otherwise=stay_held),
    Situation.OTHER_AMOUNT: _row(otherwise=watch),
}
