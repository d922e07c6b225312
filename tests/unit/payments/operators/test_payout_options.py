"""The options of a payment are the offramps of its corridor that can send its payout, and the kinds
of recipient that one of them can pay it to."""

import pytest

from services.payments.model.attempt import Capabilities
from services.payments.model.rails import RailUnsupported
from services.payments.operators.payout_options import able_offramps, payout_options
from services.shared.corridors import Corridor, load_corridors
from services.shared.money import Money
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail
from tests.conftest import ROOT
from tests.makers import make_capabilities, make_payment

BANK, WALLET = RecipientKind.BANK_ACCOUNT, RecipientKind.WALLET
PAYMENT = make_payment()
PAYOUT = PAYMENT.terms.payout


@pytest.fixture(scope="module")
def corridor() -> Corridor:
    """Its offramps are flutterwave, paystack and local_wallet; it pays accounts and wallets."""
    return load_corridors(ROOT / "deploy" / "corridors", live=False).get("us-ng")


def declared(provider: str, kind: RecipientKind, **changes: int) -> Capabilities:
    bounds = {"least": PAYOUT.amount_minor, "most": PAYOUT.amount_minor, **changes}
    rail = Rail(
        recipient_kind=kind,
        minimum=Money(bounds["least"], PAYOUT.currency),
        maximum=Money(bounds["most"], PAYOUT.currency),
        decimals=2,
    )
    return make_capabilities(provider, rails=(rail,))


def test_the_offramps_pay_the_recipient_and_the_kinds_are_those_that_any_pays(
    corridor: Corridor,
) -> None:
    providers = {
        "paystack": declared("paystack", BANK),
        "local_wallet": declared("local_wallet", WALLET),
        "wise": declared("wise", WALLET),
    }

    options = payout_options(PAYMENT, corridor, providers)

    assert PAYMENT.recipient.kind is WALLET
    assert list(options.offramps) == ["local_wallet"]
    assert [rules.kind for rules in options.recipients] == [BANK, WALLET]


def test_an_offramp_that_cannot_send_the_amount_is_no_option(corridor: Corridor) -> None:
    least = PAYOUT.amount_minor + 1
    providers = {
        "paystack": declared("paystack", BANK),
        "local_wallet": declared("local_wallet", WALLET, least=least, most=least),
    }

    options = payout_options(PAYMENT, corridor, providers)

    assert (options.offramps, [rules.kind for rules in options.recipients]) == ((), [BANK])


def test_offramps_come_in_the_order_of_the_corridor(corridor: Corridor) -> None:
    providers = {name: declared(name, BANK) for name in ("local_wallet", "paystack")}

    assert able_offramps(PAYMENT, (BANK, ""), corridor, providers) == ("paystack", "local_wallet")
    with pytest.raises(RailUnsupported):
        able_offramps(PAYMENT, (WALLET, ""), corridor, providers)
