"""An adjustment: a posting that two people agree on, for money that no rule of a payment moves any
more. Which accounts it may change, and how far, is in the two tables here and nowhere else."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from uuid import UUID

from services.payments.model.ledger import Posting
from services.shared.errors import NotAllowedNow
from services.shared.ids import Prefix, encode_id
from services.shared.money import Money

CAUSE = "adjustment"


class AccountNotAdjustable(NotAllowedNow):
    """No adjustment moves money between these two accounts."""

    reason = "ACCOUNT_NOT_ADJUSTABLE"


class AdjustmentUnbalanced(NotAllowedNow):
    """Both accounts must be in the currency of the amount, and differ."""

    reason = "ADJUSTMENT_UNBALANCED"


class AdjustmentTooLarge(NotAllowedNow):
    """The payment has less on the account, or the other way round."""

    reason = "ADJUSTMENT_TOO_LARGE"


class AdjustmentExists(NotAllowedNow):
    """The same adjustment of this payment was made before, by the same evidence."""

    reason = "ADJUSTMENT_EXISTS"


class PaymentNotAdjustable(NotAllowedNow):
    """An attempt of the payment has an open outcome, which may move the same money."""

    reason = "PAYMENT_NOT_ADJUSTABLE"


class Bound(Enum):
    """How far a payment's balance on an account, debits less credits, may be adjusted."""

    # Between nothing and what stands there by the payment's own postings.
    OWN = auto()
    # A provider cannot hold less than nothing for us, or have paid out less than nothing.
    NEVER_NEGATIVE = auto()
    NEVER_POSITIVE = auto()
    # Our own gain or loss.
    NONE = auto()


# By the kind of account, which is its name up to the first colon.
BOUNDS: Mapping[str, Bound] = {
    "suspense": Bound.OWN,
    "chargebacks": Bound.OWN,
    "onramp": Bound.NEVER_NEGATIVE,
    "offramp": Bound.NEVER_POSITIVE,
    "adjustments": Bound.NONE,
}
# Money on suspense, or lost for a dispute, is written off; or its provider has given or taken it.
# No other account is adjusted: each state of a payment says what stands there.
PAIRS = frozenset(
    {
        frozenset({"suspense", "adjustments"}),
        frozenset({"suspense", "onramp"}),
        frozenset({"suspense", "offramp"}),
        frozenset({"chargebacks", "adjustments"}),
    }
)
_OF_PROVIDERS = frozenset({"suspense", "onramp", "offramp"})


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """A posting as it was asked for, and the evidence for it."""

    debit: str
    credit: str
    amount: Money
    evidence: str

    @property
    def posting(self) -> Posting:
        """Its row of the book."""
        return Posting(debit=self.debit, credit=self.credit, amount=self.amount, cause=CAUSE)

    def check(self) -> None:
        """Raises AdjustmentUnbalanced or AccountNotAdjustable, whatever stands on the accounts."""
        accounts = (self.debit, self.credit)
        facts = {"debit": self.debit, "credit": self.credit}
        currencies = {account.rpartition(":")[2] for account in accounts}
        if currencies != {self.amount.currency} or self.debit == self.credit:
            raise AdjustmentUnbalanced(**facts, currency=self.amount.currency)
        providers = {_provider(account) for account in accounts if _kind(account) in _OF_PROVIDERS}
        pair = frozenset(_kind(account) for account in accounts)
        if pair not in PAIRS or len(providers) > 1 or not all(map(_is_whole, accounts)):
            raise AccountNotAdjustable(**facts)


@dataclass(frozen=True, kw_only=True)
class Adjusted:
    """The facts of a payment on which an adjustment depends."""

    # Debits less credits of the payment's own postings, and of its adjustments, by account.
    own: Mapping[str, int] = field(default_factory=dict)
    adjusted: Mapping[str, int] = field(default_factory=dict)
    # The proposals of those that were made.
    made: Mapping[Adjustment, UUID] = field(default_factory=dict)
    # The key of an attempt whose outcome is open; empty where none is.
    open_key: str = ""
    # When the payment is due, which no adjustment changes; None where nothing happens by itself.
    due_in: timedelta | None = None

    @property
    def has_room(self) -> bool:
        """Whether some adjustment can be within its bounds: each pair has an account that the
        payment's own postings bound."""
        return any(minor and BOUNDS.get(_kind(of)) is Bound.OWN for of, minor in self.own.items())

    def check_open(self) -> None:
        """Raises PaymentNotAdjustable."""
        if self.open_key:
            raise PaymentNotAdjustable(key=self.open_key)

    def check(self, wanted: Adjustment) -> None:
        """Raises AdjustmentExists or AdjustmentTooLarge."""
        if (before := self.made.get(wanted)) is not None:
            raise AdjustmentExists(proposal_id=encode_id(Prefix.PROPOSAL, before))
        minor = wanted.amount.amount_minor
        for account, change in ((wanted.debit, minor), (wanted.credit, -minor)):
            own = self.own.get(account, 0)
            stands = own + self.adjusted.get(account, 0)
            lowest, highest = _range(BOUNDS[_kind(account)], own)
            after = stands + change
            if (lowest is not None and after < lowest) or (highest is not None and after > highest):
                balance = str(Money(abs(stands), wanted.amount.currency))
                side = "-" if stands < 0 else ""
                raise AdjustmentTooLarge(account=account, balance=f"{side}{balance}")


def _range(bound: Bound, own: int) -> tuple[int | None, int | None]:
    """The lowest and the highest balance; None without a bound."""
    return {
        Bound.OWN: (min(0, own), max(0, own)),
        Bound.NEVER_NEGATIVE: (0, None),
        Bound.NEVER_POSITIVE: (None, 0),
        Bound.NONE: (None, None),
    }[bound]


def _kind(account: str) -> str:
    return account.partition(":")[0]


def _provider(account: str) -> str:
    return account.partition(":")[2].rpartition(":")[0]


def _is_whole(account: str) -> bool:
    """Whether it has a provider, where its kind has one, and nothing else."""
    provider = _provider(account)
    if _kind(account) in _OF_PROVIDERS:
        return bool(provider) and ":" not in provider
    return not provider
