"""The people of a swept payment: its merchant corrects a refused recipient or asks for a refund,
with one key until there is an answer, or lets the deadline pass; its payer disputes the charge; its
recipient's bank sends the money back, and two operators choose another offramp."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import aiohttp
import asyncpg

from services.shared.ids import decode_id
from services.shared.well_known import SANDBOX_OPERATORS
from tests.chaos.cases import WITH_REFUSED_RECIPIENT
from tests.chaos.failpoints import Case
from tests.chaos.mesh import ChaosMesh

# A recipient that the simulator cannot pay, by the name, and one that it can.
REFUSED = {"wallet": {"holder_name": "Asha Refused", "wallet_id": "wallet-1"}}
CORRECTED = {"wallet": {"holder_name": "Asha Example", "wallet_id": "wallet-2"}}
ASK_SECONDS, ANSWER_SECONDS = 0.5, 8.0
_PASS_DEADLINE = (
    "UPDATE payments SET deadline_at = now(), due_at = now() "
    "WHERE id = $1 AND state = 'ACTION_REQUIRED' AND hold_reason IS NULL"
)

_PAID = "SELECT key FROM attempts WHERE payment_id = $1 AND step = 'payout' AND state = 'SUCCEEDED'"


async def act(
    session: aiohttp.ClientSession,
    mesh: ChaosMesh,
    case: Case,
    transaction_id: str,
    state: Callable[[], str],
) -> None:
    """Does what the people of this case do, each thing once the payment is in the state for it."""
    path = f"/api/payments/{transaction_id}"
    if case.step in WITH_REFUSED_RECIPIENT:
        await _until(state, "ACTION_REQUIRED")
        if case.step == "deadline":
            await _let_deadline_pass(mesh.owner_url, transaction_id)
        else:
            await _ask(session, case, f"{path}:correct", {"recipient": CORRECTED})
    elif case.step in ("claim", "listed"):
        await _until(state, "COMPLETED")
        await _claim(mesh.simulator_url, transaction_id)
    elif case.step == "force":
        await _until(state, "ACTION_REQUIRED")
        await _force(mesh.plan.urls["operators"], transaction_id)
    elif case.step in ("return", "give_back"):
        await _until(state, "COMPLETED")
        await _send_back(mesh, transaction_id)
        if case.step == "give_back":
            await _until(state, "RETURNED")
            await _ask(session, case, f"{path}/refunds", {"full": True})
    elif case.step == "retry":
        await _until(state, "REFUNDING")
        refund_id = await _failed_refund(session, path)
        await _ask(session, case, f"/api/refunds/{refund_id}:retry", {})


async def _until(state: Callable[[], str], wanted: str) -> None:
    while state() not in (wanted, "REFUNDED"):  # noqa: ASYNC110 - another task reads it
        await asyncio.sleep(ASK_SECONDS)


async def _failed_refund(session: aiohttp.ClientSession, path: str) -> str:
    """The id of the payment's refund, once it has failed."""
    while True:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.get(f"{path}/refunds", timeout=_patience()) as answer:
                refunds = (await answer.json())["refunds"] if answer.status == 200 else []
                if refunds and refunds[0]["status"] == "FAILED":
                    return str(refunds[0]["refund_id"])
        await asyncio.sleep(ASK_SECONDS)


async def _ask(
    session: aiohttp.ClientSession, case: Case, path: str, body: Mapping[str, object]
) -> None:
    """Asks for a verb, under one key, until it is answered."""
    headers = {"idempotency-key": f"{case.name}-verb"}
    while True:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(
                path, json=body, headers=headers, timeout=_patience()
            ) as answer:
                if answer.status in (200, 201):
                    return
        await asyncio.sleep(ASK_SECONDS)


async def _force(url: str, transaction_id: str) -> None:
    """Two operators have it paid out by another offramp: each asks until there is an answer."""
    order = {"transaction_id": transaction_id, "provider": "paystack"}
    proposer, approver = SANDBOX_OPERATORS.values()
    async with aiohttp.ClientSession(f"{url}/api/admin/") as session:
        made = await _operate(
            session, proposer, "proposals", {"force_payout": order, "reason": "another one can"}
        )
        read = {"payload_sha256": made["payload_sha256"]}
        await _operate(session, approver, f"proposals/{made['proposal_id']}:approve", read)


async def _operate(
    session: aiohttp.ClientSession, key: str, path: str, body: Mapping[str, object]
) -> Mapping[str, str]:
    headers = {"authorization": f"Bearer {key}"}
    while True:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with session.post(
                path, json=body, headers=headers, timeout=_patience()
            ) as answer:
                if answer.status in (200, 201):
                    return dict(await answer.json())
        await asyncio.sleep(ASK_SECONDS)


async def _claim(simulator_url: str, transaction_id: str) -> None:
    """The payer disputes the charge, and loses."""
    url = f"{simulator_url}/control/stripe/disputes"
    async with aiohttp.ClientSession(raise_for_status=True) as session:
        async with session.post(url, json={"transaction_id": transaction_id}) as raised:
            dispute = await raised.json()
        await session.post(f"{url}/{dispute['id']}", json={"status": "won"})


async def _send_back(mesh: ChaosMesh, transaction_id: str) -> None:
    """The payout that has succeeded is returned."""
    async with _connected(mesh.owner_url) as connection:
        key = await connection.fetchval(_PAID, decode_id("pay", transaction_id))
    url = f"{mesh.simulator_url}/control/local_wallet/turns/{key}"
    async with aiohttp.ClientSession(raise_for_status=True) as session, session.post(url):
        pass


async def _let_deadline_pass(owner_url: str, transaction_id: str) -> None:
    async with _connected(owner_url) as connection:
        await connection.execute(_PASS_DEADLINE, decode_id("pay", transaction_id))


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


def _patience() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=ANSWER_SECONDS)
