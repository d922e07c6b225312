"""An operators' listener that keeps the requests of the command line."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from deploy.local.commands import cli


@dataclass
class Listener:
    """Keeps the requests, and gives the same answer to each."""

    url: str = ""
    status: int = 200
    answer: Any = field(default_factory=dict)
    requests: list[tuple[str, str, str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


@contextmanager
def listening(answer: Any) -> Iterator[Listener]:
    """A listener that answers with this."""
    kept = Listener(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            who = self.headers.get("authorization", "")
            kept.keys.append(self.headers.get("idempotency-key"))
            kept.requests.append((self.command, self.path, who, body))
            text = json.dumps(kept.answer).encode()
            self.send_response(kept.status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kept.url = f"http://127.0.0.1:{server.server_port}"
        yield kept
        server.shutdown()


def run(listener: Listener, *words: str) -> object:
    """The code of a command."""
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--url", listener.url])
    return ended.value.code
