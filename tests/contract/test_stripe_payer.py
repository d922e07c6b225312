"""A card that asks for its payer, who is not there: the intent is ended, also where the answer to
the send was lost, because while it lives somebody could still pay it."""

from pathlib import Path

from services.providers.domain import Outcome
from tests.contract.cases import CASES, send
from tests.contract.lab import running_lab


async def test_an_intent_that_waits_for_its_payer_is_cancelled_by_the_look_up(
    tmp_path: Path,
) -> None:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        stripe = lab.adapters["stripe"]
        operation = CASES["stripe"].operation(
            payment_method="pm_card_authenticationRequired", reference="sim:500_after"
        )

        answers = [await send(stripe, operation)]
        # The simulator loses the answer to the cancellation as well, and no later one.
        answers += [await stripe.look_up(operation) for _ in range(3)]

    outcomes = [answer.outcome for answer in answers]
    assert outcomes == [Outcome.UNKNOWN, Outcome.UNKNOWN, Outcome.FAILED, Outcome.FAILED]
