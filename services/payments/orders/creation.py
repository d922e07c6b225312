"""Creates payments in batches: text was validated in convert, recipients are checked by payees,
prices come from pricing, and the payment's further way is the engine's."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.payments.base.batcher import Batcher
from services.payments.base.idempotency import (
    Created,
    IdempotencyKey,
    IdempotencyKeyInUse,
    StoredAnswer,
    digests_of,
)
from services.payments.base.view import Encode
from services.payments.model.pause import Paused
from services.payments.model.payer import PresentPayer
from services.payments.model.payment import Payment
from services.payments.model.principal import MerchantId
from services.payments.model.quote import Quote, QuoteNotFound
from services.payments.model.timing import CREATION_EVERY_SECONDS
from services.payments.orders.checks import Checked, demanded
from services.payments.orders.payees import Payee, Payees
from services.payments.orders.ports import NewPayment, PaymentStore
from services.payments.orders.pricing import Pricing, QuoteOrder
from services.shared.errors import DomainError, Unavailable
from services.shared.ids import Prefix, encode_id, new_id


@dataclass(frozen=True, kw_only=True)
class PaymentOrder:
    """A request for a payment, read and validated."""

    idempotency_key: str
    fingerprint: bytes
    quote: QuoteOrder
    quote_id: UUID | None
    user_id: UUID
    payment_method: str
    reference: str
    # The answer about its recipient, once it was asked for.
    checked: Checked | None = None
    # None off session.
    payer: PresentPayer | None = None

    @property
    def key(self) -> IdempotencyKey:
        """The key, which is the merchant's own."""
        return (self.quote.merchant_id, self.idempotency_key)


# A payment's quote and its recipient.
Agreed = tuple[Quote, Payee]


class Creation:
    """Creates payments, many at once: what arrives together is priced and committed together."""

    def __init__(
        self, pricing: Pricing, payees: Payees, store: PaymentStore, encode: Encode
    ) -> None:
        self._pricing = pricing
        self._payees = payees
        self._store = store
        self._encode = encode

    async def create(self, orders: Sequence[PaymentOrder]) -> Sequence[Created | DomainError]:
        """The answer to each order, in order; one order's refusal changes nothing for another.

        Nothing exists before the one commit, and after it every answer can be read again by key.
        """
        now, answered = await self._store.answers([order.key for order in orders])
        fresh = _first_of_each_key(order for order in orders if order.key not in answered)
        found = await self._quotes(fresh, now)
        new = [
            self._new(order, *agreed, now)
            for order, agreed in zip(fresh, found, strict=True)
            if not isinstance(agreed, DomainError)
        ]
        refused: dict[IdempotencyKey, tuple[bytes, DomainError]] = {
            order.key: (order.fingerprint, error)
            for order, error in zip(fresh, found, strict=True)
            if isinstance(error, DomainError)
        }
        stored = dict(answered)
        own: dict[IdempotencyKey, bytes] = {}
        for item, result in zip(new, await self._store.create(new) if new else (), strict=True):
            if isinstance(result, StoredAnswer):
                stored[item.key] = result
                own[item.key] = item.response
            else:
                refused[item.key] = (item.fingerprint, result)
        return [_answer(order, stored, refused, own) for order in orders]

    async def _quotes(
        self, orders: Sequence[PaymentOrder], now: datetime
    ) -> Sequence[Agreed | DomainError]:
        """Each order's quote, its own, checked, or a new one, and its recipient."""
        try:
            paused = await self._pricing.paused()
        except Unavailable as error:
            return [error] * len(orders)
        brought = [(o.quote.merchant_id, o.quote_id) for o in orders if o.quote_id is not None]
        known = (await self._store.quotes(brought))[1] if brought else {}
        found = [
            self._payee(order)
            if order.quote_id is None
            else self._check(order, order.quote_id, known, paused, now)
            for order in orders
        ]
        bare = [
            replace(order.quote, recipient=one.recipient)
            for order, one in zip(orders, found, strict=True)
            if isinstance(one, Payee)
        ]
        made = iter(await self._price(bare, now) if bare else ())
        return [_agreed(next(made), one) if isinstance(one, Payee) else one for one in found]

    def _payee(self, order: PaymentOrder) -> Payee | DomainError:
        asked = order.quote
        try:
            payee = self._payees.of_payment(asked.recipient, asked.currency, asked.country)
            offramps = self._payees.offramps(asked.currency, asked.country)
            return demanded(payee, order.checked, offramps, asked.currency)
        except DomainError as error:
            return error

    def _check(
        self,
        order: PaymentOrder,
        quote_id: UUID,
        known: Mapping[tuple[MerchantId, UUID], Quote],
        paused: Paused,
        now: datetime,
    ) -> Agreed | DomainError:
        quote = known.get((order.quote.merchant_id, quote_id))
        if quote is None:
            return QuoteNotFound(quote_id=encode_id(Prefix.QUOTE, quote_id))
        try:
            quote.check_usable(order.quote.amount, order.quote.currency, now)
            self._pricing.check_country(quote, order.quote.country)
            payee = self._payees.under(quote, order.quote.recipient)
            fitted, route = self._pricing.fitted(quote, payee.recipient, paused)
            return fitted, demanded(payee, order.checked, route.offramps, order.quote.currency)
        except DomainError as error:
            return error

    async def _price(
        self, orders: Sequence[QuoteOrder], now: datetime
    ) -> Sequence[Quote | DomainError]:
        """Where fees or fx are away, only those who need them are refused."""
        try:
            return await self._pricing.quotes(orders, now)
        except Unavailable as error:
            return [error] * len(orders)

    def _new(self, order: PaymentOrder, quote: Quote, payee: Payee, now: datetime) -> NewPayment:
        conditions = quote.conditions
        if conditions is None:
            raise TypeError("an offer that a payment uses has its conditions")
        route = conditions.route
        key_digest, request_digest = digests_of(order.key, order.fingerprint)
        payment = Payment(
            merchant_id=quote.merchant_id,
            id=new_id(),
            user_id=order.user_id,
            quote_id=quote.id,
            corridor_id=quote.corridor_id,
            terms=quote.terms,
            route=route,
            onramp=route.onramps[0],
            offramp=route.offramps[0],
            recipient=payee.recipient,
            recipient_is_example=payee.is_example,
            account_check=payee.check,
            payment_method=order.payment_method,
            reference=order.reference,
            payer=order.payer,
            trace_id=order.quote.trace_id,
            quote_expires_at=quote.expires_at,
            late_funds=conditions.late_funds,
            refund_fees=conditions.refund_fees,
            created_at=now,
            updated_at=now,
            key_digest=key_digest,
            request_digest=request_digest,
        )
        return NewPayment(
            key=order.key,
            fingerprint=order.fingerprint,
            response=self._encode(payment),
            payment=payment,
            quote=quote,
            quote_exists=order.quote_id is not None,
        )


