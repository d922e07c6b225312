"""The other services as payments sees them, without sockets: fixed prices, and providers that
answer as a test sets them. The real clients are held to the same ports in tests/wire and
tests/e2e."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from services.payments.mesh.ports import (
    BreakerState,
    EventPage,
    FeeQuery,
    Holder,
    HolderQuery,
    IncomingWebhook,
    ProviderCall,
    ProviderEvent,
    RateQuery,
    Resolution,
)
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Capabilities, Step
from services.payments.model.dispute import DisputeKind, DisputeReport, DisputeStatus
from services.payments.model.exposure import ExposureLimitReached
from services.payments.model.pause import Paused, paused_by
from services.payments.model.quote import Fees, RateTrail
from services.payments.operators.pause_ports import PauseStore
from services.shared.corridors import CorridorFiles, Corridors
from services.shared.deployment import Deployment
from services.shared.errors import DomainError, NotAuthenticated, Unavailable
from services.shared.money import Money
from tests.makers import CAPABILITIES, FEES, make_trail


class Held:
    """The port Declared: what a test says."""

    def __init__(self, current: Mapping[str, Capabilities] = CAPABILITIES) -> None:
        self.current = current


class Pausing:
    """The port Pauses: nothing is paused, but the targets that a test names."""

    def __init__(self, *, corridors: Collection[str] = (), providers: Collection[str] = ()) -> None:
        self.paused = Paused(corridors=corridors, providers=providers)
        self.is_away = False

    async def in_force(self) -> Paused:
        if self.is_away:
            raise Unavailable
        return self.paused


class ReadPauses:
    """The port Pauses, read each time, so that a pause counts at once."""

    def __init__(self, store: PauseStore) -> None:
        self._store = store

    async def in_force(self) -> Paused:
        return paused_by((await self._store.open())[1])


class Unlimited:
    """The port ExposureLimits: nothing is limited, but the currencies that a test names."""

    def __init__(self, *reached: str) -> None:
        self.reached = set(reached)

    def refuse(self, currency: str) -> None:
        if currency in self.reached:
            raise ExposureLimitReached(currency=currency)


class AlwaysCorridors:
    """The port CurrentCorridors: these, as long as the test says nothing else."""

    def __init__(self, corridors: Corridors) -> None:
        self.corridors = corridors

    async def current(self) -> Corridors:
        return self.corridors


async def no_files(version: str) -> CorridorFiles:
    """The files of a version, where no service asks for them."""
    raise AssertionError(version)


class CheckedCorridors:
    """The port CorridorCheck: takes all files, or refuses as a test says."""

    def __init__(self) -> None:
        self.asked: list[CorridorFiles] = []
        self.refusal: DomainError | None = None

    async def check_corridors(self, files: CorridorFiles) -> None:
        self.asked.append(files)
        if self.refusal is not None:
            raise self.refusal


class FixedFees:
    """The port FeeBook: the same fees for everything, and a count of the calls."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        self.calls.append(len(queries))
        return [FEES for _ in queries]


class FixedRates:
    """The port Rates: the same rate for everything, or an error for named corridors."""

    def __init__(
        self, broken: Mapping[str, DomainError] | None = None, *, mid: str = "1530.25"
    ) -> None:
        self.calls: list[list[str]] = []
        self.broken = dict(broken or {})
        self.mid = mid

    def refuse(self, corridor_id: str, error: DomainError) -> None:
        """From now on the corridor has no rate."""
        self.broken[corridor_id] = error

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        self.calls.append([query.corridor_id for query in queries])
        return [self.broken.get(query.corridor_id) or self._trail(query) for query in queries]

    def _trail(self, query: RateQuery) -> RateTrail:
        """As fx does it, without its bounds."""
        override = query.override
        if override is None:
            return make_trail(self.mid)
        mid = self.mid if override.rate is None else str(override.rate)
        margin = override.markup_basis_points
        trail = make_trail(mid, 50 if margin is None else margin)
        return replace(trail, override=replace(override, market_mid_rate=Decimal(self.mid)))


