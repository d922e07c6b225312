"""The checker checked, on what clients and merchants were promised: durability, keys, refusals,
answers, and events in and out."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.books import EndpointRow, InboxRow, OutboxRow
from tests.chaos.checker import check_facts
from tests.chaos.receiver import Receipt
from tests.chaos.worlds import (
    BEGAN,
    Story,
    World,
    broken,
    clean,
    story,
)


def test_i1_an_acknowledged_payment_that_is_gone() -> None:
    world = clean()
    world.asked("get", 200, payment_id="pay_gone", response="{}")

    assert broken(world.facts()) == {"I1"}


@pytest.mark.parametrize(
    "change", [{"amount_minor": 1}, {"reference": "other"}, {"payment_method": "other"}]
)
def test_i1_a_payment_that_is_not_as_it_was_asked_for(change: dict[str, Any]) -> None:
    world, life = story()
    life.declined()
    life.change(**change)

    assert "I1" in broken(world.facts())


def test_i1_a_history_that_was_read_and_is_another_now() -> None:
    world = clean()
    events = [{"sequence": 1, "to_state": "CREATED", "cause": "something_else"}]
    paid = world.events[0]
    assert paid.sequence == 1
    Story.asked(life := Story(world, 4), "events", 200, response=json.dumps({"events": events}))
    life.declined()

    assert broken(world.facts()) == {"I1"}


def test_i1_a_cancellation_that_was_acknowledged_and_forgotten() -> None:
    world, life = story()
    life.declined().asked("cancel", 200, response=life.answer)

    assert broken(world.facts()) == {"I1"}


def test_i1_a_refund_that_was_acknowledged_and_forgotten() -> None:
    world, life = story()
    life.declined().asked("refund", 200, idem_key="refund-4", response=life.answer)

    assert broken(world.facts()) == {"I1"}


def test_i2_a_payment_that_nobody_asked_for() -> None:
    world, life = story()
    life.declined()
    del world.records[-2:]

    assert broken(world.facts()) == {"I2"}


def test_i2_two_payments_under_one_key() -> None:
    world = clean()
    world.keys.append(replace(world.keys[0], payment_id=world.keys[1].payment_id))

    assert broken(world.facts()) == {"I2"}


@pytest.mark.parametrize(("status", "spaces"), [(201, " "), (404, "")])
def test_i11_a_replay_that_is_answered_otherwise(status: int, spaces: str) -> None:
    world, life = story()
    life.declined()
    again = {"idem_key": life.key, "request": life.request, "meta": {"replayed": "true"}}
    life.asked("create", status, response=life.answer + spaces, **again)

    assert broken(world.facts()) == {"I11"}


def test_i11_another_body_under_a_used_key() -> None:
    world, life = story()
    life.declined().asked("create", 404, idem_key=life.key, request={"other": 1})

    assert broken(world.facts()) == {"I11"}


def test_i12_an_effect_of_what_was_refused() -> None:
    world, life = story()
    life.declined()
    world.asked("refund", 400, idem_key="refused", meta={"was": "PENDING"})
    world.keys.append(replace(world.keys[-1], key="refused", operation="CreateRefund"))

    assert broken(world.facts()) == {"I12"}


def test_i12_a_cancellation_that_was_refused_and_counts() -> None:
    world, life = story()
    life.declined().asked("cancel", 400)
    life.change(cancel_requested_at=life.now)

    assert broken(world.facts()) == {"I12"}


@pytest.mark.parametrize(
    ("epoch", "status", "code", "is_broken"),
    [
        ("load", 503, 14, False),
        ("load", 0, None, False),
        ("load", 500, 13, True),
        ("load", 502, None, True),
        ("load", 503, 2, True),
        ("quiet", 503, 14, True),
        ("quiet", 0, None, True),
        ("quiet", 404, None, True),
    ],
)
def test_i17_answers_that_no_client_may_see(
    epoch: str, status: int, code: int | None, is_broken: bool
) -> None:
    world = clean()
    world.asked("list", status, epoch=epoch, grpc_code=code)

    assert broken(world.facts()) == ({"I17"} if is_broken else set())


def test_i13_a_payment_that_a_replayed_webhook_changed() -> None:
    before = {"pay_a": "1", "pay_b": "busy 1", "pay_c": "1"}
    after = {"pay_a": "1", "pay_b": "2", "pay_c": "busy 2"}
    facts = clean().facts(digests_before=before, digests_after=after)

    assert broken(facts) == {"I13"}
    assert len(check_facts(facts).finding("I13").violations) == 1


def test_i13_a_late_success_that_arrives_with_the_replay_is_explained() -> None:
    world, life = story()
    life.collected()
    back = life.attempt("payout", 1, "REVERSED", "local_wallet")
    life.effect(back, "payout_accepted", "payout_completed", "payout_returned", "payout_completed")
    facts = world.facts(digests_before={life.public_id: "1"}, digests_after={life.public_id: "2"})

    assert check_facts(facts).finding("I13").violations == []
    assert len(check_facts(facts).finding("I13").explained) == 1


ENDPOINT = EndpointRow(
    id=clean().payments[0].id, url="", secret="whsec_c2VjcmV0", created_at=BEGAN, disabled_at=None
)


def _listened(state: str = "DELIVERED") -> tuple[World, list[OutboxRow]]:
    """A world in which a merchant has an endpoint and has received every end."""
    world = clean()
    rows = [
        OutboxRow(
            payment_id=event.payment_id, sequence=event.sequence, endpoint_id=ENDPOINT.id,
            event_type=f"payment.{event.to_state.lower()}",
            body=json.dumps({"id": f"evt_{event.payment_id}_{event.sequence}"}).encode(),
            state=state, due_at=BEGAN, lease_until=None,
        )
        for event in world.events
        if event.to_state in ("COMPLETED", "REFUNDED", "FAILED")
    ]  # fmt: skip
    world.others = {"endpoints": [ENDPOINT], "outbox": rows}
    return world, rows


def _receipts(rows: list[OutboxRow]) -> list[Receipt]:
    return [_receipt(json.loads(row.body)["id"], row.body.decode()) for row in rows]


def _receipt(event_id: str, body: str, **changes: Any) -> Receipt:
    signed = hmac.digest(b"secret", f"{event_id}.1000.{body}".encode(), hashlib.sha256)
    known = {
        "event_id": event_id, "event_type": "payment.completed", "payment_id": "",
        "body_sha256": body, "signed_at": "1000", "at_unix": 1001.0, "answered": "200",
        "body": body, "signature": f"v1,{base64.b64encode(signed).decode()}",
    }  # fmt: skip
    return Receipt(**{**known, **changes})


def test_i14_every_end_was_sent() -> None:
    world, rows = _listened()

    assert broken(world.facts(receipts=_receipts(rows))) == set()


def test_i14_an_end_that_is_sent_to_no_endpoint() -> None:
    world, rows = _listened()
    life = rows.pop()

    assert broken(world.facts(receipts=_receipts(rows))) == {"I14"}
    assert life.event_type == "payment.failed"


def test_i14_delivered_and_never_received() -> None:
    world, rows = _listened()
    receipts = _receipts(rows)
    receipts[0] = replace(receipts[0], answered="500")

    assert broken(world.facts(receipts=receipts)) == {"I14"}


@pytest.mark.parametrize(
    "change", [{"signature": "v1,AAAA"}, {"body_sha256": "other"}, {"event_id": "evt_of_nothing"}]
)
def test_i14_a_delivery_that_is_not_ours(change: dict[str, Any]) -> None:
    world, rows = _listened()
    first, *_ = receipts = _receipts(rows)

    assert broken(world.facts(receipts=[*receipts, replace(first, **change)])) == {"I14"}


FORGED = {"provider": "stripe", "forged": "empty_secret"}
HINT = {"provider": "stripe", "hint": "stripe"}


@pytest.mark.parametrize(
    ("meta", "status", "answer", "is_broken"),
    [
        (FORGED, 401, "", False),
        (FORGED, 200, "", True),
        (FORGED, 400, "", True),
        (HINT, 401, "", True),
        (HINT, 200, '{"result": "ACCEPTED"}', True),
        (HINT, 200, '{"result": "IGNORED"}', False),
        (HINT, 503, "", False),
    ],
)
def test_iw_what_is_taken_is_kept_and_what_is_forged_is_refused(
    meta: dict[str, str], status: int, answer: str, is_broken: bool
) -> None:
    world = clean()
    world.asked("webhook", status, meta=meta, idem_key="evt_1", response=answer)

    assert broken(world.facts()) == ({"IW"} if is_broken else set())


@pytest.mark.parametrize(
    ("state", "is_broken"), [("UNMATCHED", False), ("IGNORED", True), (None, True)]
)
def test_iw_an_orphan_is_kept_where_operators_look(state: str | None, is_broken: bool) -> None:
    world = clean()
    meta = {"provider": "stripe", "orphan": True}
    world.asked("webhook", 200, meta=meta, idem_key="evt_1", response='{"result": "IGNORED"}')
    if state:
        world.inbox.append(
            InboxRow(
                provider="stripe", event_id="evt_1", payment_id=None,
                event_type="payment_intent.succeeded", step="collection", answer={}, state=state,
                received_at=BEGAN,
            )
        )  # fmt: skip

    assert broken(world.facts()) == ({"IW"} if is_broken else set())


@pytest.mark.parametrize("was", ["RETURNED", "PROCESSING"])
def test_i18_a_refund_refused_for_good_while_there_is_money_to_give_back(was: str) -> None:
    world, life = story()
    life.unpaid()
    life.asked(
        "refund", 400, idem_key="r1", reason="PAYMENT_NOT_REFUNDABLE", meta={"was": was}
    )  # fmt: skip

    assert ("I18" in broken(world.facts())) is (was == "RETURNED")


def test_i18_nothing_is_left_of_a_payment_that_was_refunded() -> None:
    world, life = story()
    life.refunded().asked(
        "refund", 400, idem_key="r1", reason="PAYMENT_NOT_REFUNDABLE", meta={"was": "REFUNDING"}
    )

    assert broken(world.facts()) == set()
