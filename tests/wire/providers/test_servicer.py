"""The service as payments meets it: a real server on a real socket, its own assembly, and the
simulator behind it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import grpc
import pytest
from aiohttp import ClientSession
from caravel.common.v1.recipient_pb2 import RecipientKind
from caravel.providers.v1 import breakers_pb2, deployments_pb2, disputes_pb2, providers_pb2
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from services.providers.adapters import ADAPTERS
from services.providers.domain import Operation, OperationResult, Outcome, Webhook, WebhookEvent
from services.providers.ports import Adapter
from services.shared.corridors import CorridorFiles, read_folder
from tests.contract.cases import CASES
from tests.contract.lab import LIVE, Lab, running_lab
from tests.corridors import SHIPPED, corridor_files, live_corridors, replaced
from tests.wire.providers.service import execute, message, read_webhook, serving


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


@pytest.fixture
async def stub(lab: Lab) -> AsyncIterator[Any]:
    async with serving(lab.url) as stub:
        yield stub


async def test_a_batch_for_two_providers_comes_back_item_by_item(stub: Any, lab: Lab) -> None:
    good = CASES["stripe"].operation()
    declined = CASES["stripe"].operation(payment_method="pm_card_visa_chargeDeclined")
    payout = CASES["local_wallet"].operation()
    operations = [message(one) for one in (good, declined, payout)]
    operations.append(providers_pb2.Operation(key="malformed"))

    call = stub.Execute(providers_pb2.ExecuteRequest(operations=operations))
    results = {result.key: result async for result in call}

    assert {key: result.outcome for key, result in results.items()} == {
        good.key: providers_pb2.Outcome.SUCCEEDED,
        declined.key: providers_pb2.Outcome.FAILED,
        payout.key: providers_pb2.Outcome.PENDING,
        "malformed": providers_pb2.Outcome.UNKNOWN,
    }
    assert results[good.key].provider_reference.startswith("pi_")
    assert results[good.key].amount.amount_minor == good.amount.amount_minor
    assert results[declined.key].failure.code == "card_declined"
    assert not results[payout.key].HasField("amount")
    assert len(await lab.book(payout.key)) >= 1


async def test_a_payer_who_must_act_and_is_not_there_is_a_decline(stub: Any, lab: Lab) -> None:
    operation = CASES["stripe"].operation(payment_method="pm_card_authenticationRequired")

    call = stub.Execute(providers_pb2.ExecuteRequest(operations=[message(operation)]))
    [result] = [result async for result in call]

    assert result.outcome == providers_pb2.Outcome.FAILED
    assert result.failure.code == "authentication_required"
    assert [line["effect"] for line in await lab.book(operation.key)] == ["charge_declined"]


async def test_looking_up_changes_nothing_and_knows_absent_from_done(stub: Any, lab: Lab) -> None:
    done, never = CASES["stripe"].operation(), CASES["stripe"].operation()
    async for _ in stub.Execute(providers_pb2.ExecuteRequest(operations=[message(done)])):
        pass

    call = stub.LookUp(providers_pb2.LookUpRequest(operations=[message(done), message(never)]))
    outcomes = {result.key: result.outcome async for result in call}

    assert outcomes == {
        done.key: providers_pb2.Outcome.SUCCEEDED,
        never.key: providers_pb2.Outcome.ABSENT,
    }
    assert await lab.book(never.key) == []


async def test_a_payouts_signed_event_says_how_it_ended(stub: Any, lab: Lab) -> None:
    operation = CASES["local_wallet"].operation()
    async for _ in stub.Execute(providers_pb2.ExecuteRequest(operations=[message(operation)])):
        pass
    webhook = await lab.gateway.next()

    read = (await read_webhook(stub, "local_wallet", webhook.body, webhook.headers)).read

    assert read.signed
    assert (read.event.key, read.event.transaction_id) == (
        operation.key,
        operation.transaction_id,
    )
    assert read.event.kind == providers_pb2.OperationKind.PAYOUT
    assert read.event.outcome == providers_pb2.Outcome.SUCCEEDED
    assert read.event.amount.amount_minor == operation.amount.amount_minor


@pytest.mark.parametrize(
    ("provider", "body", "code", "reason"),
    [
        ("unheard_of", b"{}", grpc.StatusCode.NOT_FOUND, "PROVIDER_NOT_FOUND"),
        ("stripe", b"{}", grpc.StatusCode.UNAUTHENTICATED, "WEBHOOK_SIGNATURE_INVALID"),
        (
            "local_wallet",
            b'{"transaction_id": "pay_1", "event_type": "payment_lost"}',
            grpc.StatusCode.INVALID_ARGUMENT,
            "WEBHOOK_EVENT_TYPE_UNKNOWN",
        ),
        ("local_wallet", b"[]", grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID"),
        ("local_wallet", b"{}", grpc.StatusCode.INVALID_ARGUMENT, "FIELD_REQUIRED"),
    ],
)
async def test_an_unsigned_webhook_is_refused_with_its_reason(
    stub: Any, provider: str, body: bytes, code: Any, reason: str
) -> None:
    refused = (await read_webhook(stub, provider, body, allow_unsigned=True)).error

    assert refused.code == code.value[0]
    info = error_details_pb2.ErrorInfo()
    assert refused.details[0].Unpack(info)
    assert info.reason == reason


WALLET_EVENT = b'{"transaction_id": "pay_1", "event_type": "payment_completed"}'


async def test_a_sandbox_says_so_and_takes_an_unsigned_event_where_the_call_allows_it(
    stub: Any,
) -> None:
    result = await read_webhook(stub, "local_wallet", WALLET_EVENT, allow_unsigned=True)

    listed = await stub.ListProviders(providers_pb2.ListProvidersRequest())
    assert listed.deployment == deployments_pb2.SANDBOX
    assert result.HasField("read")
    assert not result.read.signed


async def test_each_provider_says_by_which_rails_it_pays_sorted(stub: Any) -> None:
    listed = (await stub.ListProviders(providers_pb2.ListProvidersRequest())).providers

    for record in listed:
        declared = ADAPTERS[record.provider].capabilities.rails
        shown = [(rail.recipient_kind, rail.currency, rail.country) for rail in record.rails]
        assert len(shown) == len(declared)
        assert shown == sorted(shown, key=lambda one: (RecipientKind.Name(one[0]), *one[1:]))
        for rail in record.rails:
            assert rail.minimum.currency_code == rail.maximum.currency_code == rail.currency
            assert 0 < rail.minimum.amount_minor <= rail.maximum.amount_minor
    (phones,) = [
        rail
        for record in listed
        if record.provider == "paystack"
        for rail in record.rails
        if rail.recipient_kind == RecipientKind.MOBILE_MONEY and rail.currency == "KES"
    ]
    assert (phones.decimals, phones.maximum.amount_minor) == (0, 15_000_000)


async def test_a_refused_webhook_does_not_fail_the_others(stub: Any) -> None:
    def webhook_of(provider: str, body: bytes) -> providers_pb2.IncomingWebhook:
        return providers_pb2.IncomingWebhook(provider=provider, body=body, allow_unsigned=True)

    answer = await stub.ReadWebhooks(
        providers_pb2.ReadWebhooksRequest(
            webhooks=[
                webhook_of("stripe", b"{}"),
                webhook_of("local_wallet", WALLET_EVENT),
                webhook_of("unheard_of", b"{}"),
            ]
        )
    )

    refused, read, unknown = answer.results
    assert refused.error.code == grpc.StatusCode.UNAUTHENTICATED.value[0]
    assert read.read.event.transaction_id == "pay_1"
    assert unknown.error.code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_outside_a_sandbox_no_event_passes_unsigned_whatever_the_caller_believes(
    tmp_path: Path,
) -> None:
    async with serving(
        "", variables={**LIVE, "CORRIDORS_DIR": str(live_corridors(tmp_path))}
    ) as stub:
        listed = await stub.ListProviders(providers_pb2.ListProvidersRequest())
        assert listed.deployment == deployments_pb2.LIVE
        result = await read_webhook(stub, "local_wallet", WALLET_EVENT, allow_unsigned=True)

    assert result.error.code == grpc.StatusCode.UNAUTHENTICATED.value[0]


async def test_providers_are_listed_with_what_they_can_do(stub: Any) -> None:
    response = await stub.ListProviders(providers_pb2.ListProvidersRequest())

    records = {record.provider: record for record in response.providers}
    assert set(records) == set(ADAPTERS)
    wallet, stripe = records["local_wallet"], records["stripe"]
    assert list(stripe.kinds) == [
        providers_pb2.OperationKind.COLLECTION,
        providers_pb2.OperationKind.REFUND,
    ]
    assert stripe.look_up == providers_pb2.LookUpStrength.EVENTUAL
    assert (stripe.key_lifetime.seconds, stripe.look_up_lag.seconds) == (86_400, 60)
    assert not stripe.event_is_evidence
    assert list(wallet.kinds) == [providers_pb2.OperationKind.PAYOUT]
    assert wallet.look_up == providers_pb2.LookUpStrength.STRONG
    assert wallet.look_up_lag.seconds == 0
    assert wallet.event_is_evidence


@dataclass
class Hanging:
    """An onramp and offramp that never answers, and says when it is left alone."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    capabilities: Any = None

    def for_all(self) -> dict[str, Adapter]:
        """It, in the place of every adapter and with the capabilities of each."""
        return {
            name: replace(self, capabilities=one.capabilities) for name, one in ADAPTERS.items()
        }

    async def start_collection(self, operation: Operation) -> OperationResult:
        if operation.reference == "quick":
            return OperationResult(key=operation.key, outcome=Outcome.SUCCEEDED)
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.left.set()
        raise AssertionError

    send_payout = start_collection
    look_up = start_collection

    def read_webhook(self, webhook: Webhook) -> WebhookEvent:
        raise NotImplementedError


