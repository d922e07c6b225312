"""The recipient of a payment: by the corridor's rules or by those that its quote has kept, and the
example of the corridor in a sandbox alone."""

from dataclasses import replace

import pytest

from services.payments.model.quote import Quote, QuoteMismatch
from services.payments.orders.payees import Payee, Payees
from services.shared.corridors import Corridors, CorridorUnsupported, load_corridors
from services.shared.deployment import Deployment
from services.shared.errors import Invalid
from services.shared.recipients import BankAccount, MobileMoney, Wallet
from tests.conftest import ROOT
from tests.makers import CONDITIONS, make_quote

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
RULES = CORRIDORS.get("us-ng").recipient_rules
ADA = BankAccount(holder_name="Ada Obi", bank_code="044", account_number="0690000032")
WALLET = Wallet(holder_name="Ada Obi", wallet_id="wallet-77")
SANDBOX, LIVE = (Payees(CORRIDORS, deployment=one) for one in (Deployment.SANDBOX, Deployment.LIVE))


def _quote(recipient: BankAccount | None = None, *, kept: bool = True) -> Quote:
    conditions = replace(CONDITIONS, recipients=RULES if kept else None)
    return make_quote(recipient=recipient, conditions=conditions)


def _fields(refusal: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return [(one.field, one.reason) for one in refusal.value.violations]


def test_a_sandbox_pays_the_corridors_example_and_says_so() -> None:
    payee = SANDBOX.of_payment(None, "NGN", "")

    assert payee == Payee(recipient=RULES.example, is_example=True)


def test_outside_a_sandbox_nobody_is_paid_by_default() -> None:
    with pytest.raises(Invalid) as refusal:
        LIVE.of_payment(None, "NGN", "")

    assert _fields(refusal) == [("recipient", "FIELD_REQUIRED")]
    assert "bank_account or wallet" in str(refusal.value)


def test_a_recipient_is_read_by_the_corridor() -> None:
    assert LIVE.of_payment(ADA, "NGN", "NG") == Payee(recipient=ADA)
    with pytest.raises(Invalid) as refusal:
        LIVE.of_payment(ADA, "UGX", "")

    assert _fields(refusal) == [("recipient.bank_account", "RECIPIENT_KIND_UNSUPPORTED")]


def test_a_quote_may_be_asked_for_without_a_recipient() -> None:
    assert LIVE.of_quote(None, "NGN", "") is None
    with pytest.raises(CorridorUnsupported):
        LIVE.of_quote(None, "CHF", "")


def test_under_a_quote_its_own_recipient_is_paid_where_none_is_named() -> None:
    assert LIVE.under(_quote(ADA), None) == Payee(recipient=ADA)


def test_under_a_quote_another_recipient_of_the_same_kind_may_be_paid() -> None:
    other = replace(ADA, holder_name="Ben Obi")

    assert LIVE.under(_quote(ADA), other) == Payee(recipient=other)
    with pytest.raises(QuoteMismatch) as refusal:
        LIVE.under(_quote(ADA), WALLET)
    assert refusal.value.metadata == {"field": "recipient"}


def test_a_quote_without_a_recipient_takes_one_by_the_rules_that_it_has_kept() -> None:
    payees = Payees(Corridors(()), deployment=Deployment.LIVE)

    assert payees.under(_quote(), WALLET) == Payee(recipient=WALLET)
    with pytest.raises(Invalid):
        payees.under(_quote(), replace(ADA, account_number="0690000033"))
    with pytest.raises(CorridorUnsupported):
        payees.under(_quote(kept=False), WALLET)
    assert LIVE.under(_quote(kept=False), WALLET) == Payee(recipient=WALLET)


def test_a_check_beside_other_faults_needs_a_corridor() -> None:
    phone = MobileMoney(holder_name="Ada", phone_number="+2348012345678", operator="MTN")

    LIVE.check(phone, "CHF", "")
    LIVE.check(None, "NGN", "")
    with pytest.raises(Invalid):
        LIVE.check(phone, "NGN", "")


@pytest.mark.parametrize("deployment", list(Deployment))
def test_nobody_is_paid_by_default_outside_a_sandbox_and_no_test_account_where_it_is_live(
    deployment: Deployment,
) -> None:
    payees = Payees(CORRIDORS, deployment=deployment)
    test_account = replace(ADA, account_number="0690000031")

    if deployment is Deployment.SANDBOX:
        assert payees.of_payment(None, "NGN", "").is_example
    else:
        with pytest.raises(Invalid, match="recipient is required"):
            payees.of_payment(None, "NGN", "")
    if deployment is Deployment.LIVE:
        with pytest.raises(Invalid):
            payees.of_payment(test_account, "NGN", "")
    else:
        assert payees.of_payment(test_account, "NGN", "").recipient == test_account
