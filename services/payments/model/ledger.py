"""The book: every posting moves a positive amount of one currency from a credit to a debit account,
so it balances by construction. Which accounts there are, and what each move of a payment posts."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from services.payments.model.attempt import Attempt, Step
from services.payments.model.dispute import Dispute
from services.payments.model.payment import ExchangeRule, Payment, State
from services.payments.model.quote import RefundFees, Terms
from services.shared.money import EXACT, SOURCE_CURRENCY, Money, round_half_even, round_half_up

FEE_REVENUE = f"revenue:fees:{SOURCE_CURRENCY}"
FX_REVENUE = f"revenue:fx:{SOURCE_CURRENCY}"


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One row of the book: debit receives the amount, credit gives it."""

    debit: str
    credit: str
    amount: Money
    cause: str


def payments_account(currency: str) -> str:
    """Our debt for payments under way, in one currency; zero for each payment that is over."""
    return f"payments:{currency}"


def onramp_account(provider: str) -> str:
    """The money that an onramp has collected for us and not yet settled."""
    return f"onramp:{provider}:{SOURCE_CURRENCY}"


def offramp_account(provider: str, currency: str) -> str:
    """The money that an offramp has paid out for us and not yet been given."""
    return f"offramp:{provider}:{currency}"


def suspense_account(provider: str, currency: str) -> str:
    """Money that a provider has moved and no payment counts: disputed, doubled, or another
    amount."""
    return f"suspense:{provider}:{currency}"


def chargebacks_account(currency: str) -> str:
    """The money that onramps have taken for disputes."""
    return f"chargebacks:{currency}"


def position_account(currency: str) -> str:
    """Our exchange position: what we bought and sold of one currency."""
    return f"fx:position:{currency}"


def rounding_account(currency: str) -> str:
    """The rounding of payments whose exchange was posted by the first rule; nothing is added."""
    return f"fx:rounding:{currency}"


def collection_postings(payment: Payment) -> tuple[Posting, ...]:
    """Funds in, and each fee line."""
    owed = payments_account(payment.terms.amount.currency)
    funds = Posting(
        debit=onramp_account(payment.onramp),
        credit=owed,
        amount=payment.terms.amount,
        cause="funds_collected",
    )
    fees = tuple(
        Posting(debit=owed, credit=FEE_REVENUE, amount=line.amount, cause=f"fee_{line.name}")
        for line in payment.terms.fees
    )
    return (funds, *fees)


def late_collection_postings(payment: Payment) -> tuple[Posting, ...]:
    """Funds in for a payment that is over: all of it is the payer's, and no fee is earned."""
    return collection_postings(payment)[:1]


def exchange_postings(payment: Payment) -> tuple[Posting, ...]:
    """The exchange of the net amount: the markup, the dollars sold, the local money bought.

    The markup is the agreed share of the net amount, rounded to cents; the rest is sold; and the
    promised payout, no more and no less, is bought. So net = markup + sold in dollars, bought =
    payout in local money, both exactly, and nothing is left for a rounding account.

    Both sides are the same value at the middle of the market: with s the share, the payout is
    net x mid x (1 - s) to half of the smallest step that its route can send, and what is sold is
    net x (1 - s) to half a cent. The position leaves the middle by so much and no more, and shows
    it where it is valued. A fixed payout is bought exactly too: its net is rounded up to cents, so
    that the position leaves the middle by up to a cent more, and no account takes the rest for a
    rounding of the currency. (Selinger, Tutorial on multiple currency accounting, 2005: each side
    of an exchange is posted in its own currency, and the worth of the account between them is the
    gain or loss.)
    """
    terms = payment.terms
    if payment.exchange_rule is ExchangeRule.SOLD_AT_MIDDLE:
        return _sold_at_middle(terms)
    currency = terms.payout.currency
    markup = _markup(terms)
    return _positive(
        *_dollars_sold(terms, markup),
        Posting(
            debit=position_account(currency),
            credit=payments_account(currency),
            amount=terms.payout,
            cause="exchange_bought",
        ),
    )


def _sold_at_middle(terms: Terms) -> tuple[Posting, ...]:
    """The exchange as it was posted at first: what the dollars sold are worth at the middle is
    bought, and the difference to the payout, which is mostly the markup's cents, is rounding."""
    currency = terms.payout.currency
    markup = _markup(terms)
    sold = terms.net - markup
    local = round_half_even(EXACT.multiply(sold.decimal, terms.mid_rate), currency)
    owed, rounding = payments_account(currency), rounding_account(currency)
    difference = local.amount_minor - terms.payout.amount_minor
    return _positive(
        *_dollars_sold(terms, markup),
        Posting(
            debit=position_account(currency), credit=owed, amount=local, cause="exchange_bought"
        ),
        Posting(
            debit=owed if difference > 0 else rounding,
            credit=rounding if difference > 0 else owed,
            amount=Money(abs(difference), currency),
            cause="exchange_rounding",
        ),
    )


def _markup(terms: Terms) -> Money:
    share = Decimal(terms.markup_basis_points).scaleb(-4)
    return round_half_up(EXACT.multiply(terms.net.decimal, share), terms.net.currency)


