"""Recipients from before they had kinds: what their offramp was sent, under a key that may have
left, it is sent again."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.model.payment import Payment
from services.payments.model.principal import MerchantId
from services.payments.orders.store.payments import PostgresPayments
from services.providers.adapters.flutterwave import translate as flutterwave
from services.providers.adapters.local_wallet import translate as local_wallet
from services.providers.adapters.paystack import translate as paystack
from services.shared.recipients import Recipient
from tests.conftest import ROOT, Database, new_database, new_engine
from tests.makers import make_new_payment, make_quote, make_terms
from tests.poison import rows, run
from tests.servers import PrivateCluster

Sent = tuple[str, str, str]


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


@dataclass(frozen=True)
class Old:
    """A payment with a recipient of the old form."""

    offramp: str
    currency: str
    recipient: tuple[tuple[str, str], ...]
    merchant_id: str = "sandbox"


def _given(sent: Sent) -> tuple[tuple[str, str], ...]:
    return tuple(zip(("account", "bank_code", "name"), sent, strict=True))


NOBODY = _given(("", "", ""))
UNKNOWN_FORM = Old("local_wallet", "NGN", (("words", "Ada Lovelace"),))
EVERY = (
    *(Old(offramp, currency, _given(sent)) for offramp, currency, sent in GIVEN),
    *(Old(offramp, currency, NOBODY) for offramp, currency, _ in TESTS),
    *(Old(offramp, "NGN", NOBODY, "acme") for offramp in OFFRAMPS),
    UNKNOWN_FORM,
)


@dataclass(frozen=True)
class Migrated:
    """All of them, migrated together."""

    engine: AsyncEngine
    ids: Mapping[Old, UUID]

    async def payment(self, old: Old) -> Payment:
        kept = await PostgresPayments(self.engine).get(MerchantId(old.merchant_id), self.ids[old])
        assert kept is not None
        return kept


@pytest.fixture(scope="module")
async def migrated(cluster: PrivateCluster) -> AsyncIterator[Migrated]:
    async with new_database(cluster) as database, new_engine(database) as engine:
        await run(engine, "INSERT INTO merchants (id, display_name) VALUES ('acme', 'Acme')")
        ids = {old: await _created(engine, old) for old in EVERY}
        _migrate(database, "downgrade", "0017")
        statement = "UPDATE payments SET recipient = CAST(:old AS jsonb) WHERE id = :id"
        for old, payment_id in ids.items():
            await run(engine, statement, old=json.dumps(dict(old.recipient)), id=payment_id)
        _migrate(database, "upgrade", "head")
        yield Migrated(engine, ids)


async def _created(engine: AsyncEngine, old: Old) -> UUID:
    quote = make_quote(terms=make_terms(currency=old.currency), merchant_id=old.merchant_id)
    new = make_new_payment(quote=quote, merchant_id=old.merchant_id, offramp=old.offramp)
    await PostgresPayments(engine).create([new])
    return new.payment.id


@pytest.mark.parametrize(("offramp", "currency", "sent"), GIVEN)
async def test_a_recipient_that_was_given_is_sent_as_before(
    migrated: Migrated, offramp: str, currency: str, sent: Sent
) -> None:
    payment = await migrated.payment(Old(offramp, currency, _given(sent)))

    assert OFFRAMPS[offramp](payment.recipient, currency) == sent
    assert not payment.recipient_is_example


@pytest.mark.parametrize(("offramp", "currency", "sent"), TESTS)
async def test_the_test_account_of_a_sandbox_is_sent_as_before(
    migrated: Migrated, offramp: str, currency: str, sent: Sent
) -> None:
    payment = await migrated.payment(Old(offramp, currency, NOBODY))

    assert OFFRAMPS[offramp](payment.recipient, currency) == sent
    assert payment.recipient_is_example


@pytest.mark.parametrize("offramp", OFFRAMPS)
async def test_outside_a_sandbox_a_payment_that_named_nobody_stays_unpayable(
    migrated: Migrated, offramp: str
) -> None:
    payment = await migrated.payment(Old(offramp, "NGN", NOBODY, "acme"))

    assert OFFRAMPS[offramp](payment.recipient, "NGN") is None
    assert not payment.recipient_is_example


async def test_a_row_of_no_known_form_is_left_alone(migrated: Migrated) -> None:
    statement = "SELECT recipient FROM payments WHERE id = :id"

    kept = await rows(migrated.engine, statement, id=migrated.ids[UNKNOWN_FORM])

    assert kept == [({"words": "Ada Lovelace"},)]
