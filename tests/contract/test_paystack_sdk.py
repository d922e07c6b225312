"""pypaystack2, by which many reach Paystack, against the simulator: it parses every answer about
payouts."""

import sys

from tests.contract import sdks
from tests.contract.faults import Trial
from tests.contract.providers.paystack import KEY


async def test_pypaystack2_parses_every_answer(trial: Trial) -> None:
    path = sdks.python_path("pypaystack2.lock")

    made = await sdks.calls(
        [sys.executable, str(sdks.HERE / "newcomer.py"), trial.lab.url, KEY], PYTHONPATH=path
    )

    assert len(made) == 11
