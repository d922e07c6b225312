"""The cells of the matrix of drills, and the result of one. Every drill has payments to which each
thing has happened since the backup, so that this is no part of a cell."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from tests.chaos.restores.ways import Way

AGES = (timedelta(0), timedelta(minutes=7), timedelta(hours=1))


class Providers(StrEnum):
    """How providers are while the database is recovered."""

    ANSWERING = "answering"
    ONE_AWAY = "one away"
    EVENTS_REPLAYED = "events replayed"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One drill of the matrix. The age is that of the backup, beside the seconds in which the
    drill's payments happen."""

    way: Way
    age: timedelta
    providers: Providers
    # So many payments of each kind and currency.
    each: int = 1

    def __str__(self) -> str:
        return f"{self.way}, {self.age.total_seconds():.0f} s before, {self.providers}"


def matrix(each: int) -> Iterator[Cell]:
    """Every drill."""
    for way in Way:
        for age in AGES:
            for providers in Providers:
                yield Cell(way=way, age=age, providers=providers, each=each)


@dataclass(kw_only=True)
class Result:
    """The result of one drill."""

    cell: Cell
    payments: int = 0
    # From when the server takes connections, and from the start of the processes.
    noticed_running_seconds: float = 0
    noticed_start_seconds: float = 0
    findings: list[str] = field(default_factory=list)
    # Requests that an older database has answered or taken before it was recovered.
    taken: list[str] = field(default_factory=list)
    doubles: list[str] = field(default_factory=list)
    # Orders whose repeated request was not answered with the payment that it had made.
    made_again: list[str] = field(default_factory=list)
    # Amounts at providers that are on no account, and that no hold explains.
    off_account: list[str] = field(default_factory=list)
    # Payments that did not come to rest.
    stuck: list[str] = field(default_factory=list)
    # Payments that providers have and the recovered database does not.
    strangers: Sequence[str] = ()
    # Payments on hold after the recovery, and after a person has released them all.
    held: int = 0
    still_held: Sequence[str] = ()
    report: str = ""
    verify_code: int = 0
    verified: str = ""

    @property
    def faults(self) -> list[str]:
        """All that must not be."""
        wrong = [*self.taken, *self.doubles, *self.made_again, *self.off_account, *self.stuck]
        return [*wrong, *(f"{one} is unknown here" for one in self.strangers)]

    def __str__(self) -> str:
        return (
            f"{self.cell}: {self.payments} payments, noticed after "
            f"{self.noticed_running_seconds:.1f} s running and {self.noticed_start_seconds:.1f} s "
            f"from the start; {len(self.taken)} taken, {len(self.doubles)} doubles, "
            f"{len(self.made_again)} made again, {len(self.off_account)} off account; "
            f"{self.held} held, {len(self.still_held)} still; {len(self.strangers)} unknown; "
            f"verify {self.verify_code}"
        )
