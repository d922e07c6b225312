"""Every line is one JSON object that says where it belongs, and none says what is secret."""

import asyncio
import errno
import io
import json
import logging
from contextlib import redirect_stdout
from typing import Any

import pytest
from pydantic import SecretStr

from services.shared.log import configure, get_logger
from services.shared.telemetry import request_id_var, trace_id_var
from tests.logs import logged

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def _pay(account: str) -> None:
    raise ValueError("no such wallet")


def test_a_line_says_what_happened_when_and_where() -> None:
    with logged("fees") as lines:
        get_logger().info("fees_calculated", corridor_id="us-mx")

    [line] = lines()
    assert (line["event"], line["corridor_id"]) == ("fees_calculated", "us-mx")
    assert (line["service"], line["level"]) == ("fees", "info")
    assert line["timestamp"].endswith("Z")


def test_a_line_belongs_to_the_trace_and_request_it_was_written_in() -> None:
    trace, request = trace_id_var.set(TRACE_ID), request_id_var.set("req-1")
    with logged() as lines:
        get_logger().info("inside")
        trace_id_var.reset(trace)
        request_id_var.reset(request)
        get_logger().info("outside")

    inside, outside = lines()
    assert (inside["trace_id"], inside["request_id"]) == (TRACE_ID, "req-1")
    assert not {"trace_id", "request_id"} & outside.keys()


def test_a_trace_that_the_writer_names_is_kept() -> None:
    trace = trace_id_var.set(TRACE_ID)
    with logged() as lines:
        get_logger().info("carried_on", trace_id="a" * 32)
    trace_id_var.reset(trace)

    assert lines()[0]["trace_id"] == "a" * 32


def test_text_of_many_lines_stays_on_one() -> None:
    with logged() as lines:
        get_logger().info("received", details="first\nsecond\u2028third \N{SNOWMAN}")

    [line] = lines()
    assert line["details"] == "first\nsecond\u2028third \N{SNOWMAN}"


def test_secrets_mask_themselves() -> None:
    with logged() as lines:
        get_logger().info("configured", api_key=SecretStr("swordfish"), all={"a": SecretStr("cod")})

    written = json.dumps(lines())
    assert "****" in written
    assert "swordfish" not in written
    assert "cod" not in written


def test_an_exception_is_logged_without_its_local_variables() -> None:
    with logged() as lines:
        try:
            _pay("+52 55 1234 5678")
        except ValueError:
            get_logger().exception("call_failed")

    [line] = lines()
    [shown] = line["exception"]
    assert (shown["exc_type"], shown["exc_value"]) == ("ValueError", "no such wallet")
    assert [frame["name"] for frame in shown["frames"]][-1] == "_pay"
    assert "1234" not in json.dumps(line)


def test_libraries_write_the_same_lines_and_only_what_is_wrong() -> None:
    trace = trace_id_var.set(TRACE_ID)
    with logged("fx") as lines:
        logging.getLogger("library").info("all is well")
        try:
            _pay("+52 55 1234 5678")
        except ValueError:
            logging.getLogger("library").exception("this is %s", "wrong")
    trace_id_var.reset(trace)

    [line] = lines()
    assert (line["event"], line["service"], line["level"]) == ("this is wrong", "fx", "error")
    assert line["trace_id"] == TRACE_ID
    assert "1234" not in json.dumps(line)


@pytest.mark.parametrize(
    ("level", "received"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("WARNING", ["warning", "error"]),
        ("error", ["error"]),
        ("loud", ["info", "warning", "error"]),
    ],
)
def test_less_than_the_level_is_silent_and_an_unknown_level_is_info(
    level: str, received: list[str]
) -> None:
    with logged(level=level) as lines:
        for name in ("debug", "info", "warning", "error"):
            getattr(get_logger(), name)("spoken")

    assert [line["level"] for line in lines()] == received


async def test_the_lines_of_one_turn_are_written_together_and_before_the_next() -> None:
    with logged() as lines:
        writes: list[str] = []
        output = io.StringIO()
        output.write = writes.append  # type: ignore[assignment,method-assign]
        with redirect_stdout(output):
            configure("fees", "info")
        get_logger().info("first")
        get_logger().info("second")
        assert writes == []
        await asyncio.sleep(0)

    assert [len(written.splitlines()) for written in writes] == [2]
    assert lines() == []


class _FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_line_that_cannot_be_written_fails_no_call() -> None:
    reported: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["exception"]))
    try:
        with logged():
            with redirect_stdout(_FullDisk()):
                configure("fees", "info")
            get_logger().info("paid")
            await asyncio.sleep(0)
            with redirect_stdout(io.StringIO()):
                configure("fees", "info")
    finally:
        loop.set_exception_handler(None)

    assert [type(error) for error in reported] == [OSError]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("no such wallet", "no such wallet"),
        ("invalid input for query argument $1: '0690000040' (expected int)", "expected int"),
        ('invalid input syntax for type uuid: "0690000040"', "type uuid"),
        (
            'new row violates check constraint "payments_amount_check"\n'
            "DETAIL:  Failing row contains (7, 0690000040).\n[SQL: INSERT INTO payments]",
            'constraint "payments_amount_check"',
        ),
        ("could not convert 'it\\'s 0690000040' to float", "to float"),
        ("KeyError: '0690000040'", "KeyError"),
    ],
)
@pytest.mark.parametrize("grouped", [False, True])
def test_an_exception_is_logged_without_the_values_that_it_quotes(
    said: str, kept: str, grouped: bool
) -> None:
    error: Exception = ValueError(said)
    error.add_note("about '0690000040'")
    raised = ExceptionGroup("several", [error]) if grouped else error

    with logged() as lines:
        try:
            raise raised
        except (ValueError, ExceptionGroup):
            get_logger().exception("call_failed")

    [line] = lines()
    text = json.dumps(line, ensure_ascii=False)
    assert kept in line["exception"][0]["exc_value"] or grouped
    assert "0690000040" not in text
    assert "INSERT" not in text
