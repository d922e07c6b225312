"""Flutterwave's own SDK for Node against the simulator: it understands every answer about
payouts."""

from tests.contract import sdks
from tests.contract.faults import Trial
from tests.contract.providers.flutterwave import KEY


async def test_sdk_for_node_understands_every_answer(trial: Trial) -> None:
    modules = sdks.node_modules()

    made = await sdks.calls(
        ["node", str(sdks.HERE / "flutterwave.cjs"), trial.lab.url, KEY, modules]
    )

    assert len(made) == 10
