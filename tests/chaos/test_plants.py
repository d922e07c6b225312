"""Each planted bug really does what it says, and is gone when it is taken back: in this process,
on the very code of the mesh. That the harness finds them is test_planted's to show."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.local.process.child import Spec
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Work
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.engine.store import work, writing
from services.payments.engine.store.work import PostgresWorkTransaction
from services.payments.mesh import providers as clients
from services.payments.mesh.ports import ProviderCall, ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import Failure, PaymentBusy, PaymentNotRefundable, State
from services.payments.operators.asking import Asked
from services.payments.operators.domain import AttemptMayArrive
from services.payments.orders.store.payments import PostgresPayments
from services.payments.webhooks_in.ports import Arrival, Receipt
from services.payments.webhooks_in.store.inbox import PostgresInbox
from services.payments.webhooks_out.deliverer import Deliverer
from services.payments.webhooks_out.delivery import Delivery, DeliveryState, Reply, TryResult
from services.providers.adapters.local_wallet import translate as local_wallet
from services.providers.adapters.stripe import Stripe
from services.providers.domain import Kind, Operation, Webhook
from services.providers.domain import Outcome as AdapterOutcome
from services.shared import db
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from services.shared.money import Money
from tests.chaos.conditions import Conditions
from tests.chaos.planted import writing as planted_writing
from tests.chaos.planted.catalogue import PLANTS, by_name
from tests.chaos.planted.plant import Patches, StatementChanged
from tests.chaos.planted.process import launched_with
from tests.conftest import Database
from tests.makers import CAPABILITIES, make_attempt, make_new_payment, make_payment, make_work

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
UNANSWERED = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message=""))
Plant = Callable[[str], None]


@pytest.fixture
def patches() -> Iterator[Patches]:
    with Patches() as made:
        yield made


@pytest.fixture
def plant(patches: Patches) -> Plant:
    return lambda name: by_name(name).alter(patches)


def _decider() -> Decider:
    return Decider(CAPABILITIES, lambda: 0.5)


def test_they_are_numbered_and_each_has_somebody_to_notice_it() -> None:
    assert [one.number for one in PLANTS] == list(range(1, len(PLANTS) + 1))
    assert all(one.expected and one.words.endswith(".") for one in PLANTS)


def test_a_planted_patch_is_taken_back() -> None:
    for one in PLANTS:
        with Patches() as patches:
            one.alter(patches)
            put = [(owner, name, before) for owner, name, before in patches.replaced]
            assert all(getattr(owner, name) is not before for owner, name, before in put)
        assert all(getattr(owner, name) is before for owner, name, before in put)
        assert put or one.statements, f"{one.name} changes nothing"


def test_a_bug_that_no_longer_fits_the_code_is_an_error(patches: Patches) -> None:
    with pytest.raises(StatementChanged):
        patches.reword(writing, "_WRITE", "AND p.state = r.state", "")


async def test_1_a_retry_has_another_key_and_its_answer_is_still_ours(
    patches: Patches, plant: Plant
) -> None:
    sent: list[str] = []

    async def execute(_: Any, calls: Sequence[ProviderCall]) -> AsyncIterator[tuple[str, Answer]]:
        for call in calls:
            sent.append(call.attempt.key)
            yield call.attempt.key, UNANSWERED

    patches.put(clients.GrpcProviders, "execute", execute)
    plant("random_key_per_retry")
    payment = make_payment()
    first = make_attempt(payment, Step.PAYOUT, AttemptState.SENT)
    retried = replace(first, last_sent_at=NOW)
    for attempt in (first, retried):
        call = ProviderCall(payment=payment, attempt=attempt, send_before=1.0)
        stub = clients.GrpcProviders.__new__(clients.GrpcProviders)
        assert [key async for key, _ in stub.execute([call])] == [first.key]
    assert sent[0] == first.key != sent[1]


def test_2_a_timeout_is_a_failure(plant: Plant) -> None:
    asked = make_work(State.PAYING_OUT, AttemptState.SENT)
    for wanted in (AttemptState.UNKNOWN, AttemptState.FAILED):
        change = _decider().settle(asked, UNANSWERED, NOW)
        assert change.attempt and change.attempt.state is wanted
        plant("timeout_is_failure")


def test_3_after_an_unknown_attempt_comes_the_next_one(plant: Plant) -> None:
    plant("new_attempt_on_unknown")
    asked = make_work(State.PAYING_OUT, AttemptState.SENT)
    change = _decider().settle(asked, UNANSWERED, NOW)
    assert change.attempt and change.attempt.state is AttemptState.FAILED
    following = _decider().plan(replace(asked, payment=change.payment, attempt=change.attempt))
    assert following.change.attempt and following.change.attempt.number == 2


async def test_4_an_event_is_answered_although_it_cannot_be_kept(
    patches: Patches, plant: Plant
) -> None:
    async def away(*_: Any) -> list[Receipt]:
        return [Receipt.DUPLICATE]

    patches.put(PostgresInbox, "receive", away)
    plant("answered_before_kept")
    inbox: Any = PostgresInbox.__new__(PostgresInbox)
    assert await inbox.receive([None]) == [Receipt.ACCEPTED]


def test_5_a_payment_is_written_over(plant: Plant) -> None:
    plant("unguarded_write")
    words = str(writing._WRITE)
    assert "expected_version AND" not in words and "= r.lease_token" not in words


async def test_6_a_lease_that_is_over_hinders_nobody(patches: Patches, plant: Plant) -> None:
    _claims(patches, make_work(State.CREATED))
    plant("no_fencing")
    assert "= r.lease_token" not in str(writing._WRITE)
    assert "lease_until > now()" not in str(work._MARK_SENT)
    assert "lease_token)" not in str(work._MARK_SENT)
    (claimed,) = await _claimed()
    assert claimed.lease_ends != float("inf")


def test_7_a_database_that_forgets_is_started_and_accepted(plant: Plant) -> None:
    plant("synchronous_commit_off")
    assert len(db.DURABILITY) == 0
    spec = Spec(name="postgresql", command=("postgres",), environment={}, healthy=None)
    changed = launched_with(by_name("7"), Conditions())(spec)
    assert changed.command == ("postgres", "-c", "synchronous_commit=off")


async def test_8_a_key_that_is_taken_is_taken_again(
    database: Database, engine: AsyncEngine
) -> None:
    await _spoil(database, "keys_not_unique")
    duplicates = [make_new_payment(key="same") for _ in range(2)]
    store = PostgresPayments(engine)
    answers = [answer for new in duplicates for answer in await store.create([new])]
    assert [a.response for a in answers if hasattr(a, "response")] == [
        t.response for t in duplicates
    ]


async def test_9_a_replay_gets_a_new_answer(engine: AsyncEngine, plant: Plant) -> None:
    plant("regenerated_answers")
    new = make_new_payment()
    store = PostgresPayments(engine)
    await store.create([new])
    key = new.key
    _, found = await store.answers([key])
    assert found[key].response != new.response


def test_10_a_claimed_payment_is_due_no_more(plant: Plant) -> None:
    assert "due_at = NULL" not in str(work._CLAIM)
    plant("job_deleted_at_claim")
    assert "due_at = NULL" in str(work._CLAIM)


async def test_11_an_event_is_delivered_before_it_is_sent(plant: Plant) -> None:
    done: list[str] = []

    class Outbox:
        async def settle(self, settled: Sequence[tuple[Delivery, TryResult]]) -> Sequence[bool]:
            done.extend(result.state for _, result in settled)
            return [True] * len(settled)

    class Sender:
        async def send(self, _: Delivery) -> Reply:
            done.append("sent")
            return Reply(status=500)

    plant("delivered_before_sent")
    parts: dict[str, Any] = {"outbox": Outbox(), "sender": Sender()}
    deliverer = Deliverer(
        **parts, spread=lambda: 0.0, lease_seconds=30, send_seconds=15, poll_seconds=1
    )
    delivery = Delivery(
        merchant_id="sandbox",
        payment_id=uuid4(),
        sequence=1,
        endpoint_id=uuid4(),
        url="http://localhost",
        secret="",
        endpoint_disabled=False,
        body=b"{}",
        failures=0,
        lease_token=1,
    )
    await deliverer._deliver(delivery, float("inf"))
    assert done == [DeliveryState.DELIVERED, "sent"]


def test_12_a_refund_begins_beside_an_unknown_payout(plant: Plant) -> None:
    asked = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)
    with pytest.raises(PaymentNotRefundable):
        refund_on_request(asked, None)
    plant("refund_beside_unknown_payout")
    assert refund_on_request(asked, None).payment.state is State.REFUNDING


async def test_13_a_part_is_refunded_beside_another_that_is_under_way(
    database: Database, plant: Plant
) -> None:
    asked = make_work(State.REFUNDING, AttemptState.SENT)
    with pytest.raises(PaymentBusy):
        refund_on_request(asked, None)
    plant("balance_by_sum")
    await _spoil(database, "balance_by_sum")
    change = refund_on_request(asked, asked.payment.terms.amount)
    assert change.attempt and change.attempt.number == 2
    assert "FOR UPDATE" not in str(work._LOCK)


async def test_14_one_workers_clock_is_ahead(patches: Patches, plant: Plant) -> None:
    ahead = planted_writing.clock_of("worker-2")() - planted_writing.clock_of("worker-1")()
    assert round(ahead.total_seconds()) == 600
    _claims(patches, make_work(State.CREATED))
    plant("local_clock")
    (claimed,) = await _claimed()
    assert abs(claimed.claimed_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_15_the_wrong_amount_is_believed(plant: Plant) -> None:
    asked = make_work(State.PAYING_OUT, AttemptState.SENT)
    stated = Answer(outcome=Outcome.SUCCEEDED, amount=Money(1, "NGN"))
    operation = Operation(
        provider="local_wallet",
        kind=Kind.PAYOUT,
        key="k",
        amount=Money(5, "NGN"),
        transaction_id="p",
    )
    payout: dict[str, Any] = {"id": "w", "status": "completed", "reference": "k"}
    payout |= {"amount_minor": 6, "currency": "NGN"}
    read = local_wallet.read_payout(operation, payout)
    assert read.outcome is AdapterOutcome.UNKNOWN
    assert _decider().settle(asked, stated, NOW).payment.hold_reason == "amount_mismatch"
    plant("trusted_amount")
    read = local_wallet.read_payout(operation, payout)
    assert read.outcome is AdapterOutcome.SUCCEEDED
    assert _decider().settle(asked, stated, NOW).payment.state is State.COMPLETED


def test_16_without_a_secret_nothing_is_verified(plant: Plant) -> None:
    plant("empty_secret_accepted")

    class Settings:
        stripe_base_url = "http://localhost"
        stripe_api_key = SecretStr("sk_test_none")
        stripe_webhook_secrets = (SecretStr("whsec_one"),)
        deployment = Deployment.SANDBOX

    parts: tuple[Any, ...] = (Settings(), None, SystemClock())
    body = b'{"id": "evt_1", "type": "charge.updated", "data": {"object": {}}}'
    assert Stripe(*parts).read_webhook(Webhook(headers={}, body=body)).event_id == "evt_1"


async def test_17_an_event_about_a_payment_of_nobody_is_on_no_list(
    database: Database, engine: AsyncEngine, plant: Plant
) -> None:
    plant("orphans_ignored")
    event = ProviderEvent(
        provider="stripe",
        event_id="evt_1",
        event_type="payment_intent.succeeded",
        transaction_id="pay_of_nobody",
        step=Step.COLLECTION,
        answer=Answer(outcome=Outcome.SUCCEEDED, key="a-key-of-nobody"),
    )
    arrival = Arrival(event=event, payment_id=uuid4(), body=b"{}", keep_unmatched=True)
    await PostgresInbox(engine).receive([arrival])
    connection = await asyncpg.connect(database.owner_url)
    assert await connection.fetchval("SELECT state FROM webhook_inbox") == "IGNORED"
    await connection.close()


def test_18_a_refund_that_must_wait_is_refused_for_good(plant: Plant) -> None:
    asked = make_work(State.REFUNDING, AttemptState.SENT)
    plant("busy_is_final")
    with pytest.raises(PaymentNotRefundable):
        refund_on_request(asked, None)


def test_19_a_charge_of_another_amount_is_posted_nowhere(plant: Plant) -> None:
    asked = make_work(State.COLLECTING, AttemptState.SENT)
    stated = Answer(outcome=Outcome.SUCCEEDED, amount=Money(1, "USD"))
    assert _decider().settle(asked, stated, NOW).postings
    plant("nothing_on_suspense")
    change = _decider().settle(asked, stated, NOW)
    assert change.payment.hold_reason == "amount_mismatch" and not change.postings


def test_20_nobody_waits_for_a_balance(plant: Plant) -> None:
    asked = make_work(State.PAYING_OUT, AttemptState.SENT)
    failure = Failure(code="insufficient_balance", message="")
    empty = Answer(outcome=Outcome.FAILED, failure=failure)
    for wanted in (State.PAYING_OUT, State.REFUNDING):
        assert _decider().settle(asked, empty, NOW).payment.state is wanted
        plant("no_patience")


def test_21_a_refused_recipient_is_a_failure_as_any_other(plant: Plant) -> None:
    asked = replace(make_work(State.PAYING_OUT, AttemptState.SENT), first_send=True)
    failure = Failure(code="recipient_invalid", message="no")
    refused = Answer(outcome=Outcome.FAILED, failure=failure)
    for wanted in (State.ACTION_REQUIRED, State.REFUNDING):
        assert _decider().settle(asked, refused, NOW).payment.state is wanted
        plant("refusal_fails_over")


def test_22_a_payout_before_a_correction_keeps_no_recipient(plant: Plant) -> None:
    assert "a.recipient IS NULL" in str(writing._CORRECT)
    plant("recipient_lost")
    assert "a.recipient IS NULL" not in str(writing._CORRECT)


def test_23_a_failure_is_taken_while_its_request_may_arrive(plant: Plant) -> None:
    work = make_work(State.PAYING_OUT, AttemptState.UNKNOWN)
    assert work.attempt is not None
    asked = Asked(attempt=work.attempt, answer=None, at=work.claimed_at)
    stated = Answer(outcome=Outcome.FAILED)
    with pytest.raises(AttemptMayArrive):
        asked.check_landed(work.attempt, stated, CAPABILITIES["local_wallet"])

    plant("failure_stated_early")

    asked.check_landed(work.attempt, stated, CAPABILITIES["local_wallet"])


def test_only_the_processes_that_a_bug_is_in_are_started_with_it() -> None:
    def started(name: str, bug: str, module: str) -> str:
        command = ("python", "-P", "-m", module)
        spec = Spec(name=name, command=command, environment={}, healthy=None)
        return " ".join(launched_with(by_name(bug), Conditions())(spec).command[3:])

    assert started("fees", "9", "services.fees") == "services.fees"
    assert started("worker-2", "9", "services.payments.worker") == (
        "tests.chaos.planted.process regenerated_answers services.payments.worker"
    )
    assert started("migrations", "9", "alembic") == "alembic"
    assert started("migrations", "8", "alembic") == (
        "tests.chaos.planted.process keys_not_unique alembic"
    )


def _claims(patches: Patches, item: Work) -> None:
    async def claim(*_: Any, **__: Any) -> Sequence[Work]:
        return [item]

    patches.put(PostgresWorkTransaction, "claim", claim)


async def _claimed() -> Sequence[Work]:
    transaction: Any = PostgresWorkTransaction.__new__(PostgresWorkTransaction)
    claimed: Sequence[Work] = await transaction.claim("me", limit=1, lease_seconds=20)
    return claimed


async def _spoil(database: Database, name: str) -> None:
    connection = await asyncpg.connect(database.owner_url)
    for statement in by_name(name).statements:
        await connection.execute(statement)
    await connection.close()
