"""A service works by the version of the corridor files that a call names, or refuses the call."""

from pathlib import Path

import pytest

from services.shared.corridors import (
    CorridorFiles,
    Corridors,
    CorridorsError,
    CorridorsRefused,
    CorridorsVersionUnknown,
    Versions,
    canonical,
    collect,
    load_corridors,
    parse_corridors,
    read_folder,
    version_of,
)
from services.shared.corridors.versions import KEPT_MAX, REFUSAL_MAX
from tests.corridors import SHIPPED, corridor_files, replaced

FILES = read_folder(SHIPPED)
INDIA = "us-in.toml"


def changed(basis_points: int) -> CorridorFiles:
    """The shipped files with another margin to India."""
    return replaced("markup_basis_points = 50", f"markup_basis_points = {basis_points}")


def version(files: CorridorFiles) -> str:
    return version_of(canonical(files))


def held() -> Versions[Corridors]:
    return Versions(load_corridors(SHIPPED, live=False), lambda one: one, live=False)


def margin(corridors: Corridors) -> int:
    return corridors.get("us-in").fx.markup_basis_points


def test_the_version_is_that_of_names_and_bytes_in_any_order(tmp_path: Path) -> None:
    backwards = dict(reversed(FILES.items()))
    for name, text in backwards.items():
        (tmp_path / name).write_bytes(text.encode())
    (tmp_path / "README.md").write_text("no corridor")

    assert load_corridors(tmp_path, live=False).version == version(FILES) == version(backwards)
    assert len(version(FILES)) == 64


@pytest.mark.parametrize(
    "other",
    [
        {**FILES, INDIA: FILES[INDIA] + "\n"},
        {**FILES, INDIA: FILES[INDIA].replace("\n", "\r\n")},
        {name: text for name, text in FILES.items() if name != INDIA},
    ],
    ids=["a line", "line ends", "a file less"],
)
def test_files_that_differ_in_a_byte_are_another_version(other: CorridorFiles) -> None:
    assert version(other) != version(FILES)
    assert parse_corridors(other, live=False).version == version(other)


async def test_a_version_is_unknown_until_its_files_have_come_with_a_call() -> None:
    versions, files = held(), changed(77)

    with pytest.raises(CorridorsVersionUnknown):
        await versions.of(version(files), {})
    assert margin(await versions.of(version(files), files)) == 77
    assert margin(await versions.of(version(files), {})) == 77
    # The folder's own is known, and counts where no version is named.
    assert await versions.of(version(FILES), {}) is await versions.of("", {})


async def test_files_of_another_version_than_the_named_one_are_refused() -> None:
    with pytest.raises(CorridorsRefused):
        await held().of(version(changed(1)), changed(2))


async def test_the_last_three_versions_are_kept_and_the_folder_s_own() -> None:
    versions, asked = held(), [changed(points) for points in range(1, KEPT_MAX + 2)]
    for files in asked:
        await versions.of(version(files), files)

    with pytest.raises(CorridorsVersionUnknown):
        await versions.of(version(asked[0]), {})
    for files in asked[1:]:
        await versions.of(version(files), {})
    assert await versions.of("", {})


async def test_the_newest_is_the_one_that_was_asked_for_last() -> None:
    versions, files = held(), changed(77)
    own = versions.newest

    changed_to = await versions.of(version(files), files)
    assert versions.newest is changed_to
    await versions.of("", {})
    assert versions.newest is changed_to
    # As after a return to the files of before.
    assert await versions.of(version(FILES), {}) is own
    assert versions.newest is own


async def test_a_version_that_the_service_cannot_use_is_refused_and_not_kept() -> None:
    async def no_yen(corridors: Corridors) -> None:
        if any(one.destination.currency == "JPY" for one in corridors):
            raise CorridorsError("us-jp.toml: no yen")

    own = parse_corridors({INDIA: FILES[INDIA]}, live=False)
    versions = Versions(own, lambda one: one, no_yen, live=False)

    for _ in range(2):
        with pytest.raises(CorridorsRefused, match=r"us-jp\.toml: no yen"):
            await versions.of(version(FILES), FILES)
    with pytest.raises(CorridorsRefused, match="no yen"):
        await versions.check(FILES)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "there are no corridor files"),
        ({INDIA: "id = ["}, "us-in.toml: it cannot be read as TOML"),
        ({INDIA: "id = " + "9" * 5000}, "us-in.toml: it cannot be read as TOML: ValueError"),
        ({INDIA: "a = " + "[" * 100_000}, "us-in.toml: it cannot be read as TOML"),
        ({"us-in": FILES[INDIA]}, "us-in: the id must be the file's name, not us-in"),
        ({"../us-in.toml": FILES[INDIA]}, "the id must be the file's name"),
        ({INDIA: FILES[INDIA], "us-jp.toml": FILES[INDIA]}, "us-jp.toml: the id must be"),
        ({INDIA: FILES[INDIA].replace("[fx]", "[fx]\nmargin = 1")}, "us-in.toml: fx.margin"),
        ({INDIA: "#" * 2**20}, "the corridor files have more than 1048576 bytes together"),
    ],
)
async def test_wrong_files_are_refused_by_name_and_place(files: CorridorFiles, words: str) -> None:
    with pytest.raises(CorridorsRefused) as refusal:
        await held().check(files)

    assert words in refusal.value.message
    assert len(refusal.value.message) <= REFUSAL_MAX + 1


async def test_a_live_service_takes_no_made_up_rates() -> None:
    versions = Versions(load_corridors(SHIPPED, live=False), lambda one: one, live=True)

    with pytest.raises(CorridorsRefused, match="maximum_age_hours"):
        await versions.check(FILES)


def test_a_file_that_is_there_twice_is_refused() -> None:
    assert collect(corridor_files(FILES)) == FILES
    with pytest.raises(CorridorsRefused, match=r"us-in\.toml: it is there twice"):
        collect([*corridor_files(FILES), *corridor_files({INDIA: FILES[INDIA]})])
