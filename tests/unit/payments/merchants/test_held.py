"""Credentials in memory: nobody is admitted by old ones, and unknown keys cost few readings."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from services.payments.merchants.domain import (
    CredentialsUnverifiable,
    Merchant,
    MerchantKey,
    OperatorKey,
)
from services.payments.merchants.held import HeldCredentials
from services.payments.merchants.ports import Changes
from services.payments.model import timing
from services.shared.errors import Unavailable
from services.shared.ids import new_id
from tests.makers import NOW

ACME = Merchant(id="mer_acme", display_name="Acme", created_at=NOW)


def make_key(**changes: object) -> MerchantKey:
    key = MerchantKey(
        merchant_id=ACME.id,
        id=new_id(),
        name="shop",
        digest=b"d",
        scopes=frozenset({"payments:read"}),
        created_at=NOW,
        created_by="command",
    )
    return replace(key, **changes)  # type: ignore[arg-type]


class Source:
    """A database of credentials, which counts its readings."""

    def __init__(self) -> None:
        self.version = 1
        self.now = NOW
        self.rows: list[tuple[int, Merchant | MerchantKey | OperatorKey]] = [(1, ACME)]
        self.readings = 0
        self.used: dict[type, set[UUID]] = {}
        self.error: Exception | None = None

    def put(self, row: MerchantKey | Merchant) -> None:
        self.version += 1
        self.rows.append((self.version, row))

    async def changes(self, after: int) -> Changes:
        self.readings += 1
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        fresh = [row for version, row in self.rows if version > after]
        return Changes(
            version=self.version,
            now=self.now,
            merchants=[row for row in fresh if isinstance(row, Merchant)],
            merchant_keys=[row for row in fresh if isinstance(row, MerchantKey)],
        )

    async def note_uses(self, used: Mapping[type, Collection[UUID]]) -> None:
        for kind, ids in used.items():
            self.used.setdefault(kind, set()).update(ids)


class Time:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def source() -> Source:
    return Source()


@asynccontextmanager
async def held(source: Source, clock: Time) -> AsyncIterator[HeldCredentials]:
    async def pause(_: float) -> None:
        await asyncio.sleep(0)

    credentials = HeldCredentials(source, clock=clock, sleep=pause)
    async with credentials.refreshed():
        yield credentials


async def test_a_key_is_found_with_its_merchant(source: Source) -> None:
    key = make_key()
    source.put(key)
    async with held(source, Time()) as credentials:
        assert await credentials.merchant_key(key.id) == (key, ACME)


async def test_a_key_that_was_made_elsewhere_is_found_at_its_first_use(source: Source) -> None:
    async with held(source, Time()) as credentials:
        await credentials.merchant(ACME.id)
        key = make_key()
        source.put(key)

        assert await credentials.merchant_key(key.id) == (key, ACME)


async def test_a_key_in_memory_costs_no_reading(source: Source) -> None:
    key = make_key()
    source.put(key)
    async with held(source, Time()) as credentials:
        await credentials.merchant_key(key.id)
        before = source.readings
        for _ in range(1000):
            await credentials.merchant_key(key.id)

        assert source.readings == before


async def test_a_burst_of_unknown_keys_shares_its_readings(source: Source) -> None:
    async with held(source, Time()) as credentials:
        found = await asyncio.gather(*(credentials.merchant_key(new_id()) for _ in range(1000)))

    assert set(found) == {None}
    assert source.readings <= 2


async def test_a_revocation_is_read_before_anybody_is_admitted_by_old_credentials(
    source: Source,
) -> None:
    clock, key = Time(), make_key()
    source.put(key)
    async with held(source, clock) as credentials:
        await credentials.merchant_key(key.id)
        source.put(replace(key, revoked_at=NOW))
        clock.seconds += timing.CREDENTIALS_FRESH_SECONDS + 0.01

        found = await credentials.merchant_key(key.id)

    assert found is not None
    assert found[0].revoked_at == NOW


async def test_without_a_reading_nobody_is_admitted(source: Source) -> None:
    clock, key = Time(), make_key()
    source.put(key)
    async with held(source, clock) as credentials:
        await credentials.merchant_key(key.id)
        source.error = Unavailable()
        clock.seconds += timing.CREDENTIALS_FRESH_SECONDS + 0.01

        with pytest.raises(CredentialsUnverifiable):
            await credentials.merchant_key(key.id)
        with pytest.raises(CredentialsUnverifiable):
            await credentials.merchant_key(new_id())

        source.error = None
        assert await credentials.merchant_key(key.id) is not None


async def test_an_error_of_any_kind_ends_no_readings(source: Source) -> None:
    clock, key = Time(), make_key()
    source.put(key)
    source.error = TypeError("cannot be read")
    async with held(source, clock) as credentials:
        with pytest.raises(CredentialsUnverifiable):
            await credentials.merchant_key(key.id)

        source.error = None
        assert await credentials.merchant_key(key.id) is not None


async def test_keys_that_ended_long_ago_are_forgotten(source: Source) -> None:
    clock, other = Time(), make_key()
    ended = (replace(make_key(), revoked_at=NOW), replace(make_key(), expires_at=NOW))
    for key in (*ended, other):
        source.put(key)
    async with held(source, clock) as credentials:
        await credentials.load()

        async def forgotten() -> list[bool]:
            clock.seconds += timing.CREDENTIALS_FORGET_SECONDS
            await credentials.load()
            return [await credentials.merchant_key(key.id) is None for key in (*ended, other)]

        source.now += timing.CREDENTIALS_DAY
        assert await forgotten() == [False, False, False]
        source.now += timedelta(seconds=1)
        assert await forgotten() == [True, True, False]


async def test_uses_are_written_down_together_and_seldom(source: Source) -> None:
    clock, keys = Time(), [make_key(), make_key()]
    async with held(source, clock) as credentials:
        for key in keys:
            source.put(key)
            credentials.note_use(key)
        await credentials.merchant_key(new_id())
        assert not source.used

        clock.seconds += timing.CREDENTIALS_USES_SECONDS
        await credentials.merchant_key(new_id())
        await credentials.merchant_key(new_id())

    assert source.used == {MerchantKey: {key.id for key in keys}}


def test_the_times_fit_together() -> None:
    pace = timing.CREDENTIALS_REFRESH_SECONDS + timing.CREDENTIALS_PAUSE_SECONDS

    assert 2 * pace < timing.CREDENTIALS_FRESH_SECONDS < 1
    assert timedelta(seconds=timing.CREDENTIALS_WAIT_SECONDS) > timedelta(seconds=pace)
