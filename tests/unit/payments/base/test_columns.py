"""Statements name their columns by the tables, and a row brings what its statement takes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Column, Integer, Table, Text, text

from services.payments.base import attempt_rows, rows, tables
from services.payments.base.columns import assigned, columns, given, moved, names, parameters, typed
from services.payments.base.tables import MOVED, SET
from services.payments.model.attempt import AttemptState, Step
from services.payments.model.payment import State
from services.payments.orders.store.payments import PAYMENT
from services.shared.db import new_metadata
from tests.makers import make_attempt, make_new_payment, make_payment

TABLE = Table(
    "parcels",
    new_metadata(),
    Column("id", Integer, primary_key=True),
    Column("state", Text, nullable=False, info=MOVED),
    Column("weight_grams", Integer),
    Column("seen_at", Text, info=SET),
    Column("price_minor", Integer, nullable=False, info=SET),
    Column("tries", Integer, server_default=text("0"), info=MOVED),
)


def test_a_new_row_brings_all_that_nothing_else_sets() -> None:
    assert names(given(TABLE)) == "id, state, weight_grams, price_minor"
    assert parameters(given(TABLE)) == ":id, :state, :weight_grams, :price_minor"
    assert (
        typed(given(TABLE)) == "id INTEGER, state TEXT, weight_grams INTEGER, price_minor INTEGER"
    )


def test_a_change_assigns_what_moves_change() -> None:
    assert assigned(moved(TABLE), "r") == "state = r.state, tries = r.tries"


def test_all_columns_are_named_with_their_table() -> None:
    assert columns(TABLE, "p") == (
        "p.id, p.state, p.weight_grams, p.seen_at, p.price_minor, p.tries"
    )


def _rows() -> list[tuple[Mapping[str, Any], set[str]]]:
    new, payment = make_new_payment(), make_payment(state=State.REFUNDED)
    attempt = make_attempt(payment, Step.PAYOUT, AttemptState.FAILED)
    by_table = {name: _named(given(table)) for name, table in tables.metadata.tables.items()}
    return [
        (rows.payment_row(payment), _named(PAYMENT)),
        (rows.moved_row(payment), _named(moved(tables.payments))),
        (rows.quote_row(new.quote, payment.id), by_table["quotes"]),
        (rows.event_row(payment, payment.created_event()), by_table["payment_events"]),
        (attempt_rows.attempt_row(attempt), by_table["attempts"]),
    ]


def _named(listed: tuple[Column[object], ...]) -> set[str]:
    return {column.name for column in listed}


@pytest.mark.parametrize(("row", "named"), _rows())
def test_a_row_has_the_columns_that_its_statement_names(
    row: Mapping[str, Any], named: set[str]
) -> None:
    assert set(row) == named


def test_row_of_a_payment_follows_its_moves() -> None:
    payment = make_payment(state=State.PAYING_OUT)
    sent = replace(payment, version=9, sent_at=payment.created_at + timedelta(seconds=1))

    assert rows.moved_row(sent) == rows.moved_row(payment) | {
        "version": 9,
        "sent_at": (payment.created_at + timedelta(seconds=1)).isoformat(),
    }
