"""The clients' requests and answers, one JSON line a record: the first of the three
books. An operation is an `invoke` and later its end: `ok` (2xx), `fail` (definitively refused) or
`info` (nobody knows). Nothing is sent before its invoke is on disk."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

INVOKE, OK, FAIL, INFO = "invoke", "ok", "fail", "info"
FILE = "history.jsonl"
# Refused for now, or perhaps not refused at all.
INDEFINITE = {408, 409, 429}


@dataclass(frozen=True, kw_only=True)
class Record:
    """One line of the history."""

    seq: int
    t_mono_ns: int
    client: str
    type: str
    # The kind of request: create, get, list, events, quote, cancel, refund, webhook, endpoint.
    f: str
    # The seq of the operation's invoke, also at its end.
    op: int
    epoch: str
    # The id of the payment that it is about, and the idempotency key or the event's id.
    payment_id: str = ""
    idem_key: str = ""
    request: Any = None
    req_sha256: str = ""
    status: int = 0
    reason: str = ""
    grpc_code: int | None = None
    resp_sha256: str = ""
    response: str = ""
    # The client's intention, for example {"forged": "empty_secret"}.
    meta: Mapping[str, Any]

    @property
    def answer(self) -> Any:
        """The response as JSON; None where it is none."""
        try:
            return json.loads(self.response)
        except ValueError:
            return None


def outcome(status: int) -> str:
    """The meaning of an HTTP status for an operation; 0 is no answer at all."""
    if 200 <= status < 300:
        return OK
    return FAIL if 400 <= status < 500 and status not in INDEFINITE else INFO


def sha256(text: str | bytes) -> str:
    """The digest as it stands in a record."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


class History:
    """The file, to which lines are added only. Writers that come together share one fsync."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self.epoch = "load"
        self._seq = len(read(folder))
        self._file = self.path.open("ab")
        self._written = self._synced = 0
        self._flush: asyncio.Task[None] | None = None

    async def invoke(self, client: str, f: str, **fields: Any) -> Record:
        """The beginning of an operation; returns once it is on disk."""
        seq = self._seq
        record = self._add(seq, client=client, type=INVOKE, f=f, op=seq, **fields)
        await self._on_disk()
        return record

    async def end(self, invoked: Record, status: int, **fields: Any) -> Record:
        """The end of an operation, by its status; returns once it is on disk."""
        shared = {
            name: getattr(invoked, name)
            for name in ("client", "f", "op", "idem_key", "req_sha256", "meta", "payment_id")
        }
        record = self._add(
            self._seq, **{**shared, "type": outcome(status), "status": status, **fields}
        )
        await self._on_disk()
        return record

    def close(self) -> None:
        """Closes the file."""
        os.fsync(self._file.fileno())
        self._file.close()

    def _add(self, seq: int, **fields: Any) -> Record:
        self._seq += 1
        fields.setdefault("meta", {})
        record = Record(seq=seq, t_mono_ns=time.monotonic_ns(), epoch=self.epoch, **fields)
        self._file.write(f"{json.dumps(asdict(record))}\n".encode())
        self._written += 1
        return record

    async def _on_disk(self) -> None:
        wanted = self._written
        while self._synced < wanted:
            if self._flush is None:
                self._flush = asyncio.create_task(self._sync())
            await asyncio.shield(self._flush)

    async def _sync(self) -> None:
        written = self._written
        self._file.flush()
        try:
            await asyncio.to_thread(os.fsync, self._file.fileno())
            self._synced = written
        finally:
            self._flush = None


def read(folder: Path) -> Sequence[Record]:
    """The records so far; half a line at the end is none."""
    path = folder / FILE
    if not path.exists():
        return []
    whole = path.read_bytes()
    return [Record(**json.loads(line)) for line in whole[: whole.rfind(b"\n") + 1].splitlines()]


@dataclass(frozen=True)
class Operation:
    """An invoke and its end; without an end, the client went away before it came."""

    invoke: Record
    end: Record | None

    @property
    def type(self) -> str:
        """How it ended."""
        return self.end.type if self.end else INFO


def operations(records: Iterable[Record]) -> Sequence[Operation]:
    """The operations, in the order of their invokes."""
    invokes: dict[int, Record] = {}
    ends: dict[int, Record] = {}
    for record in records:
        (invokes if record.type == INVOKE else ends)[record.op] = record
    return [Operation(invoke, ends.get(op)) for op, invoke in sorted(invokes.items())]
