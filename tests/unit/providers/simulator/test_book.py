"""The book survives whatever happens to its writer."""

import asyncio
from pathlib import Path

from services.providers.simulator.book import Book, Line


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


async def test_half_a_line_was_never_told_and_is_cut_off(tmp_path: Path) -> None:
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


def test_a_witness_tells_the_effect_and_not_the_state() -> None:
    told = line("one").told()

    assert "state" not in told
    assert told["effect"] == "charge_succeeded"
