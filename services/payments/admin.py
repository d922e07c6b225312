"""`python -m services.payments.admin merchants | operators VERB …`: the operators' verbs on
merchants and keys, done on the database itself; `--help` lists them. Prints JSON as the API does.
`merchants create --name NAME` makes the first key too, with all of a merchant's scopes.
`… signing-keys create FILE`: makes the key that signs access tokens, where there is no file."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict

from services.payments.base.database import opened_database
from services.payments.base.paging import LARGEST_PAGE_SIZE
from services.payments.config import AdminSettings
from services.payments.merchants.convert import read_hours, read_name, write_new_key
from services.payments.merchants.convert import write_key as write_merchant_key
from services.payments.merchants.tokens.key_file import ensure_key_file
from services.payments.operators.convert import access as convert
from services.payments.operators.keys import OperatorKeys
from services.payments.operators.merchants import Merchants
from services.payments.operators.store.keys import PostgresOperatorKeys
from services.payments.operators.store.merchants import PostgresMerchants
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.trail import Trail
from services.shared.deployment import Deployment
from services.shared.errors import CannotStart, DomainError

Words = argparse.Namespace


@dataclass(frozen=True, kw_only=True)
class Verbs:
    """The use cases behind the commands."""

    merchants: Merchants
    keys: OperatorKeys


Command = Callable[[Verbs, Words], Awaitable[Any]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command. Raises CannotStart or DomainError where it cannot be done."""
    parsed = read(arguments)
    if parsed.noun == "signing-keys":
        said = "made" if ensure_key_file(parsed.file) else "there already"
        sys.stdout.write(f"{parsed.file}: {said}\n")
        return 0
    answer = asyncio.run(perform(AdminSettings.load(os.environ), parsed))
    sys.stdout.write(f"{json.dumps(answer, indent=2)}\n")
    return 0


async def perform(config: AdminSettings, words: Words) -> Any:
    """Runs a command on the database; gives its answer. Raises DomainError."""
    async with _opened(config) as verbs:
        return await words.run(verbs, words)


@asynccontextmanager
async def _opened(config: AdminSettings) -> AsyncIterator[Verbs]:
    is_live = config.deployment is Deployment.LIVE
    url = config.database_url.get_secret_value
    async with opened_database(url, "caravel-admin", pool_size=1) as engine:
        trail = Trail(PostgresOperations(engine))
        yield Verbs(
            merchants=Merchants(PostgresMerchants(engine), trail, is_live=is_live),
            keys=OperatorKeys(PostgresOperatorKeys(engine), trail, is_live=is_live),
        )


def read(arguments: Sequence[str] | None) -> Words:
    """The words as a command. Exits with 0 after help, with 2 where they make no sense."""
    parser = argparse.ArgumentParser(prog="python -m services.payments.admin")
    nouns = parser.add_subparsers(dest="noun", required=True)
    _add_merchants(nouns.add_parser("merchants", help="merchants, and their keys"))
    _add_operators(nouns.add_parser("operators", help="the keys of operators"))
    verbs = nouns.add_parser("signing-keys").add_subparsers(required=True, metavar="create")
    create = verbs.add_parser("create", help="make the key that signs access tokens")
    create.add_argument("file", type=Path, help="left as it is where it is there")
    return parser.parse_args(arguments)


def _add_merchants(noun: argparse.ArgumentParser) -> None:
    verbs = noun.add_subparsers(required=True, metavar="verb")

    def add(name: str, run: Command, summary: str, *, noted: bool = False) -> Any:
        verb = verbs.add_parser(name, help=summary, description=summary)
        verb.set_defaults(run=run)
        if name not in ("create", "list"):
            verb.add_argument("merchant_id")
        if noted:
            verb.add_argument("--note", default="", help="the reason, for the log of actions")
        return verb

    create = add("create", _create_merchant, "make a merchant and its first key, shown this once")
    create.add_argument("--name", required=True, help="the merchant's name, for people")
    add("list", _list_merchants, "list all, the newest first")
    add("show", _show_merchant, "show one")
    add("disable", _disable_merchant, "refuse all its calls from now on", noted=True)
    add("enable", _enable_merchant, "take its calls again", noted=True)
    add("keys", _list_merchant_keys, "list its keys, the newest first")
    first = add("create-key", _create_merchant_key, "make its first key, shown this once")
    first.add_argument("--name", default=convert.FIRST_KEY, help="the key's name")
    revoke = add("revoke-key", _revoke_merchant_key, "end one of its keys", noted=True)
    revoke.add_argument("key_id")
    revoke_all = add("revoke-keys", _revoke_merchant_keys, "end all its keys", noted=True)
    revoke_all.add_argument("--all", action="store_true", required=True, help="all are meant")


