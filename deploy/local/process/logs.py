"""Log files made readable: one line for a person from one line of JSON (or of PostgreSQL's text),
and reading several files at once as they grow."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deploy.local.process import terminal
from deploy.local.process.terminal import paint

POLL_SECONDS = 0.1
LONG_WORD = 36
# One line for each call that went well: in the files for whoever needs it, and too much to watch.
ROUTINE_EVENTS = {"call", "request"}
# On every line, or said by the line's beginning.
LEFT_OUT = {"timestamp", "level", "event", "service", "name", "request_id", "traceparent"}
LEVEL_COLOURS = {
    "debug": (terminal.DIM,),
    "warning": (terminal.YELLOW,),
    "error": (terminal.RED,),
    "critical": (terminal.RED, terminal.BOLD),
}
COLOURS = (terminal.CYAN, terminal.MAGENTA, terminal.BLUE, terminal.GREEN, terminal.YELLOW)
_POSTGRES = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d+) UTC \[\d+\] (\w+): +(.*)")
_POSTGRES_LEVELS = {"ERROR": "error", "FATAL": "error", "PANIC": "critical", "WARNING": "warning"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a log: when (ISO 8601, UTC, empty where unknown), how grave, what, details."""

    at: str
    level: str
    event: str
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def is_calm(self) -> bool:
        """Whether it says, in a form that we know, that all is well."""
        return bool(self.at) and self.level in {"info", "debug"}

    @property
    def is_routine(self) -> bool:
        """Whether a person who watches would rather not see it."""
        return self.is_calm and (self.event in ROUTINE_EVENTS or self.level == "debug")


def read_line(text: str) -> Line:
    """Reads any line that a process of the mesh writes."""
    if text.startswith("{"):
        try:
            values = json.loads(text)
        except ValueError:
            return Line(at="", level="info", event=text)
        return Line(
            at=str(values.get("timestamp", "")),
            level=str(values.get("level", "info")),
            event=str(values.get("event", "")),
            details={name: value for name, value in values.items() if name not in LEFT_OUT},
        )
    if match := _POSTGRES.match(text):
        day, time, severity, message = match.groups()
        level = _POSTGRES_LEVELS.get(severity, "debug")
        return Line(at=f"{day}T{time}Z", level=level, event=message)
    return Line(at="", level="info", event=text)


def render(service: str, line: Line, width: int | None = None) -> str:
    """One line for a person; cut to the width where one is given."""
    time = line.at[11:19] or " " * 8
    words = [f"{name}={_short(name, value)}" for name, value in line.details.items()]
    # Long ones last: what happened is short, and to whom is long.
    details = "  ".join(sorted(words, key=lambda word: len(word) > LONG_WORD))
    room = None if width is None else max(0, width - 24 - len(line.event))
    colour = COLOURS[sum(service.encode()) % len(COLOURS)]
    return " ".join(
        (
            paint(time, terminal.DIM),
            paint(f"{service:<10}", colour),
            paint("│", terminal.DIM),
            paint(line.event, *LEVEL_COLOURS.get(line.level, ())),
            paint(details[:room], terminal.DIM),
        )
    ).rstrip()


def _short(name: str, value: object) -> str:
    if name == "trace_id":
        return str(value)[:8]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def last_lines(files: Mapping[str, Path], count: int) -> list[tuple[str, Line]]:
    """The last lines of several logs, merged in the order of time."""
    merged: list[tuple[str, str, Line]] = []
    for service, file in files.items():
        at = ""
        texts = file.read_text(errors="replace").splitlines() if file.exists() else []
        for text in texts[-count:]:
            line = read_line(text)
            # A line without a time of its own, as in a traceback, stays with the one before it.
            at = line.at or at
            merged.append((at, service, line))
    merged.sort(key=lambda item: item[0])
    return [(service, line) for _, service, line in merged[-count:]]


async def follow(files: Mapping[str, Path]) -> AsyncIterator[tuple[str, Line]]:
    """Every line that is added to the files from now on, without end."""
    tails = {service: Tail(file) for service, file in files.items()}
    while True:
        for service, tail in tails.items():
            for text in filter(str.strip, tail.new_lines()):
                yield service, read_line(text)
        await asyncio.sleep(POLL_SECONDS)


class Tail:
    """Reads what is added to a file. A file that is replaced is read from its beginning."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._path = path
        self._rest = b""
        self._inode, size = self._look()
        self._position = 0 if from_start else size

    def new_lines(self) -> Iterable[str]:
        """The complete lines since the last call."""
        inode, size = self._look()
        if inode != self._inode or size < self._position:
            self._inode, self._position, self._rest = inode, 0, b""
        if size == self._position:
            return []
        with self._path.open("rb") as file:
            file.seek(self._position)
            added = file.read(size - self._position)
        self._position = size
        *lines, self._rest = (self._rest + added).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def _look(self) -> tuple[int, int]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_size


def terminal_width() -> int | None:
    """How long a line may be; None where it does not end on a terminal."""
    return shutil.get_terminal_size().columns if terminal.is_coloured() else None
