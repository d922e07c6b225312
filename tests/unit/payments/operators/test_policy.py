"""The policy file is taken whole or the service does not start."""

from pathlib import Path
from typing import get_args

import pytest

from services.payments.operators.domain import Action
from services.payments.operators.policy import (
    USUAL,
    PaymentVerb,
    PolicyError,
    load_policy,
)
from services.shared.money import Money
from tests.conftest import ROOT

SECOND = "[second_person.RATE_OVERRIDE]\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(text)
    return path


def test_the_shipped_policy_is_the_usual_one() -> None:
    assert load_policy(ROOT / "deploy" / "policy.toml") == USUAL == load_policy(None)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("second_person = {", "it cannot be read as TOML"),
        ("[second_person]", "second_person.RATE_OVERRIDE: Field required"),
        (f"{SECOND}[second_person.PAY_EVERYBODY]", "second_person.PAY_EVERYBODY"),
        (f"{SECOND}from_usd = '1.00'", "second_person.RATE_OVERRIDE.from_usd"),
        (f"{SECOND}[second_person.RELEASE_HOLD]\nfrom_usd = 'much'", "RELEASE_HOLD.from_usd"),
        (f"{SECOND}[second_person.RELEASE_HOLD]\nfrom_usd = '-1.00'", "RELEASE_HOLD.from_usd"),
        (f"{SECOND}[second_person.RELEASE_HOLD]\nfrom_usd = 100", "RELEASE_HOLD.from_usd"),
        (f"{SECOND}[second_person.RELEASE_HOLD]\nfrom_eur = '1.00'", "RELEASE_HOLD.from_eur"),
        (f"{SECOND}[proposals]\nlifetime_hours = 0", "proposals.lifetime_hours"),
        (f"{SECOND}[proposals]\nlifetime_hours = 200", "lifetime_hours is above maximum_hours"),
        (f"{SECOND}[proposals]\nlifetime_hours = true", "proposals.lifetime_hours"),
        (f"{SECOND}[rate_override]\nmaximum_hours = 1.5", "rate_override.maximum_hours"),
        (f"{SECOND}[rate_override]\nmaximum_deviation_basis_points = 1001", "deviation"),
        (f"{SECOND}[overrides]", "overrides"),
    ],
)
def test_a_wrong_policy_is_refused_by_the_name_of_its_key(
    text: str, named: str, tmp_path: Path
) -> None:
    with pytest.raises(PolicyError, match=named):
        load_policy(written(tmp_path, text))


def test_a_policy_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"policy\.toml"):
        load_policy(tmp_path / "policy.toml")


@pytest.mark.parametrize(
    ("amount_minor", "refused"), [(99_999, False), (100_000, True), (100_001, True)]
)
def test_a_verb_needs_two_people_from_its_amount_on(
    amount_minor: int, refused: bool, tmp_path: Path
) -> None:
    text = f"{SECOND}[second_person.RESOLVE_ATTEMPT]\nfrom_usd = '1000.00'"
    policy, amount = load_policy(written(tmp_path, text)), Money(amount_minor, "USD")

    assert not policy.needs_second_person([Action.RELEASE_HOLD], amount)
    assert not policy.needs_second_person([], amount)
    assert policy.needs_second_person([Action.RESOLVE_ATTEMPT], amount) is refused
    both: list[PaymentVerb] = [Action.RELEASE_HOLD, Action.RESOLVE_ATTEMPT]
    assert policy.needs_second_person(both, amount) is refused


def test_no_policy_leaves_an_adjustment_to_one_person(tmp_path: Path) -> None:
    assert USUAL.needs_second_person([Action.ADJUST_PAYMENT], Money(1, "USD"))
    with pytest.raises(PolicyError):
        load_policy(written(tmp_path, f"{SECOND}[second_person.ADJUST_PAYMENT]"))


@pytest.mark.parametrize("verb", set(get_args(PaymentVerb)) - {Action.ADJUST_PAYMENT})
def test_a_verb_without_an_amount_needs_two_people_always(
    verb: PaymentVerb, tmp_path: Path
) -> None:
    policy = load_policy(written(tmp_path, f"{SECOND}[second_person.{verb}]"))

    assert policy.needs_second_person([verb], Money(1, "USD"))
