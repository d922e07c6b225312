"""The conversation with Wise, call by call: a crash or a lost answer anywhere pays once, a transfer
that nobody has funded is absent, and each recipient is written as its currency wants it. The
promises of every adapter are in test_adapters."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ConnectionTimeoutError, web

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.http import open_session
from services.providers.adapters.wise.rails import RAILS
from services.providers.adapters.wise.recipients import recipient_body
from services.providers.adapters.wise.translate import mark_of
from services.providers.config import Config
from services.providers.domain import Operation, Outcome, Webhook, WebhookSignatureInvalid
from services.providers.listed import OperationQuery
from services.providers.ports import Adapter, OperationLister
from services.providers.simulator.wise_events import wise_headers
from services.shared.clock import SystemClock
from services.shared.corridors import load_corridors
from services.shared.money import Money
from services.shared.recipients import BankAccount, MobileMoney, Recipient, RecipientKind
from tests.conftest import ROOT
from tests.contract.cases import CASES, FACTS, send
from tests.contract.lab import Lab, provider_environment, running_lab, serving
from tests.polling import until

CASE = CASES["wise"]
CALLS = ("recipient", "quote", "transfer", "funding", "reading")
CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)


def call_of(request: web.Request) -> str:
    """The call that a request is, of a payout's five."""
    if request.path == "/v1/accounts":
        return "recipient"
    if request.path.endswith("/quotes"):
        return "quote"
    if request.path.endswith("/payments"):
        return "funding"
    return "transfer" if request.method == "POST" else "reading"


@dataclass
class Line:
    """The line to the simulator; it breaks at one call, once, before it arrives or after."""

    url: str
    breaks_at: str = ""
    arrives: bool = False
    asked: list[str] = field(default_factory=list)

    async def carry(self, request: web.Request) -> web.StreamResponse:
        """Passes the request on, and the answer back."""
        call = call_of(request)
        self.asked.append(call)
        breaks = call == self.breaks_at
        if breaks:
            self.breaks_at = ""
        if breaks and not self.arrives:
            return cut(request)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        body = await request.read()
        async with (
            ClientSession(self.url) as session,
            session.request(request.method, request.rel_url, data=body, headers=headers) as answer,
        ):
            text = await answer.read()
        if breaks:
            return cut(request)
        return web.Response(status=answer.status, body=text, content_type="application/json")


def cut(request: web.Request) -> web.Response:
    """No answer at all."""
    assert request.transport
    request.transport.close()
    return web.Response()


@asynccontextmanager
async def through(lab: Lab, **breaking: Any) -> AsyncIterator[tuple[Adapter, Line]]:
    """Wise's adapter, at the other end of such a line."""
    line = Line(lab.url, **breaking)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", line.carry)
    async with serving(app) as url, open_session() as session:
        config = Config.load(provider_environment(url))
        yield ADAPTERS["wise"].open(config, session, SystemClock()), line


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


@pytest.mark.parametrize("arrives", [False, True], ids=["lost on the way", "answer lost"])
@pytest.mark.parametrize("call", CALLS)
async def test_a_break_at_any_call_pays_once(lab: Lab, call: str, arrives: bool) -> None:
    operation = CASE.operation()
    async with through(lab, breaks_at=call, arrives=arrives) as (adapter, _):
        broken = await send(adapter, operation)
        funded = call == "reading" or (call == "funding" and arrives)
        named = replace(operation, provider_reference=broken.provider_reference)
        asked = await adapter.look_up(named)
        await send(adapter, operation)
        done = await until(
            lambda: adapter.look_up(operation), lambda seen: seen.outcome is not Outcome.PENDING
        )

    before = {Outcome.NOT_SENT} if call in ("recipient", "quote") else {Outcome.UNKNOWN}
    # A question that nobody answered may be asked again below us.
    before |= {Outcome.PENDING, Outcome.SUCCEEDED} if call == "reading" else set()
    assert broken.outcome in before
    assert (asked.outcome is not Outcome.ABSENT) == funded
    assert (done.outcome, done.amount) == (Outcome.SUCCEEDED, operation.amount)
    effects = [line["effect"] for line in await lab.book(operation.key)]
    assert effects == ["payout_accepted", "payout_completed"]


