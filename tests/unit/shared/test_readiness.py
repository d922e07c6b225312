"""When a process says that it cannot do its work, and when it can again."""

from dataclasses import dataclass, field

import pytest

from services.shared.errors import Unavailable
from services.shared.readiness import EVERY_SECONDS, FAILING_SECONDS, Readiness
from tests.logs import logged


@dataclass
class Asked:
    """The dependency of a process, and a clock that moves by one question a time."""

    errors: list[Exception | None] = field(default_factory=list)
    reported: list[bool] = field(default_factory=list)
    seconds: float = 0.0

    async def ask(self) -> None:
        self.seconds += EVERY_SECONDS
        if error := self.errors.pop(0):
            raise error

    async def answers(self, *errors: Exception | None) -> list[bool]:
        self.errors = list(errors)
        readiness = Readiness(self.ask, self.reported.append, now=lambda: self.seconds)
        for _ in errors:
            await readiness.ask_once()
        return self.reported


AWAY = Unavailable(cause="OperationalError 57P03")


async def test_one_failure_is_none() -> None:
    assert await Asked().answers(AWAY, None, AWAY, None) == []


async def test_failures_in_a_row_are_reported_once() -> None:
    assert await Asked().answers(None, AWAY, AWAY, AWAY, AWAY) == [False]


async def test_it_is_reported_in_the_moment_when_it_has_failed_for_long_enough() -> None:
    asked = Asked()

    # The second failure is four seconds after the last answer, which is just as long as is waited.
    assert await asked.answers(None, AWAY, AWAY) == [False]
    assert asked.seconds - EVERY_SECONDS == FAILING_SECONDS


async def test_failures_in_a_row_within_a_shorter_time_are_none() -> None:
    asked = Asked()

    async def ask() -> None:
        asked.seconds += FAILING_SECONDS / 4
        raise AWAY

    readiness = Readiness(ask, asked.reported.append, now=lambda: asked.seconds)
    for failures in range(1, 5):
        await readiness.ask_once()
        assert asked.reported == ([False] if failures == 4 else [])


async def test_the_first_answer_makes_it_ready_again() -> None:
    assert await Asked().answers(AWAY, AWAY, AWAY, None, None) == [False, True]


@pytest.mark.parametrize("error", [AWAY, RuntimeError("the password is swordfish")])
async def test_the_cause_is_logged_at_warning_without_the_words_of_a_stranger(
    error: Exception,
) -> None:
    with logged("payments") as lines:
        await Asked().answers(error, error, error)

        [line] = lines()
    assert (line["event"], line["level"]) == ("not_ready", "warning")
    assert line["cause"] in {"OperationalError 57P03", "RuntimeError"}
