"""A payer who is present while the dollars are collected, and what the onramp asks of one."""

from dataclasses import dataclass, field

# The onramp has cancelled a collection because its payer has not acted; or shows it cancelled.
NOT_ACTED = "requires_action"
UNPAID = frozenset({NOT_ACTED, "canceled"})


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