@pytest.mark.parametrize("read_first", [False, True])
async def test_a_caller_who_hangs_up_leaves_no_operation_running(read_first: bool) -> None:
    hanging = Hanging()
    adapters = hanging.for_all()
    operations = [CASES["stripe"].operation(), CASES["stripe"].operation(reference="quick")]
    async with serving("http://127.0.0.1:1", adapters) as stub:
        call = stub.Execute(
            providers_pb2.ExecuteRequest(operations=[message(one) for one in operations])
        )
        if read_first:
            await call.read()
        await hanging.started.wait()

        call.cancel()

        await asyncio.wait_for(hanging.left.wait(), 10)


async def test_the_requests_own_time_limit_holds() -> None:
    hanging = Hanging()
    adapters = hanging.for_all()
    request = providers_pb2.ExecuteRequest(
        operations=[message(CASES["stripe"].operation())],
        operation_timeout=duration_pb2.Duration(nanos=20_000_000),
    )
    async with serving("http://127.0.0.1:1", adapters) as stub:
        [result] = [result async for result in stub.Execute(request)]

    assert result.outcome == providers_pb2.Outcome.UNKNOWN
    assert result.failure.code == "timeout"


async def _refused(stub: Any, **request: Any) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await stub.ListEvents(providers_pb2.ListEventsRequest(**request))
    status = rpc_status.from_call(cast("grpc.Call", refusal.value))
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info.reason


