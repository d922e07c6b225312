"""A planted bug: what it does, how it gets into a mesh, and which invariants must notice it. The
bugs themselves are in sending, writing, deciding and webhooks; all of them in catalogue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from sqlalchemy import text

from services.shared.db import HotStatement
from tests.chaos.conditions import Conditions
from tests.chaos.result import Violation

# Which process of the mesh a bug is in: "worker-2".
MEMBER_VARIABLE = "CHAOS_MEMBER"


class StatementChanged(Exception):
    """The statement no longer has the words that a bug takes away: the bug must be written
    again."""


class Patches:
    """The replacements; undone at the end of a block, for tests."""

    def __init__(self) -> None:
        self._before: list[tuple[Any, str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.undo()

    @property
    def replaced(self) -> Sequence[tuple[Any, str, Any]]:
        """The replaced attributes: owner, name and original; each once."""
        first = {(id(owner), name): (owner, name, was) for owner, name, was in self._before[::-1]}
        return tuple(first.values())

    def put(self, owner: Any, name: str, value: Any) -> Any:
        """Puts a value in the place of a module's or a class's own, which it returns."""
        before = getattr(owner, name)
        self._before.append((owner, name, before))
        setattr(owner, name, value)
        return before

    def reword(self, module: Any, name: str, old: str, new: str) -> None:
        """Changes the words of an SQL statement. Raises StatementChanged."""
        found = getattr(module, name)
        statement = str(found)
        if statement.count(old) != 1:
            raise StatementChanged(f"{name} does not say {old!r} once")
        changed = text(statement.replace(old, new))
        self.put(module, name, HotStatement(changed) if type(found) is HotStatement else changed)

    def undo(self) -> None:
        """Puts everything back."""
        while self._before:
            setattr(*self._before.pop())


def nothing(_: Patches) -> None:
    """Changes no code."""


@dataclass(frozen=True, kw_only=True)
class Plant:
    """One bug."""

    number: int
    name: str
    # One sentence: what the mesh does with it.
    words: str
    # Any of these may notice it; at least one must.
    expected: frozenset[str]
    # How it is then put, where the invariant alone says too little.
    shown_by: str = ""
    # Changes the classes of a process before it starts.
    alter: Callable[[Patches], None] = nothing
    # Changes the database, after its migrations and as its owner.
    statements: tuple[str, ...] = ()
    # Settings that PostgreSQL is started with.
    server: Mapping[str, str] = field(default_factory=dict)
    # The conditions that a run must have to come near it.
    conditions: Conditions = field(default_factory=Conditions)

    def explains(self, violation: Violation) -> bool:
        """Whether it is what the bug must break."""
        return violation.invariant in self.expected and self.shown_by in violation.detail
