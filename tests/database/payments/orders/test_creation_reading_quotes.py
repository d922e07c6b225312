"""Creation in batches: duplicates inside one batch behave as the idempotency table says, and a
refusal changes nothing for the others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import encode_payment
from services.payments.base.idempotency import Created, IdempotencyKeyInUse, IdempotencyKeyReused
from services.payments.mesh.ports import FeeQuery, RateQuery
from services.payments.model.payment import Payment, PaymentNotFound
from services.payments.model.payouts import PayoutAboveMaximum
from services.payments.model.quote import Fees, QuoteExpired, QuoteNotFound, RateTrail
from services.payments.orders.creation import Creation, PaymentOrder
from services.payments.orders.payees import Payees
from services.payments.orders.ports import PaymentFilter
from services.payments.orders.pricing import Pricing, QuoteOrder
from services.payments.orders.quotes import Quotes
from services.payments.orders.reading import Reading
from services.payments.orders.store.payments import PostgresPayments
from services.shared.corridors import Corridors, CorridorUnsupported, load_corridors
from services.shared.deployment import Deployment
from services.shared.errors import DomainError, Unavailable
from services.shared.ids import new_id
from services.shared.money import Money
from services.shared.recipients import BankAccount, Recipient, Wallet
from tests.conftest import ROOT
from tests.fakes import FixedFees, FixedRates
from tests.makers import USER, make_quote
from tests.pricing import make_offers, make_pricing
from tests.rails import declared_rails

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)


def _order(key: str = "", *, currency: str = "NGN", quote_id: UUID | None = None) -> PaymentOrder:
    return PaymentOrder(
        idempotency_key=key or uuid4().hex,
        fingerprint=currency.encode(),
        quote=QuoteOrder(
            merchant_id="sandbox",
            amount=Money(10_000, "USD"),
            currency=currency,
            trace_id="0" * 32,
        ),
        quote_id=quote_id,
        user_id=USER,
        payment_method="",
        reference="",
    )


def _payees(corridors: Corridors) -> Payees:
    return Payees(corridors, deployment=Deployment.SANDBOX)


def _creation(
    pricing: Pricing, store: PostgresPayments, corridors: Corridors = CORRIDORS
) -> Creation:
    return Creation(pricing, _payees(corridors), store, encode_payment)


@pytest.fixture
def store(engine: AsyncEngine) -> PostgresPayments:
    """The real store."""
    return PostgresPayments(engine)


@pytest.fixture
def creation(store: PostgresPayments) -> Creation:
    """Creation at fixed prices."""
    return _creation(make_pricing(CORRIDORS, FixedFees(), FixedRates()), store)


async def test_duplicate_requests_in_one_batch_are_one_payment(
    creation: Creation, store: PostgresPayments
) -> None:
    first, second, other = await creation.create([_order("same"), _order("same"), _order()])

    assert isinstance(first, Created)
    assert isinstance(second, Created)
    assert isinstance(other, Created)
    assert (first.replayed, second.replayed, other.replayed) == (False, True, False)
    assert first.response == second.response
    assert len(await store.page("sandbox", PaymentFilter(), before=None, limit=10)) == 2


async def test_a_key_with_two_bodies_in_one_batch_belongs_to_the_first(
    creation: Creation,
) -> None:
    first, second = await creation.create([_order("k"), _order("k", currency="INR")])

    assert isinstance(first, Created)
    assert isinstance(second, IdempotencyKeyReused)


async def test_a_key_whose_first_body_is_refused_is_busy_for_the_second_and_free_after(
    creation: Creation,
) -> None:
    refused, busy = await creation.create([_order("k", currency="CHF"), _order("k")])
    (later,) = await creation.create([_order("k")])

    assert isinstance(refused, CorridorUnsupported)
    assert isinstance(busy, IdempotencyKeyInUse)
    assert isinstance(later, Created)
    assert not later.replayed


async def test_a_refusal_changes_nothing_for_the_others(
    creation: Creation, store: PostgresPayments
) -> None:
    results = await creation.create(
        [_order(), _order(currency="CHF"), _order(quote_id=uuid4()), _order()]
    )

    assert [type(result) for result in results] == [
        Created,
        CorridorUnsupported,
        QuoteNotFound,
        Created,
    ]
    assert len(await store.page("sandbox", PaymentFilter(), before=None, limit=10)) == 2


async def test_a_replay_needs_neither_fees_nor_rates(store: PostgresPayments) -> None:
    fees, rates = FixedFees(), FixedRates()
    creation = _creation(make_pricing(CORRIDORS, fees, rates), store)
    await creation.create([_order("k")])

    (again,) = await creation.create([_order("k")])

    assert isinstance(again, Created)
    assert again.replayed
    assert (len(fees.calls), len(rates.calls)) == (1, 1)


async def test_while_rates_are_away_only_those_who_need_them_are_refused(
    store: PostgresPayments,
) -> None:
    class RatesAway(FixedRates):
        async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
            raise Unavailable("fx cannot answer now")

    fees, rates = FixedFees(), FixedRates()
    quote, _ = await Quotes(
        make_pricing(CORRIDORS, fees, rates), make_offers(CORRIDORS), _payees(CORRIDORS), store
    ).create(_order().quote)
    await _creation(make_pricing(CORRIDORS, fees, rates), store).create([_order("k")])

    stranded = _creation(make_pricing(CORRIDORS, fees, RatesAway()), store)
    replayed, priced, refused = await stranded.create(
        [_order("k"), _order(quote_id=quote.id), _order()]
    )

    assert isinstance(replayed, Created)
    assert replayed.replayed
    assert isinstance(priced, Created)
    assert isinstance(refused, Unavailable)


async def test_another_merchants_quote_and_payment_are_not_found(
    creation: Creation, store: PostgresPayments
) -> None:
    reading = Reading(store)
    quotes = Quotes(
        make_pricing(CORRIDORS, FixedFees(), FixedRates()),
        make_offers(CORRIDORS),
        _payees(CORRIDORS),
        store,
    )
    await creation.create([_order()])
    (payment,) = await store.page("sandbox", PaymentFilter(), before=None, limit=1)
    quote, _ = await quotes.create(_order().quote)

    with pytest.raises(PaymentNotFound):
        await reading.payment("somebody", payment.transaction_id)
    with pytest.raises(QuoteNotFound):
        await reading.quote("somebody", quote.quote_id)


NO_CORRIDORS = Corridors(())


async def test_an_offer_stands_by_its_own_terms_whatever_became_of_its_corridor(
    store: PostgresPayments,
) -> None:
    """The file is gone, and fees and fx are away: nobody is asked, and the route is the offer's."""
    offered = Quotes(
        make_pricing(CORRIDORS, FixedFees(), FixedRates()),
        make_offers(CORRIDORS),
        _payees(CORRIDORS),
        store,
    )
    quote, _ = await offered.create(_order().quote)
    without = _creation(make_pricing(NO_CORRIDORS, Away(), Away()), store, NO_CORRIDORS)

    (created,) = await without.create([_order(quote_id=quote.id)])

    assert isinstance(created, Created)
    (payment,) = await store.page("sandbox", PaymentFilter(), before=None, limit=10)
    corridor = CORRIDORS.get("us-ng")
    assert (payment.terms, payment.quote_id) == (quote.terms, quote.id)
    assert payment.route.offramps == corridor.providers.offramps
    assert payment.late_funds.grace.total_seconds() == corridor.late_funds.grace_seconds


