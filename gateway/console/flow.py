"""The picture of a payment's money: a column for each account, in the order in which money passes
them, and an arrow for each posting. The table of postings says the same in words."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.console.client import Record

COLUMN, HEAD, ROW = 140, 54, 34
# Accounts in the order of money: from the sender to the recipient, and aside.
_ORDER = ("onramp", "payments", "revenue", "fx", "offramp", "suspense")


@dataclass(frozen=True)
class Account:
    """An account: its name in lines, and the middle of its column."""

    lines: Sequence[str]
    x: int


@dataclass(frozen=True)
class Arrow:
    """A posting, from the debit account to the credit account."""

    begins: int
    ends: int
    y: int
    text: str

    @property
    def text_x(self) -> int:
        """The middle of its text."""
        return (self.begins + self.ends) // 2

    @property
    def tip(self) -> str:
        """The corners of its point."""
        back = -8 if self.ends > self.begins else 8
        return (
            f"{self.ends},{self.y} {self.ends + back},{self.y - 4} {self.ends + back},{self.y + 4}"
        )


@dataclass(frozen=True)
class Flow:
    """The picture of a payment's money: accounts and arrows, with its size in pixels."""

    accounts: Sequence[Account]
    arrows: Sequence[Arrow]
    width: int
    height: int


def flow_of(postings: Sequence[Record]) -> Flow:
    """The picture of these postings."""
    names = dict.fromkeys(name for one in postings for name in (one["debit"], one["credit"]))
    ordered = sorted(names, key=_rank)
    middles = {name: at * COLUMN + COLUMN // 2 for at, name in enumerate(ordered)}
    arrows = [
        Arrow(
            middles[one["debit"]],
            middles[one["credit"]],
            HEAD + ROW * (at + 1),
            f"{one['amount']} {one['currency']}",
        )
        for at, one in enumerate(postings)
    ]
    accounts = [Account(name.split(":"), middles[name]) for name in ordered]
    height = HEAD + ROW * (len(postings) + 1)
    return Flow(accounts, arrows, COLUMN * len(ordered), height)


def _rank(name: str) -> int:
    kind = name.partition(":")[0]
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)
