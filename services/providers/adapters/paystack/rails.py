"""The rails of Paystack: bank accounts in its four countries, and mobile money in two of them."""

from services.providers.adapters.kit.rails import operators, rails
from services.providers.adapters.paystack.translate import NETWORKS
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail

_BANK_ACCOUNTS = {
    "GHS": ("1.00", "50000.00"),
    "KES": ("100.00", "999999.00"),
    "NGN": ("100.00", "10000000.00"),
    "ZAR": ("10.00", "5000000.00"),
}
_MOBILE_MONEY = {"GHS": ("1.00", "15000.00")}
_OPERATORS = operators(NETWORKS)
# Whole shillings, in the bands of Paystack's own price list.
_M_PESA = {"KES": ("1", "150000")}

RAILS: tuple[Rail, ...] = (
    *rails(RecipientKind.BANK_ACCOUNT, _BANK_ACCOUNTS),
    *rails(RecipientKind.MOBILE_MONEY, _MOBILE_MONEY, operators=_OPERATORS),
    *rails(RecipientKind.MOBILE_MONEY, _M_PESA, operators=_OPERATORS, decimals=0),
)
