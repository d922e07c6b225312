"""A payment that the database has lost is made again by what its providers have: its key answers
the repeated request, every minor unit stands on an account, and only a person goes on with it."""

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import encode_payment
from services.payments.base.recovery_rows import UNKNOWN_USER
from services.payments.engine.decisions.corrections import correct
from services.payments.engine.decisions.returns_and_refunds import refund_on_request
from services.payments.model.answer import Answer
from services.payments.model.attempt import Step
from services.payments.model.payment import PaymentOnHold
from services.payments.operators.decisions import end_hold
from services.payments.orders.store.payments import PostgresPayments
from services.payments.recovery.recovering import NotKept, Report
from services.payments.recovery.store.marks import PostgresMarks
from services.shared.money import Money
from services.shared.recipients import NO_RECIPIENT
from tests.database.payments.recovery.drill import (
    ADA,
    DECLINED,
    NOT_ASKED,
    PAID,
    PENDING,
    SILENT,
    UNCLEAR,
    Drill,
    make_lost,
    recover,
)
from tests.makers import ADA as RECIPIENT
from tests.makers import make_new_payment
from tests.poison import run

COLLECTED = {("stripe", Step.COLLECTION, 1): PAID}


async def test_it_is_held_and_its_key_answers_the_repeated_request(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)

    report = await drill.recover()

    payment, answer = await drill.read(), await drill.answer()
    assert report.is_accepted
    assert set(report.rebuilt) == {drill.payment.transaction_id}
    assert (payment.state, payment.hold_reason) == ("ACTION_REQUIRED", "recovered")
    assert (payment.terms, payment.route) == (drill.payment.terms, drill.payment.route)
    assert answer is not None
    assert answer.is_of(drill.new.key, drill.new.fingerprint)
    assert not answer.is_of(drill.new.key, b"another body")
    await drill.assert_all_holds()


