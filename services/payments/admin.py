"""`python -m services.payments.admin merchants create --name NAME`: makes a merchant and its first
key, with all of a merchant's scopes. Prints both as JSON; the key is shown this once.
`… signing-keys create FILE`: makes the key that signs access tokens, where there is no file."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from services.payments.assembly import create_merchant
from services.payments.config import AdminSettings
from services.payments.merchants.tokens.key_file import ensure_key_file
from services.shared.errors import CannotStart, DomainError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Raises CannotStart or DomainError where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m services.payments.admin")
    nouns = parser.add_subparsers(dest="noun", required=True, metavar="merchants | signing-keys")
    verbs = nouns.add_parser("merchants").add_subparsers(required=True, metavar="create")
    create = verbs.add_parser("create", help="make a merchant and its first key")
    create.add_argument("--name", required=True, help="the merchant's name, for people")
    signing = nouns.add_parser("signing-keys").add_subparsers(required=True, metavar="create")
    create = signing.add_parser("create", help="make the key that signs access tokens")
    create.add_argument("file", type=Path, help="left as it is where it is there")
    parsed = parser.parse_args(arguments)
    if parsed.noun == "signing-keys":
        said = "made" if ensure_key_file(parsed.file) else "there already"
        sys.stdout.write(f"{parsed.file}: {said}\n")
        return 0
    made = asyncio.run(create_merchant(AdminSettings.load(os.environ), parsed.name))
    sys.stdout.write(f"{json.dumps(made, indent=2)}\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, DomainError, OSError) as error:
        sys.exit(f"cannot be done: {error}")