class BadSignature(NotAuthenticated):
    """The signature does not fit."""

    reason = "WEBHOOK_SIGNATURE_INVALID"


def _report(claim: Mapping[str, Any]) -> DisputeReport:
    taken = claim["withdrawn"]
    return DisputeReport(
        kind=DisputeKind(claim.get("kind", DisputeKind.DISPUTE)),
        provider_reference="du_1",
        status=DisputeStatus(claim["status"]),
        reason="fraudulent",
        amount=Money(10_000, "USD"),
        withdrawn=None if taken is None else Money(taken, "USD"),
        respond_by=None,
    )


class ScriptedProviders:
    """The port Providers: answers by key, SUCCEEDED unless a test sets another, and notes every
    call."""

    def __init__(self) -> None:
        self.executed: list[str] = []
        self.looked_up: list[str] = []
        # How many webhooks were read together.
        self.read: list[int] = []
        self.execute_answers: dict[Step, Answer] = {}
        self.look_up_answers: dict[Step, Answer] = {}
        self.breaker_states: Sequence[BreakerState] | DomainError = ()
        self.claims_asked: list[tuple[str, str]] = []
        self.claim_answers: dict[str, DisputeReport | DomainError] = {}
        self.resolved: list[HolderQuery] = []
        self.holder = Holder(resolution=Resolution.UNANSWERED)

    async def execute(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            self.executed.append(call.attempt.key)
            yield call.attempt.key, self._answer(call, self.execute_answers)

    async def look_up(self, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            self.looked_up.append(call.attempt.key)
            yield call.attempt.key, self._answer(call, self.look_up_answers)

    async def read_webhooks(
        self, webhooks: Sequence[IncomingWebhook]
    ) -> Sequence[ProviderEvent | DomainError]:
        self.read.append(len(webhooks))
        return [self._event(webhook) for webhook in webhooks]

    def _event(self, webhook: IncomingWebhook) -> ProviderEvent | DomainError:
        """Trusts what is unsigned where that is allowed; a header x-signature must say "good"."""
        provider = webhook.provider
        signature = webhook.headers.get("x-signature", "good" if webhook.allow_unsigned else "")
        if signature != "good":
            return BadSignature(provider=provider)
        event = json.loads(webhook.body)
        about_us = "transaction_id" in event
        return ProviderEvent(
            provider=provider,
            event_id=event.get("id") or f"{event['transaction_id']}:{event['event_type']}",
            event_type=event["event_type"],
            transaction_id=event.get("transaction_id", ""),
            step=Step.PAYOUT if about_us else None,
            answer=Answer(outcome=Outcome.SUCCEEDED, actor=f"provider:{provider}"),
            collection_reference=event.get("collection", ""),
            dispute=_report(event["dispute"]) if "dispute" in event else None,
        )

    async def list_events(self, provider: str, since: datetime | None, page: str) -> EventPage:
        return EventPage(events=())

    async def look_up_dispute(self, provider: str, provider_reference: str) -> DisputeReport | None:
        self.claims_asked.append((provider, provider_reference))
        answer = self.claim_answers.get(provider_reference)
        if isinstance(answer, DomainError):
            raise answer
        return answer

    async def resolve(self, query: HolderQuery) -> Holder:
        self.resolved.append(query)
        return self.holder

    async def breakers(self) -> Sequence[BreakerState]:
        if isinstance(self.breaker_states, DomainError):
            raise self.breaker_states
        return self.breaker_states

    async def capabilities(self) -> Mapping[str, Capabilities]:
        return CAPABILITIES

    async def deployment(self) -> Deployment | None:
        return Deployment.SANDBOX

    def _answer(self, call: ProviderCall, answers: Mapping[Step, Answer]) -> Answer:
        done = Answer(
            outcome=Outcome.SUCCEEDED,
            provider_reference=f"ref-{call.attempt.key}",
            amount=call.attempt.amount,
        )
        return answers.get(call.attempt.step, done)
