"""`python -m services.payments.recover show | compare | start | accept`: whether the database is
older than what has happened, as its processes have found; what providers have beside what it has;
its recovery by that; and the verb of an operator who takes it as it is."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from services.payments.base.database import opened_database
from services.payments.config import AdminSettings, RecoverSettings
from services.payments.mesh.channels import opened_operation_lists, opened_providers
from services.payments.mesh.ports import OperationLists
from services.payments.model.operator import Operator
from services.payments.model.timing import COMPARE_BACK, RECOVERY_PROGRESS_SECONDS
from services.payments.operators.accepting import Accepting
from services.payments.operators.policy import Always, Policy, SecondPerson
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.trail import Trail
from services.payments.recovery.comparing import Compared, Comparing
from services.payments.recovery.course import Recoveries, Recovery, RecoveryState
from services.payments.recovery.opening import running
from services.payments.recovery.recovering import Report
from services.payments.recovery.report import report_fields, report_of
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.recoveries import PostgresRecoveries
from services.shared.beside import beside
from services.shared.certificates import IdentityFiles
from services.shared.errors import CannotStart, DomainError, Unavailable
from services.shared.grpc_server import NEEDS_IDENTITY
from services.shared.identity import Identity
from services.shared.money import Money

OLDER = 1
# A person with the database's password can do alone all that the policy asks two for.
ONE_PERSON = Policy(second_person=SecondPerson(RATE_OVERRIDE=Always()))
# More than any backup loses.
PAYMENTS_MAX = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; OLDER where the database is older. Raises CannotStart or DomainError."""
    words = read(arguments)
    if words.verb in ASKING:
        settings = RecoverSettings.with_parts([(IdentityFiles, NEEDS_IDENTITY)])
        said, code = asyncio.run(ASKING[words.verb](settings.load(os.environ), words))
    else:
        said, code = asyncio.run(perform(AdminSettings.load(os.environ), words))
    sys.stdout.write(f"{said}\n")
    return code


async def start(config: RecoverSettings, words: argparse.Namespace) -> tuple[str, int]:
    """Recovers, or follows the recovery that is running, and gives the report and the code to end
    with. Raises DomainError."""
    async with (
        _opened(config, pool_size=4) as (engine, identity, lists),
        opened_providers(config.providers_target, identity) as providers,
    ):
        recoveries = PostgresRecoveries(engine)
        await recoveries.begin(Operator(name=words.name, note=words.reason))
        async with beside(running(engine, providers, lists).run):
            recovery = await _ended(recoveries)
        if recovery.state is RecoveryState.FAILED:
            raise Unavailable(recovery.failure)
        payments = await recoveries.payments(fate=None, after=None, limit=PAYMENTS_MAX)
    report = report_of(recovery, payments)
    said = json.dumps(report_fields(report)) if words.json else "\n".join(_lines(report))
    return said, 0 if report.is_accepted else OLDER


async def _ended(recoveries: Recoveries) -> Recovery:
    """The newest recovery once it has ended, whoever works on it; says meanwhile how far it is."""
    said = ""
    while True:
        recovery = (await recoveries.standing()).recovery
        if recovery is not None and recovery.state is not RecoveryState.RUNNING:
            return recovery
        line = said if recovery is None else progress(recovery)
        if line != said:
            sys.stderr.write(f"{line}\n")
            said = line
        await asyncio.sleep(RECOVERY_PROGRESS_SECONDS)


def progress(recovery: Recovery) -> str:
    """How far a recovery is, for a person."""
    if recovery.listed_at is None:
        return "providers are asked what they have"
    return f"{recovery.decided} of {recovery.decided + recovery.open} payments"


async def compare(config: RecoverSettings, _: argparse.Namespace) -> tuple[str, int]:
    """Compares, and gives a line for each list and the code to end with. Raises DomainError."""
    async with _opened(config, pool_size=1) as (engine, _identity, lists):
        since = datetime.now(UTC) - COMPARE_BACK
        found = await Comparing(PostgresMarks(engine), lists).compare(since)
    lines = [f"Compared with what providers list of the last {COMPARE_BACK.days} days:"]
    lines += [line for one in found for line in lines_of(one)]
    return "\n".join(lines), OLDER if any(one.unknown for one in found) else 0


