"""How evidence comes about: the history, the merchant's endpoint, the calls of the clients, and our
database as its owner reads it."""

import asyncio
import json
import threading
from pathlib import Path
from random import Random

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from services.providers.simulator.wise_events import wise_headers
from tests.chaos import books, history, receiver
from tests.chaos.checker import Evidence, Facts, Finding, audit
from tests.chaos.client import Call, Client
from tests.chaos.digests import BUSY, digests
from tests.chaos.history import FAIL, INFO, OK, History
from tests.chaos.hostile import Hostile, Subject, headers
from tests.chaos.orders import REFUSED_METHODS, Orders
from tests.chaos.receiver import Receiver, is_genuine
from tests.conftest import Database
from tests.contract.providers.wise import PAIR

# Only where nobody goes on is it waited for so long.
WAIT_SECONDS = 10
SECRETS = {
    "stripe": "whsec_stripe",
    "flutterwave": "hash",
    "paystack": "sk_test_x",
    "wise": PAIR,
    "local_wallet": "whsec_c2VjcmV0",
}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(201, OK), (400, FAIL), (422, FAIL), (408, INFO), (409, INFO), (429, INFO), (503, INFO)],
)
def test_only_a_definitive_refusal_is_a_failure(status: int, kind: str) -> None:
    assert history.outcome(status) == kind
    assert history.outcome(0) == INFO


async def test_a_history_is_read_as_it_was_written_without_its_torn_end(tmp_path: Path) -> None:
    written = History(tmp_path)
    asked = await written.invoke("c1", "create", idem_key="k", request={"amount_usd": "1.00"})
    await written.end(asked, 201, payment_id="pay_1", response="{}")
    open_ended = await written.invoke("c2", "get", payment_id="pay_1")
    written.close()
    with written.path.open("a") as file:
        file.write('{"seq": 3, "torn')

    first, second = history.operations(history.read(tmp_path))

    assert (first.type, first.end and first.end.payment_id) == (OK, "pay_1")
    assert first.invoke.request == {"amount_usd": "1.00"}
    assert (second.type, second.invoke.seq) == (INFO, open_ended.seq)


