"""One chaos run: load under faults, heal, come to rest, last questions, and five audits: of what
is there, half an hour later, after operators saw to the holds, after every event was sent again,
and after everything was killed once more."""

import asyncio
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from deploy import ROOT
from deploy.local.mesh import placement
from deploy.local.mesh.credentials import Credentials
from deploy.local.mesh.state import DataDir
from deploy.local.process.child import Spec, describe_end
from deploy.local.process.logs import Tail
from deploy.local.process.terminal import Problem
from services.providers.simulator.catalogue import APIS
from services.shared.well_known import SANDBOX_OPERATORS
from tests.chaos import books, checker, corridors, schedule, watch
from tests.chaos.checker.promises import i1
from tests.chaos.conditions import Conditions
from tests.chaos.digests import digests
from tests.chaos.driver import Driver
from tests.chaos.failover.losses import Losses
from tests.chaos.failover.mesh import FailoverMesh
from tests.chaos.history import History
from tests.chaos.mesh import ChaosMesh, unchanged
from tests.chaos.nemesis import Nemesis
from tests.chaos.receiver import Receiver
from tests.chaos.result import Result, Violation
from tests.chaos.topology import Topology
from tests.chaos.upgrade.mesh import UpgradeMesh
from tests.chaos.upgrade.rolling import Rolling
from tests.chaos.upgrade.versions import Upgrade

PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the run."""

    seed: int
    minutes: float
    # Holds everything that the run leaves behind.
    folder: Path
    rate_per_second: float = 8.0
    # Multiplies the rates of all faults, for a run that is short.
    intensity: float = 1.0
    conditions: Conditions = field(default_factory=Conditions)
    # The load goes on for so many actions, also where they take longer than the faults.
    actions_min: int = 0
    # Ends with the first audit that finds something broken.
    until_broken: bool = False
    # Ends with the first audit, whatever it finds.
    brief: bool = False
    # Leaves the database behind also where nothing is wrong.
    keep: bool = False
    # Rewrites what a process is started with.
    launch: Callable[[Spec], Spec] = unchanged
    liveness_seconds: float = watch.LIVENESS_SECONDS
    topology: Topology = field(default_factory=Topology)
    # So often the primary is lost, in place of all other faults, however long that takes.
    losses: int = 0
    # False for a standby that follows later, by which acknowledged payments are lost.
    synchronous: bool = True
    # The versions change across a migration, in place of all faults.
    upgrade: Upgrade | None = None


@dataclass(kw_only=True)
class _Run:
    """The parts of a run that is under way."""

    options: Options
    plan: schedule.Schedule
    mesh: ChaosMesh
    receiver: Receiver
    history: History
    driver: Driver
    nemesis: Nemesis | Losses | Rolling
    result: Result
    say: Callable[[str], None]


async def run(options: Options, say: Callable[[str], None]) -> Result:
    """Runs one seed; everything it found is in the result, and in the folder."""
    began = time.monotonic()
    forget(options.folder)
    options.folder.mkdir(parents=True)
    result = Result(seed=options.seed, minutes=options.minutes, commit=_commit())
    async with _everything(options, result, say) as parts:
        try:
            await _phases(parts)
        except Problem as problem:
            result.problem = str(problem)
        finally:
            await _count(parts)
        result.seconds = time.monotonic() - began
    if result.passed and not options.keep:
        parts.mesh.forget_database()
    return result


def forget(folder: Path) -> None:
    """Deletes what an earlier run of the seed has left behind."""
    placement.forget_elsewhere(DataDir.at(folder / "mesh").postgres)
    shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _everything(
    options: Options, result: Result, say: Callable[[str], None]
) -> AsyncIterator[_Run]:
    """The mesh, its clients and its merchant, for the length of a block."""
    seed, folder = options.seed, options.folder
    plan = schedule.make(
        seed,
        options.minutes * 60,
        options.topology,
        options.intensity,
        options.conditions.faults,
        lies_in_addition=options.conditions.lies,
    )
    mesh = _mesh(options, plan)
    history = History(folder)
    async with Receiver(folder, random.Random(f"receiver {seed}")) as receiver, mesh:
        driver = Driver(
            mesh.rest_url,
            history,
            random.Random(f"driver {seed}"),
            receiver.url,
            options.rate_per_second,
            webhook_secrets=webhook_secrets(mesh.plan.credentials),
            operators_url=mesh.plan.urls["operators"],
            operators=SANDBOX_OPERATORS,
            simulator_url=mesh.simulator_url,
            misstated_share=options.conditions.misstated_share,
            actions_min=options.actions_min,
        )
        yield _Run(
            options=options,
            plan=plan,
            mesh=mesh,
            receiver=receiver,
            history=history,
            driver=driver,
            nemesis=_nemesis(options, mesh, plan, history),
            result=result,
            say=say,
        )
    history.close()


def _mesh(options: Options, plan: schedule.Schedule) -> ChaosMesh:
    folder, topology = options.folder, options.topology
    has_short_quotes = plan.has_short_quotes or options.conditions.short_quotes
    return _kind_of_mesh(options)(
        data_dir=folder / "mesh",
        payments=topology.payments,
        workers=topology.workers,
        proxied=topology.proxied,
        launch=options.launch,
        settings=plan.settings,
        corridors_dir=corridors.write(folder / "corridors", short=has_short_quotes),
        rng=random.Random(f"proxies {options.seed}"),
    )


def _kind_of_mesh(options: Options) -> Callable[..., ChaosMesh]:
    if options.losses:
        return partial(FailoverMesh, synchronous=options.synchronous)
    if options.upgrade:
        return partial(UpgradeMesh, upgrade=options.upgrade)
    return ChaosMesh


def _nemesis(
    options: Options, mesh: ChaosMesh, plan: schedule.Schedule, history: History
) -> Nemesis | Losses | Rolling:
    file = options.folder / "nemesis.jsonl"
    if isinstance(mesh, UpgradeMesh):
        return Rolling(mesh, history, file)
    if isinstance(mesh, FailoverMesh):
        return Losses(mesh, options.losses, history.path, file)
    return Nemesis(mesh, plan, file)


async def _phases(run: _Run) -> None:
    await _load(run)
    if run.result.problem:
        # Nothing need have come to its end; but what was acknowledged is there at any time.
        await _audit(run, "after the problem", invariants=(i1,))
        return
    run.say("  healing …")
    run.receiver.misbehaves = 0
    run.history.epoch = "heal"
    await run.nemesis.heal()
    run.history.epoch = "quiet"
    await _rest(run, "heal")
    # Payouts that a provider may return for days are looked up for the last time now.
    await books.let_time_pass(run.mesh.owner_url)
    await run.driver.final_reads()
    await _rest(run, "final reads")
    await _audit(run, "after healing")
    if run.options.brief:
        return
    await books.let_unknowns_age(run.mesh.owner_url)
    await watch.until_held(run.mesh.owner_url, run.options.liveness_seconds)
    await _rest(run, "unknown for long")
    await _audit(run, "half an hour later")
    if run.options.until_broken and run.result.violations:
        return
    await run.driver.see_to_holds()
    await _rest(run, "statements read", watch.LATE_SECONDS)
    await _audit(run, "after the operators' statements")
    before = await digests(run.mesh.owner_url)
    events = await books.inbox_events(run.mesh.owner_url)
    await run.driver.replay_webhooks(random.Random(f"replay {run.options.seed}"), events)
    await _rest(run, "replayed webhooks")
    await _audit(run, "after the replay", before)
    run.say("  killing everything once more …")
    await run.mesh.restart_all()
    await _rest(run, "killed")
    await _audit(run, "after killing everything", before)


async def _load(run: _Run) -> None:
    """Load and faults together; the faults, or a problem that ends them, end the phase."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(run.driver.run(stop))
        group.create_task(_show_progress(run, stop))
        try:
            await run.nemesis.run()
            await run.driver.has_acted.wait()
        except Problem as problem:
            run.result.problem = str(problem)
        finally:
            stop.set()