BANK = BankAccount(holder_name="Ada Obi", bank_code="044", account_number="0690000032")
WALLET = Wallet(holder_name="Ada Obi", wallet_id="wallet-0001")


def _naming(recipient: Recipient, quote_id: UUID | None = None) -> PaymentOrder:
    order = _order(quote_id=quote_id)
    return replace(order, quote=replace(order.quote, recipient=recipient))


async def _offramps(store: PostgresPayments) -> list[tuple[str, ...]]:
    page = await store.page("sandbox", PaymentFilter(), before=None, limit=10)
    return [one.route.offramps for one in page if isinstance(one, Payment)]


@pytest.mark.parametrize("is_quoted", [False, True], ids=["priced now", "under a quote"])
async def test_a_payment_goes_only_to_offramps_that_pay_its_recipient(
    store: PostgresPayments, is_quoted: bool
) -> None:
    pricing = make_pricing(CORRIDORS, FixedFees(), FixedRates(), declared_rails())
    quotes = Quotes(pricing, make_offers(CORRIDORS), _payees(CORRIDORS), store)
    orders = []
    for recipient in (BANK, WALLET):
        quote = (await quotes.create(_order().quote))[0] if is_quoted else None
        orders.append(_naming(recipient, quote.id if quote else None))

    created = await _creation(pricing, store).create(orders)

    assert all(isinstance(one, Created) for one in created)
    routes = await _offramps(store)
    assert ("local_wallet",) in routes
    (banks,) = [route for route in routes if route != ("local_wallet",)]
    assert {"flutterwave", "paystack"} <= set(banks)
    assert "local_wallet" not in banks


