"""The rails of Flutterwave: bank accounts and mobile money, in the currencies that its documents
name. Banks whose branch it wants to know are left out: nothing of ours has it. It publishes no
bounds: they are those that the rail behind it takes in one payment, and an account's own limits may
be lower."""

from services.providers.adapters.flutterwave.translate import NETWORKS
from services.providers.adapters.kit.rails import operators, rails
from services.shared.recipients import RecipientKind
from services.shared.recipients.rails import Rail

_BANK_ACCOUNTS = {
    "EUR": ("1.00", "100000.00"),
    "GBP": ("1.00", "250000.00"),
    "KES": ("100.00", "999999.00"),
    "NGN": ("100.00", "10000000.00"),
    "USD": ("10.00", "100000.00"),
    "ZAR": ("10.00", "5000000.00"),
    "ZMW": ("10.00", "500000.00"),
}
_MOBILE_MONEY = {
    "GHS": ("1.00", "15000.00"),
    "ZMW": ("1.00", "20000.00"),
}
# M-Pesa and its like move whole shillings and francs, although ISO 4217 gives some of them cents.
_WHOLE = {
    "KES": ("10", "250000"),
    "RWF": ("100", "5000000"),
    "TZS": ("1000", "5000000"),
    "UGX": ("500", "5000000"),
}
_CFA_FRANCS = {"XOF": ("200", "1500000")}
_OPERATORS = operators(NETWORKS)

RAILS: tuple[Rail, ...] = (
    *rails(RecipientKind.BANK_ACCOUNT, _BANK_ACCOUNTS),
    *rails(RecipientKind.MOBILE_MONEY, _MOBILE_MONEY, operators=_OPERATORS),
    *rails(RecipientKind.MOBILE_MONEY, _WHOLE, operators=_OPERATORS, decimals=0),
    # Its codes of the networks are known for one of the countries that share the franc.
    *rails(RecipientKind.MOBILE_MONEY, _CFA_FRANCS, operators=_OPERATORS, decimals=0, country="CI"),
)
