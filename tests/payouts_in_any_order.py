"""One payment whose providers have a truth of their own, with what each of its people may do to it,
for tests of any order: its attempts on record, and the postings of every change."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import strategies as st

from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.decider import Decider
from services.payments.engine.decisions.facts import Call, Change, InboxEvent, Plan, Work
from services.payments.engine.decisions.late_success import needs_all_attempts
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Attempt, AttemptState, LookUp, Step
from services.payments.model.ledger import Posting
from services.payments.model.operator import Operator
from services.payments.model.payment import Failure, Payment, State
from services.payments.model.progress import STEP_OF_STATE
from services.payments.model.timing import CALL, DOUBTED_TRIES
from services.payments.operators.decisions import end_hold
from services.shared.recipients import Recipient, Wallet
from tests.makers import CAPABILITIES, NOW, make_attempt, make_event, make_payment

# One offramp shows later what has arrived.
SLOW = replace(
    CAPABILITIES["local_wallet"], look_up=LookUp.EVENTUAL, look_up_lag=timedelta(minutes=5)
)
KNOWN = {**CAPABILITIES, SLOW.provider: SLOW}
DECIDER = Decider(KNOWN, spread=lambda: 0.0)
REFUSAL = Failure(code="recipient_invalid", message="no")
UNANSWERED = Answer(outcome=Outcome.UNKNOWN, failure=Failure(code="timeout", message="no answer"))
ACCEPTED, PAID, FAILED, NOTHING = "accepted", "paid", "failed", "nothing"
# Its request is on its way, or the provider does not show it yet.
UNDER_WAY = "under way"
SAYS = {
    NOTHING: Answer(outcome=Outcome.ABSENT),
    UNDER_WAY: Answer(outcome=Outcome.ABSENT),
    ACCEPTED: Answer(outcome=Outcome.PENDING, provider_reference="x_1"),
    PAID: Answer(outcome=Outcome.SUCCEEDED, provider_reference="x_1"),
    FAILED: Answer(outcome=Outcome.FAILED, failure=REFUSAL),
}


@dataclass
class World:
    """One payment, the attempts on record, and the truth at the providers."""

    payment: Payment = field(
        default_factory=lambda: make_payment(
            state=State.CONVERTED, version=5, recipient=Wallet(wallet_id="0")
        )
    )
    now: datetime = NOW
    attempts: dict[str, Attempt] = field(default_factory=dict)
    inbox: list[InboxEvent] = field(default_factory=list)
    truth: dict[str, str] = field(default_factory=dict)
    sent_to: dict[str, Recipient] = field(default_factory=dict)
    corrections: int = 0
    # A payout that failed may succeed also when another one, or a refund, has been paid.
    late_at_any_time: bool = False
    # A person has stated that a payout was not paid, with proof: it is not paid later either.
    is_stated: bool = False
    postings: list[Posting] = field(default_factory=list)

    def __post_init__(self) -> None:
        collected = make_attempt(self.payment, Step.COLLECTION, AttemptState.SUCCEEDED)
        self.attempts[collected.key] = collected

    def work(self, *, of_all: bool = False) -> Work:
        """As a worker claims it; a verb reads all attempts."""
        step = STEP_OF_STATE.get(self.payment.state)
        of_step = [a for a in self.attempts.values() if a.step is step]
        counted = [a for a in of_step if a.state is AttemptState.SUCCEEDED]
        last = max(of_step, key=lambda attempt: attempt.number, default=None)
        present = counted[0] if counted and step is not Step.REFUND else last
        others = tuple(a for a in self.attempts.values() if a is not present)
        work = Work(
            payment=self.payment,
            attempt=present,
            inbox=tuple(self.inbox),
            lease_token=1,
            claimed_at=self.now,
        )
        return replace(work, earlier=others) if of_all or needs_all_attempts(work) else work

    def check_books(self) -> None:
        """The book has of each offramp what is known to have moved there."""
        payouts = [a for a in self.attempts.values() if a.step is Step.PAYOUT]
        for provider, currency in {(a.provider, a.amount.currency) for a in payouts}:
            moved = [a.moved or a.counted for a in payouts if a.provider == provider]
            known = sum(amount.amount_minor for amount in moved if amount is not None)
            assert -self.balance(f"offramp:{provider}:{currency}") == known

    def balance(self, account: str) -> int:
        """The debits of an account less its credits."""
        return sum(
            posting.amount.amount_minor * ((posting.debit == account) - (posting.credit == account))
            for posting in self.postings
        )

    def write(self, change: Change) -> None:
        self.postings += change.postings
        if change.corrects:
            for key, attempt in self.attempts.items():
                if attempt.step is Step.PAYOUT and attempt.recipient is None:
                    self.attempts[key] = replace(attempt, recipient=self.payment.recipient)
        rest = self.now + change.rest if change.rest else None
        rests_until = None if change.ends_rest else change.payment.rests_until
        moved = change.payment.version != self.payment.version
        self.payment = replace(
            change.payment,
            updated_at=self.now if moved else change.payment.updated_at,
            rests_until=rest or rests_until,
        )
        if change.attempt is not None:
            self.attempts[change.attempt.key] = change.attempt
        closed = [item.event for item in change.closed_events]
        self.inbox = [event for event in self.inbox if event not in closed]

    def mark(self, work: Work) -> Work:
        assert work.attempt is not None
        attempt = self.attempts[work.attempt.key]
        first = attempt.state is AttemptState.INTENDED
        sent = replace(
            attempt,
            state=AttemptState.SENT if first else attempt.state,
            sent_at=self.now if first else attempt.sent_at,
            last_sent_at=self.now,
            leaves_until=self.now + CALL,
            sends=attempt.sends + 1,
        )
        self.attempts[sent.key] = sent
        return replace(work, attempt=sent, first_send=first)

    def has_landed(self, key: str) -> bool:
        """Whether no request under this key is on its way any more."""
        attempt = self.attempts[key]
        return KNOWN[attempt.provider].absence_is_evidence(attempt, self.now)

    def recipient_of(self, attempt: Attempt) -> Recipient:
        return attempt.recipient or self.payment.recipient


Draw = Callable[[st.SearchStrategy[str]], str]


def turn(world: World, draw: Draw) -> None:
    """One turn of a worker, to its end."""
    plan = DECIDER.plan(world.work())
    world.write(plan.change)
    following: Plan | None = plan
    while following is not None and following.call in (Call.SEND, Call.LOOK_UP):
        following = _call(world, following, draw)


def _call(world: World, plan: Plan, draw: Draw) -> Plan | None:
    attempt = plan.work.attempt
    assert attempt is not None
    if attempt.step is Step.PAYOUT:
        # The provider is asked about, and sent, the one recipient that it has under this key.
        sent_to = world.sent_to.get(attempt.key, world.recipient_of(attempt))
        assert world.recipient_of(attempt) == sent_to
    if plan.call is Call.LOOK_UP:
        lost = draw(st.sampled_from(("", "", "", "lost"))) == "lost"
        answer = UNANSWERED if lost else SAYS[world.truth.get(attempt.key, NOTHING)]
        following = DECIDER.after_look_up(plan.work, answer)
        if following is None:
            world.write(DECIDER.settle(plan.work, answer, world.now))
        return following
    others = [k for k, known in world.truth.items() if k != attempt.key and "payout" in k]
    paid = [key for key in others if world.truth[key] in (ACCEPTED, PAID, UNDER_WAY)]
    assert not paid, f"{attempt.key} leaves beside {paid}"
    work = world.mark(plan.work)
    if world.truth.get(attempt.key, NOTHING) in (NOTHING, UNDER_WAY):
        payout = (ACCEPTED, PAID, FAILED, NOTHING, UNDER_WAY)
        outcomes = (PAID,) if attempt.step is Step.REFUND else payout
        world.truth[attempt.key] = draw(st.sampled_from(outcomes))
        world.sent_to[attempt.key] = world.recipient_of(attempt)
    on_its_way = world.truth[attempt.key] == UNDER_WAY
    lost = on_its_way or draw(st.sampled_from(("", "", "lost"))) == "lost"
    said = UNANSWERED if lost else SAYS[world.truth[attempt.key]]
    if world.truth[attempt.key] == NOTHING and not lost:
        said = Answer(outcome=Outcome.REFUSED, failure=REFUSAL)
    world.write(DECIDER.settle(work, said, world.now))
    return None


def provider_changes(world: World, draw: Draw) -> None:
    """A payout arrives, ends, comes back, or succeeds after it failed; an event may say so."""
    payouts = sorted(key for key, is_now in world.truth.items() if "payout" in key)
    if not payouts:
        return
    key = draw(st.sampled_from(payouts))
    after = {
        ACCEPTED: (PAID, FAILED),
        PAID: (FAILED,),
        FAILED: (PAID,),
        NOTHING: (NOTHING,),
        UNDER_WAY: (ACCEPTED, PAID, FAILED),
    }
    # A payout that failed succeeds late only as long as no other one is on its way.
    others = {world.truth[k] for k in payouts if k != key}
    if world.truth[key] == FAILED and others & {ACCEPTED, PAID} and not world.late_at_any_time:
        return
    if not world.late_at_any_time and any(
        is_now == PAID and "refund" in k for k, is_now in world.truth.items()
    ):
        return
    if world.truth[key] == FAILED and world.is_stated:
        return
    world.truth[key] = draw(st.sampled_from(after[world.truth[key]]))
    if draw(st.sampled_from(("event", "silence"))) == "event" and world.truth[key] != NOTHING:
        outcome = SAYS[world.truth[key]].outcome
        number = f"evt_{len(world.inbox)}_{world.now.isoformat()}"
        failure = REFUSAL if outcome is Outcome.FAILED else None
        attempt = world.attempts[key]
        world.inbox.append(
            replace(
                make_event(attempt, outcome, number, signed=True, failure=failure),
                asked_since=world.now,
                asked=DOUBTED_TRIES,
            )
        )


def merchant_corrects(world: World, _: Draw) -> None:
    world.corrections += 1
    world.write(correct(world.work(of_all=True), Wallet(wallet_id=str(world.corrections))))


def merchant_refunds(world: World, _: Draw) -> None:
    world.write(refund_on_request(world.work(of_all=True), None))


def operator_releases(world: World, _: Draw) -> None:
    world.write(end_hold(world.work(of_all=True), Operator(name="ada")))


def time_passes(world: World, draw: Draw) -> None:
    steps = {"s": timedelta(seconds=20), "min": timedelta(minutes=10), "h": timedelta(hours=80)}
    world.now += steps[draw(st.sampled_from(sorted(steps)))]
    for key, is_now in world.truth.items():
        if is_now == UNDER_WAY and world.has_landed(key):
            world.truth[key] = NOTHING
    if world.payment.state in (State.ACTION_REQUIRED, State.RETURNED):
        late = world.now - NOW > timedelta(hours=72)
        world.payment = replace(world.payment, deadline_at=world.now if late else None)
