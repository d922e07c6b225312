"""The one kind of failure that a person at the terminal reads."""

import errno


class Problem(Exception):
    """The command cannot go on; the message is a clear sentence, without a full stop."""


_FULL = "the disk is full: {file} could not be written; make room and try again"
_TOO_MANY = "too many files are open; allow more with `ulimit -n 4096`, and try again"
_OTHERS = "may not touch {file}: it belongs to somebody else, or is read-only"
_NO_FOLDER = "{file} is no folder; see --data-dir"
_SENTENCES = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: "{file} cannot be written: its file system is read-only; see --data-dir",
    errno.EMFILE: _TOO_MANY,
    errno.ENFILE: _TOO_MANY,
    errno.EACCES: _OTHERS,
    errno.EPERM: _OTHERS,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOTDIR: _NO_FOLDER,
}


def sentence(failure: Problem | OSError) -> str:
    """Why the command cannot go on, for a person."""
    if isinstance(failure, Problem):
        return str(failure)
    known = _SENTENCES.get(failure.errno or 0)
    if known:
        return known.format(file=failure.filename or "a file")
    reason = failure.strerror or str(failure) or type(failure).__name__
    return f"{reason}: {failure.filename}" if failure.filename else reason
