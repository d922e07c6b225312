"""Small evidence, made by hand: payments whose three books agree, for the tests of the checker to
spoil in one place each. Figures are worked out here once and for all, not by any code of ours."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from tests.chaos.books import (
    AttemptRow,
    BalanceRow,
    BookLine,
    EventRow,
    InboxRow,
    KeyRow,
    Ledger,
    PaymentRow,
    PostingRow,
    QuoteRow,
    RefundRow,
    public_id,
)
from tests.chaos.checker import Facts, check_facts
from tests.chaos.history import INVOKE, Record, outcome, sha256

BEGAN = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
USER = UUID(int=7, version=4)
MERCHANT = "sandbox"
# 100.00 USD less 2.50 is 97.50; the markup of 0.5 % of that is 0.49, which leaves 97.01; what was
# promised is 97.50 at 79.6, 7761.00.
AMOUNT, FEE, NET, MARKUP, SOLD = 10_000, 250, 9_750, 49, 9_701
PAYOUT = 776_100
Posting = tuple[str, str, str, int]

COLLECTED: Sequence[Posting] = (
    ("onramp:stripe:USD", "payments:USD", "USD", AMOUNT),
    ("payments:USD", "revenue:fees:USD", "USD", FEE),
)
EXCHANGED: Sequence[Posting] = (
    ("payments:USD", "revenue:fx:USD", "USD", MARKUP),
    ("payments:USD", "fx:position:USD", "USD", SOLD),
    ("fx:position:INR", "payments:INR", "INR", PAYOUT),
)
PAID: Sequence[Posting] = (("payments:INR", "offramp:local_wallet:INR", "INR", PAYOUT),)
UNWOUND: Sequence[Posting] = tuple(
    (credit, debit, currency, amount)
    for debit, credit, currency, amount in (*COLLECTED[1:], *EXCHANGED)
)
REFUNDED: Sequence[Posting] = (("payments:USD", "onramp:stripe:USD", "USD", AMOUNT),)


@dataclass
class World:
    """The books, growing one payment at a time."""

    payments: list[PaymentRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    refunds: list[RefundRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    postings: list[PostingRow] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)
    quotes: list[QuoteRow] = field(default_factory=list)
    inbox: list[InboxRow] = field(default_factory=list)
    book: list[BookLine] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    others: dict[str, Any] = field(default_factory=dict)

    def facts(self, **more: Any) -> Facts:
        """The input of the checker."""
        ledger = Ledger(
            now=BEGAN + timedelta(hours=1),
            payments=self.payments,
            attempts=self.attempts,
            refunds=self.refunds,
            events=self.events,
            postings=self.postings,
            balances=self.balances(),
            keys=self.keys,
            quotes=self.quotes,
            inbox=self.inbox,
            **self.others,
        )
        return Facts(ledger=ledger, book=self.book, records=self.records, **more)

    def balances(self) -> list[BalanceRow]:
        """The sums of the postings."""
        sums: Counter[tuple[str, str]] = Counter()
        for posting in self.postings:
            sums[posting.debit, posting.currency] += posting.amount_minor
            sums[posting.credit, posting.currency] -= posting.amount_minor
        return [
            BalanceRow(merchant_id=MERCHANT, account=account, currency=currency, balance_minor=sum_)
            for (account, currency), sum_ in sums.items()
        ]

    def asked(self, f: str, status: int, **fields: Any) -> Record:
        """An operation of a client, with its end; gives the end."""
        seq = len(self.records)
        shared: dict[str, Any] = {"client": "c1", "f": f, "op": seq, "epoch": "load", "meta": {}}
        shared |= {n: fields.pop(n) for n in ("meta", "idem_key", "epoch") if n in fields}
        asked: dict[str, Any] = {n: fields.pop(n) for n in ("request",) if n in fields}
        asked["req_sha256"] = sha256(repr(asked.get("request")))
        about = {"payment_id": fields.pop("payment_id", "")}
        invoked = Record(seq=seq, t_mono_ns=seq, type=INVOKE, **shared, **asked, **about)
        if status >= 400:
            fields = {"reason": "SOME_REASON", "grpc_code": 9, **fields}
        fields.setdefault("resp_sha256", sha256(fields.get("response", "")))
        ended = Record(
            seq=seq + 1, t_mono_ns=seq + 1, type=outcome(status), status=status,
            **shared, **about, **fields,
        )  # fmt: skip
        self.records += [invoked, ended]
        return ended


class Story:
    """One payment of a world, event by event."""

    def __init__(self, world: World, number: int = 1, reference: str = "") -> None:
        self.world = world
        self.id = UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000 + number)
        self.public_id = public_id("pay", self.id)
        self.key = f"key-{number}"
        self.now = BEGAN + timedelta(minutes=number)
        self.place = len(world.payments)
        quote_id = UUID(int=self.id.int + 2**64)
        self._began(quote_id, reference)
        self.event(None, "CREATED", "payment_created")

    @property
    def payment(self) -> PaymentRow:
        """The payment's row."""
        return self.world.payments[self.place]

    def change(self, **fields: Any) -> None:
        """Changes the payment's row."""
        self.world.payments[self.place] = replace(self.payment, **fields)

    def event(
        self,
        from_state: str | None,
        to_state: str,
        cause: str,
        postings: Sequence[Posting] = (),
        **evidence: str,
    ) -> None:
        """Something happens, a second after the last."""
        self.now += timedelta(seconds=1)
        sequence = sum(event.payment_id == self.id for event in self.world.events) + 1
        self.world.events.append(
            EventRow(
                payment_id=self.id, sequence=sequence, from_state=from_state, to_state=to_state,
                actor="worker", cause=cause, evidence=evidence, occurred_at=self.now,
            )
        )  # fmt: skip
        self.world.postings += [
            PostingRow(
                merchant_id=MERCHANT, payment_id=self.id, sequence=sequence, debit=debit,
                credit=credit, currency=currency, amount_minor=amount, cause=cause,
            )
            for debit, credit, currency, amount in postings
        ]  # fmt: skip
        self.change(state=to_state, version=sequence)

    def attempt(self, step: str, number: int, state: str, provider: str = "stripe") -> AttemptRow:
        """An attempt and its intent."""
        key = f"{self.public_id}-{step}-{number}"
        amount, currency = (PAYOUT, "INR") if step == "payout" else (AMOUNT, "USD")
        row = AttemptRow(
            payment_id=self.id, step=step, number=number, provider=provider, key=key,
            amount_minor=amount, currency=currency, state=state, provider_reference="ref",
            refund_number=number if step == "refund" else None,
        )  # fmt: skip
        self.world.attempts.append(row)
        if step == "refund":
            self._refund(row)
        here = self.payment.state
        goes = {"CREATED": "COLLECTING", "CONVERTED": "PAYING_OUT"}.get(here, here)
        self.event(here, goes, f"{step}_intended", key=key)
        return row

    def _refund(self, attempt: AttemptRow) -> None:
        """The refund that an attempt is the only try of."""
        status = attempt.state if attempt.state in ("SUCCEEDED", "FAILED") else "PENDING"
        self.world.refunds.append(
            RefundRow(
                id=UUID(int=self.id.int + 2**65 + attempt.number), payment_id=self.id,
                number=attempt.number, amount_minor=attempt.amount_minor, status=status,
            )
        )  # fmt: skip

    def effect(self, attempt: AttemptRow, *effects: str, named: str = "") -> None:
        """An effect at the provider, a moment after the last."""
        for effect in effects:
            self.now += timedelta(milliseconds=10)
            self.world.book.append(
                BookLine(
                    provider=attempt.provider, effect=effect, key=attempt.key,
                    id=named or f"id-{attempt.key}", transaction_id=self.public_id,
                    reference=self.payment.reference, amount_minor=attempt.amount_minor,
                    currency=attempt.currency, at=self.now.isoformat(),
                )
            )  # fmt: skip

    def collected(self) -> "Story":
        """Charged, funded and converted."""
        self.effect(self.attempt("collection", 1, "SUCCEEDED"), "charge_succeeded")
        self.event("COLLECTING", "FUNDED", "collection_succeeded", COLLECTED)
        self.event("FUNDED", "CONVERTED", "exchanged_at_locked_rate", EXCHANGED)
        return self

    def completed(self) -> "Story":
        """All the way to the recipient."""
        self.collected()
        paid = self.attempt("payout", 1, "SUCCEEDED", "local_wallet")
        self.effect(paid, "payout_accepted", "payout_completed")
        self.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
        return self

    def unpaid(self) -> "Story":
        """Converted, and the only offramp has refused."""
        self.collected()
        failed = self.attempt("payout", 1, "FAILED", "local_wallet")
        self.effect(failed, "payout_accepted", "payout_failed")
        self.event("PAYING_OUT", "REFUNDING", "payout_failed", UNWOUND)
        return self

    def refused(self) -> "Story":
        """Converted, and its recipient cannot be paid: the merchant is waited for."""
        self.collected()
        failed = self.attempt("payout", 1, "FAILED", "local_wallet")
        self.world.attempts[-1] = replace(failed, failure_code="recipient_unreachable")
        self.effect(failed, "payout_accepted", "payout_failed")
        self.event("PAYING_OUT", "ACTION_REQUIRED", "recipient_refused")
        deadline = self.now + timedelta(days=3)
        self.change(deadline_at=deadline, due_at=deadline)
        return self

    def returned(self) -> "Story":
        """Paid, and the payout has come back: the merchant is waited for."""
        self.collected()
        back = self.attempt("payout", 1, "REVERSED", "local_wallet")
        self.effect(back, "payout_accepted", "payout_completed", "payout_returned")
        self.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
        returned = [(credit, debit, *rest) for debit, credit, *rest in PAID]
        self.event("COMPLETED", "RETURNED", "payout_returned", returned)
        deadline = self.now + timedelta(days=3)
        self.change(deadline_at=deadline, due_at=deadline)
        return self

    def corrected(self) -> "Story":
        """Refused or returned, corrected, and paid."""
        key = f"correction-{self.key}"
        self.world.keys.append(KeyRow(key=key, payment_id=self.id, operation="CorrectRecipient"))
        refused = self.world.attempts[-1]
        self.world.attempts[-1] = replace(refused, recipient={"kind": "wallet"})
        self.event(self.payment.state, "PAYING_OUT", "recipient_corrected")
        self.change(deadline_at=None, due_at=None)
        paid = self.attempt("payout", 2, "SUCCEEDED", "local_wallet")
        self.effect(paid, "payout_accepted", "payout_completed")
        self.event("PAYING_OUT", "COMPLETED", "payout_succeeded", PAID)
        return self

    def refunded(self) -> "Story":
        """Refused by the offramp, and given back."""
        self.unpaid()
        self.effect(self.attempt("refund", 1, "SUCCEEDED"), "refund_succeeded")
        self.event("REFUNDING", "REFUNDED", "refund_succeeded", REFUNDED)
        self.change(refunded_minor=AMOUNT)
        return self

    def declined(self) -> "Story":
        """The payer's card was refused."""
        self.effect(self.attempt("collection", 1, "FAILED"), "charge_declined")
        self.event("COLLECTING", "FAILED", "collection_failed")
        return self

    def held(self, reason: str) -> "Story":
        """Waits for a person."""
        self.event(self.payment.state, self.payment.state, f"held_{reason}")
        self.change(hold_reason=reason, deadline_at=self.now + timedelta(days=3))
        return self

    def received(self, outcome: str, key: str, event_id: str = "msg_1") -> None:
        """A webhook that came for it."""
        self.world.inbox.append(
            InboxRow(
                provider="local_wallet", event_id=event_id, payment_id=self.id,
                event_type="payment_completed", step="payout",
                answer={"outcome": outcome, "key": key}, state="APPLIED",
                received_at=self.now,
            )
        )  # fmt: skip

    def asked(self, f: str, status: int, **fields: Any) -> Record:
        """A client's operation about it."""
        return self.world.asked(f, status, payment_id=self.public_id, **fields)

    @property
    def answer(self) -> str:
        """The text of the first answer to a client."""
        return json.dumps(self.shown())

    def shown(self, **changes: Any) -> Mapping[str, Any]:
        """The first answer to a client."""
        return {
            "transaction_id": self.public_id, "amount_usd": "100.00", "fee_usd": "2.50",
            "user_id": str(USER), "quote_id": public_id("quo", self.payment.quote_id),
            "fx_rate": "79.6", "payout_amount": "7761.00", **changes,
        }  # fmt: skip

    def _began(self, quote_id: UUID, reference: str) -> None:
        self.world.payments.append(
            PaymentRow(
                merchant_id=MERCHANT, id=self.id, user_id=USER, quote_id=quote_id,
                amount_minor=AMOUNT, fee_minor=FEE, net_minor=NET, fees=[],
                destination_currency="INR", payout_minor=PAYOUT, rate=Decimal("79.6"),
                mid_rate=Decimal("80.0"), markup_basis_points=50, onramp="stripe",
                offramp="local_wallet", recipient={}, payment_method="", reference=reference,
                state="CREATED", version=0, hold_reason=None, cancel_requested_at=None,
                refunded_minor=0, quote_expires_at=self.now + timedelta(seconds=60),
                late_funds={"grace_seconds": 300, "tolerance_basis_points": 100},
                created_at=self.now, due_at=None, lease_until=None,
            )
        )  # fmt: skip
        self.world.quotes.append(
            QuoteRow(
                id=quote_id, payment_id=self.id, created_at=self.now,
                expires_at=self.now + timedelta(seconds=60), terms={"payout_minor": PAYOUT},
            )
        )  # fmt: skip
        self.world.keys.append(KeyRow(key=self.key, payment_id=self.id, operation="CreatePayment"))
        body = {"user_id": str(USER), "amount_usd": "100.00", "destination_currency": "INR"}
        if reference:
            body["reference"] = reference
        self.request = body
        self.asked("create", 201, idem_key=self.key, request=body, response=self.answer)


def clean() -> World:
    """One payment of each end."""
    world = World()
    Story(world, 1).completed()
    Story(world, 2).refunded()
    Story(world, 3).declined()
    return world


def story(number: int = 4, reference: str = "") -> tuple[World, Story]:
    """The clean world and a new payment in it."""
    world = clean()
    return world, Story(world, number, reference)


def broken(facts: Facts) -> set[str]:
    """The invariants that are found broken."""
    return set(check_facts(facts).broken)
