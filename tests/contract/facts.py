"""All that the contract suite must know of one provider; each has a module of them in providers/,
which is found by its name."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

from aiohttp import web

from services.providers.domain import Kind, Operation
from services.shared.money import Money
from services.shared.recipients import Recipient

_numbers = count(1)
Json = dict[str, Any]
# The headers that prove a body, made of a secret and the time.
Sign = Callable[[bytes, str, datetime], dict[str, str]]
# The key of the attempt that every whole event is about.
ATTEMPT = "pay_01m83mbj55ewdbrd2wha9z9eme_payout_1"


@dataclass(frozen=True)
class Case:
    """An operation of the adapter's kind, one that its provider refuses, and its answers."""

    provider: str
    kind: Kind
    amounts: tuple[Money, ...]
    # An operation that its provider refuses definitively, and the code of the refusal.
    refused_by: Mapping[str, str]
    refusal_code: str
    # The effect in the simulator's book that stands for the operation.
    effect: str
    # The object in the provider's answer to a success, for a test to spoil.
    success: Callable[[Operation], Json]
    # A success answer with another amount or currency.
    amount_field: str
    other_currency: str
    # An error answer with this machine-readable code.
    error: Callable[[str], Json]
    # Where the object has its id, its status, its currency and our key; and what the provider puts
    # around it.
    id_field: str = "id"
    status_field: str = "status"
    currency_field: str = "currency"
    key_field: str = "reference"
    wrap: Callable[[Json], Json] = lambda bare: bare
    # The same where the provider is asked for a list, which this variable of the query says.
    wrap_found: Callable[[Json], Json | list[Json]] | None = None
    found_query: str = "reference"
    # A suffix that gives an amount a form that the provider never uses.
    malformed_by: float = 0.0
    # Requests that an adapter sends before its operation and that move nothing, with the answer by
    # path.
    preparations: Mapping[str, Json] = field(default_factory=dict)
    # Of a payout.
    recipient: Recipient | None = None

    # Whether that list is of every operation, so that others in it are no contradiction.
    lists_all: bool = False
    # Whether a send's own answer says nothing, so that the adapter reads the operation after it.
    reads_after_send: bool = False
    # Whether an event names our key and the amount. Else it names the provider's own id alone.
    events_name_the_key: bool = True

    def answer(self, bare: Json, request: web.Request) -> Json | list[Json]:
        """The object as the provider's whole answer to the request."""
        if self.wrap_found and self.found_query in request.query:
            return self.wrap_found(bare)
        return self.wrap(bare)

    def operation(self, **changes: Any) -> Operation:
        """A fresh operation."""
        number = next(_numbers)
        operation = Operation(
            provider=self.provider,
            kind=self.kind,
            key=f"pay_{number:026d}-{self.kind.value}-1",
            amount=self.amounts[0],
            transaction_id=f"pay_{number:026d}",
            reference="invoice 17",
            recipient=self.recipient,
        )
        return replace(operation, **changes)


@dataclass(frozen=True)
class Scheme:
    """How one provider signs, and a genuine body of it."""

    sign: Sign
    secret: str
    variable: str
    body: bytes
    # Two others of its kind.
    others: tuple[str, str] = (
        "whsec_b2xkLXNlY3JldC1vbGQtc2VjcmV0",
        "whsec_bmV3LXNlY3JldC1uZXctc2VjcmV0",
    )
    # Whether it signs the time too, so that an old event differs from a new one.
    timed: bool = True


@dataclass(frozen=True, kw_only=True)
class Refusals:
    """Each refusal that the simulator gives for one provider: its words, by the step, in the order
    of their numbers."""

    send: Sequence[str]
    # The causes of an operation that was taken and fails.
    settle: Sequence[str]
    # Of what is asked for first.
    prepare: Sequence[str] = ()
    # The tables of the adapter, each with the words of the rows by which it is entered.
    tables: Sequence[tuple[Iterable[str], Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One provider."""

    case: Case
    scheme: Scheme
    # An event about ATTEMPT, whole, for a test to spoil field by field.
    event: Json
    # The adapter's variables in a sandbox, and what of them is another thing where money is real;
    # "{url}" is the address of the simulator.
    sandbox: Mapping[str, str]
    live: Mapping[str, str]
    # The variables of its API in the simulator.
    simulator: Mapping[str, str]
    refusals: Refusals
    # The values that must never be shown.
    secrets: tuple[str, ...]
