"""`python -m services.payments.admin merchants create --name NAME`: makes a merchant and its first
key, with all of a merchant's scopes. Prints both as JSON; the key is shown this once.
`… operators create --name NAME --role ROLE`: makes a key of an operator, in the same way.
`… signing-keys create FILE`: makes the key that signs access tokens, where there is no file."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.payments.base.database import opened_database
from services.payments.config import AdminSettings
from services.payments.merchants.convert import MERCHANT_SCOPES, read_name
from services.payments.merchants.domain import COMMAND
from services.payments.merchants.store import add_merchant
from services.payments.merchants.tokens.key_file import ensure_key_file
from services.payments.merchants.usecases import new_merchant
from services.payments.operators.convert.access import read_command_order
from services.payments.operators.keys import BY_COMMAND, new_operator_key
from services.payments.operators.store.keys import PostgresOperatorKeys
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment
from services.shared.errors import CannotStart, DomainError

NOUNS = "merchants | operators | signing-keys"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Raises CannotStart or DomainError where it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m services.payments.admin")
    nouns = parser.add_subparsers(dest="noun", required=True, metavar=NOUNS)
    verbs = nouns.add_parser("merchants").add_subparsers(required=True, metavar="create")
    create = verbs.add_parser("create", help="make a merchant and its first key")
    create.add_argument("--name", required=True, help="the merchant's name, for people")
    verbs = nouns.add_parser("operators").add_subparsers(required=True, metavar="create")
    create = verbs.add_parser("create", help="make a key of an operator")
    create.add_argument("--name", required=True, help="the name that the log of actions shows")
    create.add_argument("--role", required=True, action="append", help="a role; may come again")
    signing = nouns.add_parser("signing-keys").add_subparsers(required=True, metavar="create")
    create = signing.add_parser("create", help="make the key that signs access tokens")
    create.add_argument("file", type=Path, help="left as it is where it is there")
    parsed = parser.parse_args(arguments)
    if parsed.noun == "signing-keys":
        said = "made" if ensure_key_file(parsed.file) else "there already"
        sys.stdout.write(f"{parsed.file}: {said}\n")
        return 0
    config = AdminSettings.load(os.environ)
    if parsed.noun == "operators":
        made = asyncio.run(create_operator_key(config, parsed.name, parsed.role))
    else:
        made = asyncio.run(create_merchant(config, parsed.name))
    sys.stdout.write(f"{json.dumps(made, indent=2)}\n")
    return 0


async def create_merchant(config: AdminSettings, name: str) -> Mapping[str, str]:
    """Makes a merchant and its first key; gives their ids and the key's text. Raises Invalid."""
    is_live = config.deployment is Deployment.LIVE
    made = new_merchant(read_name(name), MERCHANT_SCOPES, SystemClock().now(), is_live=is_live)
    url = config.database_url.get_secret_value
    async with opened_database(url, "caravel-admin", pool_size=1) as engine:
        await add_merchant(engine, made.merchant, made.key)
    return {"merchant_id": made.merchant.id, "key_id": made.key.key_id, "api_key": made.text}


async def create_operator_key(
    config: AdminSettings, operator: str, roles: Sequence[str]
) -> Mapping[str, str]:
    """Makes a key of an operator; gives its id and its text. Raises Invalid."""
    order = read_command_order(operator, roles)
    is_live = config.deployment is Deployment.LIVE
    key, text = new_operator_key(order, SystemClock().now(), COMMAND, is_live=is_live)
    url = config.database_url.get_secret_value
    async with opened_database(url, "caravel-admin", pool_size=1) as engine:
        await PostgresOperatorKeys(engine).add(key, BY_COMMAND)
    return {"operator": operator, "key_id": key.key_id, "api_key": text}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, DomainError, OSError) as error:
        sys.exit(f"cannot be done: {error}")