class Unreachable:
    """A session whose first funding gets no connection."""

    def __init__(self, inner: ClientSession) -> None:
        self._inner = inner
        self._breaks = True

    def request(self, method: str, url: str, **options: Any) -> Any:
        if self._breaks and url.endswith("/payments"):
            self._breaks = False
            raise ConnectionTimeoutError
        return self._inner.request(method, url, **options)


async def test_a_transfer_that_is_there_counts_as_asked_for_without_a_funding(lab: Lab) -> None:
    operation = CASE.operation()
    async with open_session() as session:
        unreachable: Any = Unreachable(session)
        config = Config.load(provider_environment(lab.url))
        adapter = ADAPTERS["wise"].open(config, unreachable, SystemClock())

        first = await send(adapter, operation)
        found = await adapter.look_up(operation)
        await send(adapter, operation)
        done = await until(
            lambda: adapter.look_up(operation), lambda seen: seen.outcome is not Outcome.PENDING
        )

    # Never "not sent": Wise's list has it from now on.
    assert (first.outcome, first.code, first.provider_reference) == (
        Outcome.UNKNOWN,
        "not_connected",
        "",
    )
    assert found.outcome is Outcome.ABSENT
    assert done.outcome is Outcome.SUCCEEDED
    effects = [line["effect"] for line in await lab.book(operation.key)]
    assert effects == ["payout_accepted", "payout_completed"]


async def test_a_payout_that_is_sent_again_is_not_funded_again(lab: Lab) -> None:
    operation = CASE.operation()
    async with through(lab) as (adapter, line):
        await send(adapter, operation)
        await send(adapter, operation)

    assert line.asked.count("transfer") == 2
    assert line.asked.count("funding") == 1


async def test_an_unfunded_transfer_is_absent(lab: Lab) -> None:
    operation = CASE.operation(reference="sim:no_balance")
    adapter = lab.adapters["wise"]

    refused = await send(adapter, operation)
    found = await adapter.look_up(operation)

    assert (refused.outcome, refused.code) == (Outcome.REFUSED, "insufficient_balance")
    assert refused.provider_reference == ""
    assert found.outcome is Outcome.ABSENT


async def test_an_unfunded_transfer_whose_id_is_on_record_is_not_denied(lab: Lab) -> None:
    operation = CASE.operation(reference="sim:no_balance")
    adapter = lab.adapters["wise"]
    await send(adapter, operation)
    transfer_id = await _listed_id(adapter, operation)

    found = await adapter.look_up(replace(operation, provider_reference=transfer_id))

    assert (found.outcome, found.code) == (Outcome.UNKNOWN, "transfer_unfunded")
    assert found.provider_reference == transfer_id


async def _listed_id(adapter: Adapter, operation: Operation) -> str:
    """The operation's transfer, by Wise's own list."""
    assert isinstance(adapter, OperationLister)
    since = datetime.now(UTC) - timedelta(minutes=1)
    query = OperationQuery(kind=operation.kind, since=since, expected_keys=(operation.key,))
    listed = await adapter.list_operations(query)
    return next(one.provider_reference for one in listed.operations if one.key == operation.key)


async def test_an_event_about_a_transfer_that_this_process_does_not_know_names_nobody(
    lab: Lab,
) -> None:
    operation = CASE.operation()
    await send(lab.adapters["wise"], operation)
    event = await lab.gateway.next()

    async with through(lab) as (other, _):
        unknown = other.read_webhook(event)
        await other.look_up(operation)
        known = other.read_webhook(event)

    assert (unknown.key, unknown.kind) == ("", None)
    assert (known.key, known.transaction_id) == (operation.key, operation.transaction_id)


async def test_a_transfer_is_found_among_many(lab: Lab) -> None:
    operations = [CASE.operation() for _ in range(60)]
    adapter = lab.adapters["wise"]
    for one in operations:
        await send(adapter, one)

    results = [await adapter.look_up(one) for one in (operations[0], operations[-1])]

    assert {result.outcome for result in results} <= {Outcome.PENDING, Outcome.SUCCEEDED}


