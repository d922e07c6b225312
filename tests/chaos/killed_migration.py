"""Migrates to the newest schema and dies on the way, at the statement of the given number or, for
`commit`, in place of the commit: `python -m tests.chaos.killed_migration 20`."""

import os
import sys
from itertools import count
from typing import Any

from alembic.config import main
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.chaos.failpoints import EXIT_CODE

_NUMBERS = count(1)
_LAST = sys.argv[1]


@event.listens_for(Engine, "before_cursor_execute")
def _die_at_the_statement(*_: Any) -> None:
    if str(next(_NUMBERS)) == _LAST:
        os._exit(EXIT_CODE)


@event.listens_for(Engine, "commit")
def _die_at_the_commit(_: Any) -> None:
    if _LAST == "commit":
        os._exit(EXIT_CODE)


if __name__ == "__main__":
    main(["upgrade", "head"])
