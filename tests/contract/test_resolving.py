"""The holders of accounts, asked at the simulator by every adapter that can, and at servers that
answer in no known way."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from services.providers.adapters import ADAPTERS
from services.providers.domain import UNANSWERED, Holder, Resolution
from services.providers.ports import Resolver
from services.shared.recipients import BankAccount, MobileMoney, Recipient, RecipientKind
from tests.contract.lab import Lab, answering, running_lab

RESOLVERS = [name for name, one in ADAPTERS.items() if one.capabilities.resolves]
BY_NUMBER = [
    name
    for name, one in ADAPTERS.items()
    if (RecipientKind.MOBILE_MONEY, "GHS") in one.capabilities.resolves
]
BALE = BankAccount(holder_name="Bale Gary", bank_code="044", account_number="0690000032")
AMA = MobileMoney(holder_name="Ama", phone_number="+233551234987", operator="MTN")


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


def resolver(adapters: Any, name: str) -> Resolver:
    adapter = adapters[name]
    assert isinstance(adapter, Resolver)
    return adapter


async def test_the_adapters_that_declare_it_can_do_it(lab: Lab) -> None:
    able = {name for name, one in lab.adapters.items() if isinstance(one, Resolver)}

    assert able == set(RESOLVERS)
    assert len(able) >= 2


@pytest.mark.parametrize("name", RESOLVERS)
async def test_a_holder_is_named(lab: Lab, name: str) -> None:
    holder = await resolver(lab.adapters, name).resolve(BALE, "NGN")

    assert holder == Holder(resolution=Resolution.FOUND, name="Bale Gary")


@pytest.mark.parametrize("name", BY_NUMBER)
async def test_the_holder_of_a_number_is_named(lab: Lab, name: str) -> None:
    holder = await resolver(lab.adapters, name).resolve(AMA, "GHS")

    assert holder == Holder(resolution=Resolution.FOUND, name="Test Recipient")


@pytest.mark.parametrize("name", RESOLVERS)
async def test_an_account_that_is_not_there_is_not_found(lab: Lab, name: str) -> None:
    nobody = BankAccount(holder_name="Ada", bank_code="044", account_number="0690000099")

    holder = await resolver(lab.adapters, name).resolve(nobody, "NGN")

    assert holder == Holder(resolution=Resolution.NOT_FOUND)


@pytest.mark.parametrize("name", RESOLVERS)
@pytest.mark.parametrize("recipient", [BankAccount(iban="DE1"), MobileMoney(operator="X")])
async def test_a_recipient_that_it_does_not_pay_is_not_asked_for(
    lab: Lab, name: str, recipient: Recipient
) -> None:
    assert await resolver(lab.adapters, name).resolve(recipient, "NGN") == UNANSWERED


NAMED = {"account_number": "0690000031", "account_name": "ADA OBI"}
STRANGE: list[tuple[int, Any]] = [
    (500, {"status": "error", "message": "oops"}),
    (401, {"status": False, "message": "Invalid key"}),
    (200, {"status": "success", "message": "", "data": None}),
    (200, {"status": True, "message": "", "data": {"account_number": "0690000032"}}),
    # About another account.
    (200, {"status": "success", "message": "", "data": NAMED}),
    (200, {"status": True, "message": "", "data": NAMED}),
    (400, {"status": "error", "message": "the service is down for maintenance"}),
    (400, {"status": False, "message": "the service is down for maintenance"}),
    (200, []),
]


@pytest.mark.parametrize("name", RESOLVERS)
@pytest.mark.parametrize(("status", "body"), STRANGE)
async def test_an_answer_in_no_known_words_is_none(name: str, status: int, body: Any) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async with answering(answer, prepared=False) as adapters:
        asked = resolver(adapters, name).resolve(BALE, "NGN")
        try:
            holder = await asked
        except Exception as error:  # noqa: BLE001 - the use case takes an error for no answer
            holder = UNANSWERED
            assert "0690000032" not in str(error)

    assert holder == UNANSWERED