def test_the_public_half_of_a_key_verifies_and_another_does_not() -> None:
    scheme = FACTS["wise"].scheme
    headers = wise_headers(scheme.body, scheme.others[0])

    with pytest.raises(WebhookSignatureInvalid):
        config = Config.load(provider_environment("http://127.0.0.1:1"))
        adapter = ADAPTERS["wise"].open(config, None, SystemClock())  # type: ignore[arg-type]
        adapter.read_webhook(Webhook(headers=headers, body=scheme.body))


def _operation(recipient: Recipient, currency: str) -> Operation:
    return CASE.operation(recipient=recipient, amount=Money(100, currency))


async def test_its_list_has_a_digest_and_names_the_expected_keys_alone(lab: Lab) -> None:
    adapter, sent = lab.adapters["wise"], CASES["wise"].operation()
    assert isinstance(adapter, OperationLister)
    result = await send(adapter, sent)
    since = datetime.now(UTC) - timedelta(minutes=1)
    query = OperationQuery(kind=sent.kind, since=since)

    for expected, key in (((), ""), ((sent.key,), sent.key)):
        listed = await adapter.list_operations(replace(query, expected_keys=expected))
        keys = {one.provider_reference: one.key for one in listed.operations}
        assert keys[result.provider_reference] == key


@pytest.mark.parametrize(
    "corridor",
    [one for one in CORRIDORS if "wise" in one.providers.offramps],
    ids=lambda one: one.id,
)
async def test_each_corridor_s_example_is_taken_as_it_is_written(lab: Lab, corridor: Any) -> None:
    rules = corridor.recipient_rules.kinds[RecipientKind.BANK_ACCOUNT]
    amount = next(
        rail.minimum
        for rail in RAILS
        if rail.recipient_kind is RecipientKind.BANK_ACCOUNT
        and rail.currency == corridor.destination.currency
    )

    result = await send(
        lab.adapters["wise"], CASE.operation(recipient=rules.example, amount=amount)
    )

    assert result.outcome in {Outcome.PENDING, Outcome.SUCCEEDED}


@pytest.mark.parametrize(
    ("currency", "recipient", "written"),
    [
        (
            "BRL",
            BankAccount(
                holder_name="A B",
                bank_code="001",
                branch_code="1234",
                account_number="5",
                account_type="CHECKING",
                tax_id="11222333000181",
            ),
            {"accountType": "CHECKING", "cnpj": "11222333000181"},
        ),
        (
            "COP",
            BankAccount(
                holder_name="A B",
                bank_code="1007",
                account_number="5",
                account_type="SAVINGS",
                tax_id="1032456789",
            ),
            {"idDocumentType": "NIT", "idDocumentNumber": "1032456789"},
        ),
        (
            "JPY",
            BankAccount(
                holder_name="A B",
                bank_code="0001",
                branch_code="001",
                account_number="1234567",
                account_type="CHECKING",
            ),
            {"accountType": "CURRENT"},
        ),
        (
            "BDT",
            BankAccount(holder_name="A B", branch_code="015270362", account_number="5"),
            {"bankCode": "015", "branchCode": "015270362"},
        ),
        (
            "KES",
            MobileMoney(holder_name="A B", phone_number="+254709929220", operator="MPESA"),
            {"accountNumber": "254709929220"},
        ),
    ],
)
def test_fields_go_out_under_wise_s_names(
    currency: str, recipient: Recipient, written: dict[str, str]
) -> None:
    body = recipient_body(_operation(recipient, currency), "7")

    assert body
    assert (body["profile"], body["currency"]) == (7, currency)
    assert written.items() <= body["details"].items()


def test_the_mark_is_the_same_for_every_try_and_another_for_another_key() -> None:
    assert mark_of("pay_1-payout-1") == mark_of("pay_1-payout-1")
    assert mark_of("pay_1-payout-1") != mark_of("pay_1-payout-2")
    assert mark_of("pay_1-payout-1").version == 5
