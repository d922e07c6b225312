"""`python -m services.payments.recover show | compare | start | accept`: whether the database is
older than what has happened, as its processes have found; what providers have beside what it has;
its recovery by that; and the verb of an operator who takes it as it is."""

import argparse
import asyncio
import json
import os
import random
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from services.payments.base.database import opened_database
from services.payments.config import AdminSettings, RecoverSettings
from services.payments.engine.decisions.decider import Decider
from services.payments.mesh.channels import opened_operation_lists, opened_providers
from services.payments.model.operator import Operator
from services.payments.recovery.comparing import Compared, Comparing
from services.payments.recovery.rebuilding import Rebuilding
from services.payments.recovery.recovering import Recovering, Report
from services.payments.recovery.report import report_fields
from services.payments.recovery.store.lost import PostgresLostPayments
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.rebuilt import PostgresRebuiltPayments
from services.payments.webhooks_out.convert import encode_event
from services.shared.certificates import IdentityFiles
from services.shared.errors import CannotStart, DomainError
from services.shared.grpc_server import NEEDS_IDENTITY
from services.shared.identity import Identity
from services.shared.money import Money

OLDER = 1
# Lists are compared from so long ago.
COMPARED = timedelta(days=7)


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
    """Recovers, and gives the report and the code to end with. Raises DomainError."""
    url = config.database_url.get_secret_value
    identity = Identity(IdentityFiles.model_validate(config, from_attributes=True), "worker")
    target = config.providers_target
    async with (
        opened_database(url, "caravel-recover", pool_size=2) as engine,
        opened_providers(target, identity) as providers,
        opened_operation_lists(target, identity) as lists,
    ):
        declared = await providers.capabilities()
        recovering = Recovering(
            PostgresMarks(engine),
            lists,
            PostgresLostPayments(engine, encode_event, Decider(declared, random.random)),
            Rebuilding(providers, PostgresRebuiltPayments(engine, encode_event), declared),
            declared,
        )
        operator = Operator(name=words.name, note=words.reason)
        report = await recovering.recover(operator, _show_progress)
    said = json.dumps(report_fields(report)) if words.json else "\n".join(_lines(report))
    return said, 0 if report.is_accepted else OLDER


def _show_progress(done: int, of: int) -> None:
    sys.stderr.write(f"{done} of {of} payments\n")


async def compare(config: RecoverSettings, _: argparse.Namespace) -> tuple[str, int]:
    """Compares, and gives a line for each list and the code to end with. Raises DomainError."""
    url = config.database_url.get_secret_value
    identity = Identity(IdentityFiles.model_validate(config, from_attributes=True), "worker")
    async with (
        opened_database(url, "caravel-recover", pool_size=1) as engine,
        opened_operation_lists(config.providers_target, identity) as lists,
    ):
        found = await Comparing(PostgresMarks(engine), lists).compare(datetime.now(UTC) - COMPARED)
    lines = [f"Compared with what providers list of the last {COMPARED.days} days:"]
    lines += [line for one in found for line in lines_of(one)]
    return "\n".join(lines), OLDER if any(one.unknown for one in found) else 0


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
    async with opened_database(url, "caravel-recover", pool_size=1) as engine:
        marks = PostgresMarks(engine)
        if words.verb == "accept":
            await marks.accept(accepted_by=words.name, reason=words.reason)
            return "Accepted as it is. Processes go on within a second.", 0
        finding = (await marks.read()).finding
    if finding:
        return f"OLDER than what has happened: {finding}.", OLDER
    return "No process has found that the database is older than what has happened.", 0


def read(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The words as a verb. Exits with 2 where they make no sense."""
    parser = argparse.ArgumentParser(prog="recover")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("show", help="tell whether the database is older, and by what one knows")
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