def _dollars_sold(terms: Terms, markup: Money) -> tuple[Posting, ...]:
    owed = payments_account(terms.net.currency)
    return (
        Posting(debit=owed, credit=FX_REVENUE, amount=markup, cause="fx_markup"),
        Posting(
            debit=owed,
            credit=position_account(terms.net.currency),
            amount=terms.net - markup,
            cause="exchange_sold",
        ),
    )


def _positive(*postings: Posting) -> tuple[Posting, ...]:
    return tuple(posting for posting in postings if posting.amount.amount_minor > 0)


def unwinding_postings(payment: Payment) -> tuple[Posting, ...]:
    """The payment taken back to the dollars that go to the payer: the exchange, if there was one,
    and the fees, unless the corridor keeps them.

    Both are taken back as they were posted, the exchange at the payment's own locked rate, so that
    we owe the payer all that was paid, or all but the fees, and nothing else of the payment is left
    on any account of ours.
    """
    kept = payment.refund_fees is RefundFees.KEPT
    fees = () if kept else collection_postings(payment)[1:]
    exchanged = payment.state is not State.FUNDED
    posted = (*fees, *(exchange_postings(payment) if exchanged else ()))
    return tuple(_taken_back(posting, f"refund_{posting.cause}") for posting in reversed(posted))


def refund_postings(payment: Payment, amount: Money) -> tuple[Posting, ...]:
    """A refund: the onramp has given so much of our debt back to the payer."""
    return (
        Posting(
            debit=payments_account(amount.currency),
            credit=onramp_account(payment.onramp),
            amount=amount,
            cause="refunded",
        ),
    )


def refund_return_postings(payment: Payment, amount: Money) -> tuple[Posting, ...]:
    """The return of a refund: we owe the payer again what the onramp had given back."""
    (given,) = refund_postings(payment, amount)
    return (_taken_back(given, "refund_returned"),)


def payout_postings(payment: Payment) -> tuple[Posting, ...]:
    """The payout: what we owed the recipient, the offramp has paid."""
    payout = payment.terms.payout
    return (
        Posting(
            debit=payments_account(payout.currency),
            credit=offramp_account(payment.offramp, payout.currency),
            amount=payout,
            cause="paid_out",
        ),
    )


def return_postings(payment: Payment) -> tuple[Posting, ...]:
    """The return of a payout: we owe again what the offramp had paid."""
    (paid,) = payout_postings(payment)
    return (_taken_back(paid, "payout_returned"),)


def suspense_postings(before: Attempt | None, after: Attempt) -> tuple[Posting, ...]:
    """The change of the suspense of an attempt, from its record before to its record after.

    Suspense is the money that the provider has moved under it, less the part that its payment
    counts. Together with the payment's own postings, a provider's account is what that
    provider's book says, and suspense names every difference by the attempt that it comes from.
    """
    was, now = _uncounted(before), _uncounted(after)
    return tuple(
        _to_suspense(after, currency, change)
        for currency in sorted({*was, *now})
        if (change := now[currency] - was[currency])
    )


def _uncounted(attempt: Attempt | None) -> Counter[str]:
    """Moved less counted, in minor units by currency."""
    sums = Counter[str]()
    if attempt is not None and attempt.moved is not None:
        sums[attempt.moved.currency] += attempt.moved.amount_minor
        if attempt.counted is not None:
            sums[attempt.counted.currency] -= attempt.counted.amount_minor
    return sums


def _to_suspense(attempt: Attempt, currency: str, change: int) -> Posting:
    """So much more has moved at the provider, or less where it is negative."""
    at_onramp = attempt.step is not Step.PAYOUT
    clearing = f"{'onramp' if at_onramp else 'offramp'}:{attempt.provider}:{currency}"
    suspense = suspense_account(attempt.provider, currency)
    # A collection is money that comes in; a payout and a refund are money that goes out.
    comes_in = (attempt.step is Step.COLLECTION) == (change > 0)
    return Posting(
        debit=clearing if comes_in else suspense,
        credit=suspense if comes_in else clearing,
        amount=Money(abs(change), currency),
        cause=f"{attempt.step}_{'to' if change > 0 else 'from'}_suspense",
    )


def dispute_postings(was: Dispute | None, now: Dispute) -> tuple[Posting, ...]:
    """The change of the money that an onramp has taken for a claim: it is gone from there, and a
    loss until it comes back. The payment itself owes what it owed."""
    change = now.withdrawn.amount_minor - (was.withdrawn.amount_minor if was else 0)
    if not change:
        return ()
    loss = chargebacks_account(now.withdrawn.currency)
    clearing = f"onramp:{now.provider}:{now.withdrawn.currency}"
    return (
        Posting(
            debit=loss if change > 0 else clearing,
            credit=clearing if change > 0 else loss,
            amount=Money(abs(change), now.withdrawn.currency),
            cause="dispute_withdrawn" if change > 0 else "dispute_reinstated",
        ),
    )


def _taken_back(posting: Posting, cause: str) -> Posting:
    return Posting(debit=posting.credit, credit=posting.debit, amount=posting.amount, cause=cause)
