"""Banks and holders of accounts, as Flutterwave and Paystack show them over HTTP."""

from typing import Any

import pytest

from tests.contract.providers.flutterwave import KEY as FLUTTERWAVE
from tests.contract.providers.paystack import KEY as PAYSTACK
from tests.unit.providers.simulator.caller import Caller


async def ask(
    caller: Caller, method: str, path: str, key: str, body: Any = None
) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {key}"}
    url = f"{caller.url}{path}"
    async with caller.session.request(method, url, headers=headers, json=body) as answer:
        return answer.status, await answer.json()


async def test_both_show_the_same_holder_of_an_account(caller: Caller) -> None:
    wanted = {"account_number": "0690000031", "account_bank": "044"}
    path = "/bank/resolve?account_number=0690000031&bank_code=044"

    ours = await ask(caller, "POST", "/v3/accounts/resolve", FLUTTERWAVE, wanted)
    theirs = await ask(caller, "GET", path, PAYSTACK)

    assert (ours[0], theirs[0]) == (200, 200)
    assert ours[1]["data"]["account_name"] == theirs[1]["data"]["account_name"] == "Ada Obi"


@pytest.mark.parametrize(
    ("account", "bank"), [("0690000099", "044"), ("0690000031", "999"), ("", "044")]
)
async def test_an_account_that_cannot_be_resolved_is_refused_in_each_one_s_words(
    caller: Caller, account: str, bank: str
) -> None:
    wanted = {"account_number": account, "account_bank": bank}
    path = f"/bank/resolve?account_number={account}&bank_code={bank}"

    ours = await ask(caller, "POST", "/v3/accounts/resolve", FLUTTERWAVE, wanted)
    theirs = await ask(caller, "GET", path, PAYSTACK)

    assert (ours[0], ours[1]["status"]) == (400, "error")
    assert theirs[0] in (400, 422)
    assert theirs[1]["status"] is False


async def test_banks_are_listed_by_country(caller: Caller) -> None:
    ours = await ask(caller, "GET", "/v3/banks/GH", FLUTTERWAVE)
    theirs = await ask(caller, "GET", "/bank?country=ghana&type=mobile_money", PAYSTACK)
    nowhere = await ask(caller, "GET", "/v3/banks/XX", FLUTTERWAVE)
    unknown = await ask(caller, "GET", "/bank?country=atlantis", PAYSTACK)

    assert {bank["code"] for bank in ours[1]["data"]} == {"030100", "MTN", "VOD", "ATL"}
    assert {bank["code"] for bank in theirs[1]["data"]} == {"MTN", "VOD", "ATL"}
    assert (nowhere[0], unknown[0]) == (400, 400)


async def test_balances_and_the_fee_of_a_transfer_are_shown(caller: Caller) -> None:
    balances = await ask(caller, "GET", "/v3/balances", FLUTTERWAVE)
    fee = await ask(caller, "GET", "/v3/transfers/fee?amount=5500&currency=NGN", FLUTTERWAVE)
    odd = await ask(caller, "GET", "/v3/transfers/fee?amount=much", FLUTTERWAVE)
    theirs = await ask(caller, "GET", "/balance", PAYSTACK)

    assert "NGN" in {one["currency"] for one in balances[1]["data"]}
    assert (fee[1]["data"][0]["fee"], odd[0]) == (26.88, 400)
    assert {one["currency"] for one in theirs[1]["data"]} == {"GHS", "KES", "NGN", "ZAR"}


async def test_lists_have_pages_and_singles(caller: Caller) -> None:
    recipient = {
        "type": "nuban",
        "name": "Ada Obi",
        "account_number": "0690000031",
        "bank_code": "044",
    }
    _, made = await ask(caller, "POST", "/transferrecipient", PAYSTACK, recipient)
    code = made["data"]["recipient_code"]
    wanted = {"source": "balance", "amount": 5500, "recipient": code}
    _, sent = await ask(caller, "POST", "/transfer", PAYSTACK, wanted)

    recipients = await ask(caller, "GET", "/transferrecipient", PAYSTACK)
    transfers = await ask(caller, "GET", "/transfer?perPage=1", PAYSTACK)
    one = await ask(caller, "GET", f"/transfer/{sent['data']['transfer_code']}", PAYSTACK)
    nobody = await ask(caller, "GET", "/transferrecipient/RCP_nobody", PAYSTACK)
    odd = await ask(caller, "GET", "/transfer?perPage=many", PAYSTACK)

    assert [each["recipient_code"] for each in recipients[1]["data"]] == [code]
    assert transfers[1]["meta"]["total"] == 1
    assert one[1]["data"]["recipient"]["recipient_code"] == code
    assert (made["data"]["currency"], len(sent["data"]["reference"])) == ("NGN", 20)
    assert (nobody[0], odd[0]) == (404, 400)


@pytest.mark.parametrize("key", [FLUTTERWAVE, PAYSTACK])
async def test_a_call_that_a_provider_does_not_have_is_refused_in_its_words(
    caller: Caller, key: str
) -> None:
    status, body = await ask(caller, "GET", "/v3/nothing", key)

    assert (status, body["status"]) in [(404, "error"), (404, False)]