@asynccontextmanager
async def _opened(
    config: RecoverSettings, *, pool_size: int
) -> AsyncIterator[tuple[Any, Identity, OperationLists]]:
    """The database, the worker's identity in the mesh, and the lists of providers."""
    url = config.database_url.get_secret_value
    identity = Identity(IdentityFiles.model_validate(config, from_attributes=True), "worker")
    async with (
        opened_database(url, "caravel-recover", pool_size=pool_size) as engine,
        opened_operation_lists(config.providers_target, identity) as lists,
    ):
        yield engine, identity, lists


def lines_of(one: Compared) -> Iterator[str]:
    """The comparison of one list for a person."""
    name = f"  {one.provider}, {one.step}: "
    if one.operations is None:
        yield f"{name}it does not answer now."
        return
    accepted = f", {one.accepted} accepted although unknown" if one.accepted else ""
    yield f"{name}{one.operations} listed{accepted}, {len(one.unknown)} unknown here."
    yield from (f"    {lost}" for lost in one.unknown)


def _lines(report: Report) -> Iterator[str]:
    """The report for a person."""
    made_again = "were made again: only a person's release goes on with them"
    parts = (
        ("go on: their next step is looked up before anything is sent", report.goes_on),
        ("are held: providers have done more for them than we would do next", report.held),
        (made_again, report.rebuilt),
        ("could not be held: see to them before you accept", report.not_held),
        ("are unknown here: their clients may repeat, and would pay again", report.unknown),
    )
    for said, payments in parts:
        yield f"{len(payments)} payments {said}."
        for name, stories in payments.items():
            yield f"  {name}"
            yield from (f"    {story}" for story in stories)
    if report.explained.balances:
        yield f"{len(report.explained.transaction_ids)} payments made again explain:"
    for (account, currency), balance in report.explained.balances.items():
        yield f"  {account} {Money(abs(balance), currency)} {'debit' if balance > 0 else 'credit'}"
    if report.is_accepted:
        yield "Accepted. Processes go on within a second."
    else:
        yield "Nothing goes on yet: `recover accept` once a person has seen to the last two lists."


async def perform(config: AdminSettings, words: argparse.Namespace) -> tuple[str, int]:
    """The words for a person, and the code to end with. Raises DomainError."""
    url = config.database_url.get_secret_value
    async with opened_database(url, "caravel-recover", pool_size=2) as engine:
        if words.verb == "accept":
            operations = PostgresOperations(engine)
            accepting = Accepting(operations, ONE_PERSON, Trail(operations))
            await accepting.accept(Operator(name=words.name, note=words.reason))
            return "Accepted as it is. Processes go on within a second.", 0
        standing = await PostgresRecoveries(engine).standing()
    lines = [*_said_of(standing.recovery)] if standing.recovery else []
    if standing.finding:
        lines.insert(0, f"OLDER than what has happened: {standing.finding}.")
        return "\n".join(lines), OLDER
    lines.insert(0, "No process has found that the database is older than what has happened.")
    return "\n".join(lines), 0


def _said_of(recovery: Recovery) -> Iterator[str]:
    """The newest recovery for a person."""
    by = f"{recovery.operator.name}, {recovery.started_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"The last recovery, by {by}, is {recovery.state}: {progress(recovery)}."
    if recovery.failure:
        yield f"  {recovery.failure}"


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The words as a verb. Exits with 2 where they make no sense."""
    parser = argparse.ArgumentParser(prog="recover")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("show", help="print whether the database is older, and the signs of it")
    verbs.add_parser("compare", help="compare it with what providers list, and change nothing")
    for name, summary in (
        ("start", "take from the providers what the database has lost"),
        ("accept", "take the database as it is"),
    ):
        verb = verbs.add_parser(name, help=summary)
        verb.add_argument("--reason", required=True, type=_reason, help="kept with the database")
        if name == "start":
            verb.add_argument("--json", action="store_true", help="the report as JSON")
        verb.add_argument("--as", dest="name", required=True, type=_reason, help="who does it")
    return parser.parse_args(arguments)


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say something")
    return text.strip()


ASKING = {"start": start, "compare": compare}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, DomainError) as error:
        sys.exit(f"cannot recover: {error}")
