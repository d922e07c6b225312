"""Every verb on a payment, in every situation of one: its preview changes nothing, and shows all
that the verb then does, or the refusal that it then meets."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from caravel.payments.v1 import admin_pb2, endpoints_pb2, inspection_pb2, verbs_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import State
from tests.poison import rows
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.operators.calls import REFUSED, refused, with_payout
from tests.wire.payments.sides import RECIPIENT

INTENDED, SENT, ACCEPTED = AttemptState.INTENDED, AttemptState.SENT, AttemptState.ACCEPTED
UNKNOWN, FAILED, REVERSED = AttemptState.UNKNOWN, AttemptState.FAILED, AttemptState.REVERSED
SUCCEEDED = AttemptState.SUCCEEDED


class Situation(NamedTuple):
    """A payment's state, the attempt of its payout, and its hold."""

    state: State
    payout: AttemptState | None = None
    hold: str | None = None


# The verbs that each situation allows, and no other.
ALLOWED: Mapping[Situation, set[str]] = {
    Situation(State.CREATED): {"place_hold", "try_now"},
    Situation(State.COLLECTING): {"place_hold", "try_now"},
    Situation(State.FUNDED): {"place_hold", "try_now", "refund_payment"},
    Situation(State.CONVERTED): {"force_payout", "place_hold", "try_now", "refund_payment"},
    Situation(State.PAYING_OUT, INTENDED): {"force_payout", "place_hold", "try_now"},
    Situation(State.PAYING_OUT, SENT): {"place_hold", "try_now"},
    Situation(State.PAYING_OUT, ACCEPTED): {"place_hold", "try_now"},
    Situation(State.PAYING_OUT, UNKNOWN): {"place_hold", "try_now"},
    Situation(State.PAYING_OUT, FAILED): {
        "force_payout",
        "place_hold",
        "try_now",
        "refund_payment",
    },
    Situation(State.ACTION_REQUIRED, FAILED): {
        "force_payout",
        "place_hold",
        "refund_payment",
        "correct_payment",
    },
    Situation(State.RETURNED, REVERSED): {
        "force_payout",
        "place_hold",
        "refund_payment",
        "correct_payment",
    },
    Situation(State.COMPLETED, SUCCEEDED): set(),
    Situation(State.REFUNDING): {"place_hold", "try_now"},
    Situation(State.PARTLY_REFUNDED): {"place_hold", "refund_payment"},
    Situation(State.REFUNDED): set(),
    Situation(State.FAILED): set(),
    Situation(State.CANCELLED): set(),
    Situation(State.EXPIRED): set(),
    Situation(State.CONVERTED, None, "operator"): {"release_hold"},
    Situation(State.FUNDED, None, "late_funds"): {"release_hold", "refund_payment"},
    Situation(State.CONVERTED, None, "disputed"): {"release_hold", "refund_payment"},
    Situation(State.PAYING_OUT, FAILED, "payout_failed"): {
        "release_hold",
        "force_payout",
        "refund_payment",
    },
    Situation(State.PAYING_OUT, INTENDED, "payout_unconfirmed"): {"release_hold", "force_payout"},
    Situation(State.PAYING_OUT, INTENDED, "provider_unknown"): {"release_hold", "force_payout"},
    Situation(State.PAYING_OUT, SENT, "provider_unknown"): {"release_hold"},
    Situation(State.PAYING_OUT, FAILED, "discarded_by_operator"): {"release_hold", "force_payout"},
    Situation(State.PAYING_OUT, FAILED, "late_success"): {"release_hold"},
    Situation(State.PAYING_OUT, FAILED, "step_failed"): {"release_hold"},
    Situation(State.PAYING_OUT, FAILED, "operator"): {"release_hold"},
    Situation(State.PAYING_OUT, SENT, "operator"): {"release_hold", "resolve_attempt"},
    Situation(State.PAYING_OUT, UNKNOWN, "outcome_unknown"): {
        "release_hold",
        "resolve_attempt",
        "try_now",
    },
    Situation(State.PAYING_OUT, UNKNOWN, "amount_mismatch"): {
        "release_hold",
        "resolve_attempt",
        "try_now",
    },
    Situation(State.ACTION_REQUIRED, FAILED, "operator"): {"release_hold"},
}
VERBS = {
    "force_payout": (verbs_pb2.ForcePayoutRequest, "verbs", "ForcePayout"),
    "place_hold": (verbs_pb2.PlaceHoldRequest, "verbs", "PlaceHold"),
    "try_now": (verbs_pb2.TryNowRequest, "verbs", "TryNow"),
    "refund_payment": (verbs_pb2.RefundPaymentRequest, "verbs", "RefundPayment"),
    "correct_payment": (verbs_pb2.CorrectPaymentRequest, "verbs", "CorrectPayment"),
    "release_hold": (admin_pb2.ReleaseHoldRequest, "admin", "ReleaseHold"),
    "resolve_attempt": (admin_pb2.ResolveAttemptRequest, "admin", "ResolveAttempt"),
}
# The ends of their routes.
ROUTES = {verb: f":{verb.partition('_')[0]}" for verb in VERBS} | {"place_hold": ":hold"}
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "force_payout": {"provider": "local_wallet"},
    "place_hold": {},
    "try_now": {},
    "refund_payment": {"full": True, "reason": "asked by phone"},
    "correct_payment": {"recipient": RECIPIENT},
    "release_hold": {},
    "resolve_attempt": {
        "outcome": admin_pb2.ResolveAttemptRequest.FAILED,
        "evidence": "statement, line 12",
    },
}
KEY = "idempotency-key"
EVERYTHING = """
    SELECT (SELECT json_agg(p ORDER BY p.id) FROM payments p)::text,
           (SELECT json_agg(a ORDER BY a.key) FROM attempts a)::text,
           (SELECT count(*) FROM payment_events), (SELECT count(*) FROM postings),
           (SELECT count(*) FROM outbox), (SELECT count(*) FROM operator_actions),
           (SELECT count(*) FROM idempotency_keys), (SELECT count(*) FROM refunds)
"""
EVENTS = """
    SELECT from_state, to_state, cause, evidence FROM payment_events
     WHERE payment_id = :id AND sequence > :version ORDER BY sequence
"""
POSTINGS = """
    SELECT debit, credit, amount_minor, currency FROM postings
     WHERE payment_id = :id AND sequence > :version ORDER BY sequence, position
"""
OUTBOX = """
    SELECT event_type FROM outbox
     WHERE payment_id = :id AND sequence > :version ORDER BY sequence, position
"""