async def test_the_first_answer_shows_it_without_what_is_not_known(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    await drill.recover()

    payment, answer = await drill.read(), await drill.answer()

    created = replace(
        drill.payment,
        user_id=UNKNOWN_USER,
        recipient=NO_RECIPIENT,
        trace_id="",
        updated_at=drill.payment.created_at,
    )
    assert answer is not None
    assert answer.response == encode_payment(created)
    assert (payment.user_id, payment.recipient) == (UNKNOWN_USER, NO_RECIPIENT)


async def test_another_key_is_free_and_another_merchants_too(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    await drill.recover()

    other_key = replace(drill.new, key=(drill.new.key[0], "order-8"))
    other: Any = ("other", drill.new.key[1])

    assert await drill.answer(other_key) is None
    assert await drill.answer(replace(drill.new, key=other)) is None


async def test_a_lost_quote_is_made_again_and_one_that_is_there_is_used(
    engine: AsyncEngine,
) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    await PostgresPayments(engine).add_quote(drill.new.quote)

    await drill.recover()

    payment = await drill.read()
    assert payment.pricing is not None
    assert payment.pricing.trail.source == drill.new.quote.trail.source
    await drill.assert_all_holds()


STORIES: dict[str, dict[tuple[str, Step, int], Answer]] = {
    "paid out": {("local_wallet", Step.PAYOUT, 1): PAID},
    "paid out by another rail": {("bank", Step.PAYOUT, 2): PAID},
    "on its way": {("local_wallet", Step.PAYOUT, 1): PENDING},
    "its offramp gives an unknown status": {("local_wallet", Step.PAYOUT, 1): UNCLEAR},
    "refunded": {("stripe", Step.REFUND, 1): PAID},
    "refunded in part": {("stripe", Step.REFUND, 1): replace(PAID, amount=Money(2_500, "USD"))},
    "paid out twice": {
        ("local_wallet", Step.PAYOUT, 1): PAID,
        ("bank", Step.PAYOUT, 2): PAID,
    },
    "collected twice": {("stripe", Step.COLLECTION, 2): PAID},
    "declined first": {
        ("stripe", Step.COLLECTION, 1): DECLINED,
        ("stripe", Step.COLLECTION, 2): PAID,
    },
}


@pytest.mark.parametrize("name", STORIES)
async def test_every_minor_unit_stands_on_an_account(engine: AsyncEngine, name: str) -> None:
    drill = Drill(engine, make_lost(), {**COLLECTED, **STORIES[name]})

    report = await drill.recover()

    balances = await drill.balances()
    assert report.is_accepted
    assert dict(report.explained.balances) == {
        (account, account[-3:]): amount for account, amount in balances.items()
    }
    moved = sum(amount or 0 for _, _, amount in (await drill.attempts()).values())
    suspense = sum(abs(amount) for name, amount in balances.items() if "suspense" in name)
    assert moved == suspense
    await drill.assert_all_holds()


@pytest.mark.parametrize("name", STORIES)
async def test_nothing_is_sent_after_the_release(engine: AsyncEngine, name: str) -> None:
    drill = Drill(engine, make_lost(), {**COLLECTED, **STORIES[name]})
    await drill.recover()

    await drill.change(lambda work: end_hold(work, ADA))

    assert await drill.carry() == []
    await drill.assert_all_holds()


@pytest.mark.parametrize("name", ["paid out", "paid out by another rail"])
async def test_a_release_completes_what_was_paid_out(engine: AsyncEngine, name: str) -> None:
    new = make_lost(
        route=replace(make_new_payment().payment.route, offramps=("local_wallet", "bank"))
    )
    drill = Drill(engine, new, {**COLLECTED, **STORIES[name]})
    await drill.recover()

    await drill.change(lambda work: end_hold(work, ADA))
    await drill.carry()

    assert (await drill.read()).state == "COMPLETED"
    assert not any("suspense" in account for account in await drill.balances())
    await drill.assert_all_holds()


async def test_a_release_counts_a_refund_that_the_onramp_has(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), {**COLLECTED, **STORIES["refunded"]})
    await drill.recover()

    await drill.change(lambda work: end_hold(work, ADA))
    await drill.carry()

    payment = await drill.read()
    assert payment.state == "REFUNDED"
    assert payment.refunded == payment.terms.amount
    await drill.assert_all_holds()


async def test_only_a_collection_can_be_refunded_after_the_release(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    await drill.recover()

    with pytest.raises(PaymentOnHold):
        await drill.change(lambda work: refund_on_request(work, None))
    await drill.change(lambda work: end_hold(work, ADA))
    await drill.carry()
    await drill.change(lambda work: refund_on_request(work, None))

    assert await drill.carry() == [drill.key(Step.REFUND)]
    assert (await drill.read()).state == "REFUNDED"
    await drill.assert_all_holds()


async def test_its_merchant_may_name_the_recipient_after_the_release(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    await drill.recover()

    await drill.change(lambda work: end_hold(work, ADA))
    await drill.carry()
    await drill.change(lambda work: correct(work, RECIPIENT))

    assert await drill.carry() == [drill.key(Step.PAYOUT, 2)]
    assert (await drill.read()).state == "COMPLETED"
    await drill.assert_all_holds()


async def test_an_open_collection_goes_back_to_its_payer(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), {("stripe", Step.COLLECTION, 1): PENDING})
    await drill.recover()
    assert (await drill.read()).state == "COLLECTING"
    await drill.assert_all_holds()

    drill.providers.answers[drill.key(Step.COLLECTION)] = PAID
    await drill.change(lambda work: end_hold(work, ADA))

    assert await drill.carry() == [drill.key(Step.REFUND)]
    assert (await drill.read()).state == "REFUNDED"
    await drill.assert_all_holds()


async def test_a_declined_collection_is_a_failed_payment(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), {("stripe", Step.COLLECTION, 1): DECLINED})

    report = await drill.recover()

    payment = await drill.read()
    assert report.is_accepted
    assert (payment.state, payment.hold_reason) == ("FAILED", None)
    assert await drill.answer() is not None
    assert await drill.balances() == {}
    await drill.assert_all_holds()


UNUSABLE: dict[str, dict[tuple[str, Step, int], Answer]] = {
    "its offramp does not answer": {**COLLECTED, ("local_wallet", Step.PAYOUT, 1): SILENT},
    "its offramp is not asked": {**COLLECTED, ("local_wallet", Step.PAYOUT, 1): NOT_ASKED},
    "its onramp does not say": {("stripe", Step.COLLECTION, 1): SILENT},
    "another amount was collected": {
        ("stripe", Step.COLLECTION, 1): replace(PAID, amount=Money(1, "USD"))
    },
    "a payout after an open collection": {
        ("stripe", Step.COLLECTION, 1): PENDING,
        ("local_wallet", Step.PAYOUT, 1): PAID,
    },
    "one payout at two providers": {
        **COLLECTED,
        ("local_wallet", Step.PAYOUT, 1): PAID,
        ("bank", Step.PAYOUT, 1): PAID,
    },
    "no collection": {("local_wallet", Step.PAYOUT, 1): PAID},
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_operations_that_make_no_payment_stay_listed(engine: AsyncEngine, name: str) -> None:
    drill = Drill(engine, make_lost(), UNUSABLE[name])

    report = await drill.recover()

    assert not report.is_accepted
    assert set(report.unknown) == {drill.payment.transaction_id}
    assert await drill.answer() is None
    assert await drill.attempts() == {}


TEXTS: dict[str, Any] = {
    "nothing": lambda whole: "",
    "a part": lambda whole: whole[:-20],
    "another payout": lambda whole: whole.replace('"payout_minor":1', '"payout_minor":2'),
    "another version": lambda whole: whole.replace('"v":1', '"v":2'),
    "no digest": lambda whole: whole.replace('"key_digest":"', '"key_digest":"é'),
    "an amount of nothing": lambda whole: whole.replace('"net_minor":', '"net_minor":-'),
}


@pytest.mark.parametrize("name", TEXTS)
async def test_a_text_that_does_not_agree_with_itself_is_none(
    engine: AsyncEngine, name: str
) -> None:
    drill = Drill(engine, make_lost(), COLLECTED)
    drill.text = TEXTS[name](drill.text)

    report = await drill.recover()

    assert set(report.unknown) == {drill.payment.transaction_id}
    assert not report.is_accepted


async def test_it_may_be_done_again(engine: AsyncEngine) -> None:
    drill = Drill(engine, make_lost(), {**COLLECTED, **STORIES["paid out"]})
    first = await drill.recover()
    before = (await drill.read(), await drill.attempts(), await drill.balances())
    await PostgresMarks(engine).find("asked again")

    second = await drill.recover()

    assert (await drill.read(), await drill.attempts(), await drill.balances()) == before
    assert second.is_accepted
    assert not second.rebuilt
    assert not second.held
    assert first.explained.transaction_ids == (drill.payment.transaction_id,)


async def test_a_key_that_is_another_payments_stays_with_it(engine: AsyncEngine) -> None:
    first, second = make_lost(), make_lost()
    await Drill(engine, first, COLLECTED).recover()

    report = await Drill(engine, second, COLLECTED).recover()

    assert set(report.unknown) == {second.payment.transaction_id}


DIES = ("payments", "postings", "operator_actions", "idempotency_keys")


@pytest.mark.parametrize("table", DIES)
async def test_a_payment_is_written_whole_or_not_at_all(engine: AsyncEngine, table: str) -> None:
    drill = Drill(engine, make_lost(), {**COLLECTED, **STORIES["paid out"]})
    await run(engine, f"ALTER TABLE {table} ADD CONSTRAINT no_more CHECK (false) NOT VALID")

    report = await drill.recover()

    assert set(report.unknown) == {drill.payment.transaction_id}
    assert await drill.answer() is None
    assert await drill.attempts() == {}
    await run(engine, f"ALTER TABLE {table} DROP CONSTRAINT no_more")
    assert (await drill.recover()).is_accepted
    await drill.assert_all_holds()


class Died(Exception):
    """The process ended."""


class Dying(NotKept):
    """Ends after the first decision."""

    async def decided(self, name: str, report: Report) -> None:
        raise Died(name)


async def test_a_recovery_that_died_goes_on_where_it_was(engine: AsyncEngine) -> None:
    first = Drill(engine, make_lost(), COLLECTED)
    second = Drill(engine, make_lost(key="order-9"), COLLECTED)

    with pytest.raises(Died, match=first.payment.transaction_id):
        await recover([first, second], Dying())
    assert (await PostgresMarks(engine).read()).finding
    report = await recover([first, second])

    assert set(report.rebuilt) == {second.payment.transaction_id}
    assert report.is_accepted
    assert len(report.explained.transaction_ids) == 2
    await first.assert_all_holds()
