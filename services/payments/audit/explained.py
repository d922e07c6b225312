"""The derivation of one price as a person reads it, whoever its merchant is."""

from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base import sources, tables
from services.payments.base.unreadable import Noun, Source, UnreadableRow, fetch_each
from services.payments.model.explanation import Result, Step, explain_payment, explain_quote
from services.payments.model.payment import PaymentNotFound
from services.payments.model.quote import Quote, QuoteNotFound
from services.shared.db import autocommitted
from services.shared.ids import Prefix, decode_id

_MARKS = {Result.AGREES: "✓", Result.DIFFERS: "✗", Result.UNKNOWN: "?"}
# Of one figure, and of several.
_VERBS = {
    Result.AGREES: ("agrees", "agree"),
    Result.DIFFERS: ("differs", "differ"),
    Result.UNKNOWN: ("is unknown", "are unknown"),
}
UNREADABLE = "the row cannot be read; `./caravel verify` names what is wrong with it"


async def explain(engine: AsyncEngine, name: str) -> tuple[str, bool]:
    """The derivation of the price of a quote or a payment, and whether no figure differs. Raises
    QuoteNotFound, PaymentNotFound."""
    reader = autocommitted(engine)
    payment_id, quote_id = decode_id(Prefix.PAYMENT, name), decode_id(Prefix.QUOTE, name)
    if payment_id is None:
        quote = await _quote(reader, quote_id) if quote_id else None
        if quote is None:
            raise QuoteNotFound(quote_id=name)
        steps = UNREADABLE if isinstance(quote, UnreadableRow) else explain_quote(quote)
        return _rendered(name, steps)
    table = tables.payments
    payment = await _one(reader, sources.PAYMENTS, select(table).where(table.c.id == payment_id))
    if payment is None:
        raise PaymentNotFound(transaction_id=name)
    if isinstance(payment, UnreadableRow):
        return _rendered(name, UNREADABLE)
    quote = await _quote(reader, payment.quote_id)
    readable = None if isinstance(quote, UnreadableRow) else quote
    return _rendered(name, explain_payment(payment, readable))


async def _quote(engine: AsyncEngine, quote_id: UUID) -> Quote | UnreadableRow | None:
    table = tables.quotes
    return await _one(engine, sources.QUOTES, select(table).where(table.c.id == quote_id))


async def _one(
    engine: AsyncEngine, source: Source[Noun], query: Select[tuple[object]]
) -> Noun | UnreadableRow | None:
    found = await fetch_each(engine, source, query)
    return found[0] if found else None


def _rendered(name: str, steps: tuple[Step, ...] | str) -> tuple[str, bool]:
    if isinstance(steps, str):
        return f"{name}: {steps}", False
    counts = {one: sum(step.finding is one for step in steps) for one in Result}
    said = ", ".join(_counted(one, count) for one, count in counts.items() if count)
    blocks = [f"{name}, from its stored inputs alone", *map(_step, steps), f"{said}."]
    return "\n\n".join(blocks), not counts[Result.DIFFERS]


def _counted(finding: Result, count: int) -> str:
    one, several = _VERBS[finding]
    return f"1 figure {one}" if count == 1 else f"{count} figures {several}"


def _step(step: Step) -> str:
    inputs = "".join(f"\n      {name} = {value}" for name, value in step.inputs)
    result = f"\n    result {step.result}" if step.result else ""
    return (
        f"  {_MARKS[step.finding]} {step.figure} {step.finding}\n    {step.formula}{inputs}{result}"
        f"\n    stored {step.stored}"
    )
