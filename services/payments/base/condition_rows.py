"""The conditions of an offer as JSON, and back: its route, the rule for late funds, and the
recipients that may be paid. A payment keeps the first two; the rules for recipients are kept with
an open quote alone, because a payment has been checked by them."""

from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

from services.payments.base.disclosure_rows import disclosure_row, read_disclosure
from services.payments.base.values import text, texts, whole
from services.payments.model.quote import Conditions, LateFunds, RefundFees, Route
from services.payments.model.timing import CORRECTION, PATIENCE
from services.shared.recipients.rules import rules_of


def conditions_row(conditions: Conditions | None, *, is_open: bool) -> dict[str, Any]:
    """The conditions beside the terms of a quote."""
    if conditions is None:
        return {}
    row: dict[str, Any] = {
        "route": route_row(conditions.route),
        "late_funds": late_funds_row(conditions.late_funds),
        "refund_fees": conditions.refund_fees,
    }
    if conditions.disclosure is not None:
        row["disclosure"] = disclosure_row(conditions.disclosure)
    if is_open and conditions.recipients is not None:
        row["recipients"] = conditions.recipients.source
    return row


def read_conditions(terms: Mapping[str, Any]) -> Conditions | None:
    """The conditions beside the terms; None where they were not kept with them yet."""
    if "route" not in terms:
        return None
    kept = terms.get("recipients")
    return Conditions(
        route=read_route(terms["route"]),
        late_funds=read_late_funds(terms["late_funds"]),
        refund_fees=RefundFees(terms.get("refund_fees", RefundFees.RETURNED)),
        recipients=rules_of(text(kept)) if kept is not None else None,
        disclosure=read_disclosure(terms["disclosure"]) if "disclosure" in terms else None,
    )


# Payments of a corridor have one of a few routes.
@lru_cache(maxsize=256)
def route_row(route: Route) -> Mapping[str, Any]:
    """A route as the database keeps it: JSON, with its times in whole seconds."""
    row: dict[str, Any] = {
        "onramps": list(route.onramps),
        "offramps": list(route.offramps),
        "country": route.country,
        "payout_decimals": route.payout_decimals,
        "patience_seconds": int(route.patience.total_seconds()),
        "correction_seconds": int(route.correction.total_seconds()),
        "expected_seconds": {
            step: int(within.total_seconds()) for step, within in route.expected.items()
        },
    }
    if route.cancel_window:
        row["cancel_window_seconds"] = int(route.cancel_window.total_seconds())
    return row


def read_route(row: Mapping[str, Any]) -> Route:
    """A route; one from before routes had these times has the usual ones, and one from before they
    had decimals has those of its currency. Where none is kept there is no cancel window."""
    patience = row.get("patience_seconds", PATIENCE.total_seconds())
    correction = row.get("correction_seconds", CORRECTION.total_seconds())
    expected = row.get("expected_seconds", {})
    decimals = row.get("payout_decimals")
    return Route(
        onramps=texts(row["onramps"]),
        offramps=texts(row["offramps"]),
        country=text(row.get("country", "")),
        payout_decimals=None if decimals is None else whole(decimals),
        patience=timedelta(seconds=patience),
        correction=timedelta(seconds=correction),
        expected={step: timedelta(seconds=within) for step, within in expected.items()},
        cancel_window=timedelta(seconds=whole(row.get("cancel_window_seconds", 0))),
    )


@lru_cache(maxsize=256)
def late_funds_row(late_funds: LateFunds) -> Mapping[str, Any]:
    """The rule for late funds as JSON."""
    return {
        "grace_seconds": int(late_funds.grace.total_seconds()),
        "tolerance_basis_points": late_funds.tolerance_basis_points,
    }


def read_late_funds(row: Mapping[str, Any]) -> LateFunds:
    """The rule for late funds."""
    return LateFunds(
        grace=timedelta(seconds=row["grace_seconds"]),
        tolerance_basis_points=row["tolerance_basis_points"],
    )
