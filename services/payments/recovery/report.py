"""The report of a recovery for a program: by payment, and by account."""

from typing import Any

from services.payments.recovery.recovering import Report


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
