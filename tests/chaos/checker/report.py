"""The checker's report: one finding an invariant, the table of all, and two numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

EXAMPLES = 3


@dataclass
class Finding:
    """One invariant: how much was looked at, and what was wrong."""

    invariant: str
    statement: str
    # Liveness is a separate result: nothing is wrong with the money.
    is_liveness: bool = False
    checked: int = 0
    violations: list[str] = field(default_factory=list)
    # A violation that a planted lie or fault explains.
    explained: list[str] = field(default_factory=list)

    def expect(self, holds: bool, violation: str) -> bool:
        """Counts one look; what does not hold is a violation."""
        self.checked += 1
        if not holds:
            self.violations.append(violation)
        return holds


@dataclass(frozen=True, kw_only=True)
class Tally:
    """Payments by what became of them."""

    acknowledged: int = 0
    # Acknowledged, and not in our database.
    lost: int = 0
    # Charged or paid out more than once.
    doubled: int = 0


@dataclass(frozen=True)
class Report:
    """All findings of one audit."""

    phase: str
    findings: Sequence[Finding]
    tally: Tally

    @property
    def safe(self) -> bool:
        """Whether nothing is wrong with the money and the promises."""
        return not any(self._broken(liveness=False))

    @property
    def live(self) -> bool:
        """Whether everything has come to its end."""
        return not any(self._broken(liveness=True))

    def finding(self, invariant: str) -> Finding:
        """The finding of an invariant, for example "I3"."""
        return next(one for one in self.findings if one.invariant == invariant)

    @property
    def broken(self) -> Sequence[str]:
        """The invariants that do not hold."""
        return [one.invariant for one in self.findings if one.violations]

    def _broken(self, *, liveness: bool) -> Iterator[Finding]:
        return (f for f in self.findings if f.violations and f.is_liveness is liveness)


def render(report: Report) -> str:
    """The table, and the first examples of whatever is wrong."""
    lines = [f"audit: {report.phase}", f"{'':5} {'checked':>8} {'broken':>7} {'explained':>9}"]
    for one in report.findings:
        counts = f"{one.checked:>8} {len(one.violations):>7} {len(one.explained):>9}"
        lines.append(f"{one.invariant:5} {counts}  {one.statement}")
    for one in report.findings:
        lines.extend(f"{one.invariant}: {violation}" for violation in one.violations[:EXAMPLES])
        if len(one.violations) > EXAMPLES:
            lines.append(f"{one.invariant}: … and {len(one.violations) - EXAMPLES} more")
    results = ("safe" if report.safe else "NOT SAFE", "live" if report.live else "NOT LIVE")
    return "\n".join([*lines, f"result: {results[0]}, {results[1]}"])
