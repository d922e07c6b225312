"""The lines of a process's log, each read as JSON."""

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import structlog

from services.shared import log

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def logged(service: str = "fees", level: str = "info") -> Iterator[Lines]:
    """Logs as a service does for the length of a block; yields what reads the lines so far."""
    root, output = logging.getLogger(), io.StringIO()
    structlog_before, handlers_before, level_before = (
        structlog.get_config(),
        root.handlers,
        root.level,
    )
    # Its own list, because configuring closes and removes whatever is in the present one.
    root.handlers = []
    try:
        with redirect_stdout(output):
            log.configure(service, level)
        yield lambda: _read(output)
    finally:
        structlog.configure(**structlog_before)
        log.get_logger.cache_clear()
        root.handlers = handlers_before
        root.setLevel(level_before)


def _read(output: io.StringIO) -> list[dict[str, Any]]:
    log.write_out()
    return [json.loads(line) for line in output.getvalue().splitlines()]
