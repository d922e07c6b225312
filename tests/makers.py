"""Nouns with sensible values, so that a test states only what it is about."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from services.payments.engine.decisions.case import Case
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import InboxEvent, Plan, Work
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import (
    Attempt,
    AttemptState,
    Capabilities,
    LookUp,
    Step,
    intend,
)
from services.payments.model.payment import Payment, State
from services.payments.model.principal import MerchantId
from services.payments.model.progress import STEP_OF_STATE
from services.payments.model.quote import (
    ROUNDING,
    Conditions,
    FeeLine,
    Fees,
    LateFunds,
    Pricing,
    Quote,
    RateLeg,
    RateOverride,
    RateTrail,
    Route,
    Terms,
    agree_terms,
)
from services.payments.model.timing import CALL
from services.payments.orders.ports import NewPayment
from services.payments.webhooks_out.delivery import Delivery
from services.shared.ids import new_id
from services.shared.money import EXPONENTS, MAX_AMOUNT_MINOR, Money
from services.shared.recipients import RecipientKind, Wallet
from services.shared.recipients.rails import Rail

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
USER = UUID("6f1d7a0e-5a0b-4c59-9c53-0f7e8d3d2b11")
FEES = Fees(
    lines=(
        FeeLine(name="flat", amount=Money(100, "USD")),
        FeeLine(name="percentage", amount=Money(150, "USD")),
    ),
    schedule_version="2026-01",
)

ADA = Wallet(holder_name="Ada Obi", wallet_id="wallet-0001")


CONDITIONS = Conditions(
    route=Route(onramps=("stripe",), offramps=("local_wallet",)),
    late_funds=LateFunds(grace=timedelta(seconds=300), tolerance_basis_points=100),
)


def make_trail(mid: str = "1530.25", markup_basis_points: int = 50) -> RateTrail:
    share = 1 - Decimal(markup_basis_points) / 10_000
    return RateTrail(
        rate=Decimal(mid) * share,
        mid_rate=Decimal(mid),
        markup_basis_points=markup_basis_points,
        source="test",
        synthetic=True,
        observed_at=NOW - timedelta(days=1),
        fetched_at=NOW,
        legs=(),
    )


def make_override(**changes: Any) -> RateOverride:
    override = RateOverride(
        override_id="ovr_1",
        rate=Decimal("1540.5"),
        markup_basis_points=None,
        expires_at=NOW + timedelta(hours=1),
        maximum_deviation_basis_points=300,
        proposed_by="ada",
        approved_by="grace",
        reason="thin market",
    )
    return replace(override, **changes)


def make_terms(amount_minor: int = 10_000, currency: str = "NGN", mid: str = "1530.25") -> Terms:
    return agree_terms(Money(amount_minor, "USD"), currency, FEES, make_trail(mid))


def make_pricing() -> Pricing:
    """With every input that a price may have."""
    trail = replace(
        make_trail(),
        legs=(RateLeg(base_currency="USD", quote_currency="NGN", rate=Decimal("1530.25")),),
        payload_sha256="ab" * 32,
        closed_market_basis_points=0,
        override=make_override(
            override_id="prp_1", rate=Decimal("1530.25"), market_mid_rate=Decimal("1530.25")
        ),
    )
    return Pricing(
        trail=trail,
        fees=tuple(
            replace(line, formula=formula)
            for line, formula in zip(
                FEES.lines, ("1.00", "round_half_up(100.00 * 0.015, 2)"), strict=True
            )
        ),
        fee_schedule_version="2026-01",
        schedule_terms='{"flat_usd":"1.00","percent":"1.5","rounding":"half_up"}',
        rounding=ROUNDING,
    )


def make_priced_quote() -> Quote:
    """A quote of which every input is known."""
    pricing = make_pricing()
    return make_quote(
        terms=replace(make_terms(), fees=pricing.fees, **pricing.trail.agreed),
        trail=pricing.trail,
        schedule_terms=pricing.schedule_terms,
        rounding=pricing.rounding,
    )


def make_quote(**changes: Any) -> Quote:
    quote = Quote(
        merchant_id="sandbox",
        id=new_id(),
        corridor_id="us-ng",
        terms=make_terms(),
        trail=make_trail(),
        fee_schedule_version="2026-01",
        created_at=NOW,
        expires_at=NOW + timedelta(seconds=60),
        conditions=CONDITIONS,
    )
    return replace(quote, **changes)


def make_payment(**changes: Any) -> Payment:
    payment = Payment(
        merchant_id="sandbox",
        id=new_id(),
        user_id=USER,
        quote_id=new_id(),
        corridor_id="us-ng",
        terms=make_terms(),
        route=CONDITIONS.route,
        onramp="stripe",
        offramp="local_wallet",
        recipient=ADA,
        payment_method="",
        reference="",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        quote_expires_at=NOW + timedelta(seconds=60),
        late_funds=CONDITIONS.late_funds,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(payment, **changes)


def make_new_payment(
    *, key: str = "", quote: Quote | None = None, quote_exists: bool = False, **changes: Any
) -> NewPayment:
    """All that one creation writes; the answer's bytes are of this creation alone."""
    quote, key = quote or make_quote(), key or uuid4().hex
    # The database's clock is the real one; whoever tests expiry says when.
    changes.setdefault("quote_expires_at", datetime(2126, 1, 1, tzinfo=UTC))
    payment = make_payment(quote_id=quote.id, terms=quote.terms, **changes)
    return NewPayment(
        key=(MerchantId(payment.merchant_id), key),
        fingerprint=b"f-" + key.encode(),
        response=uuid4().bytes,
        payment=payment,
        quote=quote,
        quote_exists=quote_exists,
    )


