"""The route of a forced payout: the chosen offramp, and then those that may pay this recipient."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.payments.mesh.ports import ProviderCall
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Capabilities, Step
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, State
from services.payments.operators.verbs.forcing import Forcing
from services.payments.operators.verbs.ready import Claim
from services.shared.recipients import Recipient, Wallet
from tests.fakes import AlwaysCorridors
from tests.makers import CAPABILITIES, NOW, make_attempt, make_capabilities, make_work

OFFRAMPS = ("bank", "local_wallet", "paper")
KNOWN = {**CAPABILITIES, "paper": make_capabilities("paper")}
REFUSED = Failure(code="recipient_invalid", message="no such account")
BROKE = Failure(code="insufficient_balance", message="not enough")


class Unpaid:
    """Providers that say of every payout that it failed."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure

    async def capabilities(self) -> Mapping[str, Capabilities]:
        return KNOWN

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            yield call.attempt.key, Answer(outcome=Outcome.FAILED, failure=self._failure)


@pytest.mark.parametrize(
    ("failure", "recipient", "others"),
    [
        (REFUSED, None, ("paper",)),
        (REFUSED, Wallet(wallet_id="before a correction"), ("bank", "paper")),
        (BROKE, None, ("bank", "paper")),
    ],
    ids=["refused", "refused another recipient", "had no balance"],
)
async def test_it_does_not_go_on_to_an_offramp_that_has_refused_the_recipient(
    failure: Failure, recipient: Recipient | None, others: tuple[str, ...]
) -> None:
    work = make_work(State.ACTION_REQUIRED)
    tried = make_attempt(work.payment, Step.PAYOUT, AttemptState.FAILED, failure=failure, sends=1)
    payout = replace(tried, provider="bank", recipient=recipient)
    work = replace(work, attempt=payout, claimed_at=NOW + timedelta(hours=1))
    providers: Any = Unpaid(failure)
    corridor = SimpleNamespace(providers=SimpleNamespace(offramps=OFFRAMPS))
    corridors: Any = SimpleNamespace(get=lambda _: corridor)
    forcing = Forcing(providers, AlwaysCorridors(corridors))

    ready = await forcing.prepare(work, {"provider": "local_wallet"})
    change = ready.decide(Claim(work=work, operator=Operator(name="ada")))

    assert change.payment.route.offramps == ("local_wallet", *others)
