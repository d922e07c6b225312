"""The output for a person: lines on standard output, coloured where it is a terminal. NO_COLOR
switches colours off; CARAVEL_COLOR switches them on, for a file that ends up on a terminal all
the same."""

import os
import shlex
import sys
from contextlib import suppress
from typing import TextIO

# Names the pipe to a parent that waits. It shows our log too, which may be what cannot be written.
REASON_VARIABLE = "CARAVEL_REASON_TO"
BOLD, DIM = "1", "2"
RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = "31", "32", "33", "34", "35", "36"


def is_coloured(stream: TextIO | None = None) -> bool:
    """Whether escape codes are welcome on the stream, standard output by default."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("CARAVEL_COLOR")) or (stream or sys.stdout).isatty()


def paint(text: str, *codes: str) -> str:
    """The text in the given colours, or as it is where colours are not welcome."""
    if not codes or not is_coloured():
        return text
    return f"\033[{';'.join(codes)}m{text}\033[0m"


def say(text: str = "") -> None:
    """A line, or several, for the person."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def say_if_possible(text: str) -> None:
    """The same to a person who may have left: a terminal that is gone must not stop what we do."""
    with suppress(OSError):
        say(text)


def complain(text: str) -> None:
    """One sentence about what went wrong, on standard error."""
    if _reported_to_parent(text):
        return
    mark = "\033[31mcaravel:\033[0m" if is_coloured(sys.stderr) else "caravel:"
    with suppress(OSError):
        sys.stderr.write(f"{mark} {text}\n")
        sys.stderr.flush()


def _reported_to_parent(text: str) -> bool:
    """Reports to the command that started us in the background and still waits; False where none
    does."""
    number = os.environ.pop(REASON_VARIABLE, None)
    if number is None:
        return False
    try:
        with os.fdopen(int(number), "w") as pipe:
            pipe.write(text)
    except OSError:
        return False
    return True


def done(what: str, remark: str) -> None:
    """One step that is behind us."""
    say(f"  {paint('✓', GREEN)} {what:<12} {paint(remark, DIM)}")


def warn(text: str) -> None:
    """One sentence about what works and could be better."""
    say(f"  {paint('!', YELLOW)} {text}")


def command(*words: str) -> str:
    """Our own command line as the person would type it."""
    return " ".join((shlex.quote(os.environ.get("CARAVEL_COMMAND", "./caravel")), *words))
