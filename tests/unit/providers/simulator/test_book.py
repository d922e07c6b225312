"""The book survives whatever happens to its writer."""

import asyncio
from pathlib import Path

import pytest

from services.providers.simulator.book import Book, BookFull, Line
from tests.full_disk import FullDisk


def line(key: str) -> Line:
    return Line(
        provider="stripe",
        effect="charge_succeeded",
        key=key,
        id="pi_1",
        transaction_id="pay_1",
        reference="invoice 17",
        amount_minor=10_000,
        currency="USD",
        state={"status": "succeeded"},
    )


async def test_a_line_is_on_disk_before_its_writer_goes_on(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.jsonl")

    await book.write(line("one"))

    # Read as another process would, with nothing closed.
    assert [read.key for read in Book(tmp_path / "book.jsonl").lines] == ["one"]
    await book.close()


async def test_writers_at_once_each_find_their_line(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.jsonl")

    async def write(number: int) -> None:
        await book.write(line(f"key-{number}"))
        assert f"key-{number}" in {one.key for one in book.lines}

    await asyncio.gather(*(write(number) for number in range(100)))
    await book.close()

    assert len(Book(tmp_path / "book.jsonl").lines) == 100


async def test_a_writer_who_goes_away_takes_nobodys_line_along(tmp_path: Path) -> None:
    book = Book(tmp_path / "book.jsonl")

    gone = asyncio.create_task(book.write(line("gone")))
    await asyncio.sleep(0)
    gone.cancel()
    await book.write(line("stays"))
    await book.close()

    assert [one.key for one in Book(tmp_path / "book.jsonl").lines] == ["gone", "stays"]


async def test_half_a_line_was_never_answered_and_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "book.jsonl"
    book = Book(path)
    await book.write(line("whole"))
    await book.close()
    with path.open("ab") as file:
        file.write(b'{"provider": "str')

    book = Book(path)
    await book.write(line("next"))
    await book.close()

    assert [one.key for one in Book(path).lines] == ["whole", "next"]


def test_a_shown_line_has_the_effect_and_not_the_state() -> None:
    shown = line("one").shown()

    assert "state" not in shown
    assert shown["effect"] == "charge_succeeded"


@pytest.mark.parametrize("fails_at", ["write", "half", "truncate"])
async def test_line_refused_by_a_full_disk_is_never_written_later(
    fails_at: str, tmp_path: Path
) -> None:
    path, disk = tmp_path / "book.jsonl", FullDisk()
    book = Book(path, disk.open)
    await book.write(line("before"))
    disk.fails_at = fails_at
    for key in ("refused", "refused too"):
        with pytest.raises(BookFull):
            await book.write(line(key))
    await book.settled()
    disk.fails_at = ""

    await book.write(line("after"))
    await book.close()

    assert [one.key for one in book.lines] == ["before", "after"]
    assert [one.key for one in Book(path).lines] == ["before", "after"]


async def test_writers_of_one_batch_all_return(tmp_path: Path) -> None:
    disk = FullDisk()
    book = Book(tmp_path / "book.jsonl", disk.open)
    disk.fails_at = "write"

    results = await asyncio.gather(
        *(book.write(line(f"key-{number}")) for number in range(5)), return_exceptions=True
    )

    assert {type(result) for result in results} == {BookFull}
    assert book.lines == []
