"""A payer who is present while the dollars are collected, and what the onramp asks of one."""

from dataclasses import dataclass, field

# The onramp's failures of a collection whose payer has not acted: it has cancelled it.
UNPAID = frozenset({"requires_action", "canceled"})


@dataclass(frozen=True, kw_only=True)
class PresentPayer:
    """A payer who can be asked; an off-session payment has none."""

    # Where the onramp sends the payer back to; empty where no redirect is wanted.
    return_url: str = ""


@dataclass(frozen=True, kw_only=True)
class NextAction:
    """The action that a collection waits for, of its payer."""

    kind: str
    # Both are for that payer alone.
    client_secret: str = field(default="", repr=False)
    url: str = field(default="", repr=False)
