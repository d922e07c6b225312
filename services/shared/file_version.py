"""Whether a file is another one than before, without reading it."""

from pathlib import Path

Version = tuple[int, int, int, int, int] | None


def file_version(path: Path) -> Version:
    """The file's version, which changes with it; None where there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    # By way of links: a folder that is mounted changes all its files by moving one link.
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        # A file that is copied with its times, over one of its size, has this one of its own.
        status.st_ctime_ns,
    )
