"""Stripe's test payment methods, and the documentation of each."""

from pathlib import Path

import pytest

from services.providers.simulator.cards import CARDS

README = Path(__file__).parents[4] / "services" / "providers" / "simulator" / "README.md"


@pytest.mark.parametrize("method", CARDS)
def test_every_payment_method_is_in_the_readme(method: str) -> None:
    assert f"`{method}`" in README.read_text()


def test_a_card_succeeds_unless_its_name_says_otherwise() -> None:
    succeeding = {method for method, card in CARDS.items() if not card.declines}

    assert succeeding == {
        "pm_card_visa",
        "pm_card_mastercard",
        "pm_card_authenticationRequired",
        "pm_card_threeDSecure2Required",
    }
