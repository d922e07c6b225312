"""The one row by which a database is known to be older than what has happened."""

from sqlalchemy import BigInteger, CheckConstraint, Column, SmallInteger, Table, Text, text

from services.payments.base.tables.kit import SET, metadata
from services.payments.base.tables.kit import instant as _instant


def _word(name: str) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=text("''"), info=SET)


database_mark = Table(
    "database_mark",
    metadata,
    Column("id", SmallInteger, primary_key=True, server_default=text("1")),
    # Workers make it grow each second; it never goes back in one and the same database.
    Column("mark", BigInteger, nullable=False, server_default=text("0"), info=SET),
    # When the lists of all providers were last compared with the attempts.
    _instant("compared_at", default=True, info=SET),
    # Why the database is known to be older; empty where it is not.
    _word("finding"),
    _instant("found_at", nullable=True, info=SET),
    # When, by whom and why the database was last taken as it is.
    _instant("accepted_at", nullable=True, info=SET),
    _word("accepted_by"),
    _word("accept_reason"),
    CheckConstraint("id = 1", name="one"),
)
