"""PostgreSQL's files lie where its user can reach them."""

from pathlib import Path
from shutil import rmtree

from deploy.local.mesh.placement import (
    ELSEWHERE,
    Placement,
    forget_elsewhere,
    home_elsewhere,
    is_reachable,
)


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


def placed_elsewhere(folder: Path) -> Placement:
    """A database at a place of its own, with a file in it, and a link in the folder."""
    folder.mkdir()
    link, home = folder / "postgres", folder.with_name(f"{folder.name} elsewhere")
    placement = Placement(home=home, binaries=home / "bin", link=link)
    placement.make_home()
    (home / "file").touch()
    return placement


def test_every_folder_has_its_own_place_elsewhere(tmp_path: Path) -> None:
    one, other = home_elsewhere(tmp_path / "one"), home_elsewhere(tmp_path / "other")

    assert one != other
    assert one.parent == other.parent == ELSEWHERE


def test_place_elsewhere_is_found_again_by_its_link(tmp_path: Path) -> None:
    made = placed_elsewhere(tmp_path / "data")

    assert home_elsewhere(tmp_path / "data" / "postgres") == made.home


def test_folder_deleted_by_hand_and_made_again_has_a_new_place(tmp_path: Path) -> None:
    made = placed_elsewhere(tmp_path / "data")
    rmtree(tmp_path / "data")

    assert home_elsewhere(tmp_path / "data" / "postgres") != made.home


def test_database_placed_elsewhere_is_removed_with_its_link(tmp_path: Path) -> None:
    made = placed_elsewhere(tmp_path / "data")

    forget_elsewhere(tmp_path / "data" / "postgres")

    assert not made.home.exists()
    assert list((tmp_path / "data").iterdir()) == []
