"""A form asks for what its payment takes: an offramp that can pay it, a recipient of a kind that
its corridor pays, an amount in the decimals of its currency."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.wire.console.conftest import Browser, ScriptedPayments

PAYMENT: Mapping[str, Any] = {
    "payment": {"transaction_id": "pay_1", "status": "ON_HOLD"},
    "payout_options": {
        "offramps": ["paystack", "flutterwave"],
        "recipients": [
            {"kind": "WALLET", "required": [{"name": "holder_name"}, {"name": "wallet_id"}]},
            {"kind": "BANK_ACCOUNT", "required": [{"name": "iban"}]},
        ],
    },
}


@pytest.fixture
async def signed_in(browser: Browser, payments: ScriptedPayments) -> Browser:
    payments.says("InspectPayment", **PAYMENT)
    await browser.sign_in_by_key("cvo_test_a-key")
    return browser


async def test_a_corrected_recipient_is_sent_as_a_whole(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    await signed_in.get("/do/correct?transaction_id=pay_1")
    fields = {"recipient.wallet.wallet_id": "w_1", "recipient.wallet.holder_name": "Bo"}
    await signed_in.post("/do/correct", transaction_id="pay_1", **fields, **{"as": "do"})

    assert payments.requests("CorrectPayment") == [
        {
            "transaction_id": "pay_1",
            "recipient": {"wallet": {"wallet_id": "w_1", "holder_name": "Bo"}},
        }
    ]


async def test_an_offramp_is_chosen_among_those_that_can_pay(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    page = await signed_in.get("/do/force?transaction_id=pay_1")
    chosen = re.findall(r'name="provider" value="([^"]+)"', page.text)
    assert chosen == ["paystack", "flutterwave"]

    page = await signed_in.post("/do/force", transaction_id="pay_1", provider="wise")

    assert page.status_code == 400 and "Choose one of these." in page.text
    assert not payments.requests("PreviewVerb")


async def test_a_form_with_nothing_to_choose_has_no_button(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    payments.says("InspectPayment", payment=PAYMENT["payment"], payout_options={})

    for verb in ("force", "correct"):
        page = await signed_in.get(f"/do/{verb}?transaction_id=pay_1")
        assert "No offramp of its corridor can pay" in page.text
        assert 'id="continue"' not in page.text


async def test_a_recipient_is_asked_for_by_the_kinds_of_its_corridor_alone(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    page = await signed_in.get("/do/correct?transaction_id=pay_1")
    assert re.findall(r'name="recipient\.([^"]+)" value="([^"]*)"', page.text) == [
        ("wallet.holder_name", ""),
        ("wallet.wallet_id", ""),
        ("bank_account.iban", ""),
    ]

    fields = {"recipient.wallet.wallet_id": "w_1", "recipient.mobile_money.operator": "mtn"}
    page = await signed_in.post("/do/correct", transaction_id="pay_1", **fields, **{"as": "do"})

    assert page.status_code == 400 and 'id="recipient.wallet.holder_name-wrong"' in page.text
    assert "mobile_money" not in page.text
    assert not payments.requests("CorrectPayment")


async def test_an_adjustment_takes_a_decimal_and_is_shown_in_both(
    signed_in: Browser, payments: ScriptedPayments
) -> None:
    posting = {"debit": "adjustments:USD", "credit": "suspense:stripe:USD"}
    payments.says("PreviewVerb", postings=[{**posting, "amount": "12.34", "currency": "USD"}])
    payments.says("CreateProposal", proposal_id="prp_2")
    await signed_in.get("/do/adjust?transaction_id=pay_1")
    fields = {**posting, "amount_minor": "12.34", "currency": "USD", "evidence": "line 12"}

    page = await signed_in.post("/do/adjust", transaction_id="pay_1", **fields)
    await signed_in.post(
        "/do/adjust", transaction_id="pay_1", **fields, proposal_reason="small", **{"as": "propose"}
    )

    assert page.text.count("12.34 USD (1234 in minor units)") == 2
    [proposed] = payments.requests("CreateProposal")
    assert proposed["adjust_payment"]["amount_minor"] == 1234
