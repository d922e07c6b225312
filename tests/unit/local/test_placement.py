"""PostgreSQL's files lie where its user can reach them."""

from pathlib import Path

from deploy.local.placement import ELSEWHERE, home_elsewhere, is_reachable


def test_path_below_a_private_folder_is_out_of_reach(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)

    assert not is_reachable(home / "code" / ".caravel")


def test_program_that_others_may_not_run_is_out_of_reach(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(mode=0o700)

    assert not is_reachable(program)


def test_root_of_the_file_system_is_within_reach() -> None:
    assert is_reachable(Path("/caravel-that-is-not-there-yet"))


def test_every_folder_has_its_own_place_elsewhere(tmp_path: Path) -> None:
    one, other = home_elsewhere(tmp_path / "one"), home_elsewhere(tmp_path / "other")

    assert one != other
    assert one.parent == other.parent == ELSEWHERE
