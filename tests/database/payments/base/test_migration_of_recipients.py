"""Recipients from before they had kinds: what their offramp was sent, under a key that may have
left, it is sent again."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.orders.store.payments import PostgresPayments
from services.providers.adapters.flutterwave import translate as flutterwave
from services.providers.adapters.local_wallet import translate as local_wallet
from services.providers.adapters.paystack import translate as paystack
from services.shared.recipients import Recipient
from tests.conftest import ROOT, Database
from tests.makers import make_new_payment, make_quote, make_terms
from tests.poison import rows, run

Sent = tuple[str, str, str]
NOBODY = {"account": "", "bank_code": "", "name": ""}


def _by_flutterwave(recipient: Recipient, currency: str) -> Sent | None:
    account = flutterwave.account_of(recipient, currency)
    return account and (account.number, account.bank, account.name)


def _by_paystack(recipient: Recipient, currency: str) -> Sent | None:
    body = paystack.recipient_body(recipient, currency)
    return body and (body["account_number"], body["bank_code"], body["name"])


def _by_wallet(recipient: Recipient, _: str) -> Sent | None:
    body = local_wallet.account_of(recipient)
    return body and (body["account"], body["bank_code"], body["name"])


OFFRAMPS: dict[str, Callable[[Recipient, str], Sent | None]] = {
    "flutterwave": _by_flutterwave,
    "paystack": _by_paystack,
    "local_wallet": _by_wallet,
}
# The offramp, the currency, the recipient that was given, and what the offramp was sent.
GIVEN: list[tuple[str, str, Sent]] = [
    ("flutterwave", "NGN", ("0690000040", "044", "Ada Obi")),
    ("flutterwave", "GHS", ("233551234987", "MTN", "Ama")),
    ("flutterwave", "GHS", ("233551234987", "VODAFONE", "Ama")),
    ("flutterwave", "GHS", ("1441000123456", "GH030100", "Ama")),
    ("flutterwave", "KES", ("254709929220", "MPS", "")),
    ("flutterwave", "KES", ("37782", "flutterwave", "Wanjiru")),
    ("flutterwave", "NGN", ("0690000040", "", "Ada Obi")),
    ("paystack", "NGN", ("0690000040", "044", "Ada Obi")),
    ("paystack", "ZAR", ("4055501234", "632005", "Thandi")),
    ("paystack", "GHS", ("0551234987", "ATL", "Ama")),
    ("paystack", "KES", ("0710000000", "MPESA", "Wanjiru")),
    ("local_wallet", "NGN", ("0690000040", "044", "Ada Obi")),
    ("local_wallet", "INR", ("wallet-77", "", "")),
]
TESTS: list[tuple[str, str, Sent]] = [
    ("flutterwave", "NGN", ("0690000031", "044", "Test Recipient")),
    ("flutterwave", "XOF", ("0690000031", "044", "Test Recipient")),
    ("flutterwave", "GHS", ("233500000000", "MTN", "Test Recipient")),
    ("flutterwave", "KES", ("254700000000", "MPS", "Test Recipient")),
    ("paystack", "GHS", ("0551234987", "MTN", "Test Recipient")),
    ("paystack", "KES", ("0710000000", "MPESA", "Test Recipient")),
    ("paystack", "NGN", ("0000000000", "057", "Test Recipient")),
    ("paystack", "ZAR", ("0000000000", "632005", "Test Recipient")),
    ("local_wallet", "JPY", ("test-wallet", "", "Test Recipient")),
]


def _migrate(database: Database, *words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *words],
        cwd=ROOT,
        env={**os.environ, "MIGRATION_DATABASE_URL": database.owner_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def _kept(
    database: Database, engine: AsyncEngine, offramp: str, currency: str, old: dict[str, Any]
) -> PostgresPayments:
    """A store with one payment whose recipient was of the old form, and has been migrated."""
    store = PostgresPayments(engine)
    quote = make_quote(terms=make_terms(currency=currency))
    await store.create([make_new_payment(quote=quote, offramp=offramp)])
    _migrate(database, "downgrade", "0017")
    statement = "UPDATE payments SET recipient = CAST(:old AS jsonb)"
    await run(engine, statement, old=json.dumps(old))
    _migrate(database, "upgrade", "head")
    return store


async def _only(engine: AsyncEngine, store: PostgresPayments) -> Any:
    [(merchant_id, payment_id)] = await rows(engine, "SELECT merchant_id, id FROM payments")
    return await store.get(merchant_id, payment_id)


@pytest.mark.parametrize(("offramp", "currency", "sent"), GIVEN)
async def test_a_recipient_that_was_given_is_sent_as_before(
    database: Database, engine: AsyncEngine, offramp: str, currency: str, sent: Sent
) -> None:
    account, bank_code, name = sent
    old = {"account": account, "bank_code": bank_code, "name": name}
    store = await _kept(database, engine, offramp, currency, old)

    payment = await _only(engine, store)

    assert OFFRAMPS[offramp](payment.recipient, currency) == sent
    assert not payment.recipient_is_example


@pytest.mark.parametrize(("offramp", "currency", "sent"), TESTS)
async def test_the_test_account_of_a_sandbox_is_sent_as_before(
    database: Database, engine: AsyncEngine, offramp: str, currency: str, sent: Sent
) -> None:
    store = await _kept(database, engine, offramp, currency, NOBODY)

    payment = await _only(engine, store)

    assert OFFRAMPS[offramp](payment.recipient, currency) == sent
    assert payment.recipient_is_example


@pytest.mark.parametrize("offramp", OFFRAMPS)
async def test_outside_a_sandbox_a_payment_that_named_nobody_stays_unpayable(
    database: Database, engine: AsyncEngine, offramp: str
) -> None:
    store = PostgresPayments(engine)
    await run(engine, "INSERT INTO merchants (id, display_name) VALUES ('acme', 'Acme')")
    quote = make_quote(merchant_id="acme")
    await store.create([make_new_payment(quote=quote, merchant_id="acme", offramp=offramp)])
    _migrate(database, "downgrade", "0017")
    statement = "UPDATE payments SET recipient = CAST(:old AS jsonb)"
    await run(engine, statement, old=json.dumps(NOBODY))
    _migrate(database, "upgrade", "head")

    payment = await _only(engine, store)

    assert OFFRAMPS[offramp](payment.recipient, "NGN") is None
    assert not payment.recipient_is_example


async def test_a_row_of_no_known_form_is_left_alone(
    database: Database, engine: AsyncEngine
) -> None:
    await _kept(database, engine, "local_wallet", "NGN", {"words": "Ada Lovelace"})

    kept = await rows(engine, "SELECT recipient FROM payments")

    assert kept == [({"words": "Ada Lovelace"},)]
