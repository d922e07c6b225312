"""Every verb of the console on a whole mesh, done in Chromium by the two operators of the sandbox:
the effect is on the screen by the page's own live events, and seen by the merchant."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest
from playwright.async_api import Browser, expect

from services.shared.ids import decode_id
from tests.browser.conftest import without_scripts
from tests.browser.operators import Operator, row_of
from tests.e2e.conftest import Mesh, Rest, owner_url
from tests.polling import until
from tests.receiver import Receiver, receiving


async def test_the_outcome_of_a_held_payment_is_stated(
    ada: Operator, payments: Mapping[str, str]
) -> None:
    await ada.open(payments["held"])
    await ada.begin("State the outcome")
    await ada.fill({"SUCCEEDED": True, "Evidence": "line 12"})
    await ada.confirm("State the outcome")

    await ada.sees("COMPLETED")
    await expect(ada.main).to_contain_text("attempt_resolved")


async def test_a_payment_is_held_tried_and_released(
    ada: Operator, grace: Operator, payments: Mapping[str, str]
) -> None:
    await ada.open(payments["sent"])
    await ada.carry_out("Try now", {"Note": "at once"})
    await ada.carry_out("Put on hold", {"Reason": "the recipient asked to wait"})
    await ada.sees("ON_HOLD")

    await grace.open(payments["sent"])
    await grace.carry_out("Release the hold", {"Note": "seen to"})

    # The other one's page says so by itself.
    await asyncio.gather(grace.sees("SENT"), ada.sees("SENT"))
    for action in ("TRY_NOW", "PLACE_HOLD", "RELEASE_HOLD"):
        await expect(ada.main).to_contain_text(action)


async def test_a_payout_is_forced_by_two_people(
    ada: Operator, grace: Operator, payments: Mapping[str, str]
) -> None:
    await ada.open(payments["returned"])
    await ada.begin("Force the payout")
    await ada.fill({"paystack": True})
    proposal = await ada.propose("flutterwave is down")
    await ada.open(payments["returned"])

    await grace.approve(proposal)

    await ada.sees("COMPLETED")
    await expect(ada.main.get_by_role("group", name="Attempts")).to_contain_text("paystack")


async def test_a_recipient_is_corrected_by_two_people(
    ada: Operator, grace: Operator, payments: Mapping[str, str]
) -> None:
    await grace.open(payments["correctable"])
    await grace.begin("Correct the recipient")
    await grace.fill(
        {
            "Holder name": "Asha Example",
            "Wallet id": "wallet-2",
            "Note": "by telephone",
        }
    )
    proposal = await grace.propose()
    await grace.open(payments["correctable"])

    await ada.approve(proposal)

    await grace.sees("COMPLETED")


async def test_money_on_suspense_is_written_off_by_two_people(
    ada: Operator, grace: Operator, payments: Mapping[str, str]
) -> None:
    await ada.open(payments["short"])
    await ada.begin("State the outcome")
    moved = {"Moved amount": "99.00", "Currency of the moved amount": "USD"}
    await ada.fill({"SUCCEEDED": True, "Evidence": "line 12", **moved})
    await ada.confirm("State the outcome")
    await ada.sees("COMPLETED")

    await ada.begin("Adjust the book")
    accounts = {"Debit account": "adjustments:USD", "Credit account": "suspense:stripe:USD"}
    amount = {"Amount": "1.00", "Currency": "USD", "Evidence": "statement, line 12"}
    await ada.fill({**accounts, **amount})
    effect = "1.00 USD (100 in minor units) from adjustments:USD to suspense:stripe:USD"
    await expect(ada.main).to_contain_text(effect)
    await expect(ada.main.get_by_role("button", name="Adjust the book now")).to_have_count(0)
    proposal = await ada.propose("too small to give back")
    await expect(ada.main.get_by_role("link", name="Approve")).to_have_count(0)
    await grace.approve(proposal)

    await ada.open(payments["short"])
    posting = ada.main.get_by_role("group", name="Postings").get_by_role("row").last
    await expect(posting).to_contain_text("adjustments:USD suspense:stripe:USD 1.00 USD")


async def test_a_payment_is_refunded(ada: Operator, payments: Mapping[str, str]) -> None:
    await ada.open(payments["refundable"])
    await ada.begin("Refund")
    await ada.fill({"The whole amount that is not refunded yet": True, "Reason": "asked for it"})
    await ada.confirm("Refund")

    await ada.sees("REFUNDED")


def later(**length: int) -> str:
    """The time so much later than now, as a field of a form has it."""
    at = datetime.now(UTC) + timedelta(**length)
    return at.replace(tzinfo=None).isoformat(timespec="milliseconds")


async def propose_a_rate(operator: Operator, corridor_id: str) -> str:
    await operator.open("/rates")
    await operator.begin("Override a rate")
    await operator.fill({"Corridor": corridor_id, "Markup": "40", "Ends": later(hours=1)})
    return await operator.propose("a thin market")


async def test_a_rate_is_overridden_by_two_people_and_ended_by_one(
    ada: Operator, grace: Operator
) -> None:
    proposal = await propose_a_rate(ada, "us-br")
    await grace.approve(proposal)
    await grace.open("/rates")
    row = row_of(grace, proposal.rpartition("/")[2])
    await expect(row).to_contain_text("40 bp")

    await grace.carry_out("End", {"Note": "the market is back"}, row)

    await expect(row).to_contain_text("UTC")
    await expect(row.get_by_role("link", name=re.compile("^End "))).to_have_count(0)


async def test_a_verb_is_proposed_and_approved_without_scripts(
    chromium: Browser, mesh: Mesh, ada: Operator
) -> None:
    async with without_scripts(chromium, mesh) as (proposer, approver):
        proposal = await propose_a_rate(proposer, "us-mx")
        await approver.approve(proposal)
        await approver.open("/rates")
        await expect(row_of(approver, proposal.rpartition("/")[2])).to_contain_text("40 bp")

    # The rate of the others is as before.
    await ada.open("/rates")
    await ada.carry_out("End", {}, row_of(ada, proposal.rpartition("/")[2]))


async def test_a_proposal_is_refused_by_the_other_and_withdrawn_by_its_own(
    ada: Operator, grace: Operator
) -> None:
    refused = await propose_a_rate(ada, "us-jp")
    await grace.open(refused)
    await grace.carry_out("Refuse", {"Note": "not now"})
    await grace.sees("REFUSED")

    withdrawn = await propose_a_rate(ada, "us-jp")
    await ada.open(withdrawn)
    await expect(ada.main.get_by_role("link", name="Approve")).to_have_count(0)
    await ada.carry_out("Withdraw", {"Note": "a slip"})
    await ada.sees("WITHDRAWN")


async def pause(operator: Operator, verb: str, fields: Mapping[str, str]) -> None:
    await operator.open("/pauses")
    await operator.carry_out(verb, {**fields, "FINISH": True, "Reason": "an outage"})


async def resume(operator: Operator, name: str) -> None:
    await operator.open("/pauses?in_force=yes")
    await operator.carry_out("Resume", {"Reason": "it is well again"}, row_of(operator, name))
    await expect(row_of(operator, name)).to_contain_text("it is well again")


async def test_one_operator_pauses_a_corridor_and_the_other_resumes_it(
    ada: Operator, grace: Operator, rest: Rest
) -> None:
    async def quoted() -> int:
        wanted = {"amount_usd": "100.00", "destination_currency": "ZAR"}
        return (await rest.post("/api/quotes", wanted)).status

    await pause(ada, "Pause a corridor", {"Corridor": "us-za"})
    await until(quoted, lambda status: status == 503)

    await resume(grace, "us-za")

    await until(quoted, lambda status: status == 201)


async def test_one_operator_pauses_a_provider_and_the_other_resumes_it(
    ada: Operator, grace: Operator, rest: Rest
) -> None:
    async def offramps() -> set[str]:
        corridors = (await rest.get("/api/corridors")).json["corridors"]
        [rails] = [one["rails"] for one in corridors if one["corridor_id"] == "us-jp"]
        return {offramp for rail in rails for offramp in rail["offramps"]}

    await pause(ada, "Pause a provider", {"Provider": "wise"})
    await until(offramps, lambda found: found == {"local_wallet"})

    await resume(grace, "wise")

    await until(offramps, lambda found: found == {"local_wallet", "wise"})


async def test_keys_of_operators_are_made_rolled_and_revoked(ada: Operator) -> None:
    await ada.open("/operator-keys")
    await ada.begin("Make a key")
    await ada.fill({"Operator": "carol", "Name of the key": "laptop", "viewer": True})
    first = await ada.gets_a_key("Make a key")
    await ada.open("/operator-keys")
    await ada.begin("Roll", row_of(ada, "carol"))
    await ada.fill({"Overlap in hours": "0"})
    second = await ada.gets_a_key("Roll")
    await until(lambda: status(ada, first), lambda seen: seen == 401)
    assert await status(ada, second) == 200

    await ada.open("/operator-keys")
    await ada.begin("Revoke", row_of(ada, "carol"))
    await ada.confirm("Revoke")

    await until(lambda: status(ada, second), lambda seen: seen == 401)


async def status(operator: Operator, key: str) -> int:
    """How the operators' listener answers this key."""
    headers = {"authorization": f"Bearer {key}"}
    answer = await operator.page.request.get(f"{operator.url}/api/admin/operator", headers=headers)
    return answer.status