@pytest.mark.parametrize("is_quoted", [False, True], ids=["priced now", "under a quote"])
async def test_a_payout_that_no_rail_to_the_recipient_sends_is_refused_and_nothing_is_kept(
    store: PostgresPayments, is_quoted: bool
) -> None:
    """The wallet takes any amount; banks take no more than ten million naira."""
    pricing = make_pricing(CORRIDORS, FixedFees(), FixedRates(), declared_rails())
    quotes = Quotes(pricing, make_offers(CORRIDORS), _payees(CORRIDORS), store)
    order = _naming(BANK)
    order = replace(order, quote=replace(order.quote, amount=Money(900_000, "USD")))
    if is_quoted:
        quote, _ = await quotes.create(replace(order.quote, recipient=None))
        order = replace(order, quote_id=quote.id)

    (refused,) = await _creation(pricing, store).create([order])

    assert isinstance(refused, PayoutAboveMaximum)
    assert refused.metadata["maximum"] == "10000000.00"
    assert await _offramps(store) == []


async def test_an_offer_from_before_its_conditions_were_kept_goes_by_its_corridor(
    store: PostgresPayments,
) -> None:
    old = replace(make_quote(), conditions=None, expires_at=datetime(2126, 1, 1, tzinfo=UTC))
    gone = replace(old, id=new_id())
    for quote in (old, gone):
        await store.add_quote(quote)
    with_file = _creation(make_pricing(CORRIDORS, Away(), Away()), store)
    without = _creation(make_pricing(NO_CORRIDORS, Away(), Away()), store, NO_CORRIDORS)

    (created,) = await with_file.create([_order(quote_id=old.id)])
    refused, valid = await without.create([_order(quote_id=gone.id), _order("n")])

    assert isinstance(created, Created)
    assert isinstance(refused, CorridorUnsupported)
    assert isinstance(valid, CorridorUnsupported)


async def test_an_offer_that_has_expired_is_refused_as_expired_where_its_corridor_is_gone(
    store: PostgresPayments,
) -> None:
    expired = make_quote(expires_at=datetime(2026, 1, 1, tzinfo=UTC))
    await store.add_quote(expired)
    without = _creation(make_pricing(NO_CORRIDORS, Away(), Away()), store, NO_CORRIDORS)

    (refused,) = await without.create([_order(quote_id=expired.id)])

    assert isinstance(refused, QuoteExpired)


class Away:
    """Fees and fx, when neither answers."""

    async def calculate(self, queries: Sequence[FeeQuery]) -> Sequence[Fees | DomainError]:
        raise Unavailable("away")

    async def get(self, queries: Sequence[RateQuery]) -> Sequence[RateTrail | DomainError]:
        raise Unavailable("away")
