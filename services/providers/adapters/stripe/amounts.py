"""How Stripe writes amounts: whole numbers of a smallest unit that is not always ISO 4217's. Shown
in tests currency by currency, because a wrong digit here is a hundredfold charge."""

from services.shared.money import CurrencyUnknown, Money, exponent

# ISO gives MGA two digits; Stripe takes none.
_NO_DIGITS = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV"}
    | {"XAF", "XOF", "XPF"}
)
# ISO gives these no digits; Stripe takes two, which must be zeros.
_TWO_DIGITS = frozenset({"ISK", "UGX"})


def _digits(currency: str) -> int:
    if currency in _NO_DIGITS:
        return 0
    return 2 if currency in _TWO_DIGITS else exponent(currency)


def to_stripe(money: Money) -> int:
    """The amount in Stripe's smallest unit. Raises ValueError where Stripe cannot express it."""
    surplus = _digits(money.currency) - exponent(money.currency)
    amount = _shifted(money.amount_minor, surplus)
    if amount is None:
        raise ValueError(f"Stripe has no smaller unit than 1 {money.currency}")
    return amount


def from_stripe(amount: object, currency: object) -> Money | None:
    """The amount that Stripe states, or None where it states none that is exact and known."""
    if type(amount) is not int or not isinstance(currency, str):
        return None
    try:
        surplus = _digits(currency.upper()) - exponent(currency.upper())
        shifted = _shifted(amount, -surplus)
        return None if shifted is None else Money(shifted, currency.upper())
    except (ValueError, CurrencyUnknown):
        return None


def _shifted(amount: int, digits: int) -> int | None:
    """The amount with more or fewer digits; None where a digit other than zero would be lost."""
    for _ in range(digits):
        amount *= 10
    for _ in range(-digits):
        amount, rest = divmod(amount, 10)
        if rest:
            return None
    return amount