async def test_a_page_of_events_has_what_their_webhooks_have(stub: Any, lab: Lab) -> None:
    sent = await execute(stub, [charge := CASES["stripe"].operation()])
    intent = sent[charge.key].provider_reference
    url = f"{lab.url}/control/stripe/disputes"
    async with ClientSession() as session, session.post(url, json={"transaction_id": intent}):
        pass

    page = await stub.ListEvents(providers_pb2.ListEventsRequest(provider="stripe"))

    newest, oldest = page.events
    webhooks = {}
    for _ in range(3):
        webhook = await lab.gateway.next()
        result = await read_webhook(stub, "stripe", webhook.body, webhook.headers)
        webhooks[result.read.event.event_id] = result
    for one in (newest, oldest):
        assert one.result == webhooks[one.result.read.event.event_id]
        assert one.HasField("create_time")
    assert newest.result.read.event.dispute.withdrawn.amount_minor == charge.amount.amount_minor
    assert page.next_page == ""


async def test_a_list_that_is_not_there_is_refused(stub: Any) -> None:
    assert await _refused(stub, provider="nobody") == "PROVIDER_NOT_FOUND"
    assert await _refused(stub, provider="paystack") == "PROVIDER_NOT_FOUND"
    assert await _refused(stub, provider="stripe", page="evt_nobody") == "FIELD_INVALID"
    async with serving("http://127.0.0.1:1") as away:
        assert await _refused(away, provider="stripe") == "SERVICE_UNAVAILABLE"