async def _show_progress(run: _Run, stop: asyncio.Event) -> None:
    began, indefinite = time.monotonic(), 0
    tail = Tail(run.history.path, from_start=True)
    while not stop.is_set():
        indefinite += sum('"type": "info"' in line for line in tail.new_lines())
        run.result.indefinite = indefinite
        known = await watch.progress(run.mesh.owner_url)
        payments, completed = known or ("?", "?")
        done = run.nemesis.done
        run.say(
            f"  {time.monotonic() - began:5.0f} s  {payments:>6} payments  {completed:>6} completed"
            f"  {done['kill']:>4} kills  {done['pause'] + done['pause_session']:>4} pauses"
            f"  {_crashes(run.nemesis):>4} database crashes  {indefinite:>5} indefinite"
        )
        try:
            async with asyncio.timeout(PROGRESS_SECONDS):
                await stop.wait()
        except TimeoutError:
            continue


async def _rest(run: _Run, phase: str, look_seconds: float = watch.LOOK_SECONDS) -> None:
    owner_url, limit_seconds = run.mesh.owner_url, run.options.liveness_seconds
    stuck = [payment_id for rest in run.result.rests for payment_id in rest.stuck]
    rest = await watch.until_rest(owner_url, phase, stuck, limit_seconds, look_seconds)
    run.result.rests.append(rest)
    run.say(f"  {phase}: {'at rest' if rest.is_reached else 'NO REST'} after {rest.seconds:.0f} s")


async def _audit(
    run: _Run,
    phase: str,
    digests_before: Any = None,
    invariants: Sequence[checker.Invariant] = checker.INVARIANTS,
) -> None:
    known = run.mesh.plan.credentials
    passwords = {"owner": known.owner_password, "application": known.application_password}
    endpoint = run.driver.endpoint
    evidence = checker.Evidence(
        history=run.options.folder,
        simulator_book=run.mesh.simulator_url,
        database_url=run.mesh.owner_url,
        receiver_log=run.options.folder,
        logs=run.mesh.logs(),
        nemesis=run.nemesis.modes_set,
        loses_primary=run.options.losses > 0,
        phase=phase,
        secrets={
            **known.stand_ins,
            **passwords,
            **({"endpoint_secret": endpoint[1]} if endpoint else {}),
        },
        digests_before=digests_before,
    )
    report = await checker.audit(evidence, invariants)
    run.result.tally = report.tally
    with (run.options.folder / "audits.txt").open("a") as file:
        file.write(checker.render(report) + "\n\n")
    # Findings of an earlier audit are reported once.
    known = {(one.invariant, one.detail) for one in run.result.violations}
    run.result.violations += [
        Violation(
            phase=phase,
            invariant=finding.invariant,
            detail=detail,
            is_liveness=finding.is_liveness,
        )
        for finding in report.findings
        for detail in finding.violations
        if (finding.invariant, detail) not in known
    ]
    broken = f"broken: {', '.join(report.broken)}" if report.broken else "all invariants hold"
    run.say(f"  audit {phase}: {broken}")


async def _count(run: _Run) -> None:
    """The report of the run beside its findings."""
    result, mesh = run.result, run.mesh
    if isinstance(run.nemesis, Losses):
        result.without_service = dict(run.nemesis.seconds_without_service)
    result.faults = {**run.nemesis.done, "database crash": _crashes(run.nemesis)}
    cuts: Counter[str] = Counter()
    for link in mesh.links.values():
        cuts += link.struck
    result.cuts = dict(cuts)
    ends = [death for death in mesh.deaths if not death.is_killed]
    result.own_ends = dict(Counter(f"{one.name} {describe_end(one.code)}" for one in ends))
    if await watch.progress(mesh.owner_url):
        result.states, result.held = await watch.tally(mesh.owner_url)
        result.payments = sum(result.states.values())


def _crashes(nemesis: Nemesis | Losses) -> int:
    """How often the database had to recover: killed itself, or one of its processes."""
    return nemesis.done["kill_session"] + nemesis.killed["postgresql"]


def webhook_secrets(credentials: Credentials) -> dict[str, str]:
    """The secret of each provider's events."""
    secrets = credentials.stand_ins
    return {
        name: secrets.get(f"{name}_webhook_secret", secrets[f"{name}_api_key"]) for name in APIS
    }


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "unknown"