def _agreed(quote: Quote | DomainError, payee: Payee) -> Agreed | DomainError:
    return quote if isinstance(quote, DomainError) else (quote, payee)


def _first_of_each_key(orders: Iterable[PaymentOrder]) -> Sequence[PaymentOrder]:
    first: dict[IdempotencyKey, PaymentOrder] = {}
    for order in orders:
        first.setdefault(order.key, order)
    return list(first.values())


def _answer(
    order: PaymentOrder,
    stored: Mapping[IdempotencyKey, StoredAnswer],
    refused: Mapping[IdempotencyKey, tuple[bytes, DomainError]],
    own: dict[IdempotencyKey, bytes],
) -> Created | DomainError:
    """The answer to an order; the order that wrote the stored answer itself is no replay."""
    answer = stored.get(order.key)
    if answer is None:
        fingerprint, error = refused[order.key]
        # Another request came first under this key and was refused; this one has its own turn.
        return error if fingerprint == order.fingerprint else IdempotencyKeyInUse()
    try:
        again = answer.again(order.key, order.fingerprint)
    except DomainError as refusal:
        return refusal
    first = own.pop(order.key, None) == answer.response
    return replace(again, replayed=not first)


def in_batches(
    create: Callable[[Sequence[PaymentOrder]], Awaitable[Sequence[Created | DomainError]]],
    batch_max: int,
    waiting_max: int,
) -> Batcher[PaymentOrder, Created]:
    """Creates the payments that arrive together in one commit, merchants in turn."""
    return Batcher(
        create,
        name="creations",
        largest_batch=batch_max,
        # A batch costs three calls and a commit, whether large or small: few large ones cost least.
        parallel=1,
        gathers=True,
        every_seconds=CREATION_EVERY_SECONDS,
        waiting_max=waiting_max,
        group=lambda order: order.quote.merchant_id,
        drops_abandoned=True,
    )
