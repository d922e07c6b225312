"""The filter that leads a search: the index by which payments are looked at, newest first. Each
branch names all columns of its index in its order, so that no plan takes another index for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.payments.operators.search import Sought
from services.shared.ids import Prefix

# All payments, by their ids alone.
_EVERY = "payments p WHERE p.id < :before AND p.id >= :first ORDER BY p.id DESC"
# Those that are overdue are found before, because that takes a statement of its own.
_OVERDUE = """
    unnest(CAST(:overdue AS uuid[])) AS o(id) JOIN payments p ON p.id = o.id
     WHERE p.id < :before ORDER BY p.id DESC
"""
_PART_OF = """
    {table} t JOIN payments p ON p.merchant_id = t.merchant_id AND p.id = t.payment_id
     WHERE t.{column} = :{name} AND p.id < :before ORDER BY p.id DESC
"""
_BY_ID = "payments p WHERE p.id = :{name} AND p.id < :before ORDER BY p.id DESC"
_BY_PAIR = """
    payments p WHERE (p.{column}, p.id) < (:{name}, :before)
     AND (p.{column}, p.id) >= (:{name}, :first) ORDER BY p.{column} DESC, p.id DESC
"""
# The tables and columns that have an id of a provider or of a merchant.
_WORDS = (
    ("idempotency_keys", "key"),
    ("attempts", "provider_reference"),
    ("disputes", "provider_reference"),
)
_IDS = {Prefix.QUOTE: "quotes", Prefix.REFUND: "refunds", Prefix.DISPUTE: "disputes"}


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The payments to look at: those of all branches, each from a table to its order."""

    branches: Sequence[str]
    given: Mapping[str, Any] = field(default_factory=dict)


def leading(sought: Sought) -> Lead:
    """The lead of a search by an id or by filters."""
    if sought.query:
        return _of_query(sought)
    if sought.overdue:
        return Lead(branches=[_OVERDUE])
    if sought.hold_reasons:
        return _by_values("hold_reason", sorted(sought.hold_reasons))
    if sought.merchant_id is not None:
        return _by_values("merchant_id", [sought.merchant_id])
    return Lead(branches=[_EVERY])


def _by_values(column: str, values: Sequence[str]) -> Lead:
    names = [f"{column}_{number}" for number in range(len(values))]
    return Lead(
        branches=[_BY_PAIR.format(column=column, name=name) for name in names],
        given=dict(zip(names, values, strict=True)),
    )


def _of_query(sought: Sought) -> Lead:
    """All that has the query as its id. A merchant may have taken one of ours for its own."""
    branches = [
        _PART_OF.format(table=table, column=column, name="query") for table, column in _WORDS
    ]
    branches += [
        _BY_PAIR.format(column=column, name="query")
        for column in ("reference", "collection_reference")
    ]
    given: dict[str, Any] = {"query": sought.query}
    payment_id = sought.payment_of_key
    if sought.public_id is not None:
        prefix, given["id"] = sought.public_id
        if prefix is Prefix.PAYMENT:
            payment_id = given["id"]
        else:
            branches.append(_PART_OF.format(table=_IDS[prefix], column="id", name="id"))
    if payment_id is not None:
        given["payment_id"] = payment_id
        branches.append(_BY_ID.format(name="payment_id"))
    return Lead(branches=branches, given=given)
