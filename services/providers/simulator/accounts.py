"""Banks, and the holders of accounts, as the simulator's African providers know them: one small
list, so that both name the same holder of an account."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bank:
    """One bank or mobile network."""

    country: str
    currency: str
    code: str
    name: str
    # As Paystack names its kind.
    kind: str


BANKS = (
    Bank("NG", "NGN", "044", "Access Bank", "nuban"),
    Bank("NG", "NGN", "057", "Zenith Bank", "nuban"),
    Bank("NG", "NGN", "058", "Guaranty Trust Bank", "nuban"),
    Bank("NG", "NGN", "011", "First Bank of Nigeria", "nuban"),
    Bank("NG", "NGN", "033", "United Bank For Africa", "nuban"),
    Bank("GH", "GHS", "030100", "Absa Bank Ghana Ltd", "ghipss"),
    Bank("GH", "GHS", "MTN", "MTN", "mobile_money"),
    Bank("GH", "GHS", "VOD", "Vodafone", "mobile_money"),
    Bank("GH", "GHS", "ATL", "AirtelTigo", "mobile_money"),
    Bank("KE", "KES", "68", "Equity Bank", "kepss"),
    Bank("KE", "KES", "MPESA", "M-PESA", "mobile_money"),
    Bank("ZA", "ZAR", "632005", "Absa Bank Limited, South Africa", "basa"),
    Bank("ZA", "ZAR", "250655", "First National Bank", "basa"),
)
# The countries' names at Paystack.
COUNTRIES = {"NG": "Nigeria", "GH": "Ghana", "KE": "Kenya", "ZA": "South Africa"}
# The holders that have a name of their own; everybody else is the same person.
HOLDERS = {"0690000031": "Ada Obi", "0690000032": "Bale Gary", "0690000040": "Ada Obi"}
ANYBODY = "Test Recipient"
# An account whose number ends so cannot be resolved.
NOBODY = "99"


def bank_of(code: str) -> Bank | None:
    """The bank with this code."""
    return next((bank for bank in BANKS if bank.code == code), None)


def holder_of(account_number: str) -> str | None:
    """The name of an account's holder; None where the account cannot be resolved."""
    if account_number.endswith(NOBODY):
        return None
    return HOLDERS.get(account_number, ANYBODY)
