"""The account check: a name beside that of the bank, what follows where a corridor demands it, and
that nothing of it is asked inside of a batch."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from services.payments.base.idempotency import Created
from services.payments.mesh.ports import Holder, HolderQuery, Resolution
from services.payments.orders.checking import CHECKS_MAX, CheckedCreation, Checking, compared
from services.payments.orders.checks import (
    Checked,
    CheckNeeded,
    RecipientCheckUnavailable,
    RecipientNameMismatch,
    demanded,
)
from services.payments.orders.creation import PaymentOrder
from services.payments.orders.payees import Payee
from services.payments.orders.pricing import QuoteOrder
from services.shared.corridors import load_corridors
from services.shared.errors import Overloaded
from services.shared.money import Money
from services.shared.recipients import AccountCheck, BankAccount
from services.shared.recipients.rules import CheckDemand, KindRules
from tests.conftest import ROOT
from tests.fakes import ScriptedProviders
from tests.makers import USER

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
ADA = BankAccount(holder_name="Ada Obi", bank_code="044", account_number="0690000032")
RULES = CORRIDORS.get("us-ng").recipient_rules.kinds[ADA.kind]
QUESTION = HolderQuery(recipient=ADA, currency="NGN", providers=("flutterwave",))


def found(name: str) -> Holder:
    return Holder(resolution=Resolution.FOUND, name=name)


def demanding(**changes: Any) -> Payee:
    rules: KindRules = replace(RULES, account_check=CheckDemand.REQUIRED, **changes)
    return Payee(recipient=ADA, rules=rules)


def ask(payee: Payee, result: AccountCheck | None) -> Payee:
    checked = Checked(recipient=ADA, result=result) if result else None
    return demanded(payee, checked, ("flutterwave", "paystack"), "NGN")


@pytest.mark.parametrize(
    ("holder", "result", "initials"),
    [
        (found("OBI ADA"), AccountCheck.MATCH, ""),
        (found("ADA NGOZI OBI"), AccountCheck.CLOSE_MATCH, "A*** N*** O***"),
        (found("BEN OKORO"), AccountCheck.NO_MATCH, ""),
        (Holder(resolution=Resolution.NOT_FOUND), AccountCheck.NO_MATCH, ""),
        (Holder(resolution=Resolution.UNANSWERED), AccountCheck.UNAVAILABLE, ""),
    ],
)
def test_of_the_holder_no_more_than_initials_of_a_close_name_are_said(
    holder: Holder, result: AccountCheck, initials: str
) -> None:
    assert compared(ADA, holder) == Checked(recipient=ADA, result=result, initials=initials)
    assert holder.name not in repr(holder) or not holder.name


@pytest.mark.parametrize("demand", [CheckDemand.NONE, CheckDemand.OFFERED])
def test_a_corridor_that_demands_nothing_asks_nothing(demand: CheckDemand) -> None:
    payee = Payee(recipient=ADA, rules=replace(RULES, account_check=demand))

    assert ask(payee, None) == payee
    assert ask(replace(payee, rules=None), None).check is None


def test_a_corridor_that_demands_it_asks_first_and_about_this_recipient() -> None:
    other = Checked(recipient=replace(ADA, holder_name="Ben"), result=AccountCheck.MATCH)

    for checked in (None, other):
        with pytest.raises(CheckNeeded) as needed:
            demanded(demanding(), checked, ("flutterwave", "paystack"), "NGN")
        assert needed.value.question.recipient == ADA
        assert needed.value.question.providers == ("flutterwave", "paystack")


@pytest.mark.parametrize("result", [AccountCheck.MATCH, AccountCheck.CLOSE_MATCH])
def test_a_name_that_is_the_holders_or_nearly_goes_on_with_its_result(result: AccountCheck) -> None:
    assert ask(demanding(), result).check is result


def test_another_holder_is_refused_and_no_answer_follows_the_corridors_rule() -> None:
    with pytest.raises(RecipientNameMismatch):
        ask(demanding(), AccountCheck.NO_MATCH)
    with pytest.raises(RecipientCheckUnavailable):
        ask(demanding(), AccountCheck.UNAVAILABLE)
    unchecked = ask(demanding(goes_on_unchecked=True), AccountCheck.UNAVAILABLE)
    assert unchecked.check is AccountCheck.UNAVAILABLE


async def test_questions_have_a_bound_and_give_their_places_back() -> None:
    class Slow(ScriptedProviders):
        def __init__(self) -> None:
            super().__init__()
            self.go = asyncio.Event()

        async def resolve(self, query: HolderQuery) -> Holder:
            await self.go.wait()
            return self.holder

    providers = Slow()
    checking = Checking(providers)
    asked = [asyncio.create_task(checking.ask(QUESTION)) for _ in range(CHECKS_MAX)]
    await asyncio.sleep(0)

    with pytest.raises(Overloaded):
        await checking.ask(QUESTION)
    providers.go.set()
    await asyncio.gather(*asked)
    assert (await checking.ask(QUESTION)).result is AccountCheck.UNAVAILABLE


class Batches:
    """Creation that demands a check of what was not checked."""

    def __init__(self) -> None:
        self.submitted: list[PaymentOrder] = []

    async def submit(self, order: PaymentOrder) -> Created:
        self.submitted.append(order)
        if order.checked is None:
            raise CheckNeeded(QUESTION)
        return Created(response=b"", replayed=False)


async def test_a_payment_waits_for_its_check_outside_of_the_batch() -> None:
    order = PaymentOrder(
        idempotency_key="k",
        fingerprint=b"f",
        quote=QuoteOrder(
            merchant_id="sandbox", amount=Money(100, "USD"), currency="NGN", trace_id="0" * 32
        ),
        quote_id=None,
        user_id=USER,
        payment_method="",
        reference="",
    )
    providers, batches = ScriptedProviders(), Batches()
    providers.holder = found("ADA OBI")
    checking = Checking(providers)

    await CheckedCreation(batches, checking).create(order)  # type: ignore[arg-type]

    checked = Checked(recipient=ADA, result=AccountCheck.MATCH)
    assert batches.submitted == [order, replace(order, checked=checked)]
    assert providers.resolved == [QUESTION]
