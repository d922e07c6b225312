"""RPCs as operations: parameters, bodies, the scopes that they need, and one answer per status,
with the reasons that the comments of the RPC and of its service name."""

import re
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, MethodDescriptorProto

from gateway.contract import (
    RAW_BODY,
    Contract,
    body_type,
    fields_in_path,
    has_oauth_errors,
    is_required,
    read_headers,
    success_status,
    verb_and_path,
)
from gateway.openapi.refusals import Refusals, gateway_reasons
from gateway.openapi.schemas import Schema, Schemas

_REASON_NAME = re.compile(r"[A-Z][A-Z_]+")
# Credentials that a merchant or an operator may send, one of them.
_NEED = "with the scopes that the operation lists. A sandbox needs none."
_KEY, _TOKEN = f"An API key {_NEED}", f"An API key, or a token, {_NEED}"
_SCHEMES: Mapping[str, Schema] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": _TOKEN},
    "api_key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": _KEY},
}
MERCHANT = "MERCHANT"
WITH_CREDENTIALS = (MERCHANT, "OPERATOR")
# Each answer to a merchant says how many calls are left.
LIMIT_HEADERS = ("ratelimit", "ratelimit-policy")

# Headers that no message has; the contract says which call reads them.
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
# A body that is taken as raw bytes has no message to read its form from.
RAW_BODIES: dict[str, Schema] = {
    "IssueToken": {
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": {"const": "client_credentials"},
            "scope": {"type": "string", "examples": ["payments:read payments:write"]},
            "client_id": {"type": "string"},
            "client_secret": {"type": "string"},
        },
    },
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


def security_schemes(contract: Contract) -> Mapping[str, Schema]:
    """The ways to send a credential; tokens come from the call that issues them, where it is."""
    issuing = [verb_and_path(rule)[1] for _, m, rule in contract.bindings() if has_oauth_errors(m)]
    if not issuing:
        return _SCHEMES
    # Keys of merchants alone are exchanged for tokens.
    flow = {"tokenUrl": issuing[0], "scopes": contract.scopes(MERCHANT)}
    words = "A token of ten minutes for the id and the text of an API key (RFC 6749)."
    oauth = {"type": "oauth2", "description": words, "flows": {"clientCredentials": flow}}
    return {**_SCHEMES, "oauth2": oauth}


class Operations:
    """Makes operations; the schemas they need gather in schemas."""

    def __init__(self, contract: Contract, schemas: Schemas) -> None:
        self._contract = contract
        self._schemas = schemas
        self._refusals = Refusals(contract)
        self._schemes = security_schemes(contract)

    def operation(self, service: str, method: MethodDescriptorProto, rule: Any) -> Schema:
        """One binding of one RPC. Its path and verb are the rule's pattern."""
        comment = self._comment(f"{service}.{method.name}")
        operation: Schema = {
            "tags": [service.rpartition(".")[2]],
            "operationId": method.name,
            "summary": comment.partition(". ")[0].rstrip("."),
            "description": comment,
        }
        if security := self._security(method):
            operation["security"] = security
        headers = [{"$ref": f"#/components/parameters/{name}"} for name in read_headers(method)]
        if parameters := headers + self._parameters(method.input_type[1:], rule):
            operation["parameters"] = parameters
        if rule.body:
            operation["requestBody"] = self._body(method, rule)
        named = set(_REASON_NAME.findall(comment + self._comment(service)))
        takes_json = bool(rule.body) and not self._is_raw(method, rule.body)
        reasons = named | gateway_reasons(takes_json=takes_json, verb=rule.WhichOneof("pattern"))
        if security:
            reasons |= self._refusals.of_credentials
        operation["responses"] = self._responses(method, reasons, has_body=bool(rule.body))
        return operation

    def _security(self, method: MethodDescriptorProto) -> list[dict[str, list[str]]]:
        """The scopes that each credential needs. The first requirement is empty: a sandbox needs
        no credential."""
        access = self._contract.access(method)
        if access.principal not in WITH_CREDENTIALS:
            return []
        sets = [one for one in (access.scopes, access.or_scopes) if one]
        return [{}, *({scheme: list(one)} for one in sets for scheme in self._schemes)]

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
        return {"required": True, "content": {body_type(method) or "application/json": content}}

    def _describe(self, output: str) -> str:
        return "A page." if output == RAW_BODY else self._contract.comments.get(output, "Done.")

    def _content(self, method: MethodDescriptorProto, output: str) -> Schema:
        if output == RAW_BODY:
            return {body_type(method): {"schema": {"type": "string"}}}
        return {"application/json": {"schema": self._schemas.reference(output, printed=True)}}

    def _responses(
        self, method: MethodDescriptorProto, reasons: set[str], *, has_body: bool
    ) -> Schema:
        output = method.output_type[1:]
        responses: Schema = {
            str(success_status(method)): {
                "description": self._describe(output),
                "content": self._content(method, output),
            }
        }
        replays = "idempotency-key" in read_headers(method)
        for status, response in responses.items():
            response["headers"] = self._refusals.headers(status, replays=replays)
        responses |= self._refusals.responses(reasons, has_body=has_body, replays=replays)
        if self._contract.access(method).principal == MERCHANT:
            for response in responses.values():
                if "headers" in response:
                    response["headers"] |= {
                        name: {"$ref": f"#/components/headers/{name}"} for name in LIMIT_HEADERS
                    }
        return dict(sorted(responses.items()))
