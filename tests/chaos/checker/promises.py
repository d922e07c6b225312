"""The promises to clients: I1 durability, I2 one payment a key, I11 identical replays, I12 no
effect of what was refused, I17 the codes that may be seen."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.chaos.books import public_id
from tests.chaos.checker.evidence import Case, Facts
from tests.chaos.checker.report import Finding
from tests.chaos.checker.states import ROUTED_AGAIN
from tests.chaos.history import FAIL, INFO, OK, Operation

# gRPC codes that no client may ever see: UNKNOWN, INTERNAL, DATA_LOSS.
FORBIDDEN_CODES = {2, 13, 15}
# The codes with which a mesh in trouble may answer: UNAVAILABLE and DEADLINE_EXCEEDED.
TROUBLE = {503, 504}
LOUD = "load"
ABOUT_A_PAYMENT = ("create", "refund", "correct", "cancel", "get", "events")


def i1(facts: Facts) -> Finding:
    """A payment that a client received stays as it was answered."""
    found = Finding("I1", "what was acknowledged exists, as it was acknowledged")
    quotes = {public_id("quo", row.id) for row in facts.ledger.quotes}
    keys = {row.key for row in facts.ledger.keys}
    for op in facts.operations:
        if op.end is None or op.type != OK:
            continue
        case = facts.case_of.get(op.end.payment_id)
        if case is not None:
            _as_it_was(found, case, op, op.end.answer, keys)
        elif op.invoke.f == "quote":
            quote_id = op.end.answer["quote_id"]
            found.expect(quote_id in quotes, f"quote {quote_id} was answered and is gone")
        else:
            gone = op.invoke.f in ABOUT_A_PAYMENT
            found.expect(not gone, f"{op.end.payment_id} was answered and is gone")
    return found


def _as_it_was(
    found: Finding, case: Case, op: Operation, shown: Any, keys: Collection[str]
) -> None:
    asked_for = op.invoke.f
    if asked_for == "create":
        _same_as_asked(found, case, op.invoke.request)
    if asked_for == "events" and shown:
        _history_stays(found, case, shown.get("events", ()))
    elif asked_for == "refund" and shown:
        _refund_stays(found, case, shown)
    elif asked_for in ABOUT_A_PAYMENT and shown:
        _same_as_answered(found, case, shown)
    if asked_for in ("refund", "correct"):
        known = op.invoke.idem_key in keys
        found.expect(known, f"{case.id}: {asked_for} {op.invoke.idem_key} is gone")
    if asked_for == "cancel":
        row = case.payment
        is_requested = row.cancel_requested_at is not None or row.state == "CANCELLED"
        found.expect(is_requested, f"{case.id}: a cancellation was acknowledged and is gone")


def _same_as_asked(found: Finding, case: Case, asked: Mapping[str, Any]) -> None:
    row = case.payment
    named = asked.get("recipient") or {}
    recipients = [{"kind": kind, **fields} for kind, fields in named.items()]
    wanted = (
        _cents(asked["amount_usd"]),
        asked["destination_currency"],
        asked["user_id"],
        asked.get("reference", ""),
        asked.get("payment_method", ""),
        recipients,
    )
    kept = (
        row.amount_minor,
        row.destination_currency,
        str(row.user_id),
        row.reference,
        row.payment_method,
        # Of a payment that names nobody the example of its corridor is kept.
        [_first_recipient(case)] if named else [],
    )
    found.expect(wanted == kept, f"{case.id}: asked {wanted}, kept {kept}")


def _first_recipient(case: Case) -> Any:
    """The recipient that it was created with: its first payout keeps it, where it was corrected."""
    kept = [one.recipient for one in case.attempts if one.recipient is not None]
    return kept[0] if kept else case.payment.recipient


def _same_as_answered(found: Finding, case: Case, shown: Mapping[str, Any]) -> None:
    row = case.payment
    if not found.expect("amount_usd" in shown, f"{case.id}: an answer that is no payment"):
        return
    wanted = (_cents(shown["amount_usd"]), _cents(shown["fee_usd"]), shown["user_id"])
    kept = (row.amount_minor, row.fee_minor, str(row.user_id))
    found.expect(wanted == kept, f"{case.id}: shown {wanted}, kept {kept}")
    if shown["quote_id"] == public_id("quo", row.quote_id):
        wanted_terms = (Decimal(shown["fx_rate"]), Decimal(shown["payout_amount"]))
        kept_terms = (row.rate, Decimal(row.payout_minor).scaleb(-2))
        same = wanted_terms == kept_terms
        found.expect(same, f"{case.id}: shown {wanted_terms}, kept {kept_terms}")


def _refund_stays(found: Finding, case: Case, shown: Mapping[str, Any]) -> None:
    kept = {public_id("ref", row.id): row.amount_minor for row in case.refunds}
    same = kept.get(shown.get("refund_id", "")) == _cents(shown["amount_usd"])
    found.expect(same, f"{case.id}: refund {shown} was answered, kept {kept}")


def _history_stays(found: Finding, case: Case, shown: Sequence[Mapping[str, Any]]) -> None:
    read = [(e["sequence"], e["to_state"], e["cause"]) for e in shown]
    kept = [(e.sequence, e.to_state, e.cause) for e in case.events[: len(read)]]
    found.expect(read == kept, f"{case.id}: the history that was read is no longer the same")


def i2(facts: Facts) -> Finding:
    """Nothing exists that nobody asked for, and one payment a key."""
    found = Finding("I2", "every payment was asked for, by one key, once")
    invoked = {op.invoke.idem_key for op in facts.operations if op.invoke.f == "create"}
    rows: dict[str, list[Any]] = defaultdict(list)
    created: dict[Any, list[str]] = defaultdict(list)
    for row in facts.ledger.keys:
        rows[row.key].append(row)
        if row.operation == "CreatePayment":
            created[row.payment_id].append(row.key)
    for key, same in rows.items():
        found.expect(len(same) == 1, f"key {key} stands {len(same)} times")
    for case in facts.cases:
        keys = created[case.payment.id]
        found.expect(len(keys) == 1, f"{case.id} has the keys {keys}")
        found.expect(set(keys) <= invoked, f"{case.id}: nobody has asked for {keys}")
    payments = {case.payment.id for case in facts.cases}
    for row in facts.ledger.keys:
        found.expect(row.payment_id in payments, f"key {row.key} belongs to no payment")
    return found


def i11(facts: Facts) -> Finding:
    """The same key and body is answered with the same bytes; another body is refused."""
    found = Finding("I11", "the same key and body has the same answer, to the byte")
    for key, ops in _by_key(facts, "create", "refund", "correct").items():
        for same in _by_body(ops).values():
            oks = [op for op in same if op.type == OK]
            if not oks:
                continue
            answers = {(op.end.status, op.end.resp_sha256) for op in oks if op.end}
            found.expect(len(answers) == 1, f"key {key} has {len(answers)} different answers")
            fresh = [op for op in oks if op.end and "replayed" not in op.end.meta]
            found.expect(len(fresh) <= 1, f"key {key} was answered {len(fresh)} times as new")
            first = min(op.end.seq for op in oks if op.end)
            late = [op for op in same if op.invoke.seq > first and op.type == FAIL]
            found.expect(not late, f"key {key} was taken, and its replay refused")
            _others_refused(found, key, first, [op for op in ops if op not in same])
    return found


def _others_refused(found: Finding, key: str, first: int, others: Sequence[Operation]) -> None:
    for op in others:
        if op.invoke.seq > first and op.end and op.type != INFO:
            refused = op.end.status == 422
            found.expect(refused, f"key {key} with another body: {op.end.status}")


def i12(facts: Facts) -> Finding:
    """A definitively refused request has no effect anywhere."""
    found = Finding("I12", "what was refused has no effect")
    keys = {row.key for row in facts.ledger.keys}
    for key, ops in _by_key(facts, "create", "refund", "correct").items():
        if all(op.type == FAIL for op in ops):
            found.expect(key not in keys, f"key {key} was always refused, and yet was used")
    for op in facts.operations:
        if op.invoke.meta.get("refused"):
            found.expect(op.type != OK, f"{op.invoke.request} was taken")
    cancels: dict[str, list[Operation]] = defaultdict(list)
    for op in facts.operations:
        if op.invoke.f == "cancel":
            cancels[op.invoke.payment_id].append(op)
    for payment_id, ops in cancels.items():
        case = facts.case_of.get(payment_id)
        if case and all(op.type == FAIL for op in ops):
            untouched = case.payment.cancel_requested_at is None
            found.expect(untouched, f"{payment_id}: every cancellation was refused, one counts")
    return found


# The answers to a client about a payment that still had money to refund.
REFUNDABLE = frozenset({"ACTION_REQUIRED", "RETURNED", "REFUNDING", "PARTLY_REFUNDED"})


def i18(facts: Facts) -> Finding:
    """A passing condition is never reported as a final one."""
    found = Finding("I18", "a refund is refused for good only where nothing is left to give back")
    for op in facts.operations:
        is_final = op.end and op.type == FAIL and op.end.reason == "PAYMENT_NOT_REFUNDABLE"
        case = facts.case_of.get(op.invoke.payment_id)
        if op.invoke.f == "refund" and is_final and case and op.invoke.meta["was"] in REFUNDABLE:
            over = case.payment.state == "REFUNDED" or case.payment.hold_reason is not None
            # Between its asking and its answer another client may have had it paid out again.
            over = over or any(e.cause in ROUTED_AGAIN for e in case.events)
            found.expect(over, f"{case.id} ({case.payment.state}): refused for good as no refund")
    return found


def i17(facts: Facts) -> Finding:
    """Only classified answers; trouble only while there is some."""
    found = Finding("I17", "no unclassified answer, and none but good ones in quiet times")
    for op in facts.operations:
        end = op.end
        if end is None:
            continue
        where = f"{end.epoch} {end.f} #{end.op}: {end.status} {end.reason} code {end.grpc_code}"
        found.expect(end.grpc_code not in FORBIDDEN_CODES and end.status != 500, where)
        if end.epoch == LOUD:
            found.expect(end.status < 500 or end.status in TROUBLE, where)
        else:
            found.expect(0 < end.status < 500, where)
        if 400 <= end.status < 500:
            found.expect(end.reason != "" and end.grpc_code is not None, f"no reason: {where}")
    return found


def _by_key(facts: Facts, *names: str) -> Mapping[str, Sequence[Operation]]:
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for op in facts.operations:
        if op.invoke.f in names and op.invoke.idem_key and _is_header(op.invoke.idem_key):
            by_key[op.invoke.idem_key].append(op)
    return by_key


def _by_body(ops: Sequence[Operation]) -> Mapping[tuple[str, str], Sequence[Operation]]:
    """The body of a refund or a correction says nothing of its payment, so that counts too."""
    by_body: dict[tuple[str, str], list[Operation]] = defaultdict(list)
    for op in ops:
        subject = op.invoke.payment_id if op.invoke.f in ("refund", "correct") else ""
        by_body[op.invoke.req_sha256, subject].append(op)
    return by_body


def _is_header(key: str) -> bool:
    """Malformed keys are shared by many requests, all of which must be refused."""
    return len(key) < 256 and " " not in key


def _cents(amount: Any) -> int:
    return int(Decimal(str(amount)).scaleb(2))
