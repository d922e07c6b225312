"""An intent without a server: the fields of a form, the effects of a card, and cancelling."""

import pytest

from services.providers.simulator.cards import CARDS
from services.providers.simulator.stripe_forms import Json, Refused
from services.providers.simulator.stripe_intents import (
    AMOUNT_MAX,
    AMOUNT_MIN,
    CANCELLABLE,
    cancelled,
    charge,
    new_intent,
)

FORM = {"amount": "10000", "currency": "usd", "payment_method": "pm_card_visa"}
DECLINING = [method for method, card in CARDS.items() if card.declines]


def intent(**changes: str) -> Json:
    return new_intent({**FORM, **changes})


def test_an_intent_is_what_its_form_asks_for() -> None:
    made = new_intent(
        {
            **FORM,
            "description": "invoice 17",
            "metadata[operation_key]": "pay_1-collection-1",
            "metadata[transaction_id]": "pay_1",
            "metadata": "ignored",
        }
    )

    assert (made["amount"], made["currency"], made["description"]) == (10_000, "usd", "invoice 17")
    assert made["metadata"] == {"operation_key": "pay_1-collection-1", "transaction_id": "pay_1"}
    assert (made["status"], made["amount_received"]) == ("requires_confirmation", 0)
    assert made["id"].startswith("pi_")
    assert not made["livemode"]


def test_an_intent_without_a_method_waits_for_one() -> None:
    form = {name: value for name, value in FORM.items() if name != "payment_method"}

    assert new_intent(form)["status"] == "requires_payment_method"


def test_no_two_intents_are_the_same() -> None:
    first, second = intent(), intent()

    assert first["id"] != second["id"]
    assert first["client_secret"] != second["client_secret"]


@pytest.mark.parametrize("amount", [AMOUNT_MIN, AMOUNT_MAX])
def test_the_limits_themselves_are_allowed(amount: int) -> None:
    assert intent(amount=str(amount))["amount"] == amount


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": str(AMOUNT_MIN - 1)}, "amount_too_small", "amount"),
        ({"amount": str(AMOUNT_MAX + 1)}, "amount_too_large", "amount"),
        ({"amount": ""}, "parameter_missing", "amount"),
        ({"amount": "-100"}, "parameter_invalid_integer", "amount"),
        ({"amount": "1e4"}, "parameter_invalid_integer", "amount"),
        ({"amount": "\N{ARABIC-INDIC DIGIT ONE}00"}, "parameter_invalid_integer", "amount"),
        ({"amount": "9" * 16}, "parameter_invalid_integer", "amount"),
        ({"currency": ""}, "parameter_missing", "currency"),
        ({"currency": "dollars"}, None, "currency"),
        ({"payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
    ],
)
def test_a_malformed_form_is_refused_and_names_its_parameter(
    changes: dict[str, str], code: str | None, param: str
) -> None:
    with pytest.raises(Refused) as refused:
        intent(**changes)

    error = refused.value.body["error"]
    assert refused.value.status == 400
    assert (error["type"], error.get("code"), error["param"]) == (
        "invalid_request_error",
        code,
        param,
    )


@pytest.mark.parametrize("method", ["pm_card_visa", "pm_card_mastercard"])
def test_a_good_card_pays_the_whole_amount(method: str) -> None:
    charged = intent(payment_method=method)

    assert charge(charged) is None
    assert (charged["status"], charged["amount_received"]) == ("succeeded", 10_000)
    assert charged["latest_charge"].startswith("ch_")


@pytest.mark.parametrize("method", DECLINING)
def test_a_declining_card_pays_nothing_and_says_why(method: str) -> None:
    card, charged = CARDS[method], intent(payment_method=method)

    error = charge(charged)

    assert error
    assert (error["type"], error["code"]) == ("card_error", card.code)
    assert (error["decline_code"], error["message"]) == (card.decline_code, card.message)
    assert error["payment_intent"] is charged
    assert (charged["status"], charged["amount_received"]) == ("requires_payment_method", 0)
    assert charged["last_payment_error"]["code"] == card.code
    # The error holds the intent, and the intent the error: that must end somewhere.
    assert "payment_intent" not in charged["last_payment_error"]


def test_a_card_that_asks_its_payer_charges_nothing_yet() -> None:
    asking = intent(payment_method="pm_card_authenticationRequired")

    assert charge(asking) is None
    assert (asking["status"], asking["amount_received"]) == ("requires_action", 0)
    assert (asking["latest_charge"], asking["next_action"]["type"]) == (None, "use_stripe_sdk")


@pytest.mark.parametrize("status", sorted(CANCELLABLE))
def test_intent_that_has_moved_nothing_can_be_cancelled(status: str) -> None:
    before = {**intent(), "status": status}

    after = cancelled(before, {"cancellation_reason": "abandoned"})

    assert (after["status"], after["cancellation_reason"]) == ("canceled", "abandoned")
    assert after["canceled_at"]
    assert after["id"] == before["id"]
    assert before["status"] == status


@pytest.mark.parametrize("status", ["succeeded", "canceled"])
def test_finished_intent_cannot_be_cancelled(status: str) -> None:
    with pytest.raises(Refused) as refused:
        cancelled({**intent(), "status": status}, {})

    assert refused.value.status == 400
    assert refused.value.body["error"]["code"] == "payment_intent_unexpected_state"
