"""The rails of the wallet: its own wallets, in every currency, up to 10^12 minor units."""

from services.shared.money import EXPONENTS, Money
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail

_LARGEST_MINOR = 10**12

RAILS: tuple[Rail, ...] = tuple(
    Rail(
        recipient_kind=RecipientKind.WALLET,
        minimum=Money(1, currency),
        maximum=Money(_LARGEST_MINOR, currency),
        decimals=decimals,
    )
    for currency, decimals in sorted(EXPONENTS.items())
)