def _add_operators(noun: argparse.ArgumentParser) -> None:
    verbs = noun.add_subparsers(required=True, metavar="verb")

    def add(name: str, run: Command, summary: str) -> Any:
        verb = verbs.add_parser(name, help=summary, description=summary)
        verb.set_defaults(run=run)
        return verb

    create = add("create", _create_operator_key, "make a key, shown this once")
    create.add_argument("--name", required=True, help="the name that the log of actions shows")
    create.add_argument("--role", required=True, action="append", help="a role; may come again")
    add("list", _list_operator_keys, "list all keys, the newest first")
    roll = add("roll", _roll_operator_key, "replace a key; the new one is shown this once")
    roll.add_argument("key_id")
    words = "for how long the old one may still be used, 0 to 72"
    roll.add_argument("--overlap-hours", required=True, type=int, help=words)
    add("revoke", _revoke_operator_key, "end a key").add_argument("key_id")


async def _create_merchant(verbs: Verbs, words: Words) -> Mapping[str, str]:
    by, order = convert.BY_COMMAND, convert.command_first_key()
    merchant, _ = await verbs.merchants.create(by, read_name(words.name))
    made = await verbs.merchants.create_key(by, merchant.id, order)
    return {"merchant_id": merchant.id, "key_id": made.key.key_id, "api_key": made.text}


async def _list_merchants(verbs: Verbs, words: Words) -> Sequence[Any]:
    return await _all(verbs.merchants.list, convert.write_merchant)


async def _show_merchant(verbs: Verbs, words: Words) -> Any:
    return _shown(convert.write_merchant(await verbs.merchants.get(words.merchant_id)))


async def _disable_merchant(verbs: Verbs, words: Words) -> Any:
    by = convert.command_with(words.note)
    return _shown(convert.write_merchant(await verbs.merchants.disable(by, words.merchant_id)))


async def _enable_merchant(verbs: Verbs, words: Words) -> Any:
    by = convert.command_with(words.note)
    return _shown(convert.write_merchant(await verbs.merchants.enable(by, words.merchant_id)))


async def _list_merchant_keys(verbs: Verbs, words: Words) -> Sequence[Any]:
    async def page(**place: Any) -> Any:
        return await verbs.merchants.keys(words.merchant_id, **place)

    return await _all(page, write_merchant_key)


async def _create_merchant_key(verbs: Verbs, words: Words) -> Any:
    order = convert.command_first_key(words.name)
    made = await verbs.merchants.create_key(convert.BY_COMMAND, words.merchant_id, order)
    return _shown(write_new_key(made))


async def _revoke_merchant_key(verbs: Verbs, words: Words) -> Any:
    by = convert.command_with(words.note)
    revoked = await verbs.merchants.revoke_key(by, words.merchant_id, words.key_id)
    return _shown(write_merchant_key(revoked))


async def _revoke_merchant_keys(verbs: Verbs, words: Words) -> Any:
    by = convert.command_with(words.note)
    return {"revoked_key_ids": await verbs.merchants.revoke_keys(by, words.merchant_id)}


async def _create_operator_key(verbs: Verbs, words: Words) -> Mapping[str, str]:
    order = convert.read_command_order(words.name, words.role)
    made = await verbs.keys.create(convert.COMMAND_PRINCIPAL, order)
    return {"operator": words.name, "key_id": made.key.key_id, "api_key": made.text}


async def _list_operator_keys(verbs: Verbs, words: Words) -> Sequence[Any]:
    return await _all(verbs.keys.list, convert.write_key)


async def _roll_operator_key(verbs: Verbs, words: Words) -> Any:
    hours = read_hours(words.overlap_hours)
    made = await verbs.keys.roll(convert.COMMAND_PRINCIPAL, words.key_id, overlap_hours=hours)
    return _shown(convert.write_new_key(made))


async def _revoke_operator_key(verbs: Verbs, words: Words) -> Any:
    return _shown(
        convert.write_key(await verbs.keys.revoke(convert.COMMAND_PRINCIPAL, words.key_id))
    )


async def _all(page: Callable[..., Awaitable[Any]], write: Callable[[Any], Any]) -> Sequence[Any]:
    """All pages of a list."""
    found, before = [], None
    while True:
        items, before = await page(before=before, limit=LARGEST_PAGE_SIZE)
        found += [_shown(write(item)) for item in items]
        if before is None:
            return found


def _shown(message: Any) -> Any:
    """A message as the API answers with it."""
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, DomainError, OSError) as error:
        sys.exit(f"cannot be done: {error}")
