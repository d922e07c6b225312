"""The output for a person: lines on standard output, coloured where it is a terminal, and the one
kind of failure that a person reads. NO_COLOR switches colours off; CARAVEL_COLOR switches them on,
for a file that ends up on a terminal all the same."""

import errno
import os
import shlex
import sys
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TextIO

# Names the pipe to a parent that waits. It shows our log too, which may be what cannot be written.
REASON_VARIABLE = "CARAVEL_REASON_TO"
BOLD, DIM = "1", "2"
RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = "31", "32", "33", "34", "35", "36"

_FULL = "the disk is full: {file} could not be written; make room and try again"
_TOO_MANY = "too many files are open; allow more with `ulimit -n 4096`, and try again"
_OTHERS = "may not touch {file}: it belongs to somebody else, or is read-only"
_NO_FOLDER = "{file} is no folder; see --data-dir"
_SENTENCES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "{file} cannot be written: its file system is read-only; see --data-dir",
    errno.EMFILE: _TOO_MANY,
    errno.ENFILE: _TOO_MANY,
    errno.EACCES: _OTHERS,
    errno.EPERM: _OTHERS,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
}


class Problem(Exception):
    """The command cannot go on; the message is a clear sentence, without a full stop."""


def sentence(failure: Problem | OSError) -> str:
    """Why the command cannot go on, for a person."""
    if isinstance(failure, Problem):
        return str(failure)
    known = _SENTENCES.get(failure.errno or 0)
    if known:
        return known.format(file=failure.filename or "a file")
    reason = failure.strerror or str(failure) or type(failure).__name__
    return f"{reason}: {failure.filename}" if failure.filename else reason


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


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Collection[int] | None = None
) -> None:
    """A table; columns of numbers are set to the right, without any named all but the first."""
    right = range(1, len(head)) if numbers is None else numbers
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (
            text.rjust(width) if at in right else text.ljust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        say("  ".join(cells).rstrip())


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
