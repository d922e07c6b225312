"""Lines of every kind become readable, several files become one story, and growth is followed."""

from pathlib import Path

from deploy.local.process.logs import Tail, last_lines, read_line, render

JSON = (
    '{"event": "payment_event", "level": "info", "timestamp": "2026-11-23T07:21:42.1Z", '
    '"service": "worker", "trace_id": "0123456789abcdef", "to_state": "FUNDED"}'
)


def test_json_line_is_read() -> None:
    line = read_line(JSON)

    assert (line.at, line.level, line.event) == ("2026-11-23T07:21:42.1Z", "info", "payment_event")
    assert line.details == {"trace_id": "0123456789abcdef", "to_state": "FUNDED"}


def test_postgresql_says_when_and_how_grave() -> None:
    line = read_line("2026-11-23 07:02:25.060 UTC [19728] FATAL:  the database is starting up")

    assert (line.at, line.level) == ("2026-11-23T07:02:25.060Z", "error")
    assert line.event == "the database is starting up"


def test_everyday_postgresql_is_routine() -> None:
    assert read_line("2026-11-23 07:02:25.060 UTC [1] LOG:  checkpoint starting").is_routine


def test_unknown_text_is_shown_as_it_is() -> None:
    line = read_line("Traceback (most recent call last):")

    assert line.event == "Traceback (most recent call last):"
    assert not line.is_calm


def test_a_call_that_went_well_is_routine_and_a_warning_is_not() -> None:
    assert read_line('{"event": "call", "level": "info", "timestamp": "t"}').is_routine
    assert not read_line('{"event": "call", "level": "warning", "timestamp": "t"}').is_routine


def test_rendered_line_fits_the_terminal() -> None:
    assert len(render("worker", read_line(JSON), width=50)) <= 50


def test_rendered_line_has_time_service_event_and_details() -> None:
    assert render("worker", read_line(JSON)) == (
        "07:21:42 worker     │ payment_event trace_id=01234567  to_state=FUNDED"
    )


def test_last_lines_of_all_logs_are_in_the_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "a").write_text(
        '{"event": "1", "timestamp": "10"}\n{"event": "3", "timestamp": "30"}'
    )
    (tmp_path / "b").write_text('{"event": "2", "timestamp": "20"}\n  its second line\n')

    merged = last_lines({"a": tmp_path / "a", "b": tmp_path / "b"}, 10)

    assert [line.event for _, line in merged] == ["1", "2", "  its second line", "3"]


def test_tail_gives_complete_lines_that_were_added(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")
    tail = Tail(log)

    with log.open("a") as file:
        file.write("new\nhal")
    assert tail.new_lines() == ["new"]
    with log.open("a") as file:
        file.write("f\n")
    assert tail.new_lines() == ["half"]


def test_tail_of_a_file_that_is_replaced_begins_again(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("long and old\n")
    tail = Tail(log)
    log.unlink()
    log.write_text("new\n")

    assert tail.new_lines() == ["new"]


def test_tail_waits_for_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log")
    assert tail.new_lines() == []

    (tmp_path / "log").write_text("first\n")
    assert tail.new_lines() == ["first"]
