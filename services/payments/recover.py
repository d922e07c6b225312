"""`python -m services.payments.recover show | accept`: whether the database is older than what has
happened, as its processes have found; and the verb of an operator who takes it as it is."""

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence

from services.payments.base.database import opened_database
from services.payments.config import AdminSettings
from services.payments.recovery.store.marks import PostgresMarks
from services.shared.errors import CannotStart, DomainError

OLDER = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one verb; OLDER where the database is older. Raises CannotStart or DomainError."""
    words = read(arguments)
    said, code = asyncio.run(perform(AdminSettings.load(os.environ), words))
    sys.stdout.write(f"{said}\n")
    return code


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
    accept = verbs.add_parser("accept", help="take the database as it is")
    accept.add_argument("--reason", required=True, type=_reason, help="kept with the database")
    accept.add_argument("--as", dest="name", required=True, type=_reason, help="who accepts it")
    return parser.parse_args(arguments)


def _reason(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("say something")
    return text.strip()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, DomainError) as error:
        sys.exit(f"cannot recover: {error}")
