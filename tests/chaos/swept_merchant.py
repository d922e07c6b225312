"""The merchant of a swept payment whose recipient was refused: corrects it, with one key until
there is an answer, or lets the deadline pass."""

import asyncio
from contextlib import suppress

import aiohttp
import asyncpg

from services.shared.ids import decode_id
from tests.chaos.cases import WITH_REFUSED_RECIPIENT
from tests.chaos.failpoints import Case

# A recipient that the simulator cannot pay, by the name, and one that it can.
REFUSED = {"wallet": {"holder_name": "Asha Refused", "wallet_id": "wallet-1"}}
CORRECTED = {"wallet": {"holder_name": "Asha Example", "wallet_id": "wallet-2"}}
ASK_SECONDS, ANSWER_SECONDS = 0.5, 8.0
# For longer than several leases; what is not refused by then has been lost, and the audit says so.
TRIES = 300
_PASS_DEADLINE = (
    "UPDATE payments SET deadline_at = now(), due_at = now() "
    "WHERE id = $1 AND state = 'ACTION_REQUIRED' AND hold_reason IS NULL"
)


async def act(
    session: aiohttp.ClientSession, owner_url: str, case: Case, transaction_id: str
) -> None:
    """Does what this case's merchant does, once the payment is ACTION_REQUIRED."""
    if case.step not in WITH_REFUSED_RECIPIENT:
        return

    for _ in range(TRIES):
        if await _status(session, transaction_id) in ("ACTION_REQUIRED", "REFUNDED"):
            break
        await asyncio.sleep(ASK_SECONDS)
    if case.step == "deadline":
        await _let_deadline_pass(owner_url, transaction_id)
        return
    for _ in range(TRIES):
        if await _corrected(session, case, transaction_id):
            break
        await asyncio.sleep(ASK_SECONDS)


async def _status(session: aiohttp.ClientSession, transaction_id: str) -> str:
    with suppress(aiohttp.ClientError, TimeoutError):
        async with session.get(f"/api/payments/{transaction_id}", timeout=_patience()) as answer:
            if answer.status == 200:
                return str((await answer.json())["status"])
    return ""


async def _corrected(session: aiohttp.ClientSession, case: Case, transaction_id: str) -> bool:
    """Whether the correction, asked for under the one key, is answered."""
    with suppress(aiohttp.ClientError, TimeoutError):
        async with session.post(
            f"/api/payments/{transaction_id}:correct",
            json={"recipient": CORRECTED},
            headers={"idempotency-key": f"{case.name}-correction"},
            timeout=_patience(),
        ) as answer:
            return answer.status == 200
    return False


async def _let_deadline_pass(owner_url: str, transaction_id: str) -> None:
    connection = await asyncpg.connect(owner_url, timeout=10)
    try:
        await connection.execute(_PASS_DEADLINE, decode_id("pay", transaction_id))
    finally:
        await connection.close()


def _patience() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=ANSWER_SECONDS)
