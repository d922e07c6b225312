"""The book: every posting moves a positive amount of one currency from a credit to a debit account,
so it balances by construction. Which accounts there are, and what each move of a payment posts."""

from dataclasses import dataclass
from decimal import Decimal

from services.payments.domain.payment import Payment, State
from services.payments.domain.quote import Terms
from services.shared.money import EXACT, Money, round_half_even, round_half_up

FEE_REVENUE = "revenue:fees:USD"
FX_REVENUE = "revenue:fx:USD"


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One row of the book: debit receives the amount, credit gives it."""

    debit: str
    credit: str
    amount: Money
    cause: str


def payments_account(currency: str) -> str:
    """What we owe for payments under way, in one currency; zero per payment when it is over."""
    return f"payments:{currency}"


def onramp_account(provider: str) -> str:
    """What an onramp has collected for us and not yet settled."""
    return f"onramp:{provider}:USD"


def offramp_account(provider: str, currency: str) -> str:
    """What an offramp has paid out for us and not yet been given."""
    return f"offramp:{provider}:{currency}"


def position_account(currency: str) -> str:
    """Our exchange position: what we bought and sold of one currency."""
    return f"fx:position:{currency}"


def rounding_account(currency: str) -> str:
    """What is lost or won where an exchange does not come out in whole minor units."""
    return f"fx:rounding:{currency}"


def collection_postings(payment: Payment) -> tuple[Posting, ...]:
    """Funds in, and each fee line."""
    owed = payments_account("USD")
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


def exchange_postings(terms: Terms) -> tuple[Posting, ...]:
    """The exchange of the net amount: dollars in and local money out at the middle of the market.

    The markup is posted apart as revenue. It is rounded to cents, so what the middle gives for the
    rest can differ from the promised payout by some minor units; those go to the rounding account.
    """
    currency = terms.payout.currency
    share = Decimal(terms.markup_basis_points).scaleb(-4)
    markup = round_half_up(EXACT.multiply(terms.net.decimal, share), "USD")
    exchanged = terms.net - markup
    local = round_half_even(EXACT.multiply(exchanged.decimal, terms.mid_rate), currency)
    owed_usd, owed_local = payments_account("USD"), payments_account(currency)
    rounding = rounding_account(currency)
    difference = local.amount_minor - terms.payout.amount_minor
    remainder = Money(abs(difference), currency)
    postings = (
        Posting(debit=owed_usd, credit=FX_REVENUE, amount=markup, cause="fx_markup"),
        Posting(
            debit=owed_usd,
            credit=position_account("USD"),
            amount=exchanged,
            cause="exchange_sold",
        ),
        Posting(
            debit=position_account(currency),
            credit=owed_local,
            amount=local,
            cause="exchange_bought",
        ),
        Posting(
            debit=owed_local if difference > 0 else rounding,
            credit=rounding if difference > 0 else owed_local,
            amount=remainder,
            cause="exchange_rounding",
        ),
    )
    return tuple(posting for posting in postings if posting.amount.amount_minor > 0)


def unwinding_postings(payment: Payment) -> tuple[Posting, ...]:
    """The payment taken back to the dollars that came in: fees, and the exchange if there was one.

    Both are taken back as they were posted, the exchange at the payment's own locked rate, so that
    we owe the payer all that was paid, and nothing of the payment is left on any account of ours.
    """
    _, *fees = collection_postings(payment)
    exchanged = payment.state is not State.FUNDED
    posted = (*fees, *(exchange_postings(payment.terms) if exchanged else ()))
    return tuple(_taken_back(posting, f"refund_{posting.cause}") for posting in reversed(posted))


def refund_postings(payment: Payment, amount: Money) -> tuple[Posting, ...]:
    """A refund: so much of what we owe the payer, the onramp has given back."""
    return (
        Posting(
            debit=payments_account("USD"),
            credit=onramp_account(payment.onramp),
            amount=amount,
            cause="refunded",
        ),
    )


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


def _taken_back(posting: Posting, cause: str) -> Posting:
    return Posting(debit=posting.credit, credit=posting.debit, amount=posting.amount, cause=cause)
