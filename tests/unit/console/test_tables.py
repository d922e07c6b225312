"""Tables show records, and their files are no program."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.console.tables import Column, as_csv, filled, used, with_query

COLUMNS = (Column("Name", "name"), Column("Amount", "amount", "number", unit="USD"))


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"])
def test_a_cell_of_a_file_is_never_a_formula(begin: str) -> None:
    [_, [name, amount]] = rows_of(as_csv(COLUMNS, [{"name": f"{begin}1+1", "amount": "-5.00"}]))

    assert name == f"'{begin}1+1"
    assert amount == "-5.00"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_from_a_file(text: str) -> None:
    [_, [name, _amount]] = rows_of(as_csv(COLUMNS, [{"name": text, "amount": ""}]))

    assert name.removeprefix("'") == text.removeprefix("'")


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"event": "paid", "row": {"table": "quotes"}}, "paid"),
        ({"event": "", "row": {"table": "quotes", "key": "7"}}, "key: 7; table: quotes"),
        ({"event": "", "row": None}, ""),
    ],
)
def test_a_field_stands_in_for_an_empty_one(record: dict[str, Any], text: str) -> None:
    assert Column("Event or row", "event|row", "pairs").text(record) == text


def test_a_file_says_its_units_once_or_in_each_row() -> None:
    columns = (*COLUMNS, Column("Payout", "payout", "number", unit="{currency}"))
    record = {"name": "a", "amount": "1.00", "payout": "9.00", "currency": "INR"}

    assert rows_of(as_csv(columns, [record, {**record, "payout": ""}])) == [
        ["Name", "Amount (USD)", "Payout"],
        ["a", "1.00", "9.00 INR"],
        ["a", "1.00", ""],
    ]


def test_a_field_within_a_record_that_is_absent_is_absent() -> None:
    column = Column("Mid rate", "trail.mid", "number")

    assert column.value({"trail": {"mid": "1.5"}}) == "1.5"
    assert column.value({"trail": None}) is None
    assert column.text({"trail": None}) == ""


def test_zero_and_no_are_values() -> None:
    assert Column("", "n").value({"n": 0}) == 0
    assert Column("", "n").text({"n": False}) == "False"
    assert Column("", "n").value({"n": ""}) is None


def test_columns_without_anything_to_say_are_left_out() -> None:
    columns = (
        Column("First", "a"),
        Column("Empty", "b"),
        Column("Empty, which says something", "b", absent="ours"),
        Column("Of a file", "c", is_extra=True),
    )

    shown = used(columns, [{"a": "", "b": "", "c": "1"}])

    assert [column.label for column in shown] == ["First", "Empty, which says something"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_value_leaves_its_place_in_an_address(value: str) -> None:
    address = filled("/payments/{id}", {"id": value})

    assert address.count("/") == 2 and "?" not in address and "#" not in address
    assert unquote(address.removeprefix("/payments/")) == value
    assert with_query("/a", {"b": value, "c": ""}).count("&") == 0


def test_an_instant_and_a_list_are_text_in_a_file() -> None:
    record = {"at": datetime(2026, 11, 29, tzinfo=UTC), "all": ["a", "b"], "map": {"y": 1, "x": 2}}

    texts = [Column("", name).text(record) for name in record]

    assert texts == ["2026-11-29T00:00:00+00:00", "a, b", "x: 2; y: 1"]


def test_the_cells_of_a_column_break_by_its_kind() -> None:
    kinds = ("code", "instant", "pairs", "number", "text")

    assert [Column("", "", kind).shape for kind in kinds] == ["code", "time", "long", "number", ""]
