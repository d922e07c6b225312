"""Asking under which name an account is held: the next provider where one does not answer, no error
and no name in a log, and never longer than allowed."""

import asyncio
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast

from services.providers.adapters.flutterwave import Flutterwave
from services.providers.domain import UNANSWERED, Holder, Resolution
from services.providers.limits import Gate, Limits
from services.providers.ports import Adapter
from services.providers.resolving import Resolving
from services.shared.recipients import BankAccount, Recipient, Wallet
from tests.logs import logged

ADA = BankAccount(holder_name="Ada Obi", bank_code="044", account_number="0690000032")
FOUND = Holder(resolution=Resolution.FOUND, name="SOMEBODY ELSE")
NOT_FOUND = Holder(resolution=Resolution.NOT_FOUND)


class Bank:
    """A provider that names holders of accounts in naira, as a test wants."""

    capabilities = Flutterwave.capabilities

    def __init__(self, answer: Holder | Exception | None) -> None:
        self._answer = answer
        self.asked = 0

    async def look_up(self, operation: Any) -> Any:
        raise NotImplementedError

    def read_webhook(self, webhook: Any) -> Any:
        raise NotImplementedError

    async def resolve(self, recipient: Recipient, currency: str) -> Holder:
        self.asked += 1
        if self._answer is None:
            await asyncio.Event().wait()
        if isinstance(self._answer, Exception):
            raise self._answer
        return cast(Holder, self._answer)


def resolving(banks: Mapping[str, Bank]) -> Resolving:
    gates = {name: Gate(Limits(), lambda: 0.0) for name in banks}
    return Resolving(cast(Mapping[str, Adapter], banks), gates)


async def ask(banks: Mapping[str, Bank], recipient: Recipient = ADA, **changes: Any) -> Holder:
    asked: dict[str, Any] = {"currency": "NGN", "allowed": timedelta(milliseconds=200), **changes}
    return await resolving(banks).resolve(
        [*banks, "nobody"], recipient, asked["currency"], asked["allowed"]
    )


async def test_the_next_provider_is_asked_where_one_does_not_answer() -> None:
    banks = {
        "silent": Bank(UNANSWERED),
        "broken": Bank(RuntimeError("0690000032")),
        "good": Bank(FOUND),
        "last": Bank(NOT_FOUND),
    }

    with logged() as lines:
        assert await ask(banks) == FOUND

    assert [bank.asked for bank in banks.values()] == [1, 1, 1, 0]
    kept = json.dumps(lines())
    assert "recipient_resolved" in kept
    assert not [text for text in ("SOMEBODY", "0690000032", "Ada") if text in kept]


async def test_an_account_that_is_not_there_is_an_answer() -> None:
    banks = {"first": Bank(NOT_FOUND), "second": Bank(FOUND)}

    assert await ask(banks) == NOT_FOUND
    assert banks["second"].asked == 0


async def test_a_provider_that_hangs_takes_no_longer_than_is_allowed() -> None:
    assert await ask({"hanging": Bank(None)}) == UNANSWERED


async def test_a_provider_is_asked_for_what_it_declares_alone() -> None:
    bank = Bank(FOUND)

    assert await ask({"bank": bank}, Wallet(wallet_id="wallet-1")) == UNANSWERED
    assert await ask({"bank": bank}, currency="GHS") == UNANSWERED
    assert bank.asked == 0
