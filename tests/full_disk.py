"""A file on a disk that is full when a test says so, at the step that it says."""

import errno
from io import FileIO
from pathlib import Path


class FullDisk:
    """Opens files; `fails_at` is "", "write", "half" of a write, or "truncate" as well as it."""

    def __init__(self) -> None:
        self.fails_at = ""

    def open(self, path: Path) -> FileIO:
        """The file, which asks this disk."""
        return _File(path, self)


class _File(FileIO):
    def __init__(self, path: Path, disk: FullDisk) -> None:
        super().__init__(path, "ab")
        self._disk = disk
        self._began = False

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        fails_at = self._disk.fails_at
        if fails_at == "write" or (fails_at and self._began):
            self._began = False
            raise OSError(errno.ENOSPC, "No space left on device")
        if fails_at:
            self._began = True
            return super().write(data[: len(data) // 2])
        return super().write(data)

    def truncate(self, size: int | None = None, /) -> int:
        if self._disk.fails_at == "truncate":
            raise OSError(errno.EIO, "Input/output error")
        return super().truncate(size)