@pytest.fixture
async def alone(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[Service]:
    """A service whose policy leaves every verb on a payment to one person."""
    policy = tmp_path / "policy.toml"
    policy.write_text("[second_person.RATE_OVERRIDE]\n")
    async with serving_payments(engine, CORRIDORS, policy=policy) as service:
        unpaid = Answer(outcome=Outcome.FAILED, failure=REFUSED)
        service.providers.look_up_answers[Step.PAYOUT] = unpaid
        await service.endpoints.CreateEndpoint(
            endpoints_pb2.CreateEndpointRequest(url="https://shop.example/hooks")
        )
        yield service


def asked(verb: str, transaction_id: str) -> Any:
    request_type, _, _ = VERBS[verb]
    return request_type(transaction_id=transaction_id, note="seen", **ARGUMENTS[verb])


def call(service: Service, verb: str, transaction_id: str) -> Any:
    _, stub, rpc = VERBS[verb]
    metadata = ((KEY, uuid4().hex),) if KEY in _metadata_of(verb) else ()
    return getattr(getattr(service, stub), rpc)(asked(verb, transaction_id), metadata=metadata)


def _metadata_of(verb: str) -> tuple[str, ...]:
    return (KEY,) if verb in ("force_payout", "refund_payment", "correct_payment") else ()


async def previewed(service: Service, verb: str, transaction_id: str) -> verbs_pb2.VerbPreview:
    wanted: Any = {verb: asked(verb, transaction_id)}
    return await service.verbs.PreviewVerb(verbs_pb2.PreviewVerbRequest(**wanted))


@pytest.mark.parametrize("situation", ALLOWED, ids=lambda one: "-".join(filter(None, one)))
async def test_a_preview_is_what_the_verb_does(
    situation: Situation, alone: Service, engine: AsyncEngine
) -> None:
    allowed = set()
    for verb in VERBS:
        payment_id, transaction_id = await with_payout(
            engine, situation.state, situation.payout, situation.hold, failure=_failure(situation)
        )
        [(version,)] = await rows(
            engine, "SELECT version FROM payments WHERE id = :id", id=payment_id
        )
        before = await rows(engine, EVERYTHING)
        preview = await previewed(alone, verb, transaction_id)
        assert await rows(engine, EVERYTHING) == before, verb
        assert preview.before.state == situation.state
        assert preview.before.hold_reason == (situation.hold or "")
        if preview.HasField("refusal"):
            assert not preview.HasField("after")
            assert (await refused(call(alone, verb, transaction_id)))[1] == preview.refusal.reason
            continue
        allowed.add(verb)
        payment = await call(alone, verb, transaction_id)

        named = {"id": payment_id, "version": version}
        assert _status(payment) == preview.after.status
        assert await rows(engine, EVENTS, **named) == [
            (event.from_state, event.to_state, event.cause, dict(event.evidence))
            for event in preview.events
        ]
        assert await rows(engine, POSTINGS, **named) == [
            (posting.debit, posting.credit, _minor(posting), posting.currency)
            for posting in preview.postings
        ]
        assert await rows(engine, OUTBOX, **named) == [
            (event.event_type,) for event in preview.merchant_events
        ]
    assert allowed == ALLOWED[situation]


@pytest.mark.parametrize("situation", ALLOWED, ids=lambda one: "-".join(filter(None, one)))
async def test_an_inspection_names_the_verbs_that_are_not_refused(
    situation: Situation, alone: Service, engine: AsyncEngine
) -> None:
    _, transaction_id = await with_payout(
        engine, situation.state, situation.payout, situation.hold, failure=_failure(situation)
    )
    request = inspection_pb2.InspectPaymentRequest(transaction_id=transaction_id)

    named = (await alone.inspection.InspectPayment(request)).next.verbs

    assert set(named) == {ROUTES[verb] for verb in ALLOWED[situation]}


def _failure(situation: Situation) -> Any:
    return REFUSED if situation.payout in (FAILED, REVERSED) else None


def _status(payment: Any) -> str:
    return str(type(payment).Status.Name(payment.status))


def _minor(posting: verbs_pb2.VerbPreview.Posting) -> int:
    return int(posting.amount.replace(".", ""))


def test_every_verb_on_a_payment_is_in_the_matrix() -> None:
    fields = verbs_pb2.PreviewVerbRequest.DESCRIPTOR.oneofs_by_name["verb"].fields
    # No call of its own does an adjustment (test_adjusting); the others are about no payment
    # (test_pausing).
    others = {"pause_provider", "pause_corridor", "resume_provider", "resume_corridor"}
    assert {field.name for field in fields} == {*VERBS, "adjust_payment", *others}
