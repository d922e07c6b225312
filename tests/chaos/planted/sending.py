"""Bugs in what is asked of providers: under which key, and what no answer is taken for, also where
an operator says how it ended."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from services.payments.engine.decisions import moves, table, unknowns
from services.payments.engine.decisions.case import Case, Meaning
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Change, Work
from services.payments.engine.decisions.moves import retire
from services.payments.mesh import providers as clients
from services.payments.mesh.ports import ProviderCall
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, Capabilities
from services.payments.model.payment import Failure
from services.payments.operators.asking import Asked
from tests.chaos.planted.plant import Patches

# The failure codes where no answer came in time.
NO_ANSWER = frozenset({"no_answer", "timeout", "connection_failed"})
Settle = Callable[[Decider, Work, Answer, datetime], Change]


def random_key_per_retry(patches: Patches) -> None:
    """Each retry is sent under a key of its own."""

    async def execute(
        self: clients.GrpcProviders, calls: Sequence[ProviderCall]
    ) -> AsyncIterator[tuple[str, Answer]]:
        renamed = [_renamed(call) for call in calls]
        ours = {new.attempt.key: call.attempt.key for call, new in zip(calls, renamed, strict=True)}
        async for key, answer in original(self, renamed):
            yield ours[key], answer

    original = patches.put(clients.GrpcProviders, "execute", execute)


def _renamed(call: ProviderCall) -> ProviderCall:
    attempt = call.attempt
    if attempt.sent_at == attempt.last_sent_at:
        return call
    return replace(call, attempt=replace(attempt, key=f"{attempt.key}-{secrets.token_hex(4)}"))


def timeout_is_failure(patches: Patches) -> None:
    """A provider that does not answer counts as having refused, definitively."""

    def settle(self: Decider, work: Work, answer: Answer, now: datetime) -> Change:
        failure = answer.failure
        if answer.outcome is Outcome.UNKNOWN and failure and failure.code in NO_ANSWER:
            answer = replace(answer, outcome=Outcome.FAILED)
        return settled(self, work, answer, now)

    def is_definitive(self: Capabilities, failure: Failure | None) -> bool:
        return was_definitive(self, failure) or bool(failure and failure.code in NO_ANSWER)

    settled: Settle = patches.put(Decider, "settle", settle)
    was_definitive = patches.put(Capabilities, "is_definitive", is_definitive)


def new_attempt_on_unknown(patches: Patches) -> None:
    """Where nobody knows what became of an attempt, the next one begins."""

    def settle(case: Case) -> Change:
        is_unknown = table.MOVES[case.situation()][case.meaning()] is known
        return retire(case) if is_unknown else settled(case)

    known: table.Move = patches.put(unknowns, "unknown", retire)
    settled: table.Move = patches.put(table, "settle", settle)


def no_patience(patches: Patches) -> None:
    """A route that cannot pay now is not tried again: the payer has the money back at once."""

    def rest_of_route(*_: Any) -> None:
        return None

    patches.put(moves, "_rest_of_route", rest_of_route)


def trusted_amount(patches: Patches) -> None:
    """The amount that a provider states counts as the requested amount."""
    _believe_adapters(patches)

    def settle(case: Case) -> Change:
        if case.attempt.is_live and case.meaning() is Meaning.SUCCEEDED:
            case = replace(case, answer=replace(case.answer, amount=None))
        return settled(case)

    settled: table.Move = patches.put(table, "settle", settle)


def _believe_adapters(patches: Patches) -> None:
    from services.providers.adapters.flutterwave import translate as flutterwave
    from services.providers.adapters.local_wallet import translate as local_wallet
    from services.providers.adapters.paystack import client as paystack
    from services.providers.adapters.stripe import refunds
    from services.providers.adapters.stripe import translate as stripe

    def believe(module: Any, name: str, money_of: Any) -> None:
        def read(operation: Any, answer: Any) -> Any:
            stated = money_of(answer) or operation.amount
            return original(replace(operation, amount=stated), answer)

        original = patches.put(module, name, read)

    believe(local_wallet, "read_payout", _money_at_the_wallet)
    believe(paystack, "read_transfer", _money_at_paystack)
    believe(flutterwave, "read_transfer", _money_at_flutterwave)
    believe(stripe, "read_intent", _money_at_stripe)
    believe(refunds, "read_refund", _money_at_stripe)


def _money_at_the_wallet(payout: Any) -> Any:
    from services.providers.adapters.kit.amounts import minor_units

    return minor_units(payout.get("amount_minor"), payout.get("currency"))


def _money_at_paystack(transfer: Any) -> Any:
    from services.providers.adapters.kit.amounts import minor_units

    return minor_units(transfer.get("amount"), transfer.get("currency"))


def _money_at_flutterwave(transfer: Any) -> Any:
    from services.providers.adapters.kit.amounts import major_units

    return major_units(transfer.get("amount"), transfer.get("currency"))


def _money_at_stripe(intent: Any) -> Any:
    from services.providers.adapters.stripe.amounts import from_stripe

    return from_stripe(intent.get("amount"), intent.get("currency"))


def refusal_fails_over(patches: Patches) -> None:
    """A refusal of the recipient counts as any other definitive failure."""

    def refuses_recipient(_: Capabilities, __: Failure | None) -> bool:
        return False

    patches.put(Capabilities, "refuses_recipient", refuses_recipient)


def failure_stated_early(patches: Patches) -> None:
    """An operator's word is enough, whether or not a request may still arrive."""

    def check_landed(self: Asked, attempt: Attempt, stated: Answer, known: Capabilities) -> None:
        return None

    patches.put(Asked, "check_landed", check_landed)
