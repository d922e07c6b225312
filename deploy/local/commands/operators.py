"""Calls of the operators' listener of a mesh, as an operator: who acts, where it is, and the answer
or the refusal. Needs nothing installed."""

import argparse
import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from deploy.local.mesh import state
from deploy.local.mesh.state import DataDir
from deploy.local.process.terminal import Problem, command
from services.shared.well_known import SANDBOX_OPERATORS

KEY_VARIABLE = "CARAVEL_OPERATOR_KEY"
CALL_SECONDS = 30
Words = argparse.Namespace


def who() -> argparse.ArgumentParser:
    """The arguments that say who acts, and where."""
    parent = argparse.ArgumentParser(add_help=False)
    names = ", ".join(SANDBOX_OPERATORS)
    parent.add_argument("--as", dest="name", help=f"a sandbox's built-in operator: {names}")
    parent.add_argument("--url", help="the operators' listener (default: that of the running mesh)")
    return parent


def path_of(collection: str, text: str) -> str:
    """The path of one thing of a collection."""
    return f"{collection}/{quote(text, safe='')}"


def call(
    words: Words,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    more: Mapping[str, str] | None = None,
) -> Any:
    """The answer, to a request with more headers. Raises Problem with the reason of a refusal."""
    headers = {"accept": "application/json", **_credential(words), **(more or {})}
    data = None
    if body is not None:
        headers["content-type"] = "application/json"
        data = json.dumps(body).encode()
    url = f"{_url(words)}{path}"
    request = Request(url, data=data, headers=headers, method=method)  # noqa: S310
    try:
        with urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
            return json.loads(answer.read())
    except HTTPError as refusal:
        raise Problem(_refusal(refusal)) from None
    except (URLError, OSError, ValueError) as error:
        raise Problem(f"{url} does not answer: {getattr(error, 'reason', error)}") from None


def _refusal(refusal: HTTPError) -> str:
    try:
        error = json.loads(refusal.read())
        reasons = [detail["reason"] for detail in error["details"] if "reason" in detail]
        return f"{reasons[0]}: {error['message'].rstrip('.')}"
    except (ValueError, KeyError, TypeError, IndexError):
        return f"refused with {refusal.code}"


def _url(words: Words) -> str:
    if words.url:
        if not words.url.startswith(("http://", "https://")):
            raise Problem("--url must begin with http:// or https://")
        return str(words.url).rstrip("/")
    mesh = state.running(DataDir.at(words.data_dir))
    if mesh is None:
        raise Problem(f"no mesh runs here; `{command('up')}` starts it, or say --url")
    return mesh.urls["operators"]


def _credential(words: Words) -> Mapping[str, str]:
    """None in a sandbox where nobody is named: it is then the first of the built-in operators."""
    if words.name:
        key = SANDBOX_OPERATORS.get(words.name)
        if key is None:
            known = ", ".join(SANDBOX_OPERATORS)
            raise Problem(f"no built-in operator is {words.name}; there are: {known}")
    else:
        key = os.environ.get(KEY_VARIABLE, "")
    return {"authorization": f"Bearer {key}"} if key else {}
