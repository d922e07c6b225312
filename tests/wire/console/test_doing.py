"""A verb: its form, its confirmation, its call. Nothing is done before the last."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.console.verbs import VERBS
from services.payments.model.payment import PaymentBusy
from services.payments.operators.allowed import OperatorVerb
from services.shared.errors import Invalid, NotAllowedNow, NotAuthenticated, Unavailable
from services.shared.ids import encode_id
from tests.poison import run
from tests.wire.console.conftest import Browser, ScriptedPayments
from tests.wire.payments.operators.calls import new_payment
from tests.wire.payments.operators.keys import operator_key

KEY = "cvo_test_a-key"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def proposal(payload_sha256: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "proposal_id": "prp_1",
        "state": "PROPOSED",
        "payload": '{"verb":"RELEASE_HOLD"}',
        "payload_sha256": payload_sha256,
        "created_at": now,
        "expires_at": now + timedelta(hours=1),
    }


class _NeedsTwo(NotAllowedNow):
    """This verb needs two people."""

    reason = "APPROVAL_REQUIRED"


class _NotOnHold(NotAllowedNow):
    """The payment is not on hold."""

    reason = "PAYMENT_NOT_ON_HOLD"


@pytest.fixture
async def signed_in(browser: Browser, payments: ScriptedPayments) -> Browser:
    payments.says("GetProposal", **proposal(HASH))
    payments.says("ApproveProposal", proposal_id="prp_1", state="APPROVED")
    payments.says("InspectPayment", payment={"transaction_id": "pay_1", "status": "ON_HOLD"})
    await browser.sign_in_by_key(KEY)
    return browser


async def test_an_approval_names_the_payload_that_was_read(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    page = await signed_in.get("/do/approve?proposal_id=prp_1")
    assert HASH in page.text and not payments.requests("ApproveProposal")

    payments.says("GetProposal", **proposal("0" * 64))
    fields = {"proposal_id": "prp_1", "payload_sha256": HASH, "as": "do"}
    done = await signed_in.post("/do/approve", **fields)

    assert done.headers["location"] == "/proposals/prp_1?done=approve"
    assert payments.requests("ApproveProposal") == [
        {"proposal_id": "prp_1", "payload_sha256": HASH}
    ]


async def test_a_form_is_confirmed_before_anything_is_done(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    await signed_in.get("/do/discard?dead_letter_id=step_1")
    page = await signed_in.post("/do/discard", dead_letter_id="step_1", note="seen <b>twice</b>")

    assert page.status_code == 200 and "You are about to do this" in page.text
    assert "seen &lt;b&gt;twice&lt;/b&gt;" in page.text
    assert not payments.requests("DiscardDeadLetter")

    await signed_in.post("/do/discard", dead_letter_id="step_1", note="seen", **{"as": "do"})
    assert payments.requests("DiscardDeadLetter") == [{"dead_letter_id": "step_1", "note": "seen"}]


async def test_an_incomplete_form_is_shown_again_and_changes_nothing(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    await signed_in.get("/do/resolve?transaction_id=pay_1")
    page = await signed_in.post(
        "/do/resolve", transaction_id="pay_1", outcome="MAYBE", note="kept", **{"as": "do"}
    )

    assert page.status_code == 400
    assert "Choose one of these." in page.text and "Fill this in." in page.text
    assert ">kept</textarea>" in page.text
    assert not payments.requests("ResolveAttempt")


async def test_a_verb_that_needs_two_people_is_offered_as_a_proposal(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.refusals["ReleaseHold"] = _NeedsTwo()
    payments.says("CreateProposal", proposal_id="prp_2")
    await signed_in.get("/do/release?transaction_id=pay_1")
    page = await signed_in.post("/do/release", transaction_id="pay_1", **{"as": "do"})
    assert page.status_code == 409 and "APPROVAL_REQUIRED" in page.text
    assert 'value="do"' not in page.text and 'value="propose"' in page.text

    done = await signed_in.post(
        "/do/release",
        transaction_id="pay_1",
        proposal_reason="seen at the bank",
        **{"as": "propose"},
    )

    assert done.headers["location"] == "/proposals/prp_2?done=propose"
    assert payments.requests("CreateProposal") == [
        {"release_hold": {"transaction_id": "pay_1"}, "reason": "seen at the bank"}
    ]


async def test_a_verb_on_a_payment_that_is_busy_can_be_sent_again_at_once(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.refusals["ReleaseHold"] = PaymentBusy()
    await signed_in.get("/do/release?transaction_id=pay_1")

    page = await signed_in.post("/do/release", transaction_id="pay_1", **{"as": "do"})

    assert page.status_code == 409 and "PAYMENT_BUSY" in page.text
    assert 'value="do"' in page.text


async def test_a_proposal_without_a_reason_is_asked_for_one_where_it_stands(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    await signed_in.get("/do/release?transaction_id=pay_1")
    await signed_in.post("/do/release", transaction_id="pay_1")

    page = await signed_in.post("/do/release", transaction_id="pay_1", **{"as": "propose"})

    assert page.status_code == 400
    assert 'href="#proposal_reason"' in page.text and 'value="propose"' in page.text
    assert not payments.requests("CreateProposal")


@pytest.mark.parametrize(
    ("proposer", "offered"), [("ada", {"withdraw"}), ("grace", {"approve", "refuse"})]
)
async def test_a_proposal_offers_each_person_their_own_verbs(
    signed_in: Browser, payments: ScriptedPayments, proposer: str, offered: set[str]
) -> None:
    payments.says("GetProposal", **proposal(HASH), proposed_by=proposer)

    page = await signed_in.get("/proposals/prp_1")

    assert set(re.findall(r'id="verb-([a-z]+)"', page.text)) == offered


@pytest.mark.parametrize("allowed", [[], [":release"], [":release", ":resolve", ":try", ":adjust"]])
async def test_a_payment_offers_the_verbs_that_it_says_to_allow_and_no_other(
    signed_in: Browser, payments: ScriptedPayments, allowed: list[str]
) -> None:
    times = dict.fromkeys(("created_at", "updated_at"), datetime.now(UTC))
    held = {"transaction_id": "pay_1", "hold": {"reason": "late_success"}, **times}
    payments.says(
        "InspectPayment", payment=held, state="PAYING_OUT", next={"verbs": [*allowed, "/refunds"]}
    )

    page = await signed_in.get("/payments/pay_1")
    form = await signed_in.get("/do/resolve?transaction_id=pay_1")

    assert [f":{one}" for one in re.findall(r'id="verb-([a-z-]+)"', page.text)] == allowed
    assert ("does not allow this now" in form.text) is (":resolve" not in allowed)


def test_every_verb_that_a_payment_may_allow_is_one_of_the_console() -> None:
    own = {f":{name}" for name, verb in VERBS.items() if verb.allowed_by == "next.verbs"}

    assert own == set(OperatorVerb)


async def test_a_refused_verb_says_why_and_keeps_the_form(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.refusals["ReleaseHold"] = _NotOnHold()
    await signed_in.get("/do/release?transaction_id=pay_1")
    page = await signed_in.post("/do/release", transaction_id="pay_1", note="kept", **{"as": "do"})

    assert page.status_code == 409 and "PAYMENT_NOT_ON_HOLD" in page.text
    assert "Nothing was changed." in page.text and ">kept</textarea>" in page.text


async def test_a_malformed_value_is_refused_with_its_form(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.refusals["CreateMerchant"] = Invalid("A name has at most 100 characters.")
    await signed_in.get("/do/create-merchant")
    page = await signed_in.post("/do/create-merchant", name="x" * 101, **{"as": "do"})

    assert page.status_code == 400 and "at most 100 characters" in page.text


async def test_a_credential_that_counts_no_more_ends_the_session(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.refusals["ReleaseHold"] = NotAuthenticated()
    await signed_in.get("/do/release?transaction_id=pay_1")
    await signed_in.post("/do/release", transaction_id="pay_1", **{"as": "do"})

    assert (await signed_in.get("/account")).status_code == 303


async def test_one_form_makes_one_merchant(signed_in: Browser, payments: ScriptedPayments) -> None:
    await signed_in.get("/do/create-merchant")
    page = await signed_in.post("/do/create-merchant", name="Acme Ltd")
    found = re.search(r'name="idempotency_key" value="([^"]+)"', page.text)
    assert found
    for _ in range(2):
        fields = {"name": "Acme Ltd", "idempotency_key": found[1], "as": "do"}
        await signed_in.client.post(
            "/do/create-merchant",
            data={**fields, "form_token": token_of(page.text)},
            headers={"origin": "http://127.0.0.1:8081"},
        )

    keys = [one.idempotency_key for one in payments.asked if one.name == "CreateMerchant"]
    assert keys == [found[1]] * 2


def token_of(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]*)"', page)
    return found[1] if found else ""


async def test_a_new_key_is_shown_once_and_in_no_address(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.says("CreateOperatorKey", api_key="cvo_test_new", key={"key_id": "opk_2"})
    await signed_in.get("/do/create-operator-key")
    fields = {"operator": "eve", "name": "laptop", "roles.viewer": "yes", "as": "do"}
    page = await signed_in.post("/do/create-operator-key", **fields)

    assert page.status_code == 200 and "cvo_test_new" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert payments.requests("CreateOperatorKey")[0]["roles"] == ["viewer"]


@pytest.mark.parametrize("path", ["/do/nothing", "/do/", "/do/approve/more"])
async def test_an_unknown_verb_is_a_page_of_refusal(signed_in: Browser, path: str) -> None:
    assert (await signed_in.get(path)).status_code == 404


async def test_a_hold_is_released_and_the_log_has_the_operator(
    real: Browser, engine: AsyncEngine
) -> None:
    held = await new_payment(engine)
    hold = "hold_reason = 'step_failed', due_at = NULL, waiting_since = now()"
    await run(engine, f"UPDATE payments SET {hold} WHERE id = :id", id=held)
    key = await operator_key(engine, "grace")
    await real.sign_in_by_key(key.text)
    name = encode_id("pay", held)
    assert f"/do/release?transaction_id={name}" in (await real.get(f"/payments/{name}")).text
    await real.get(f"/do/release?transaction_id={name}")

    done = await real.post("/do/release", transaction_id=name, note="seen", **{"as": "do"})

    assert done.headers["location"] == f"/payments/{name}?done=release"
    page = (await real.get(done.headers["location"])).text
    assert "Done: Release the hold." in page and "operator:grace" in page
    async with engine.connect() as connection:
        [row] = (await connection.execute(text("SELECT * FROM operator_actions"))).all()
    assert (row.operator, row.action, row.note) == ("grace", "RELEASE_HOLD", "seen")


async def test_the_effect_of_a_verb_is_shown_before_it_is_done(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    posting = {"debit": "payments:USD", "credit": "onramp:stripe:USD", "amount": "5.00"}
    payments.says("PreviewVerb", postings=[posting], needs_second_person=True)
    await signed_in.get("/do/refund?transaction_id=pay_1")
    page = await signed_in.post("/do/refund", transaction_id="pay_1", amount_usd="5.00")

    assert "onramp:stripe:USD" in page.text and "One person is not enough" in page.text
    assert 'value="do"' not in page.text and 'value="propose"' in page.text
    assert payments.requests("PreviewVerb") == [
        {"refund_payment": {"transaction_id": "pay_1", "amount_usd": "5.00"}}
    ]
    assert not payments.requests("RefundPayment")


async def test_a_verb_that_would_be_refused_says_why_and_has_no_button(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    refusal = {"reason": "PAYOUT_STILL_OPEN", "message": "Wait.", "metadata": {"state": "SENT"}}
    payments.says("PreviewVerb", refusal=refusal)
    await signed_in.get("/do/refund?transaction_id=pay_1")
    page = await signed_in.post("/do/refund", transaction_id="pay_1", amount_usd="5.00")

    assert "PAYOUT_STILL_OPEN" in page.text and "state: SENT" in page.text
    assert 'name="as"' not in page.text


async def test_a_lost_answer_is_not_called_a_refusal(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    await signed_in.get("/do/try?transaction_id=pay_1")
    payments.refusals["PreviewVerb"] = Unavailable()
    before = await signed_in.post("/do/try", transaction_id="pay_1")
    del payments.refusals["PreviewVerb"]
    payments.refusals["TryNow"] = Unavailable()
    after = await signed_in.post("/do/try", transaction_id="pay_1", **{"as": "do"})

    assert before.status_code == after.status_code == 503
    assert "Nothing was changed" in before.text
    assert "Nobody knows whether it was done" in after.text
    assert "Nothing was changed" not in after.text


async def test_a_replay_begins_with_the_time_of_its_form_and_goes_on(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    page = await signed_in.get("/do/replay-endpoint?endpoint_id=whe_1")
    [before] = re.findall(r'name="tried_before" value="([^"]+)"', page.text)
    assert datetime.fromisoformat(before)
    payments.says("ReplayEndpoint", events=500, has_more=True)
    fields = {"endpoint_id": "whe_1", "tried_since": "2026-11-29T18:30", "tried_before": before}

    done = await signed_in.post("/do/replay-endpoint", **fields, note="lost", **{"as": "do"})
    again = await signed_in.get(done.headers["location"])

    assert "Done: Send again since, 500. More may be left" in again.text
    assert f'name="tried_before" value="{before}"' in again.text
    assert "lost" not in done.headers["location"]
    payments.says("ReplayEndpoint", events=7, has_more=False)
    done = await signed_in.post("/do/replay-endpoint", **fields, **{"as": "do"})
    assert done.headers["location"] == "/endpoints?done=replay-endpoint&count=7"


async def test_dead_letters_that_could_not_be_requeued_are_counted(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    page = await signed_in.get("/do/requeue-all?endpoint_id=whe_1")
    assert "whe_1" in page.text and 'name="reason"' in page.text
    payments.says(
        "RequeueDeadLetters",
        dead_letter_ids=["outbox_1", "outbox_2"],
        refused=[{"dead_letter_id": "step_1", "reason": "PAYMENT_BUSY"}],
        next_page_token="",
    )

    done = await signed_in.post("/do/requeue-all", endpoint_id="whe_1", **{"as": "do"})

    assert done.headers["location"] == "/dead-letters?done=requeue-all&count=2&refused=1"
    assert payments.requests("RequeueDeadLetters") == [{"endpoint_id": "whe_1"}]
    payments.says("ListDeadLetters", dead_letters=[], next_page_token="")
    page = await signed_in.get(done.headers["location"])
    assert "Not possible for 1: the audit trail has the reasons." in page.text
    page = await signed_in.get("/dead-letters?done=requeue-all&count=%3Cb%3E&refused=x")
    assert "Done: Requeue by a filter." in page.text


async def test_a_pause_is_confirmed_beside_what_becomes_of_the_payments_there(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    kind = {"state": "PAYING_OUT", "step": "payout", "provider": "wise", "payments": 7}
    payments.says(
        "PreviewVerb",
        target="wise",
        under_way=[{**kind, "sent": True}, {**kind, "payments": 3, "waits": True}],
        waiting_now=2,
    )
    await signed_in.get("/do/pause-provider?provider=wise")
    fields = {"provider": "wise", "under_way": "WAIT", "ends_at": "2030-01-01T00:00"}

    page = await signed_in.post("/do/pause-provider", **fields, reason="outage")

    assert "PAYING_OUT, payout by wise" in page.text
    assert "7, sent: they finish" in page.text
    assert "3, never sent: they wait" in page.text
    assert not payments.requests("PauseProvider")
    [asked] = payments.requests("PreviewVerb")
    assert asked["pause_provider"]["provider"] == "wise"
