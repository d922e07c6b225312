"""Settlement: payments arrive at a fixed rate and are collected, exchanged and paid out, with
every posting and event, and a merchant's endpoint. The peak is the highest rate at which they
leave as fast as they come; what a payment takes is measured at half of it."""

import time
from dataclasses import dataclass

from tests.benchmarks import load, processes, requests, settled
from tests.benchmarks.backlog import DONE_SECONDS, work_off
from tests.benchmarks.bench import Bench, Figures, as_line
from tests.benchmarks.load import Outcome
from tests.benchmarks.settled import Way, middle_rate, percentile

DATABASE = "settle"
# After this share of the time the way through is as long as it will be, where it does not grow.
SETTLED_SHARE = 1 / 3
# Of what came since then, so much has to leave.
SUSTAINED_SHARE = 0.97
# And the last has to be done so soon after the last arrival.
DRAIN_SECONDS = 8.0
# The first guess, as a share of the rate at which a backlog goes down while nothing arrives.
FIRST_SHARE = 0.8
FIRST_STEP, LATER_STEP = 1.15, 1.06
TRIES = 6
# Longer than other measurements: a payment takes a second or more, and where that is half a second
# more or less at the end, it is to be little beside what left.
TIMES_SECONDS, LEAST_SECONDS = 2.0, 24.0


@dataclass(frozen=True)
class Trial:
    """The result of one rate of arrival."""

    rate: float
    outcome: Outcome
    ways: list[Way]
    # Completed a second, since it was settled.
    completed_per_second: float
    drain_seconds: float
    # How many processors the simulator kept busy while payments arrived.
    simulator_cores: float = 0.0

    @property
    def middle_rate(self) -> float:
        """Completed a second, between the first and the last tenth."""
        return middle_rate([way.completed for way in self.ways])

    @property
    def is_sustained(self) -> bool:
        """Whether payments left as fast as they came, and all were let in."""
        return (
            self.outcome.refused == self.outcome.unsent == self.outcome.broken == 0
            and self.completed_per_second >= SUSTAINED_SHARE * self.rate
            and self.drain_seconds <= DRAIN_SECONDS
        )


class Settlement:
    """Looks for the peak from where it was in the round before."""

    rounds = None

    def __init__(self) -> None:
        self._peak = 0.0

    async def prepare(self, bench: Bench) -> None:
        """An empty database."""
        await bench.server.make(DATABASE)

    async def measure(self, bench: Bench) -> Figures:
        """The peak, and the times at half of it."""
        await bench.mesh.use(DATABASE)
        await bench.merchant.register(bench.mesh.rest, DATABASE)
        events, step = bench.merchant.events, LATER_STEP
        await work_off(bench, max(10, bench.options.backlog // 10))
        backlog = await work_off(bench, bench.options.backlog)
        if not self._peak:
            self._peak, step = FIRST_SHARE * backlog.rate, FIRST_STEP
        self._peak, simulator_cores = await _climb(bench, self._peak, step)
        figures: Figures = {
            "settle_backlog_per_second": backlog.rate,
            "settle_peak_per_second": self._peak,
            "settle_simulator_cores": simulator_cores,
            **_times(await arrive(bench, self._peak / 2)),
        }
        bench.say(f"    {as_line(figures)}")
        return {**figures, "settle_events_delivered": bench.merchant.events - events}


async def arrive(bench: Bench, rate: float) -> Trial:
    """Lets payments arrive at a rate, and waits until the last is done. Raises Problem."""
    tag, target = requests.new_tag(), bench.mesh.rest
    least = 0.0 if bench.options.is_smoke else LEAST_SECONDS
    seconds = max(least, TIMES_SECONDS * bench.options.seconds)
    async with bench.server.connected(bench.mesh.on) as connection:
        began = await settled.clock(connection)
    used, started = processes.processor_seconds(bench.mesh.pids), time.monotonic()
    outcome = await load.fixed_rate(
        target, requests.creating(target, tag), rate=rate, seconds=seconds
    )
    more = processes.processor_seconds(bench.mesh.pids)
    cores = (more["simulator"] - used["simulator"]) / (time.monotonic() - started)
    drain_seconds = await settled.until_done(bench.server, bench.mesh.on, DONE_SECONDS)
    ways = list(await settled.ways(bench.server, bench.mesh.on, tag))
    first, end = began + SETTLED_SHARE * seconds, began + seconds
    completed = sum(first <= way.completed < end for way in ways)
    return Trial(rate, outcome, ways, completed / (end - first), drain_seconds, cores)


async def _climb(bench: Bench, start: float, step: float) -> tuple[float, float]:
    """The highest rate, by steps, that is sustained; where none is, what the lowest came to.

    And how many processors the simulator kept busy at that rate.
    """
    rate, best = start, 0.0
    came_to = cores = 0.0
    for _ in range(1 if bench.options.is_smoke else TRIES):
        trial = await arrive(bench, rate)
        came_to = trial.middle_rate
        if trial.is_sustained or not best:
            cores = trial.simulator_cores
        bench.say(
            f"    {rate:.1f} arrive a second, {trial.completed_per_second:.1f} leave, the last "
            f"{trial.drain_seconds:.1f} s later: "
            f"{'sustained' if trial.is_sustained else 'not sustained'}"
        )
        if trial.is_sustained:
            if best > rate:
                break
            best, rate = rate, rate * step
        elif best:
            break
        else:
            rate /= step
    return best or came_to or start, cores


def _times(trial: Trial) -> Figures:
    figures: Figures = {}
    for label, share in (("p50", 0.5), ("p99", 0.99)):
        figures[f"settle_half_create_{label}_ms"] = trial.outcome.percentile_ms(share) or 0.0
        completed = percentile([way.completed - way.created for way in trial.ways], share)
        delivered = percentile([way.delivered - way.created for way in trial.ways], share)
        figures[f"settle_half_completed_{label}_s"] = completed
        figures[f"settle_half_told_{label}_s"] = delivered
    return figures
