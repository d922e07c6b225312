"""The report of a recovery: made of what the database keeps, and for a program by payment and by
account."""

from collections.abc import Sequence
from typing import Any

from services.payments.recovery.course import RecoveredPayment, Recovery, RecoveryState
from services.payments.recovery.recovering import NOTHING_EXPLAINED, Report


def report_of(recovery: Recovery, payments: Sequence[RecoveredPayment]) -> Report:
    """The report of a recovery that has ended."""
    report = Report(
        explained=recovery.explained or NOTHING_EXPLAINED,
        is_accepted=recovery.state is RecoveryState.ACCEPTED,
    )
    for one in payments:
        if one.fate is not None:
            report.by_fate[one.fate][one.name] = [*one.stories]
    return report


def report_fields(report: Report) -> dict[str, Any]:
    """The fields of the JSON. Of an account a positive amount is a debit."""
    balances = report.explained.balances.items()
    return {
        "is_accepted": report.is_accepted,
        "goes_on": report.goes_on,
        "held": report.held,
        "made_again": report.rebuilt,
        "not_held": report.not_held,
        "unknown": report.unknown,
        "explained": {
            "transaction_ids": list(report.explained.transaction_ids),
            "accounts": [
                {"account": account, "currency": currency, "amount_minor": amount}
                for (account, currency), amount in balances
            ],
        },
    }
