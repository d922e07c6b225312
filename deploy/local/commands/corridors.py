"""`corridors`: has a folder of corridor files checked or applied by a mesh, and lists the versions
that were applied, at its operators' listener. Needs nothing installed."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy import CORRIDORS
from deploy.local.commands.operators import Words, call, who
from deploy.local.process.terminal import Problem, say

PATH = "/api/admin/corridor-versions"
Add = Callable[..., argparse.ArgumentParser]
VERBS = ("check", "apply", "versions")


def add_to(add: Add, data: argparse.ArgumentParser) -> None:
    """Adds the command; `add` takes a name, what runs it, its help and its parents."""
    summary = "check or apply corridor files, or list their versions"
    parser = add("corridors", _run, summary, data, who())
    parser.add_argument("verb", choices=VERBS)
    parser.add_argument("folder", nargs="?", type=Path, default=CORRIDORS, help="of *.toml files")
    parser.add_argument("--reason", default="", help="of apply, for the log of actions")


def _run(words: Words) -> int:
    if words.verb == "versions":
        return _versions(words)
    body = {"files": _files(words.folder), "reason": words.reason}
    if words.verb == "check":
        checked = call(words, "POST", PATH, body | {"validate_only": True})
        say(f"The files can be applied; their version is {checked['version']}.")
        return 0
    _show(call(words, "POST", PATH, body))
    return 0


def _files(folder: Path) -> Sequence[Mapping[str, str]]:
    """The files as the call has them. Raises Problem."""
    try:
        # Byte for byte: the version is made of them.
        files = {path.name: path.read_bytes().decode() for path in sorted(folder.glob("*.toml"))}
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"a file of {folder} cannot be read: {error}") from None
    if not files:
        raise Problem(f"no *.toml is in {folder}")
    return [{"name": name, "content": text} for name, text in files.items()]


def _versions(words: Words) -> int:
    for version in call(words, "GET", PATH).get("versions", ()):
        _show(version)
    return 0


def _show(version: Mapping[str, Any]) -> None:
    reason = f": {version['reason']}" if version["reason"] else ""
    say(f"{version['sequence']}  {version['version']}  from {version['effective_at']}")
    say(f"  by {version['applied_by']}{reason}")
