"""The words that make the simulator misbehave, and the documentation of each."""

from pathlib import Path

import pytest

from services.providers.simulator.modes import CARDS, Mode, modes_of

README = Path(__file__).parents[4] / "services" / "providers" / "README.md"


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("", set()),
        ("invoice 17", set()),
        ("sim:hold", {Mode.HOLD}),
        ("invoice 17 sim:hold sim:no_webhook", {Mode.HOLD, Mode.NO_WEBHOOK}),
        ("sim:holding xsim:hold sim:HOLD", set()),
    ],
)
def test_only_whole_words_are_modes(text: str, modes: set[Mode]) -> None:
    assert modes_of(text) == modes


@pytest.mark.parametrize("word", [*(mode.value for mode in Mode), *CARDS])
def test_every_word_is_in_the_readme(word: str) -> None:
    assert f"`{word}`" in README.read_text()
