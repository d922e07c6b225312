"""A batch is answered query by query: an error in one changes nothing for the others."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.fees.domain import FeeQuery, Fees
from services.fees.usecases import QUERIES_MAX, FeeCalculator
from services.shared.corridors import load_corridors
from services.shared.errors import DomainError, Invalid
from services.shared.money import MAX_AMOUNT_MINOR

CORRIDOR = """
id = "us-in"
source = { country = "US", currency = "USD" }
destination = { country = "IN", currency = "INR" }
limits = { minimum_usd = "4.00", maximum_usd = "10000.00" }
providers = { onramps = ["stripe"], offramps = ["local_wallet"] }
fx = { sources = ["ecb"], markup_basis_points = 50 }
quote = { lifetime_seconds = 60 }
late_funds = { grace_seconds = 300, tolerance_basis_points = 100 }
recipients.wallet.rail = "wallet"
recipients.wallet.required = { wallet_id = "wallet_id" }
recipients.wallet.example = { wallet_id = "wallet-0001" }
fees = [
  { version = "1", effective_from = 2026-01-01, flat_usd = "1.00", percent = "1.5" },
  { version = "2", effective_from = 2026-07-01, flat_usd = "3.00" },
  { version = "own", effective_from = 2026-06-30, flat_usd = "0.50", merchants = ["sandbox"] },
]
"""
GOOD = FeeQuery(corridor_id="us-in", amount_minor=10000, currency="USD")


class LastDayOfJune:
    """Late in the evening, when it is July already east of Greenwich."""

    def now(self) -> datetime:
        return datetime(2026, 6, 30, 23, 59, tzinfo=UTC)


@pytest.fixture
def calculator(tmp_path: Path) -> FeeCalculator:
    (tmp_path / "us-in.toml").write_text(CORRIDOR)
    return FeeCalculator(load_corridors(tmp_path, live=False), LastDayOfJune())


def total(answer: Fees | DomainError) -> str:
    assert isinstance(answer, Fees)
    return f"{answer.total} by {answer.schedule_version}"


def test_query_without_a_day_is_priced_as_of_today_in_utc(calculator: FeeCalculator) -> None:
    [answer] = calculator.calculate_fees([GOOD])

    assert total(answer) == "2.50 by 1"


def test_query_is_priced_as_of_its_day(calculator: FeeCalculator) -> None:
    [answer] = calculator.calculate_fees([replace(GOOD, on_date="2026-07-01")])

    assert total(answer) == "3.00 by 2"


def test_query_of_a_merchant_with_a_schedule_of_its_own_is_priced_by_that(
    calculator: FeeCalculator,
) -> None:
    own, others = calculator.calculate_fees(
        [replace(GOOD, merchant_id="sandbox"), replace(GOOD, merchant_id="mer_unknown")]
    )

    assert (total(own), total(others)) == ("0.50 by own", "2.50 by 1")


def test_query_by_net_is_priced_as_the_amount_that_leaves_it(calculator: FeeCalculator) -> None:
    by_net, by_amount = calculator.calculate_fees(
        [replace(GOOD, amount_minor=None, net_minor=9750), GOOD]
    )

    assert by_net == by_amount


def test_the_largest_amount_there_is_has_its_price(calculator: FeeCalculator) -> None:
    [answer] = calculator.calculate_fees([replace(GOOD, amount_minor=MAX_AMOUNT_MINOR)])

    assert isinstance(answer, Fees)


@pytest.mark.parametrize(
    ("bad", "reason", "metadata"),
    [
        (
            replace(GOOD, corridor_id="us-fr"),
            "CORRIDOR_UNSUPPORTED",
            {"corridor_id": "us-fr"},
        ),
        (replace(GOOD, corridor_id=""), "CORRIDOR_UNSUPPORTED", {"corridor_id": ""}),
        (
            replace(GOOD, on_date="2025-12-31"),
            "CORRIDOR_UNSUPPORTED",
            {"corridor_id": "us-in"},
        ),
        *(
            (replace(GOOD, currency=currency), "FIELD_INVALID", {"field": "amount.currency_code"})
            for currency in ("INR", "usd", "")
        ),
        *(
            (replace(GOOD, amount_minor=minor), "FIELD_INVALID", {"field": "amount.amount_minor"})
            for minor in (None, 0, -1, MAX_AMOUNT_MINOR + 1, 2**63 - 1, -(2**63))
        ),
        (replace(GOOD, net_minor=9750), "FIELD_INVALID", {"field": "net_amount"}),
        (
            replace(GOOD, amount_minor=None, net_minor=0),
            "FIELD_INVALID",
            {"field": "net_amount.amount_minor"},
        ),
        (
            replace(GOOD, amount_minor=None, net_minor=1, currency="INR"),
            "FIELD_INVALID",
            {"field": "net_amount.currency_code"},
        ),
        (
            replace(GOOD, amount_minor=None, net_minor=MAX_AMOUNT_MINOR),
            "AMOUNT_ABOVE_MAXIMUM",
            {},
        ),
        *(
            (replace(GOOD, on_date=text), "FIELD_INVALID", {"field": "on_date"})
            for text in ("2026-02-30", "20260701", "2026-W27-3", "2026-7-1", "today", "2026-07-01Z")
        ),
    ],
)
def test_bad_query_is_refused_and_the_others_are_priced(
    bad: FeeQuery, reason: str, metadata: dict[str, str], calculator: FeeCalculator
) -> None:
    before, refusal, after = calculator.calculate_fees([GOOD, bad, GOOD])

    assert isinstance(refusal, DomainError)
    assert refusal.error_reason == reason
    assert refusal.metadata == metadata
    assert total(before) == total(after) == "2.50 by 1"


def test_full_batch_is_answered_in_its_order(calculator: FeeCalculator) -> None:
    queries = [replace(GOOD, amount_minor=minor * 100) for minor in range(1, QUERIES_MAX + 1)]

    answers = calculator.calculate_fees(queries)

    assert len(answers) == QUERIES_MAX
    assert total(answers[0]) == "1.02 by 1"
    assert total(answers[-1]) == "16.00 by 1"


def test_empty_batch_has_an_empty_answer(calculator: FeeCalculator) -> None:
    assert calculator.calculate_fees([]) == []


def test_batch_beyond_the_contract_s_bound_is_refused(calculator: FeeCalculator) -> None:
    with pytest.raises(Invalid) as refusal:
        calculator.calculate_fees([GOOD] * (QUERIES_MAX + 1))

    assert refusal.value.metadata == {"field": "queries"}