async def test_a_merchant_and_its_keys_are_made_disabled_and_revoked(
    ada: Operator, rest: Rest
) -> None:
    name = f"Acme {uuid4().hex}"

    async def listed(key: str) -> int:
        return (await rest.get("/api/payments", authorization=f"Bearer {key}")).status

    await ada.open("/merchants")
    await ada.carry_out("Create a merchant", {"Name": name})
    await row_of(ada, name).get_by_role("link").first.click()
    keys = ada.path
    await ada.begin("Make the first key")
    await ada.fill({"Name of the key": "first"})
    first = await ada.gets_a_key("Make the first key")
    assert await listed(first) == 200

    for verb, expected in (("Disable", 403), ("Enable", 200)):
        await ada.open("/merchants")
        await ada.carry_out(verb, {"Note": "asked for"}, row_of(ada, name))
        await until(lambda: listed(first), lambda seen, wanted=expected: seen == wanted)
    await ada.open(keys)
    await ada.carry_out("Revoke", {"Note": "leaked"}, row_of(ada, "first"))
    await until(lambda: listed(first), lambda seen: seen == 401)

    await ada.begin("Make the first key")
    await ada.fill({"Name of the key": "second"})
    second = await ada.gets_a_key("Make the first key")
    await ada.open(keys)
    await ada.carry_out("Revoke all keys", {"Note": "leaked"})
    await until(lambda: listed(second), lambda seen: seen == 401)


