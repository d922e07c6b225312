"""A file is another one whenever somebody has touched it, and the same while nobody has."""

import os
from pathlib import Path

from services.shared.file_version import file_version


def test_a_file_that_nobody_touches_stays_the_same(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")

    assert file_version(file) == file_version(file) is not None


def test_no_file_has_no_version(tmp_path: Path) -> None:
    assert file_version(tmp_path / "none") is None


def test_a_file_that_is_put_in_its_place_with_its_size_and_times_is_another(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("one")
    before = file_version(file)
    other.write_text("two")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)

    assert file_version(file) != before


def test_a_link_that_leads_elsewhere_is_another_file(tmp_path: Path) -> None:
    """As a folder of Kubernetes is changed: one link moves, and all files below it are others."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("same")
    link = tmp_path / "now"
    link.symlink_to("one")
    before = file_version(link / "file")
    link.unlink()
    link.symlink_to("two")

    assert file_version(link / "file") != before
