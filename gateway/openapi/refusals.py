"""Refusals as answers: which reasons the gateway adds to those of a call, one answer for each
status, and the answers that many operations share."""

from collections import defaultdict
from collections.abc import Collection, Mapping

from gateway.contract import Answer, Contract, Reason
from gateway.openapi.schemas import Schema

DOMAIN = "caravel.dev"
# The reasons with which any call may be refused, so that no comment repeats them.
COMMON_REASONS = {"FIELD_INVALID", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"}
# The reasons with which the gateway itself refuses a call: any call, and one with a JSON body; and
# those that any call can have that changes something.
EDGE_REASONS = {"FIELD_DUPLICATED", "FIELD_MISPLACED", "FIELD_UNKNOWN", "METHOD_NOT_ALLOWED"}
EDGE_REASONS |= {"REQUEST_MALFORMED"}
BODY_REASONS = {"CONTENT_TYPE_UNSUPPORTED", "FIELDS_CONTRADICTORY", "JSON_INVALID"}
CHANGE_REASONS = {"ORIGIN_FORBIDDEN", "DATABASE_OLDER"}
# Answers that many operations share: each a reason, the name of the case, and a description where
# that of the reason does not say it. Any operation has the last two, and one with a body the first.
SHARED_RESPONSES: Mapping[str, tuple[str, str, str]] = {
    "TooLarge": ("REQUEST_TOO_LARGE", "", "The body is larger than {body_kib} KiB."),
    "HeadersTooLarge": (
        *("REQUEST_TOO_LARGE", "headers"),
        "The headers are larger than {headers_kib} KiB, or more than 100.",
    ),
    "TooLate": (
        *("SERVICE_UNAVAILABLE", "late"),
        "The answer took too long, and the request may still be at work. "
        "Repeat it with the same idempotency key.",
    ),
    "ContentTypeUnsupported": ("CONTENT_TYPE_UNSUPPORTED", "", ""),
    "MethodNotAllowed": ("METHOD_NOT_ALLOWED", "", ""),
    "OriginForbidden": ("ORIGIN_FORBIDDEN", "", ""),
}
RESPONSE_HEADERS: dict[str, Schema] = {
    "x-request-id": {"description": "Id of the request, as it stands in the logs."},
    "idempotent-replayed": {"description": "`true` where this is the first answer again."},
    "retry-after": {"description": "Seconds after which to try again."},
    "ratelimit": {
        "description": "How many calls of this kind are left (r), and in how many seconds all are "
        "(t).",
        "example": '"writes";r=998;t=1',
    },
    "ratelimit-policy": {
        "description": "How many calls of this kind (q) may be made in how many seconds (w).",
        "example": '"writes";q=1000;w=10',
    },
    "allow": {"description": "The methods that the path takes."},
    "www-authenticate": {"description": "How a credential is sent."},
}


def gateway_reasons(*, takes_json: bool, verb: str) -> set[str]:
    """The reasons that no comment of a call repeats: those of any call, of one with a body of JSON,
    and of one that changes something."""
    reasons = COMMON_REASONS | EDGE_REASONS
    if takes_json:
        reasons |= BODY_REASONS
    return reasons if verb == "get" else reasons | CHANGE_REASONS


class Refusals:
    """Makes the answers to refusals, from the catalogue of reasons."""

    def __init__(self, contract: Contract) -> None:
        self._reasons = contract.reasons()
        self._limits = contract.limits
        # The reasons with which any call that needs a credential may be refused.
        self.of_credentials = {one.name for one in self._reasons.values() if one.of_credentials}

    def responses(
        self, names: Collection[str], *, has_body: bool, replays: bool
    ) -> dict[str, Schema]:
        """The answers of an operation that refuses with these reasons, by status.

        replays says that its first answer is given again to the same idempotency key.
        """
        by_status: dict[str, list[Reason]] = defaultdict(list)
        for name, reason in self._reasons.items():
            if name in names:
                by_status[str(reason.usual.http_status)].append(reason)
        responses = {status: _refusals(reasons) for status, reasons in by_status.items()}
        for status, response in responses.items():
            if "$ref" not in response:
                response["headers"] = self.headers(status, replays=replays)
        for name in ("TooLarge", "HeadersTooLarge", "TooLate"):
            if has_body or name != "TooLarge":
                responses[str(self._answer(name).http_status)] = _shared(name)
        return responses

    def shared(self) -> Schema:
        """The answers that operations refer to, by their names."""
        return {
            name: {
                **_refusal([self._reasons[reason]], case, self._with_limits(description)),
                "headers": self.headers(str(self._answer(name).http_status), replays=False),
            }
            for name, (reason, case, description) in SHARED_RESPONSES.items()
        }

    def _with_limits(self, description: str) -> str:
        return description.format(
            body_kib=self._limits.body_max_bytes // 1024, headers_kib=self._limits.headers_max_kib
        )

    def _answer(self, shared: str) -> Answer:
        reason, case, _ = SHARED_RESPONSES[shared]
        return self._reasons[reason].answers[case]

    def headers(self, status: str, *, replays: bool) -> Schema:
        """The headers of the answers with this status, of a call whose first answer is replayed."""
        answers = [one for reason in self._reasons.values() for one in reason.answers.values()]
        of_status = [one for one in answers if str(one.http_status) == status]
        is_retried = any(one.retry_after_seconds for one in of_status)
        names = ["x-request-id"]
        # Only an answer that settled the request is kept and given again.
        if replays and not is_retried and all(one.http_status < 500 for one in of_status):
            names.append("idempotent-replayed")
        if is_retried:
            names.append("retry-after")
        if status == str(self._answer("MethodNotAllowed").http_status):
            names.append("allow")
        if status == "401":
            names.append("www-authenticate")
        return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def status_content(examples: Schema | None = None) -> Schema:
    """The body of every error."""
    content: Schema = {"schema": {"$ref": "#/components/schemas/Status"}}
    if examples:
        content["examples"] = examples
    return {"application/json": content}


def _shared(name: str) -> Schema:
    return {"$ref": f"#/components/responses/{name}"}


def _refusals(reasons: list[Reason]) -> Schema:
    if len(reasons) == 1:
        for name, (reason, case, _) in SHARED_RESPONSES.items():
            if (reason, case) == (reasons[0].name, ""):
                return _shared(name)
    return _refusal(reasons)


def _refusal(reasons: list[Reason], case: str = "", description: str = "") -> Schema:
    lines = [f"- `{reason.name}`: {description or reason.meaning}" for reason in reasons]
    gateways = EDGE_REASONS | BODY_REASONS
    examples = {
        reason.name: {"summary": reason.meaning, "value": _example(reason, case)}
        for reason in reasons
        # Any call has them, and one example of each in every call would bury the others.
        if len(reasons) == 1 or not (reason.of_credentials or reason.name in gateways)
    }
    return {"description": "\n".join(lines), "content": status_content(examples)}


def _example(reason: Reason, case: str) -> Schema:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason.name,
        "domain": DOMAIN,
        "metadata": dict(reason.metadata),
    }
    code = reason.answers[case].grpc_code
    return {"code": code, "message": reason.meaning, "details": [info]}
