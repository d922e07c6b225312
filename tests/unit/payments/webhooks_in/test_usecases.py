"""Webhooks that come together are read and kept together, and each is answered for itself."""

import asyncio
import json
from collections.abc import Sequence
from uuid import UUID

import pytest

from services.payments.model.payment import PaymentNotFound
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.usecases import BESIDE_FROM, Received, Webhooks
from services.shared.errors import Unavailable
from services.shared.ids import encode_id, new_id
from tests.fakes import BadSignature, ScriptedProviders
from tests.logs import logged

GOOD = {"x-signature": "good"}


class ListedInbox:
    """The port Inbox, which knows some payments and notes what was kept together."""

    def __init__(self, *known: UUID) -> None:
        self.kept: list[list[Arrival]] = []
        self.error: Exception | None = None
        self._known = known

    async def receive(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt | PaymentNotFound]:
        self.kept.append(list(arrivals))
        if self.error:
            raise self.error
        return [self._receipt(arrival) for arrival in arrivals]

    def _receipt(self, arrival: Arrival) -> Receipt | PaymentNotFound:
        if arrival.payment_id in self._known:
            return Receipt.ACCEPTED
        return Receipt.ORPHANED if arrival.keep_unmatched else PaymentNotFound()


def _webhooks(
    inbox: ListedInbox, providers: ScriptedProviders | None = None, *, sandbox: bool = True
) -> Webhooks:
    return Webhooks(
        providers or ScriptedProviders(), inbox, sandbox=sandbox, waiting_max=2 * BESIDE_FROM
    )


def _body(payment_id: UUID, event_id: str = "evt_1") -> bytes:
    event = {"transaction_id": encode_id("pay", payment_id), "event_type": "sent", "id": event_id}
    return json.dumps(event).encode()


async def test_an_event_is_kept_with_its_bytes_and_answered() -> None:
    payment_id = new_id()
    inbox = ListedInbox(payment_id)

    receipt, event = await _webhooks(inbox).receive_provider_event("acme", GOOD, _body(payment_id))

    assert (receipt, event.event_id) == (Receipt.ACCEPTED, "evt_1")
    ((arrival,),) = inbox.kept
    assert (arrival.payment_id, arrival.body) == (payment_id, _body(payment_id))


async def test_those_that_come_together_share_a_call_and_a_commit_and_no_refusal() -> None:
    payment_id = new_id()
    inbox, providers = ListedInbox(payment_id), ScriptedProviders()
    webhooks = _webhooks(inbox, providers)
    headers = [GOOD, {"x-signature": "bad"}, *[GOOD] * (BESIDE_FROM - 2)]

    first, refused, *others = await asyncio.gather(
        *(
            webhooks.receive_provider_event("acme", one, _body(payment_id, f"evt_{number}"))
            for number, one in enumerate(headers)
        ),
        return_exceptions=True,
    )

    assert isinstance(refused, BadSignature)
    received: list[Received] = [answer for answer in (first, *others) if isinstance(answer, tuple)]
    assert [event.event_id for _, event in received] == [
        f"evt_{number}" for number in range(BESIDE_FROM) if number != 1
    ]
    assert providers.read == [BESIDE_FROM]
    assert [len(kept) for kept in inbox.kept] == [BESIDE_FROM - 1]


async def test_an_event_about_none_of_our_operations_is_ignored_and_not_kept() -> None:
    inbox = ListedInbox()

    receipt, _ = await _webhooks(inbox).receive_provider_event(
        "acme", GOOD, b'{"event_type": "hello", "id": "evt_1"}'
    )

    assert receipt is Receipt.IGNORED
    assert inbox.kept == []


async def test_a_wallets_event_must_be_about_a_payment_and_a_providers_need_not() -> None:
    unknown = _body(new_id())
    webhooks = _webhooks(ListedInbox())

    with pytest.raises(PaymentNotFound):
        await webhooks.receive_event({}, unknown)
    with pytest.raises(PaymentNotFound):
        await webhooks.receive_event({}, b'{"transaction_id": "x", "event_type": "sent"}')
    with logged() as lines:
        receipt, _ = await webhooks.receive_provider_event("acme", GOOD, unknown)

    assert receipt is Receipt.ORPHANED
    (line,) = lines()
    assert (line["event"], line["level"]) == ("event_orphaned", "warning")
    assert (line["provider"], line["outcome"]) == ("acme", "SUCCEEDED")


async def test_an_unsigned_event_passes_only_at_the_wallets_address_of_a_sandbox() -> None:
    payment_id = new_id()
    inbox = ListedInbox(payment_id)

    await _webhooks(inbox).receive_event({}, _body(payment_id))
    with pytest.raises(BadSignature):
        await _webhooks(inbox, sandbox=False).receive_event({}, _body(payment_id))
    with pytest.raises(BadSignature):
        await _webhooks(inbox).receive_provider_event("local_wallet", {}, _body(payment_id))

    assert len(inbox.kept) == 1


async def test_while_nothing_can_be_kept_nothing_is_acknowledged() -> None:
    inbox = ListedInbox()
    inbox.error = Unavailable("the database cannot answer now")

    with pytest.raises(Unavailable):
        await _webhooks(inbox).receive_provider_event("acme", GOOD, _body(new_id()))