async def test_a_claim_is_looked_up_where_its_provider_can_be_asked(stub: Any, lab: Lab) -> None:
    sent = await execute(stub, [charge := CASES["stripe"].operation()])
    url = f"{lab.url}/control/stripe/disputes"
    body = {"transaction_id": sent[charge.key].provider_reference}
    async with ClientSession() as session, session.post(url, json=body) as raised:
        dispute = (await raised.json())["id"]

    async def ask(provider: str, reference: str) -> Any:
        request = disputes_pb2.LookUpDisputeRequest(provider=provider, provider_reference=reference)
        return await stub.LookUpDispute(request)

    found = (await ask("stripe", dispute)).dispute
    assert found.withdrawn.amount_minor == charge.amount.amount_minor
    assert found.status == disputes_pb2.Dispute.NEEDS_RESPONSE
    assert not (await ask("stripe", "du_nobody")).HasField("dispute")
    for provider in ("paystack", "nobody"):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await ask(provider, dispute)
        assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (read_folder(SHIPPED), ""),
        (
            replaced('onramps = ["stripe"]', 'onramps = ["unheard_of"]'),
            "called unheard_of; adapters",
        ),
        (replaced('onramps = ["stripe"]', 'onramps = ["wise"]'), "corridor us-in: wise takes no"),
        (
            replaced('offramps = ["wise", "local_wallet"]', 'offramps = ["wise"]'),
            "corridor us-in: none of its offramps pays a wallet",
        ),
        (replaced("lifetime_seconds = 60", "lifetime_seconds = 6"), "us-in.toml: quote.lifetime"),
    ],
)
async def test_corridor_files_are_refused_where_they_need_an_adapter_that_is_not_open(
    stub: Any, files: CorridorFiles, words: str
) -> None:
    request = providers_pb2.CheckCorridorsRequest(files=corridor_files(files))
    said = ""
    try:
        await stub.CheckCorridors(request)
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        assert info.reason == "CORRIDORS_REFUSED"
        said = status.message

    assert (words in said) and bool(words) == bool(said), said


async def test_each_kind_of_operation_at_each_provider_has_its_breaker(stub: Any) -> None:
    listed = (await stub.ListBreakers(breakers_pb2.ListBreakersRequest())).breakers

    capable = (await stub.ListProviders(providers_pb2.ListProvidersRequest())).providers
    assert {(one.provider, one.kind) for one in listed} == {
        (one.provider, providers_pb2.OperationKind.Name(kind).lower())
        for one in capable
        for kind in one.kinds
    }
    assert {one.state for one in listed} == {breakers_pb2.Breaker.CLOSED}
    assert all(one.lasts.ToTimedelta() > timedelta(0) for one in listed)