@pytest.fixture
async def receiver(mesh: Mesh) -> AsyncIterator[Receiver]:
    """A merchant's server on this machine, which only a mesh of our own can reach."""
    async with receiving() as running:
        yield running


async def set_aside(mesh: Mesh, transaction_id: str, endpoint_id: str) -> None:
    """Leaves three events for the endpoint set aside, as after days of failures."""
    owner = await asyncpg.connect(owner_url(mesh))
    await owner.execute(
        """
        INSERT INTO outbox (merchant_id, payment_id, sequence, endpoint_id, event_type, body, state,
               failures, last_error)
        SELECT 'sandbox', $1, sequence, $2, 'payment.completed', '{}', 'SET_ASIDE', 12, 'HTTP 500'
          FROM generate_series(97, 99) AS sequence
        """,
        decode_id("pay", transaction_id),
        decode_id("whe", endpoint_id),
    )
    await owner.close()


async def test_events_are_requeued_discarded_and_sent_again(
    ada: Operator, rest: Rest, mesh: Mesh, receiver: Receiver, payments: Mapping[str, str]
) -> None:
    endpoint = (await rest.post("/api/webhook-endpoints", {"url": receiver.url})).json
    endpoint_id = endpoint["endpoint_id"]
    await set_aside(mesh, payments["sent"].rpartition("/")[2], endpoint_id)
    letters = f"/dead-letters?endpoint_id={endpoint_id}"
    rows = ada.main.locator("tbody tr")
    await ada.open(letters)
    await expect(rows).to_have_count(3)
    await ada.carry_out("Requeue", {"Note": "it is up again"}, rows.first)
    await receiver.wait(1)
    await ada.open(letters)
    await expect(rows).to_have_count(2)
    await ada.carry_out("Discard", {"Note": "too old"}, rows.first)

    await ada.carry_out("Requeue by a filter", {"Endpoint": endpoint_id}, said=", 1")
    await receiver.wait(2)
    await ada.open(letters)
    await expect(ada.main).to_contain_text("Nothing with this filter.")

    async def delivered() -> int:
        await ada.open(payments["sent"])
        return await rows.filter(has_text="DELIVERED").count()

    await until(delivered, lambda number: number == 2)
    times = {"Last tried before": later()}
    await ada.carry_out("Send again", times, row_of(ada, "DELIVERED"), said=", 1")
    await receiver.wait(3)

    await until(delivered, lambda number: number == 2)
    times = {"Last tried since": later(hours=-1), "Last tried before": later()}
    await ada.open("/endpoints")
    await ada.carry_out("Send again since", times, row_of(ada, receiver.url), said=", 2")
    await receiver.wait(5)
    assert {one.event_id for one in receiver.received[:2]} == {
        one.event_id for one in receiver.received[3:]
    }
