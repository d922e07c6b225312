"""The parts that all tables share: their metadata, the marks of columns that change, and columns of
times."""

from sqlalchemy import Column, DateTime, text

from services.shared.db import new_metadata

metadata = new_metadata()
# Of a page where rows are changed several times the rest is left to their next versions.
ROOM_PERCENT = 70
_NOW = text("now()")


# How a column changes once its row is there; one without a mark never does. A migration grants each
# by name. The new value comes with the row that is written, or a statement of its own sets it.
MOVED, SET = {"changed": "MOVED"}, {"changed": "SET"}


def instant(
    name: str,
    *,
    nullable: bool = False,
    default: bool = False,
    info: dict[str, str] | None = None,
) -> Column[object]:
    """A column of times, with its zone; with a default, of the transaction that adds the row."""
    return Column(
        name,
        DateTime(timezone=True),
        nullable=nullable,
        server_default=_NOW if default else None,
        info=info,
    )
