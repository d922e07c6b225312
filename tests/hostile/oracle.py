"""The checks of each answer to a hostile request, and of the logs and the rows that it leaves.
The requests that are sent stand in the modules of cases."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import grpc
from google.rpc import error_details_pb2, status_pb2

from gateway.contract import read_contract
from gateway.routes import DESCRIPTOR

# Words that only our own insides know.
LEAKS = re.compile(
    rb"Traceback|site-packages|\.py\b|asyncpg|sqlalchemy|psycopg|SELECT |INSERT INTO|UPDATE "
    rb"|caravel\.(common|fees|fx|payments|providers)\.v1|grpc_json_transcode|upstream connect"
    rb"|reset reason|Exception|<class |protobuf|metadata size|hpack",
    re.IGNORECASE,
)
ANSWERS = read_contract(DESCRIPTOR).answers()
# A client's own mistake or bad luck; every other code of a refusal is our fault. Native gRPC has no
# statuses, and an unknown method is a client's mistake all the same.
GRPC_REFUSALS = {grpc.StatusCode.UNIMPLEMENTED} | {
    code
    for code in grpc.StatusCode
    for reason, answers in ANSWERS.items()
    if answers[""].grpc_code == code.value[0]
    and answers[""].http_status < 500
    # Nothing here is sent so slowly that it could be too slow.
    and reason != "REQUEST_TOO_SLOW"
}
# Ids, numbers and texts of one request, without which faults of one sort look alike.
PARTICULAR = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+|(?<=: ).{0,200}$")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer; the status is 0 where the connection ended without one."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One answer that nobody may get."""

    kind: str
    sent: str
    wrong: str

    @property
    def sort(self) -> tuple[str, str]:
        """The kind that it shares with others."""
        return self.kind, PARTICULAR.sub("#", self.wrong)[:80]

    def __str__(self) -> str:
        return f"{self.kind}: {self.wrong}\n    sent {self.sent[:400]}"


@dataclass
class Tally:
    """All that was sent, and what came of it."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    # The first of each sort, and how many there were.
    faults: dict[tuple[str, str], Fault] = field(default_factory=dict)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Idempotency keys whose every answer was a refusal, and those that were answered otherwise.
    refused_keys: set[str] = field(default_factory=set)
    other_keys: set[str] = field(default_factory=set)

    def note(
        self, kind: str, outcome: str, sent: str, wrongs: Iterable[str], key: str = ""
    ) -> None:
        """Counts one case, and keeps what is wrong with its answer."""
        self.outcomes[kind, outcome] += 1
        for wrong in wrongs:
            self.blame(Fault(kind=kind, sent=sent, wrong=wrong))
        if key:
            # A key that is busy, or that came too early, may succeed later.
            refused = outcome.startswith("4") and outcome not in ("409", "429")
            (self.refused_keys if refused else self.other_keys).add(key)

    def blame(self, fault: Fault) -> None:
        """Adds a fault; of each sort the first is kept and the others are counted."""
        self.faults.setdefault(fault.sort, fault)
        self.counts[fault.sort] += 1

    @property
    def fault_count(self) -> int:
        """How many faults there were."""
        return self.counts.total()

    @property
    def cases(self) -> int:
        """How many requests were sent."""
        return sum(self.outcomes.values())

    def written_although_refused(self, stored_keys: Iterable[str]) -> list[str]:
        """The keys that every answer refused and that the database holds all the same."""
        return sorted((self.refused_keys - self.other_keys) & set(stored_keys))


def check_http(answer: Answer, method: str = "GET") -> list[str]:
    """Each thing that is wrong with an HTTP answer; nothing where it is as it may be."""
    if answer.status == 0:
        return []
    if answer.status >= 500:
        return [f"{answer.status} {answer.body[:300]!r}"]
    wrongs = _leaks(answer.body) if answer.status >= 400 else []
    if answer.status >= 400 and method != "HEAD" and not _is_page(answer):
        wrongs += _shape(answer)
    return wrongs


def check_grpc(
    code: grpc.StatusCode, message: str | None, details: bytes | None = None
) -> list[str]:
    """Each thing that is wrong with the end of a native call."""
    if code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED):
        return []
    if code not in GRPC_REFUSALS:
        return [f"{code.name} {message}"]
    wrongs = _leaks((message or "").encode())
    if details is None:
        return [*wrongs, f"{code.name} without a reason: {message}"]
    reason = _native_reason(details)
    known = {answer.grpc_code for answer in ANSWERS.get(reason, {}).values()}
    if code.value[0] not in known:
        wrongs.append(f"{code.name} with the reason {reason!r}, which the contract has otherwise")
    return wrongs


def check_log_line(line: str) -> list[str]:
    """Each thing that is wrong with a line that a process has logged."""
    if "Traceback (most recent call last)" in line:
        return [f"a stack trace: {line[:400]}"]
    return [f"an error: {line[:400]}"] if '"level":"error"' in line.replace(" ", "") else []


def _leaks(text: bytes) -> list[str]:
    found = LEAKS.search(text)
    return [f"shows {found.group().decode(errors='replace')!r}: {text[:300]!r}"] if found else []


# The members of an error; at the token endpoint those of RFC 6749 too.
_OURS = {"code", "message", "details"}
SHAPES = (_OURS, {*_OURS, "error", "error_description"})


def _is_page(answer: Answer) -> bool:
    """Whether it is a page of the console, which answers at the operators' port for every path that
    is not the API's: nothing is loaded by it, and it names its request."""
    request_id = answer.headers.get("x-request-id", "")
    return (
        answer.headers.get("content-type") == "text/html; charset=utf-8"
        and answer.headers.get("content-security-policy", "").startswith("default-src 'none'")
        and request_id != ""
        and f"<code>{request_id}</code>".encode() in answer.body
    )


def _shape(answer: Answer) -> list[str]:
    shown = f"{answer.status} {answer.body[:300]!r}"
    if not answer.headers.get("content-type", "").startswith("application/json"):
        return [f"content type {answer.headers.get('content-type')}: {shown}"]
    try:
        error = json.loads(answer.body)
        details = {detail["@type"].rpartition(".")[2]: detail for detail in error["details"]}
        reason = details["ErrorInfo"]["reason"]
        request_id = details["RequestInfo"]["request_id"]
    except (ValueError, KeyError, TypeError) as broken:
        return [f"not our error shape ({broken!r}): {shown}"]
    wrongs = [] if set(error) in SHAPES else [f"other fields: {shown}"]
    known = {(one.grpc_code, one.http_status) for one in ANSWERS.get(str(reason), {}).values()}
    if (error.get("code"), answer.status) not in known:
        wrongs.append(f"not the code and the status of the reason: {shown}")
    wrongs += [] if isinstance(request_id, str) and request_id else [f"no request id: {shown}"]
    return wrongs


def _native_reason(details: bytes) -> str:
    status = status_pb2.Status.FromString(details)
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return ""
