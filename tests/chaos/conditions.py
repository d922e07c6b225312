"""The conditions of a run that its seed does not draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Everything else is drawn as ever."""

    # Rates of faults, in two minutes.
    faults: Mapping[str, float] = field(default_factory=dict)
    # The modes that offramps have in addition, from the start to the healing.
    lies: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    # Of the payments: the share that asks its onramp or offramp for a false amount in addition.
    misstated_share: float = 0.0
    # Whether offers expire within seconds, so that a payment ends while a worker stands still.
    short_quotes: bool = False
    # Of the answers that a worker has in its hand: the share before which it stops when armed.
    recording_share: float = 0.1

    @classmethod
    def together(cls, all_of: Sequence[Self]) -> Self:
        """The conditions that have everything of each; of two rates of one fault, the later."""
        return cls(
            faults={name: rate for one in all_of for name, rate in one.faults.items()},
            lies={name: mode for one in all_of for name, mode in one.lies.items()},
            misstated_share=max(one.misstated_share for one in all_of),
            short_quotes=any(one.short_quotes for one in all_of),
            recording_share=max(one.recording_share for one in all_of),
        )
