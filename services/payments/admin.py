"""`python -m services.payments.admin merchants create --name NAME`: makes a merchant and its first
key, with all of a merchant's scopes. Prints both as JSON; the key is shown this once."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence

from services.payments.assembly import create_merchant
from services.payments.config import AdminSettings
from services.shared.errors import CannotStart, DomainError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Raises CannotStart or DomainError where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m services.payments.admin")
    nouns = parser.add_subparsers(dest="noun", required=True, metavar="merchants")
    verbs = nouns.add_parser("merchants").add_subparsers(required=True, metavar="create")
    create = verbs.add_parser("create", help="make a merchant and its first key")
    create.add_argument("--name", required=True, help="the merchant's name, for people")
    parsed = parser.parse_args(arguments)
    made = asyncio.run(create_merchant(AdminSettings.load(os.environ), parsed.name))
    sys.stdout.write(f"{json.dumps(made, indent=2)}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, DomainError) as error:
        sys.exit(f"cannot be done: {error}")