async def test_a_client_records_each_answer_and_each_missing_answer(
    tmp_path: Path,
) -> None:
    refusal = {"code": 9, "details": [{"reason": "NO"}]}

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/gone" and request.transport:
            request.transport.abort()
        return web.json_response(refusal, status=400)

    app = web.Application()
    app.add_routes([web.route("*", "/{tail:.*}", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
        client = Client(session, History(tmp_path))
        refused = await client.send(Call(f="create", method="POST", path="/", body={}), "c1")
        lost = await client.send(Call(f="create", method="POST", path="/gone", body={}), "c1")
    await runner.cleanup()

    assert (refused.type, refused.reason, refused.grpc_code) == (FAIL, "NO", 9)
    assert (lost.type, lost.status) == (INFO, 0)


async def test_the_receiver_writes_down_before_it_answers_badly(tmp_path: Path) -> None:
    body = json.dumps({"id": "evt_1", "data": {"transaction_id": "pay_1"}}).encode()
    endpoint = Receiver(tmp_path, Random(1), misbehaves=1)
    async with endpoint, aiohttp.ClientSession() as session:
        for _ in range(6):
            await _post(session, endpoint.url, body)

    received = receiver.read(tmp_path)

    assert len(received) == 6
    assert {one.payment_id for one in received} == {"pay_1"}
    assert {one.answered for one in received} <= {"500", "hang", "reset"}


async def _post(session: aiohttp.ClientSession, url: str, body: bytes) -> None:
    proof = headers("local_wallet", body, SECRETS["local_wallet"], "evt_1", 1000)
    try:
        async with asyncio.timeout(0.5):
            async with session.post(url, data=body, headers=proof) as answer:
                await answer.read()
    except (TimeoutError, aiohttp.ClientError):
        return


def test_a_delivery_is_genuine_by_its_secret_its_bytes_and_its_time() -> None:
    body = b'{"id": "evt_1"}'
    proof = headers("local_wallet", body, SECRETS["local_wallet"], "evt_1", 1000)
    receipt = receiver.Receipt(
        event_id="evt_1",
        event_type="",
        payment_id="",
        body_sha256="",
        signed_at="1000",
        signature=proof["webhook-signature"],
        at_unix=1001,
        answered="200",
        body=body.decode(),
    )
    late = receiver.Receipt(**{**vars(receipt), "at_unix": 9000})
    other = receiver.Receipt(**{**vars(receipt), "body": "{}"})

    assert is_genuine(receipt, [SECRETS["local_wallet"]])
    assert not is_genuine(receipt, ["whsec_b3RoZXI="])
    assert not is_genuine(late, [SECRETS["local_wallet"]])
    assert not is_genuine(other, [SECRETS["local_wallet"]])


def test_the_same_seed_gives_the_same_load() -> None:
    def load(seed: int) -> list[object]:
        orders = Orders(Random(seed))
        return [(orders.key(), orders.payment(), orders.refused()) for _ in range(200)]

    assert load(1) == load(1)
    assert load(1) != load(2)


def test_the_load_has_something_of_everything() -> None:
    orders = Orders(Random(3))
    bodies = [orders.payment() for _ in range(2000)]
    words = {w.split("@")[0].split("=")[0] for b in bodies for w in b["reference"].split()}

    currencies = {"INR", "MXN", "NGN", "GHS", "KES", "ZAR", "GBP", "BRL"}
    assert {b["destination_currency"] for b in bodies} == currencies
    assert {"sim:500_after", "sim:payout_fails", "sim:late_success", "sim:amount+1"} <= words
    assert {"sim:cache_500", "sim:refund_fails", "sim:amnesia", "sim:no_webhook"} <= words
    assert {"sim:payer_authenticates", "sim:payer_fails", "sim:dispute"} <= words
    assert {None, "PRESENT"} == {b.get("payer") for b in bodies}
    assert set(REFUSED_METHODS) <= {b.get("payment_method", "") for b in bodies}


def test_an_orphan_is_signed_by_its_provider_and_names_a_payment_of_nobody() -> None:
    hostile = Hostile(Random(5), SECRETS)
    calls = [hostile.orphan() for _ in range(50)]

    assert {str(call.meta["provider"]) for call in calls} == {"stripe", "flutterwave"}
    assert len({call.payment_id for call in calls}) == len({call.key for call in calls}) == 50
    for call in calls:
        provider = str(call.meta["provider"])
        timed = dict(call.headers).get("stripe-signature", "t=0,").split(",")[0][2:]
        assert call.headers == headers(
            provider, call.body, SECRETS[provider], str(call.key), int(timed)
        )
        assert call.payment_id.encode() in call.body


def test_an_event_of_wise_is_signed_as_the_simulator_signs_it() -> None:
    signed = Hostile(Random(5), SECRETS).signed("wise", b"{}", "evt_1", "pay_1", {})

    name = "x-signature-sha256"
    assert signed.headers[name] == wise_headers(b"{}", PAIR)[name]


def test_no_forged_event_is_signed_with_a_secret_of_ours_but_those_of_long_ago_or_nothing() -> None:
    hostile = Hostile(Random(5), SECRETS)
    subject = Subject("pay_1", 100, "INR", 8000)
    calls = [hostile.forged(subject) for _ in range(300)]

    kinds = {str(call.meta["forged"]) for call in calls}
    assert kinds == {"empty_secret", "wrong_secret", "unsigned", "old_timestamp"}
    for call in calls:
        provider, kind = str(call.meta["provider"]), call.meta["forged"]
        if kind in ("empty_secret", "wrong_secret"):
            secret, at = SECRETS[provider], int(call.headers.get("webhook-timestamp", 0))
            good = headers(provider, call.body, secret, str(call.key), at)
            assert not set(good.values()) & (set(call.headers.values()) - {str(at), call.key})


async def test_our_rows_are_read_and_time_is_let_pass(database: Database) -> None:
    connection = await asyncpg.connect(database.owner_url)
    await connection.execute(ROWS)

    before = await digests(database.owner_url)
    ledger = await books.read_ledger(database.owner_url)
    await books.let_time_pass(database.owner_url)
    due = await connection.fetchval(
        "SELECT due_at <= now() AND updated_at < now() - interval '7 days' FROM payments"
    )
    await connection.execute("UPDATE payments SET state = 'RETURNED'")
    after = await digests(database.owner_url)
    await connection.close()

    (payment,) = ledger.payments
    assert (payment.state, payment.payout_minor, payment.late_funds["grace_seconds"]) == (
        "COMPLETED",
        8000,
        300,
    )
    assert [event.evidence for event in ledger.events] == [{"key": "k"}]
    assert before.keys() == {payment.public_id}
    assert not before[payment.public_id].startswith(BUSY)
    assert due
    assert before != after


async def test_an_audit_lets_the_proxies_of_its_mesh_go_on(
    database: Database, tmp_path: Path
) -> None:
    checking, passed, loop = asyncio.Event(), threading.Event(), asyncio.get_running_loop()

    def waits(_: Facts) -> Finding:
        loop.call_soon_threadsafe(checking.set)
        found = Finding("I0", "others go on meanwhile")
        found.expect(passed.wait(WAIT_SECONDS), "the loop of the proxies stood still")
        return found

    async def carry() -> None:
        await checking.wait()
        passed.set()

    (tmp_path / "book.jsonl").touch()
    evidence = Evidence(
        history=tmp_path,
        simulator_book=tmp_path / "book.jsonl",
        database_url=database.owner_url,
    )
    carrying = asyncio.create_task(carry())
    report = await audit(evidence, [waits])
    await carrying

    assert report.broken == []


ROWS = """
    INSERT INTO merchants (id, display_name) VALUES ('m', 'M');
    INSERT INTO quotes (merchant_id, id, corridor_id, terms, trail, fee_schedule_version,
        created_at, expires_at)
    VALUES ('m', gen_random_uuid(), 'us-in', '{}', '{}', '1', now(), now());
    INSERT INTO payments (merchant_id, id, user_id, quote_id, corridor_id, amount_minor, fee_minor,
        net_minor, fees, destination_currency, payout_minor, rate, mid_rate, markup_basis_points,
        route, onramp, offramp, recipient, recipient_is_example, payment_method, reference,
        trace_id, state, version, quote_expires_at, late_funds, created_at, updated_at, due_at)
    SELECT 'm', gen_random_uuid(), gen_random_uuid(), id, 'us-in', 100, 0, 100, '[]', 'INR', 8000,
        80, 80, 50, '{}', 'stripe', 'local_wallet', '{}', false, '', '', '', 'COMPLETED', 1, now(),
        '{"grace_seconds": 300}', now(), now(), now() + interval '7 days' FROM quotes;
    INSERT INTO payment_events (merchant_id, payment_id, sequence, to_state, actor, cause, evidence,
        trace_id)
    SELECT 'm', id, 1, 'CREATED', 'api', 'payment_created', '{"key": "k"}', '' FROM payments;
"""


async def test_a_book_is_read_without_its_torn_end(tmp_path: Path) -> None:
    line = {
        "provider": "stripe", "effect": "charge_succeeded", "key": "k", "id": "pi_1",
        "transaction_id": "pay_1", "reference": "", "amount_minor": 1, "currency": "USD",
        "state": {"secret": 1}, "at": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    path = tmp_path / "book.jsonl"
    path.write_text(json.dumps(line) + "\n" + '{"provider": "str')

    (read,) = await books.simulator_book(path)

    assert (read.effect, read.time.year) == ("charge_succeeded", 2026)
