"""The rails of Wise: bank accounts, and M-Pesa in Kenya. The bounds are those of its list of
currencies and of its pages on each; yen, rupiah and dong go out whole."""

from services.providers.adapters.kit.rails import rails
from services.shared.recipients.nouns import RecipientKind
from services.shared.recipients.rails import Rail

_BANK_ACCOUNTS = {
    "BDT": ("1.00", "1000000000.00"),
    "BRL": ("10.00", "250000.00"),
    "COP": ("62000.00", "3630000000.00"),
    "EUR": ("1.00", "1000000.00"),
    "GBP": ("1.00", "1000000.00"),
    "GHS": ("5.00", "899999.00"),
    "INR": ("1.00", "88000000.00"),
    "KES": ("10.00", "50000000000.00"),
    "MXN": ("1.00", "100000000000.00"),
    "NGN": ("1.00", "2000000.00"),
    "PHP": ("1.00", "480000.00"),
    "PKR": ("1.00", "980000.00"),
}
_WHOLE = {
    "IDR": ("50000", "500000000"),
    "JPY": ("1", "140000000"),
    "VND": ("1", "30000000000"),
}
_M_PESA = {"KES": ("10", "250000")}

RAILS: tuple[Rail, ...] = (
    *rails(RecipientKind.BANK_ACCOUNT, _BANK_ACCOUNTS),
    *rails(RecipientKind.BANK_ACCOUNT, _WHOLE, decimals=0),
    *rails(RecipientKind.MOBILE_MONEY, _M_PESA, operators={"KES": ("MPESA",)}, decimals=0),
)
