"""The clients over real sockets: every key of a provider call gets an answer, and an unknown
result is UNKNOWN."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import grpc
import pytest
from caravel.common.v1 import money_pb2, recipient_pb2
from caravel.fees.v1 import fees_pb2, fees_pb2_grpc
from caravel.fx.v1 import fx_pb2, fx_pb2_grpc
from caravel.providers.v1 import providers_pb2, providers_pb2_grpc, rails_pb2

from services.payments.mesh.fees import GrpcFees
from services.payments.mesh.fx import GrpcRates
from services.payments.mesh.ports import (
    FeeQuery,
    IncomingWebhook,
    ProviderCall,
    ProviderEvent,
    RateQuery,
)
from services.payments.mesh.providers import GrpcProviders
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, LookUp, Step
from services.payments.model.payer import NextAction, PresentPayer
from services.payments.model.quote import Fees, RateTrail
from services.shared.corridors import CorridorUnsupported
from services.shared.deployment import Deployment
from services.shared.errors import DomainError, NotAllowedNow, NotFound, Unavailable
from services.shared.grpc_server import GrpcServer
from services.shared.grpc_status import to_status
from services.shared.money import Money
from services.shared.recipients import BankAccount, RecipientKind, Wallet
from services.shared.recipients.rails import CutOff, Rail
from services.shared.recipients.wire import read_recipient
from tests.fakes import no_files
from tests.makers import make_attempt, make_payment
from tests.refusals import Missing


class Providers(providers_pb2_grpc.ProviderServiceServicer):
    """Answers the first operations, then does what a test wants."""

    def __init__(
        self, answered: int = 100, error: Exception | None = None, *, deployment: int = 0
    ) -> None:
        self._deployment: Any = deployment
        self.requests: list[Any] = []
        self._answered = answered
        self._error = error

    async def Execute(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.requests.append(request)
        for operation in request.operations[: self._answered]:
            yield providers_pb2.OperationResult(
                key=operation.key,
                outcome=providers_pb2.SUCCEEDED,
                provider_reference="po_1",
                amount=operation.amount,
                retry_after_seconds=7,
            )
        if self._error:
            raise self._error

    async def ReadWebhooks(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.requests.append(request)
        if self._error:
            raise self._error
        return providers_pb2.ReadWebhooksResponse(
            results=[self._read(webhook) for webhook in request.webhooks]
        )

    def _read(self, webhook: Any) -> Any:
        if webhook.provider != "silent":
            refusal = Missing("no such provider", provider=webhook.provider)
            return providers_pb2.WebhookResult(error=to_status(refusal))
        event = providers_pb2.WebhookEvent(event_id=webhook.body.decode(), event_type="sent")
        return providers_pb2.WebhookResult(read=providers_pb2.AcceptedWebhook(event=event))

    async def ListProviders(self, request: Any, context: Any) -> Any:  # noqa: N802
        record = providers_pb2.Capabilities(
            provider="silent",
            look_up=providers_pb2.NONE,
            key_lifetime={"seconds": 3600},
            event_is_evidence=True,
            webhook_authentication=providers_pb2.BODY_SIGNATURE,
            lists_events=True,
            looks_up_disputes=True,
            rails=[
                rails_pb2.Rail(
                    recipient_kind=kind,  # type: ignore[arg-type]
                    currency="JPY",
                    country="JP",
                    decimals=decimals,
                    minimum={"amount_minor": 1, "currency_code": "JPY"},
                    maximum={"amount_minor": 140_000_000, "currency_code": "JPY"},
                    cut_off={"time": cut_off, "time_zone": "Asia/Tokyo"},
                )
                # A kind of a later release, decimals that no yen has, and no time of a day.
                for kind, decimals, cut_off in (
                    (recipient_pb2.BANK_ACCOUNT, 0, "17:30"),
                    (77, 0, "17:30"),
                    (recipient_pb2.WALLET, 2, "17:30"),
                    (recipient_pb2.WALLET, 0, "half past five"),
                )
            ],
        )
        return providers_pb2.ListProvidersResponse(providers=[record], deployment=self._deployment)


@asynccontextmanager
async def _channel(register: Any, servicer: object, name: str) -> AsyncIterator[grpc.aio.Channel]:
    server = GrpcServer()
    server.add(register, servicer, name)
    await server.start("127.0.0.1", 0)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel
    await server.stop(0)


@asynccontextmanager
async def _providers(servicer: Providers) -> AsyncIterator[GrpcProviders]:
    register = providers_pb2_grpc.add_ProviderServiceServicer_to_server
    async with _channel(register, servicer, "caravel.providers.v1.ProviderService") as channel:
        yield GrpcProviders(channel)


def _calls(count: int, **changes: Any) -> list[ProviderCall]:
    payments = [make_payment(**changes) for _ in range(count)]
    return [
        ProviderCall(payment=p, attempt=make_attempt(p, Step.PAYOUT, AttemptState.SENT))
        for p in payments
    ]


async def _execute(providers: GrpcProviders, calls: list[ProviderCall]) -> dict[str, Answer]:
    pairs = [pair async for pair in providers.execute(calls)]
    assert len(pairs) == len({key for key, _ in pairs})
    return dict(pairs)


async def test_a_call_whose_lease_is_over_is_never_sent() -> None:
    servicer = Providers()
    calls = [replace(call, send_before=time.monotonic()) for call in _calls(2)]
    async with _providers(servicer) as providers:
        answers = await _execute(providers, calls)

    assert servicer.requests == []
    assert {answer.outcome for answer in answers.values()} == {Outcome.UNKNOWN}
    assert set(answers) == {call.attempt.key for call in calls}


async def test_a_batch_says_until_when_the_first_of_it_may_leave() -> None:
    servicer = Providers()
    first, second = _calls(2)
    until = datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC)
    batch = [
        replace(call, attempt=replace(call.attempt, leaves_until=until + timedelta(seconds=wait)))
        for call, wait in ((first, 1), (second, 0))
    ]
    async with _providers(servicer) as providers:
        await _execute(providers, batch)

    (request,) = servicer.requests
    assert request.send_before.ToDatetime(UTC) == until


async def test_an_answer_comes_back_whole() -> None:
    (call,) = _calls(1)

    async with _providers(Providers()) as providers:
        answers = await _execute(providers, [call])

    assert answers[call.attempt.key] == Answer(
        outcome=Outcome.SUCCEEDED,
        provider_reference="po_1",
        amount=call.attempt.amount,
        retry_after=timedelta(seconds=7),
    )


class Asking(Providers):
    """Asks the payer of every operation."""

    async def Execute(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self.requests.append(request)
        for operation in request.operations:
            yield providers_pb2.OperationResult(
                key=operation.key,
                outcome=providers_pb2.PENDING,
                next_action={"kind": "redirect", "client_secret": "s", "url": "https://bank"},
            )


async def test_an_action_of_the_payer_comes_back_with_its_answer() -> None:
    (call,) = _calls(1)

    async with _providers(Asking()) as providers:
        answers = await _execute(providers, [call])

    assert answers[call.attempt.key].next_action == NextAction(
        kind="redirect", client_secret="s", url="https://bank"
    )


@pytest.mark.parametrize(
    ("step", "payer", "until"),
    [
        (Step.COLLECTION, PresentPayer(return_url="https://shop"), "last_moment"),
        (Step.COLLECTION, None, None),
        (Step.PAYOUT, PresentPayer(return_url="https://shop"), None),
        (Step.REFUND, PresentPayer(return_url="https://shop"), None),
    ],
)
async def test_a_collection_says_until_when_its_payer_may_act(
    step: Step, payer: PresentPayer | None, until: str | None
) -> None:
    servicer, payment = Providers(), make_payment(payer=payer)
    call = ProviderCall(payment=payment, attempt=make_attempt(payment, step, AttemptState.SENT))

    async with _providers(servicer) as providers:
        await _execute(providers, [call])

    (operation,) = servicer.requests[0].operations
    assert operation.HasField("payer_until") is (until is not None)
    assert operation.return_url == ("https://shop" if until else "")
    if until:
        assert operation.payer_until.ToDatetime(UTC) == payment.last_moment


@pytest.mark.parametrize("error", [None, RuntimeError("boom"), Unavailable("away")])
async def test_keys_that_a_broken_call_leaves_open_are_unknown(error: Exception | None) -> None:
    calls = _calls(3)

    async with _providers(Providers(answered=1, error=error)) as providers:
        answers = await _execute(providers, calls)

    outcomes = [answers[call.attempt.key].outcome for call in calls]
    assert outcomes == [Outcome.SUCCEEDED, Outcome.UNKNOWN, Outcome.UNKNOWN]


async def test_a_service_that_is_away_leaves_every_key_unknown() -> None:
    calls = _calls(2)
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        answers = await _execute(GrpcProviders(channel), calls)

    assert {answer.outcome for answer in answers.values()} == {Outcome.UNKNOWN}


async def test_a_recipient_goes_with_a_payout_and_with_nothing_else() -> None:
    servicer = Providers()
    ada = BankAccount(holder_name="Ada", account_number="069", account_type="SAVINGS")
    payment = make_payment(recipient=ada)

    async with _providers(servicer) as providers:
        for step in Step:
            attempt = make_attempt(payment, step, AttemptState.SENT)
            await _execute(providers, [ProviderCall(payment=payment, attempt=attempt)])

    asked = [request.operations[0] for request in servicer.requests]
    assert {one.kind: read_recipient(one.recipient) for one in asked} == {
        providers_pb2.COLLECTION: None,
        providers_pb2.PAYOUT: ada,
        providers_pb2.REFUND: None,
    }


async def test_an_attempt_keeps_its_own_recipient_beside_the_corrected_one_of_its_payment() -> None:
    servicer = Providers()
    (call,) = _calls(1, recipient=Wallet(wallet_id="wallet-2"))
    before = replace(call.attempt, recipient=Wallet(wallet_id="wallet-1"))

    async with _providers(servicer) as providers:
        await _execute(providers, [call])
        await _execute(providers, [replace(call, attempt=before)])

    sent = [request.operations[0].recipient.wallet.wallet_id for request in servicer.requests]
    assert sent == ["wallet-2", "wallet-1"]


async def test_capabilities_and_refusals_cross_the_wire() -> None:
    async with _providers(Providers()) as providers:
        (silent,) = (await providers.capabilities()).values()
        (refused,) = await providers.read_webhooks([_webhook("acme", b"")])

    assert silent.look_up is LookUp.NONE
    assert silent.event_is_evidence
    assert silent.lists_events
    assert silent.looks_up_disputes
    assert isinstance(refused, NotFound)
    assert refused.metadata == {"provider": "acme"}


def _webhook(provider: str, body: bytes) -> IncomingWebhook:
    return IncomingWebhook(provider=provider, headers={}, body=body, allow_unsigned=False)


async def test_webhooks_are_read_in_one_call_and_in_order_whatever_one_of_them_is() -> None:
    servicer = Providers()
    sent = (("silent", b"1"), ("acme", b"2"), ("silent", b"3"))
    async with _providers(servicer) as providers:
        first, refused, last = await providers.read_webhooks([_webhook(*one) for one in sent])

    assert isinstance(refused, NotFound)
    assert [one.event_id for one in (first, last) if isinstance(one, ProviderEvent)] == ["1", "3"]
    assert [len(request.webhooks) for request in servicer.requests] == [3]


async def test_a_webhook_is_not_read_while_providers_is_away() -> None:
    async with _providers(Providers(error=Unavailable("away"))) as providers:
        with pytest.raises(Unavailable):
            await providers.read_webhooks([_webhook("silent", b"")])


@pytest.mark.parametrize(
    ("number", "deployment"), [*enumerate(Deployment, 1), (0, None), (9, None)]
)
async def test_the_deployment_crosses_the_wire(number: int, deployment: Deployment | None) -> None:
    async with _providers(Providers(deployment=number)) as providers:
        assert await providers.deployment() is deployment


class FeesAndRates(fees_pb2_grpc.FeeServiceServicer, fx_pb2_grpc.FxServiceServicer):
    """One good and one refused item in every answer."""

    async def CalculateFees(self, request: Any, context: Any) -> Any:  # noqa: N802
        line = fees_pb2.FeeLine(
            name="flat", amount=money_pb2.Money(currency_code="USD", amount_minor=100)
        )
        good = fees_pb2.FeeResult(fees=fees_pb2.FeeBreakdown(lines=[line], schedule_version="v1"))
        bad = fees_pb2.FeeResult(error=to_status(CorridorUnsupported(corridor_id="us-xx")))
        return fees_pb2.CalculateFeesResponse(results=[good, bad])

    async def GetRates(self, request: Any, context: Any) -> Any:  # noqa: N802
        good = fx_pb2.RateResult(rate=fx_pb2.Rate(rate="94.48046902971715", mid_rate="94.9552"))
        bad = fx_pb2.RateResult(error=to_status(Unavailable("no rate")))
        return fx_pb2.GetRatesResponse(results=[good, bad])


def _refused(result: object) -> DomainError:
    assert isinstance(result, DomainError)
    return result


async def test_a_refused_fee_comes_back_as_a_value_with_its_reason() -> None:
    query = FeeQuery(
        corridor_id="us-in",
        merchant_id="sandbox",
        amount=Money(10_000, "USD"),
        trace_id="",
        corridors_version="v1",
    )
    register = fees_pb2_grpc.add_FeeServiceServicer_to_server
    async with _channel(register, FeesAndRates(), "caravel.fees.v1.FeeService") as channel:
        good, bad = await GrpcFees(channel, no_files).calculate([query, query])

    assert isinstance(good, Fees)
    assert (str(good.total), good.schedule_version) == ("1.00", "v1")
    assert isinstance(bad, NotAllowedNow)
    assert _refused(bad).error_reason == "CORRIDOR_UNSUPPORTED"


async def test_a_rate_keeps_every_digit_and_a_refused_one_its_kind() -> None:
    register = fx_pb2_grpc.add_FxServiceServicer_to_server
    async with _channel(register, FeesAndRates(), "caravel.fx.v1.FxService") as channel:
        good, bad = await GrpcRates(channel, no_files).get(
            [RateQuery(corridor_id=one, corridors_version="v1") for one in ("us-in", "us-ng")]
        )

    assert isinstance(good, RateTrail)
    assert good.rate == Decimal("94.48046902971715")
    assert isinstance(bad, Unavailable)


async def test_rails_are_read_and_one_that_this_release_does_not_know_is_left_out() -> None:
    async with _providers(Providers()) as providers:
        declared = await providers.capabilities()

    assert declared["silent"].rails == (
        Rail(
            recipient_kind=RecipientKind.BANK_ACCOUNT,
            minimum=Money(1, "JPY"),
            maximum=Money(140_000_000, "JPY"),
            decimals=0,
            country="JP",
            cut_off=CutOff(time=time_of_day(17, 30), time_zone="Asia/Tokyo"),
        ),
    )
