"""Logs: one JSON object a line on standard output, each with the service, and the trace and request
it belongs to. Values of type SecretStr mask themselves; what is logged is what happened, never a
body."""

import asyncio
import json
import logging
import re
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any, TextIO, cast

import structlog

from services.shared.telemetry import request_id_var, trace_id_var

Logger = structlog.typing.FilteringBoundLogger
# Made once: with options of its own, json.dumps makes an encoder for each line. Of what JSON does
# not have, the representation is written, in which secrets mask themselves.
_ENCODER = json.JSONEncoder(default=repr)


# A value that an exception quotes: in Python's quotes, or in PostgreSQL's behind a colon. Names of
# types, tables and constraints stay.
_QUOTED = re.compile(r"""(?<!class )(?<![\w'])'(?:[^'\\]|\\.)*'|(?<=: )"(?:[^"\\]|\\.)*\"""")


class _Exceptions(structlog.tracebacks.ExceptionDictTransformer):
    """Exceptions without what they quote. A database's goes on with the statement and the row."""

    def __call__(self, exc_info: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
        shown = super().__call__(exc_info)
        _leave_out_values(shown)
        return shown


def _leave_out_values(shown: list[dict[str, Any]]) -> None:
    for one in shown:
        one["exc_value"] = without_values(one["exc_value"])
        one["exc_notes"] = [without_values(note) for note in one["exc_notes"]]
        for inner in one["exceptions"]:
            _leave_out_values(inner)


def without_values(text: str) -> str:
    """The first line of an error's text, without the values that it quotes."""
    return _QUOTED.sub("'…'", text.partition("\n")[0])


class _Gathered:
    """Standard output, written to once for all the lines of one turn of the event loop."""

    def __init__(self) -> None:
        self.file: TextIO = sys.stdout
        self._lines: list[str] = []

    def write(self, line: str) -> None:
        """Keeps a line until the turn ends; outside a loop it is written at once."""
        self._lines.append(line)
        if len(self._lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.write_out)
        except RuntimeError:
            self.write_out()

    def flush(self) -> None:
        """Not after every line."""

    def write_out(self) -> None:
        """Writes what is kept."""
        lines, self._lines = self._lines, []
        self.file.write("".join(lines))
        self.file.flush()


_output = _Gathered()


def write_out() -> None:
    """Writes what has been logged until now, for whoever reads along."""
    _output.write_out()


def configure(service: str, level: str) -> None:
    """Sets up logging for the process; called once, before anything else happens."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)

    def context(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        if trace_id := trace_id_var.get():
            event.setdefault("trace_id", trace_id)
        if request_id := request_id_var.get():
            event.setdefault("request_id", request_id)
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        context,
        # Local variables stay out: they hold people's names, accounts and secrets.
        structlog.processors.ExceptionRenderer(_Exceptions(show_locals=False)),
    ]
    _output.file = sys.stdout
    structlog.configure(
        processors=[*shared, _render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _output)),
        cache_logger_on_first_use=True,
    )
    get_logger.cache_clear()
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _render,
            ],
            foreign_pre_chain=shared,
        )
    )
    # Libraries speak only when something is wrong; what we do, we log ourselves.
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)


def _render(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    return _ENCODER.encode(event)


@cache
def get_logger() -> Logger:
    """The process's logger; pass what happened as the event and facts as keywords."""
    logger: Logger = structlog.get_logger().bind()
    return logger
