"""The filters that can lead a search: each has an index by which payments are looked at, newest
first. A branch names all columns of its index in order, so that no plan takes another for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.payments.base.tables.money import UNEVEN
from services.payments.model.payment import State
from services.payments.model.timing import LOOKS_AHEAD
from services.payments.operators.search import Sought
from services.shared.ids import Prefix
from services.shared.money import MAX_AMOUNT_MINOR

# Between two ids, and the newest first.
_RANGE, _NEWEST = "p.id < :before AND p.id >= :first", "p.id DESC"
# Those that are overdue are found before, because that takes a statement of its own.
_OVERDUE = (
    f"unnest(CAST(:overdue AS uuid[])) AS o(id) JOIN payments p ON p.id = o.id WHERE {_RANGE}"
)
# Every payment that the engine carries on is due within this time.
_UNDER_WAY = f"due_at < now() + interval '{LOOKS_AHEAD.total_seconds()} s'"
# Of these there is no order, and there are few, or they do not lead. Within them alone a plan finds
# them by their own index: with the ids it would look through all payments by those.
_FEW = """
    (SELECT id, created_at, merchant_id, state, hold_reason, onramp, offramp, corridor_id,
            amount_minor FROM payments WHERE {condition} LIMIT :few) AS p
"""
_UNEVEN_ONES = f"payments p WHERE ({UNEVEN}) AND {_RANGE}"
# States that no payment comes to while all goes well.
_UNEVEN = frozenset(
    {
        State.ACTION_REQUIRED,
        State.RETURNED,
        State.PARTLY_REFUNDED,
        State.REFUNDED,
        State.FAILED,
        State.CANCELLED,
        State.EXPIRED,
    }
)
_ENDED = _UNEVEN | {State.COMPLETED}
# Of the indexes that do not have all payments.
_CONDITIONS = {
    "hold_reason": "p.hold_reason IS NOT NULL",
    "reference": "p.reference <> ''",
}


@dataclass(frozen=True, kw_only=True)
class Branch:
    """Payments, and the order in which an index has them: newest first."""

    source: str
    order: str = _NEWEST


def _few(condition: str) -> Branch:
    return Branch(source=f"{_FEW.format(condition=condition)} WHERE {_RANGE}")


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The payments to look at: those of all branches."""

    branches: Sequence[Branch]
    given: Mapping[str, Any] = field(default_factory=dict)
    # Whether an index has them in order, so that many of them can be looked at page by page.
    is_ordered: bool = True
    # Another way to the same payments, where they are few.
    if_few: "Lead | None" = None


# All payments, by their ids alone.
EVERY = Lead(branches=[Branch(source=f"payments p WHERE {_RANGE}")])


def required(sought: Sought) -> Lead | None:
    """The lead that a search cannot do without: by an id, or to all that is overdue."""
    if sought.query:
        return _of_query(sought)
    return Lead(branches=[Branch(source=_OVERDUE)]) if sought.overdue else None


def possible(sought: Sought) -> Sequence[Lead]:
    """The leads of the filters that are set; the first leads to the fewest as a rule."""
    leads = []
    if sought.hold_reasons:
        leads.append(_by_values("hold_reason", sought.hold_reasons))
    leads += _by_amount(sought.amount_from_minor, sought.amount_to_minor)
    states = frozenset(sought.states)
    if states and states <= _UNEVEN:
        few = Lead(branches=[_few(UNEVEN)])
        leads.append(Lead(branches=[Branch(source=_UNEVEN_ONES)], if_few=few))
    if sought.merchant_id is not None:
        leads.append(_by_values("merchant_id", [sought.merchant_id]))
    if sought.provider is not None:
        leads.append(_by_provider(sought.provider))
    if sought.corridor_id is not None:
        leads.append(_by_values("corridor_id", [sought.corridor_id]))
    if states and not states & _ENDED:
        under_way = [_few(_UNDER_WAY), _few(UNEVEN)]
        leads.append(Lead(branches=under_way, is_ordered=False))
    return leads


def _by_amount(low: int | None, high: int | None) -> Sequence[Lead]:
    if low is None and high is None:
        return ()
    if low is not None and low == high:
        return (_by_values("amount_minor", [low]),)
    given = {"lead_low": 0 if low is None else low, "lead_high": high or MAX_AMOUNT_MINOR}
    within = _few("amount_minor BETWEEN :lead_low AND :lead_high")
    return (Lead(branches=[within], given=given, is_ordered=False),)


def _by_provider(provider: str) -> Lead:
    branches = [_pair(column, "lead_provider") for column in ("onramp", "offramp")]
    return Lead(branches=branches, given={"lead_provider": provider})


def _by_values(column: str, values: Sequence[str | int]) -> Lead:
    given = {f"lead_{column}_{number}": value for number, value in enumerate(values)}
    return Lead(branches=[_pair(column, name) for name in given], given=given)


def _pair(column: str, name: str) -> Branch:
    """By an index of the column and the id, which both its bounds and its order name."""
    pair, condition = f"(p.{column}, p.id)", _CONDITIONS.get(column, "true")
    return Branch(
        source=f"payments p WHERE {pair} < (:{name}, :before) AND {pair} >= (:{name}, :first) "
        f"AND {condition}",
        order=f"p.{column} DESC, p.id DESC",
    )


def _part(table: str, column: str, name: str) -> Branch:
    """The payments of the rows of another table."""
    condition = "t.provider_reference <> ''" if column == "provider_reference" else "true"
    joined = "p.merchant_id = t.merchant_id AND p.id = t.payment_id"
    return Branch(
        source=f"{table} t JOIN payments p ON {joined} "
        f"WHERE t.{column} = :{name} AND {condition} AND {_RANGE}"
    )


def _part_of_merchants(table: str, column: str, name: str) -> Branch:
    """The same, by a key that begins with the merchant: of merchants there are few."""
    return Branch(
        source=f"merchants m JOIN {table} t ON t.merchant_id = m.id AND t.{column} = :{name} "
        f"JOIN payments p ON p.merchant_id = t.merchant_id AND p.id = t.payment_id WHERE {_RANGE}"
    )


def _of_query(sought: Sought) -> Lead:
    """All that has the query as its id. A merchant may have taken one of ours for its own."""
    collection = "p.collection_reference = :query AND p.collection_reference <> ''"
    branches = [
        Branch(source=f"payments p WHERE {collection} AND {_RANGE}"),
        _pair("reference", "query"),
        _part("attempts", "provider_reference", "query"),
        _part("disputes", "provider_reference", "query"),
        _part_of_merchants("idempotency_keys", "key", "query"),
    ]
    given: dict[str, Any] = {"query": sought.query}
    payment_id = sought.payment_of_key
    prefix, named = sought.public_id or (None, None)
    if prefix is Prefix.PAYMENT:
        payment_id = named
    elif prefix is Prefix.DISPUTE:
        branches.append(_part("disputes", "id", "named"))
    elif prefix is not None:
        table = {Prefix.QUOTE: "quotes", Prefix.REFUND: "refunds"}[prefix]
        branches.append(_part_of_merchants(table, "id", "named"))
    if prefix not in (None, Prefix.PAYMENT):
        given["named"] = named
    if payment_id is not None:
        given["payment_id"] = payment_id
        branches.append(Branch(source=f"payments p WHERE p.id = :payment_id AND {_RANGE}"))
    return Lead(branches=branches, given=given)
