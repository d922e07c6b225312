"""Versions of the corridor files in the database: numbered, dated, proved by their own digest, and
applied at a start only where that takes nothing back."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.corridor_versions import PostgresCorridorVersions
from services.payments.model.corridor_version import OURSELVES, CorridorVersion
from services.payments.model.operator import Operator
from services.payments.model.timing import CORRIDORS_EFFECTIVE
from services.payments.operators.corridors import SIGNAL, START, CorridorVersions, FolderAgain
from services.payments.operators.store.corridors import PostgresCorridors
from services.payments.operators.store.operations import PostgresOperations
from services.payments.operators.trail import Trail
from services.payments.webhooks_out.convert import encode_event
from services.shared.corridors import (
    CorridorFiles,
    Corridors,
    CorridorsError,
    CorridorsRefused,
    canonical,
    read_folder,
    version_of,
)
from services.shared.deployment import Deployment
from services.shared.errors import Unavailable
from tests.corridors import SHIPPED, replaced
from tests.fakes import AlwaysCorridors, CheckedCorridors
from tests.poison import rows

OLD = read_folder(SHIPPED)
NEW, NEWER = (
    replaced("lifetime_seconds = 60", f"lifetime_seconds = {seconds}") for seconds in (90, 120)
)
ADA = Operator(name="ada", note="dearer money", credential_id="opk_1")


def version(files: CorridorFiles) -> str:
    return version_of(canonical(files))


async def add(engine: AsyncEngine, files: CorridorFiles, by: Operator = ADA) -> CorridorVersion:
    return await PostgresCorridors(engine).add(canonical(files), by.name, by.note, by)


async def applied(engine: AsyncEngine) -> list[tuple[int, str, str, str]]:
    found = await rows(
        engine,
        "SELECT sequence, version, applied_by, reason FROM corridor_versions ORDER BY sequence",
    )
    return [tuple(row) for row in found]


async def actions(engine: AsyncEngine) -> Sequence[tuple[str, str, str, str]]:
    found = await rows(
        engine, "SELECT operator, action, subject, refusal FROM operator_actions ORDER BY id"
    )
    return [tuple(row) for row in found]


async def test_the_first_version_counts_at_once_and_the_next_some_seconds_later(
    engine: AsyncEngine,
) -> None:
    first, second = await add(engine, OLD), await add(engine, NEW)

    assert first.effective_at == first.applied_at
    assert second.effective_at == second.applied_at + CORRIDORS_EFFECTIVE
    assert [one.sequence for one in (first, second)] == [1, 2]
    reading = PostgresCorridorVersions(engine)
    now, current = await reading.open()
    assert first.effective_at <= now
    # The one that counts, and the one that will.
    assert list(current) == [first, second]
    assert await reading.files(second.version) == NEW


async def test_the_same_files_are_not_applied_twice_in_a_row(engine: AsyncEngine) -> None:
    first = await add(engine, OLD)

    assert await add(engine, dict(reversed(OLD.items())), replace(ADA, name="grace")) == first
    assert len(await applied(engine)) == 1
    # Back to files of before is a version of its own.
    await add(engine, NEW)
    assert (await add(engine, OLD)).sequence == 3
    assert [one[1] for one in await applied(engine)] == list(map(version, (OLD, NEW, OLD)))


async def test_versions_that_are_applied_at_once_have_numbers_without_gaps(
    engine: AsyncEngine,
) -> None:
    await asyncio.gather(*(add(engine, files) for files in (OLD, NEW, NEWER, OLD, NEW, NEWER)))

    found = await rows(
        engine, "SELECT sequence, version, effective_at FROM corridor_versions ORDER BY sequence"
    )
    assert [row[0] for row in found] == list(range(1, len(found) + 1))
    assert all(one[1] != other[1] for one, other in pairwise(found))
    assert sorted(row[2] for row in found) == [row[2] for row in found]


@pytest.mark.parametrize(
    ("digest", "effective", "broken"),
    [
        ("'1'", "now()", "files"),
        ("encode(sha256('{}'), 'hex')", "now() - interval '1 s'", "effective"),
    ],
)
async def test_no_row_takes_other_files_than_its_version_s_or_a_moment_before_it(
    engine: AsyncEngine, digest: str, effective: str, broken: str
) -> None:
    with pytest.raises(DBAPIError, match=f"corridor_versions_{broken}_check"):
        async with engine.begin() as connection:
            await connection.execute(
                text(
                    "INSERT INTO corridor_versions (sequence, version, files, applied_by, reason, "
                    "applied_at, effective_at) "
                    f"VALUES (1, {digest}, CAST('{{}}' AS bytea), '', '', now(), {effective})"
                )
            )


async def test_files_of_a_version_that_was_never_applied_are_not_there(
    engine: AsyncEngine,
) -> None:
    with pytest.raises(Unavailable):
        await PostgresCorridorVersions(engine).files(version(OLD))


class Bench:
    """The verbs over the database, with another service that checks, and a clock."""

    def __init__(
        self,
        engine: AsyncEngine,
        deployment: Deployment = Deployment.SANDBOX,
        check: CheckedCorridors | None = None,
    ) -> None:
        self.check, self.slept = check or CheckedCorridors(), list[float]()
        self.versions = CorridorVersions(
            AlwaysCorridors(Corridors(())),
            PostgresCorridors(engine),
            (self.check,),
            Trail(PostgresOperations(engine, encode_event)),
            deployment,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def begin(self, files: CorridorFiles) -> None:
        await self.versions.begin(files)


async def test_an_operator_applies_files_with_an_entry_in_the_log(engine: AsyncEngine) -> None:
    bench = Bench(engine)

    shown = await bench.versions.apply(NEW, ADA)

    assert await applied(engine) == [(1, version(NEW), "ada", "dearer money")]
    assert await actions(engine) == [("ada", "APPLY_CORRIDORS", version(NEW), "")]
    assert shown.version == version(NEW)
    assert bench.check.asked == [NEW]


@pytest.mark.parametrize(
    ("files", "refusal", "kept"),
    [
        ({}, None, "CORRIDORS_REFUSED"),
        (NEW, CorridorsRefused("a source is not open"), "CORRIDORS_REFUSED"),
        # It is no refusal of anybody's, and nothing has changed either.
        (NEW, Unavailable("fx cannot answer now"), ""),
    ],
)
async def test_files_that_anybody_refuses_change_nothing(
    engine: AsyncEngine,
    files: CorridorFiles,
    refusal: CorridorsRefused | Unavailable | None,
    kept: str,
) -> None:
    bench = Bench(engine)
    bench.check.refusal = refusal

    with pytest.raises((CorridorsRefused, Unavailable)):
        await bench.versions.apply(files, ADA)

    assert await applied(engine) == []
    wanted = [("ada", "APPLY_CORRIDORS", version(files), kept)] if kept else []
    assert await actions(engine) == wanted


async def test_a_process_that_dies_between_the_checks_and_the_row_has_changed_nothing(
    engine: AsyncEngine,
) -> None:
    reached = asyncio.Event()

    class Endless(CheckedCorridors):
        async def check_corridors(self, files: CorridorFiles) -> None:
            await super().check_corridors(files)
            reached.set()
            await asyncio.Event().wait()

    bench = Bench(engine, check=Endless())
    dying = asyncio.create_task(bench.versions.apply(NEW, ADA))
    await reached.wait()
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)

    assert bench.check.asked == [NEW]
    assert await applied(engine) == []
    assert await actions(engine) == []


@pytest.mark.parametrize("deployment", [Deployment.SANDBOX, Deployment.STAGING])
async def test_a_start_applies_files_that_are_new_and_waits_until_they_count(
    engine: AsyncEngine, deployment: Deployment
) -> None:
    bench = Bench(engine, deployment)

    await bench.begin(OLD)
    await bench.begin(OLD)
    await bench.begin(NEW)

    assert [one[2:] for one in await applied(engine)] == [(OURSELVES, START)] * 2
    assert bench.slept == [0, CORRIDORS_EFFECTIVE.total_seconds()]
    # Those that count already are not checked again: the services may be away.
    assert bench.check.asked == [OLD, NEW]


async def test_a_replica_with_files_from_before_takes_nothing_back(engine: AsyncEngine) -> None:
    """As one that dies in the middle of a rolling deployment, before its own turn."""
    bench = Bench(engine, Deployment.STAGING)
    await bench.begin(OLD)
    await bench.begin(NEW)

    await bench.begin(OLD)

    assert [one[1] for one in await applied(engine)] == [version(OLD), version(NEW)]


async def test_a_sandbox_goes_back_with_its_folder_but_not_behind_an_operator(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine)
    for files in (OLD, NEW, OLD):
        await bench.begin(files)
    assert [one[1] for one in await applied(engine)] == list(map(version, (OLD, NEW, OLD)))

    await bench.versions.apply(NEW, ADA)
    await bench.begin(OLD)

    assert len(await applied(engine)) == 4


async def test_a_start_with_files_that_a_service_refuses_ends_with_a_sentence(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine)
    bench.check.refusal = CorridorsRefused("corridor us-in: no adapter is called wise")

    with pytest.raises(CorridorsError, match="no adapter is called wise"):
        await bench.begin(OLD)

    assert await applied(engine) == []


async def test_a_signal_applies_the_folder_again_as_it_is_then(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    bench = Bench(engine)
    for name, content in OLD.items():
        (tmp_path / name).write_bytes(content.encode())
    again = FolderAgain(bench.versions, tmp_path)

    await again.once()
    await again.once()
    (tmp_path / "us-in.toml").write_text(NEW["us-in.toml"])
    await again.once()
    # A file that is wrong is in the log, and nothing changes.
    (tmp_path / "us-in.toml").write_text("nonsense")
    await again.once()

    assert [one[1:] for one in await applied(engine)] == [
        (version(OLD), OURSELVES, SIGNAL),
        (version(NEW), OURSELVES, SIGNAL),
    ]
    assert await actions(engine) == []


async def test_the_list_goes_page_by_page_from_the_newest(engine: AsyncEngine) -> None:
    bench = Bench(engine)
    for files in (OLD, NEW, NEWER):
        await add(engine, files)

    first, last = await bench.versions.list(before=None, limit=2)
    rest, end = await bench.versions.list(before=last, limit=2)

    assert [one.sequence for one in (*first, *rest)] == [3, 2, 1]
    assert end is None
