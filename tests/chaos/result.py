"""The findings of a chaos run, as a file for programs and as lines for a person. Safety and
liveness are separate results: money that is wrong is one thing, work that does not end another."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from deploy.local.process import terminal
from deploy.local.process.terminal import paint
from tests.chaos.checker import Tally
from tests.chaos.watch import Rest

EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A broken promise."""

    phase: str
    invariant: str
    detail: str
    is_liveness: bool


@dataclass(kw_only=True)
class Result:
    """One run."""

    seed: int
    minutes: float
    commit: str
    seconds: float = 0.0
    payments: int = 0
    states: Mapping[str, int] = field(default_factory=dict)
    faults: Mapping[str, int] = field(default_factory=dict)
    # The faults that the proxies caused.
    cuts: Mapping[str, int] = field(default_factory=dict)
    # After each loss of the primary, in seconds, by its kind.
    without_service: Mapping[str, Sequence[float]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    # Processes that ended without our doing, by name and how: a service may refuse to start while
    # the database is away.
    own_ends: Mapping[str, int] = field(default_factory=dict)
    indefinite: int = 0
    held: Mapping[str, int] = field(default_factory=dict)
    rests: list[Rest] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    # The run itself went wrong: what there was to audit is not all that there should be.
    problem: str | None = None

    @property
    def safe(self) -> bool:
        """Whether nothing is wrong with money and promises, as far as the run went."""
        return not any(not one.is_liveness for one in self.violations)

    @property
    def live(self) -> bool:
        """Whether everything came to its end in time."""
        ended = self.problem is None and all(rest.is_reached for rest in self.rests)
        return ended and not any(one.is_liveness for one in self.violations)

    @property
    def passed(self) -> bool:
        """Whether both results are good."""
        return self.safe and self.live

    @property
    def healing(self) -> tuple[float, float] | None:
        """How long payments took that were open when the faults ended: p50 and p99, in seconds."""
        times = sorted(self.rests[0].healing_seconds) if self.rests else []
        return (_at(times, 0.5), _at(times, 0.99)) if times else None


def write(result: Result, folder: Path) -> None:
    """Leaves the result beside the evidence."""
    written: dict[str, Any] = asdict(result)
    written |= {"safe": result.safe, "live": result.live, "healing_p50_p99": result.healing}
    (folder / "report.json").write_text(json.dumps(written, indent=2))


def render(result: Result, replay: str) -> str:
    """The report; replay is the command that has the run again."""
    healing = result.healing
    rows = {
        "seed": f"{result.seed}, commit {result.commit}",
        "duration": f"{result.seconds:.0f} s, of which {result.minutes * 60:.0f} s under faults",
        "payments": f"{result.payments} ({_counts(result.states)})",
        "faults": f"{sum(result.faults.values())} ({_counts(result.faults)})",
        "connections": _counts(result.cuts) or "none touched",
        "own ends": _counts(result.own_ends) or "none",
        "indefinite": f"{result.indefinite} operations",
        "holds": _counts(result.held) or "none",
        "healing": f"p50 {healing[0]:.1f} s, p99 {healing[1]:.1f} s" if healing else "none open",
        **_losses([result]),
        "safety": _word(result.safe, "safe", "NOT SAFE"),
        "liveness": _word(result.live, "live", "NOT LIVE"),
    }
    lines = [f"  {paint(f'{name:<12}', terminal.DIM)} {value}" for name, value in rows.items()]
    lines += [f"  {line}" for line in _complaints(result)]
    if not result.passed:
        lines.append(f"\n  replay with: {replay}")
    return "\n".join(lines)


def _losses(results: Sequence[Result]) -> dict[str, str]:
    """The figures of the losses of the primary, where there were any."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    for one in results:
        for kind, seconds in one.without_service.items():
            by_kind[kind] += seconds
    if not by_kind:
        return {}
    all_of = {
        name: sum(getattr(one.tally, name) for one in results)
        for name in ("acknowledged", "lost", "doubled")
    }
    return {
        "acknowledged": "{acknowledged} payments, {lost} lost, {doubled} doubled".format(**all_of),
        "no service": _away(list(chain(*by_kind.values()))),
        **{f"- {kind}": _away(seconds) for kind, seconds in by_kind.items()},
    }


def _away(seconds: Sequence[float]) -> str:
    times = sorted(seconds)
    p50, p99 = _at(times, 0.5), _at(times, 0.99)
    return f"p50 {p50:.1f} s, p99 {p99:.1f} s, longest {times[-1]:.1f} s, of {len(times)} losses"


def summary(result: Result) -> str:
    """One line."""
    kills = result.faults.get("kill", 0)
    return (
        f"  seed {result.seed:<6} {result.commit} {result.payments:>6} payments {kills:>4} kills  "
        f"{_word(result.safe, 'safe', 'NOT SAFE')}, {_word(result.live, 'live', 'NOT LIVE')}"
    )


def totals(results: Sequence[Result]) -> str:
    """All runs together."""
    failed = [str(result.seed) for result in results if not result.passed]
    payments = sum(result.payments for result in results)
    faults = sum(sum(result.faults.values()) for result in results)
    conclusion = f"failed: {', '.join(failed)}" if failed else "all passed"
    lines = [f"{len(results)} seeds, {payments} payments, {faults} faults; {conclusion}"]
    lines += [f"{name}: {words}" for name, words in _losses(results).items()]
    return "\n".join(f"  {line}" for line in lines)


def complaints(result: Result) -> str:
    """The findings, under their line."""
    return "\n".join(f"    {line}" for line in _complaints(result))


def _complaints(result: Result) -> list[str]:
    lines = [f"problem: {result.problem}"] if result.problem else []
    for rest in result.rests:
        if not rest.is_reached:
            last = rest.last
            lines.append(
                f"{rest.phase}: no rest after {rest.seconds:.0f} s; {last.open} payments, "
                f"{last.inbox} events of providers and {last.outbox} for merchants wait"
            )
            stuck = list(rest.stuck.items())[:EXAMPLES]
            lines += [f"  payment {payment_id}: {how}" for payment_id, how in stuck]
    by_name: dict[tuple[str, str], list[str]] = {}
    for one in result.violations:
        by_name.setdefault((one.phase, one.invariant), []).append(one.detail)
    for (phase, invariant), details in by_name.items():
        lines.append(f"{phase}: {invariant} is broken {len(details)} times")
        lines += [f"  {detail}" for detail in details[:EXAMPLES]]
    return lines


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _word(good: bool, yes: str, no: str) -> str:
    return paint(yes, terminal.GREEN) if good else paint(no, terminal.RED, terminal.BOLD)


def _at(times: Sequence[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))]