def make_attempt(payment: Payment, step: Step, state: AttemptState, **changes: Any) -> Attempt:
    sent_at = None if state is AttemptState.INTENDED else NOW - timedelta(seconds=4)
    leaves_until = sent_at + CALL if sent_at else None
    times = {"sent_at": sent_at, "last_sent_at": sent_at, "leaves_until": leaves_until}
    return replace(intend(payment, step, 1), state=state, **{**times, **changes})


def make_work(state: State, attempt_state: AttemptState | None = None, **changes: Any) -> Work:
    """Claimed work in this state, with an attempt of its step where a state is given for it."""
    payment = make_payment(state=state, version=5)
    step = STEP_OF_STATE.get(state, Step.PAYOUT)
    attempt = make_attempt(payment, step, attempt_state) if attempt_state else None
    work = Work(payment=payment, attempt=attempt, inbox=(), lease_token=7, claimed_at=NOW)
    return replace(work, **changes)


def make_event(
    attempt: Attempt, outcome: Outcome = Outcome.PENDING, event_id: str = "evt_1", **changes: Any
) -> InboxEvent:
    """An event of the provider about the attempt."""
    answer = Answer(outcome=outcome, event_id=event_id, **{"key": attempt.key, **changes})
    return InboxEvent(
        provider=attempt.provider, event_id=event_id, step=attempt.step, answer=answer
    )


def asked_about_payouts(decider: Decider, plan: Plan, answer: Answer) -> Plan:
    """The plan after the look-ups of the payouts before a send, each answered like this."""
    following: Plan | None = plan
    while following is not None and following.work.to_send is not None:
        plan, following = following, decider.after_look_up(following.work, answer)
    return following or plan


def make_delivery(**changes: Any) -> Delivery:
    delivery = Delivery(
        merchant_id="sandbox",
        payment_id=new_id(),
        sequence=1,
        endpoint_id=new_id(),
        url="https://example.com/hook",
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=",
        endpoint_disabled=False,
        body=b'{"type":"payment.pending"}',
        failures=0,
        lease_token=1,
    )
    return replace(delivery, **changes)


# To every kind of recipient, in every currency, whatever the amount.
ANY_RAIL = tuple(
    Rail(
        recipient_kind=kind,
        minimum=Money(1, currency),
        maximum=Money(MAX_AMOUNT_MINOR, currency),
        decimals=decimals,
    )
    for kind in RecipientKind
    for currency, decimals in EXPONENTS.items()
)


def make_capabilities(provider: str, **changes: Any) -> Capabilities:
    capabilities = Capabilities(
        provider=provider,
        key_lifetime=timedelta(hours=24),
        look_up=LookUp.STRONG,
        look_up_lag=timedelta(0),
        caches_errors=False,
        repeats_forgotten=True,
        event_is_evidence=False,
        definitive_failures=frozenset(
            {
                "card_declined",
                "insufficient_balance",
                "payout_blocked",
                "recipient_invalid",
                "requires_action",
            }
        ),
        refunds=provider == "stripe",
        signs_events=True,
        success_final_after=timedelta(0),
        unknown_hold_after=timedelta(minutes=30),
        passing_failures=frozenset({"insufficient_balance"}),
        recipient_failures=frozenset({"recipient_invalid"}),
        expected={step: timedelta(minutes=1) for step in Step},
        rails=ANY_RAIL,
    )
    return replace(capabilities, **changes)


CAPABILITIES = {
    "stripe": make_capabilities(
        "stripe", look_up=LookUp.EVENTUAL, look_up_lag=timedelta(seconds=60), caches_errors=True
    ),
    "local_wallet": make_capabilities(
        "local_wallet", repeats_forgotten=False, event_is_evidence=True
    ),
    "bank": make_capabilities("bank", repeats_forgotten=False),
}


def make_case(
    work: Work,
    answer: Answer,
    now: datetime = NOW,
    *,
    providers: Mapping[str, Capabilities] = CAPABILITIES,
    spread: float = 0.0,
) -> Case:
    return Case(work=work, answer=answer, now=now, providers=providers, spread=lambda: spread)
