"""The report of a claim is kept in the inbox and read again as it came."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson
import pytest

from services.payments.base.dispute_rows import dispute_row, read_report, report_row
from services.payments.model.dispute import (
    DisputeKind,
    DisputeReport,
    DisputeStatus,
    new_dispute,
)
from services.shared.money import Money
from tests.makers import NOW, make_payment

REPORT = DisputeReport(
    kind=DisputeKind.DISPUTE,
    provider_reference="du_1",
    status=DisputeStatus.NEEDS_RESPONSE,
    reason="fraudulent",
    amount=Money(10_000, "USD"),
    withdrawn=Money(0, "USD"),
    respond_by=datetime(2026, 12, 5, tzinfo=UTC),
)


@pytest.mark.parametrize(
    "report", [REPORT, replace(REPORT, amount=None, withdrawn=None, respond_by=None)]
)
def test_a_report_is_kept_as_it_came(report: DisputeReport) -> None:
    assert read_report(orjson.loads(orjson.dumps(report_row(report)))) == report


def test_a_dispute_without_an_amount_has_its_currency_all_the_same() -> None:
    payment = make_payment()
    row = dispute_row(new_dispute(payment, "stripe", replace(REPORT, amount=None), NOW))

    assert (row["amount_minor"], row["currency"], row["withdrawn_minor"]) == (None, "USD", 0)
