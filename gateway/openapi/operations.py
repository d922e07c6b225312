"""RPCs as operations: parameters, bodies, and one answer per status, with the reasons that the
comments of the RPC and of its service name."""

import re
from collections import defaultdict
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodDescriptorProto

from gateway.openapi.contract import (
    RAW_BODY,
    Contract,
    Reason,
    fields_in_path,
    is_required,
)
from gateway.openapi.schemas import Schema, Schemas

DOMAIN = "caravel.dev"
_REASON_NAME = re.compile(r"[A-Z][A-Z_]+")
# The reasons with which any call may be refused, so that no comment repeats them.
COMMON_REASONS = {"FIELD_INVALID", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE"}
# The reasons with which the gateway itself refuses a call: any call, one with a JSON body, and one
# that changes something.
EDGE_REASONS = {"FIELD_DUPLICATED", "FIELD_MISPLACED", "FIELD_UNKNOWN", "METHOD_NOT_ALLOWED"}
EDGE_REASONS |= {"REQUEST_MALFORMED"}
BODY_REASONS = {"CONTENT_TYPE_UNSUPPORTED", "FIELDS_CONTRADICTORY", "JSON_INVALID"}
CHANGE_REASONS = {"ORIGIN_FORBIDDEN"}
SHARED_RESPONSES = {
    "CONTENT_TYPE_UNSUPPORTED": "ContentTypeUnsupported",
    "METHOD_NOT_ALLOWED": "MethodNotAllowed",
    "ORIGIN_FORBIDDEN": "OriginForbidden",
}
RETRIED_STATUSES = ("409", "429", "503")

# Headers that no message has; an operation takes those which its comment names in backticks.
REQUEST_HEADERS: dict[str, Schema] = {
    "idempotency-key": {
        "required": True,
        "description": "The caller's name for this request, 1 to 255 of the characters "
        "A-Z a-z 0-9 . _ : -. The same key with the same body is answered with the first answer "
        "again, so a request is safe to repeat; use a new key for each new payment.",
        "example": "order-2026-0001",
    },
    "webhook-id": {"description": "Standard Webhooks: the event's id."},
    "webhook-timestamp": {"description": "Standard Webhooks: when it was sent, in Unix seconds."},
    "webhook-signature": {"description": "Standard Webhooks: v1 and the HMAC of the raw body."},
}
RESPONSE_HEADERS: dict[str, Schema] = {
    "x-request-id": {"description": "Id of the request, as it stands in the logs."},
    "idempotent-replayed": {"description": "`true` where this is the first answer again."},
    "retry-after": {"description": "Seconds after which to try again."},
    "allow": {"description": "The methods that the path takes."},
}
# A body that is taken as raw bytes has no message to read its form from.
RAW_BODIES: dict[str, Schema] = {
    "ReceiveEvent": {
        "type": "object",
        "required": ["transaction_id", "event_type"],
        "properties": {
            "transaction_id": {"type": "string"},
            "event_type": {"type": "string", "enum": ["payment_completed", "payment_failed"]},
            "failure_code": {"type": "string"},
            "failure_message": {"type": "string"},
        },
        "examples": [
            {
                "transaction_id": "pay_01jd8x3v9me7rb5k3n6q2f4h8z",
                "event_type": "payment_completed",
            }
        ],
    },
}


class Operations:
    """Makes operations; the schemas they need gather in schemas."""

    def __init__(self, contract: Contract, schemas: Schemas) -> None:
        self._contract = contract
        self._schemas = schemas
        self._reasons = contract.reasons()

    def operation(self, service: str, method: MethodDescriptorProto, rule: Any) -> Schema:
        """One binding of one RPC. Its path and verb are the rule's pattern."""
        comment = self._comment(f"{service}.{method.name}")
        operation: Schema = {
            "tags": [service.rpartition(".")[2]],
            "operationId": method.name,
            "summary": comment.partition(". ")[0].rstrip("."),
            "description": comment,
        }
        headers = [
            {"$ref": f"#/components/parameters/{name}"}
            for name in REQUEST_HEADERS
            if f"`{name}`" in comment
        ]
        if parameters := headers + self._parameters(method.input_type[1:], rule):
            operation["parameters"] = parameters
        if rule.body:
            operation["requestBody"] = self._body(method, rule)
        reasons = (
            COMMON_REASONS
            | EDGE_REASONS
            | set(_REASON_NAME.findall(comment + self._comment(service)))
        )
        if rule.body and not self._is_raw(method, rule.body):
            reasons |= BODY_REASONS
        if rule.WhichOneof("pattern") != "get":
            reasons |= CHANGE_REASONS
        operation["responses"] = self._responses(method, comment, reasons, has_body=bool(rule.body))
        return operation

    def _comment(self, name: str) -> str:
        return self._contract.comments.get(name, "")

    def _is_raw(self, method: MethodDescriptorProto, body: str) -> bool:
        fields = self._contract.messages[method.input_type[1:]].field
        return any(one.name == body and one.type_name[1:] == RAW_BODY for one in fields)

    def _parameters(self, request: str, rule: Any) -> list[Schema]:
        in_path = fields_in_path(rule)
        parameters = []
        for field in self._contract.messages[request].field:
            place = "path" if field.name in in_path else "query"
            if place == "path" or rule.body not in ("*", field.name):
                parameters.append(self._parameter(request, field, place))
        return parameters

    def _parameter(self, request: str, field: FieldDescriptorProto, place: str) -> Schema:
        schema = self._schemas.of_field(request, field)
        parameter: Schema = {"name": field.name, "in": place}
        if place == "path" or is_required(field):
            parameter["required"] = True
        if description := schema.pop("description", None):
            parameter["description"] = description
        # Filters stay empty until somebody wants one; an example would be filled in.
        if place == "query":
            schema.pop("examples", None)
        return {**parameter, "schema": schema}

    def _body(self, method: MethodDescriptorProto, rule: Any) -> Schema:
        request = method.input_type[1:]
        if rule.body == "*":
            in_path = fields_in_path(rule)
            example = self._schemas.required_example(request, without=in_path)
            schema = self._schemas.reference(request, without=in_path)
            content: Schema = {"schema": schema, "example": example}
            # Nothing needs to be sent where nothing must be in it.
            return {"required": bool(example), "content": {"application/json": content}}
        (field,) = (one for one in self._contract.messages[request].field if one.name == rule.body)
        if self._is_raw(method, rule.body):
            raw = RAW_BODIES.get(method.name, {"type": "object"})
            content = {"schema": {**raw, "description": self._comment(f"{request}.{rule.body}")}}
        else:
            content = {"schema": self._schemas.of_field(request, field)}
        return {"required": True, "content": {"application/json": content}}

    def _responses(
        self, method: MethodDescriptorProto, comment: str, reasons: set[str], *, has_body: bool
    ) -> Schema:
        stated = re.search(r"Answers (\d{3}) over REST", comment)
        success = stated[1] if stated else "200"
        output = method.output_type[1:]
        responses: Schema = {
            success: {
                "description": self._contract.comments.get(output, "Done."),
                "content": {
                    "application/json": {"schema": self._schemas.reference(output, printed=True)}
                },
            }
        }
        by_status = defaultdict(list)
        for name, reason in self._reasons.items():
            if name in reasons:
                by_status[str(reason.http_status)].append(reason)
        responses |= {status: _refusals(of_status) for status, of_status in by_status.items()}
        if has_body:
            responses["413"] = {"$ref": "#/components/responses/TooLarge"}
        responses["431"] = {"$ref": "#/components/responses/HeadersTooLarge"}
        responses["504"] = {"$ref": "#/components/responses/TooLate"}
        for status, response in responses.items():
            if "$ref" not in response:
                response["headers"] = _headers(status, replays="`idempotency-key`" in comment)
        return dict(sorted(responses.items()))


def status_content(examples: Schema | None = None) -> Schema:
    """The body of every error."""
    content: Schema = {"schema": {"$ref": "#/components/schemas/Status"}}
    if examples:
        content["examples"] = examples
    return {"application/json": content}


def shared_response(reason: Reason) -> Schema:
    """The answer of a status that has one reason, which is the gateway's."""
    headers = _headers(str(reason.http_status), replays=False)
    return {**_refusal([reason]), "headers": headers}


def _refusals(reasons: list[Reason]) -> Schema:
    if len(reasons) == 1 and (name := SHARED_RESPONSES.get(reasons[0].name)):
        return {"$ref": f"#/components/responses/{name}"}
    return _refusal(reasons)


def _refusal(reasons: list[Reason]) -> Schema:
    lines = [f"- `{reason.name}`: {reason.meaning}" for reason in reasons]
    gateways = EDGE_REASONS | BODY_REASONS
    examples = {
        reason.name: {"summary": reason.meaning, "value": _example(reason)}
        for reason in reasons
        # Any call has them, and one example of each in every call would bury the others.
        if len(reasons) == 1 or reason.name not in gateways
    }
    return {"description": "\n".join(lines), "content": status_content(examples)}


def _example(reason: Reason) -> Schema:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason.name,
        "domain": DOMAIN,
        "metadata": dict(reason.metadata),
    }
    return {"code": reason.grpc_code, "message": reason.meaning, "details": [info]}


def _headers(status: str, *, replays: bool) -> Schema:
    names = ["x-request-id"]
    # Only an answer that settled the request is kept and given again.
    if replays and status not in (*RETRIED_STATUSES, "500"):
        names.append("idempotent-replayed")
    if status in RETRIED_STATUSES:
        names.append("retry-after")
    if status == "405":
        names.append("allow")
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
