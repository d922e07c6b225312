"""The table of faults: the words and amounts that ask for them, and the documentation of each."""

import re
from pathlib import Path

import pytest

from services.providers.simulator.faults.modes import AMOUNTS, SPECS, Mode, modes_of

README = Path(__file__).parents[5] / "services" / "providers" / "simulator" / "README.md"


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("", {}),
        ("invoice 17", {}),
        ("sim:hold", {Mode.HOLD: 0}),
        ("invoice 17 sim:hold sim:no_webhook", {Mode.HOLD: 0, Mode.NO_WEBHOOK: 0}),
        ("sim:duplicate_webhook", {Mode.DUPLICATE_WEBHOOK: 2}),
        ("sim:duplicate_webhook=3", {Mode.DUPLICATE_WEBHOOK: 3}),
        ("sim:amount+1 sim:amount-1", {Mode.AMOUNT_PLUS: 0, Mode.AMOUNT_MINUS: 0}),
        ("sim:500_after@stripe=2", {Mode.ERROR_AFTER: 2}),
        ("sim:500_after@local_wallet=2", {}),
        ("sim:holding xsim:hold sim:HOLD sim:hold= sim:hold=x sim:hold=99999999", {}),
    ],
)
def test_only_whole_words_for_the_provider_are_modes(text: str, modes: dict[Mode, int]) -> None:
    assert modes_of(text, "stripe") == modes


def test_every_mode_can_be_asked_for_by_its_name() -> None:
    for mode in Mode:
        assert modes_of(f"sim:{mode.value}", "stripe") == {mode: SPECS[mode].default}


def rows() -> dict[str, str]:
    """The README's table rows by the name in their first column."""
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", README.read_text(), re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("mode", Mode, ids=lambda mode: str(mode.value))
def test_every_mode_has_its_row_with_steps_and_parameter(mode: Mode) -> None:
    steps, parameter, _ = rows()[mode.value].split(" | ")

    assert set(steps.split(", ")) == {step.value for step in SPECS[mode].steps}
    spec = SPECS[mode]
    assert parameter == (f"{spec.parameter}={spec.default}" if spec.parameter else "none")


@pytest.mark.parametrize(("amount_minor", "mode"), AMOUNTS.items(), ids=str)
def test_every_magic_amount_has_its_row(amount_minor: int, mode: Mode) -> None:
    assert rows()[f"{amount_minor // 100}.{amount_minor % 100:02}"] == f"`{mode.value}`"
