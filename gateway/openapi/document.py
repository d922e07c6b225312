"""The document as a whole: every bound RPC below its path, and the parts they share."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.contract import Contract, Listener, read_contract, verb_and_path
from gateway.openapi.operations import REQUEST_HEADERS, Operations, security_schemes
from gateway.openapi.refusals import DOMAIN, RESPONSE_HEADERS, Refusals
from gateway.openapi.schemas import Schema, Schemas
from gateway.openapi.webhooks import webhook

GATEWAY = Path(__file__).resolve().parent.parent
DESCRIPTOR = GATEWAY / "descriptor.binpb"
DOCUMENTS: Mapping[Listener, Path] = {
    Listener.PUBLIC: GATEWAY / "openapi.json",
    Listener.OPERATORS: GATEWAY / "openapi.operators.json",
}

# The file whose comment introduces the API, and whose package is its version.
INTRODUCTIONS: Mapping[Listener, str] = {
    Listener.PUBLIC: "caravel/payments/v1/payments.proto",
    Listener.OPERATORS: "caravel/payments/v1/admin.proto",
}
TITLES: Mapping[Listener, str] = {
    Listener.PUBLIC: "Caravel",
    Listener.OPERATORS: "Caravel for operators",
}
ERROR_DETAILS = ("ErrorInfo", "BadRequest", "RetryInfo", "RequestInfo")


def render(descriptor: Path, listener: Listener = Listener.PUBLIC) -> str:
    """The document as text, the same for the same descriptor set."""
    return json.dumps(document(descriptor, listener), indent=2, ensure_ascii=False) + "\n"


def document(descriptor: Path, listener: Listener = Listener.PUBLIC) -> dict[str, Any]:
    """The OpenAPI 3.1 document of every RPC to which the listener leads by REST.

    Raises ValueError where a reason's comment is not of its form.
    """
    contract = read_contract(descriptor).served_by(listener)
    schemas = Schemas(contract)
    operations = Operations(contract, schemas)
    paths: dict[str, Schema] = {}
    tags: dict[str, Schema] = {}
    for service, method, rule in contract.bindings():
        name = service.rpartition(".")[2]
        tags[name] = {"name": name, "description": contract.comments.get(service, "")}
        verb, path = verb_and_path(rule)
        operation = operations.operation(service, method, rule)
        paths.setdefault(path, {})[verb.lower()] = operation
    webhooks = {
        name: {"post": webhook(contract, schemas, message)}
        for name, message in contract.webhooks().items()
        # They are sent to merchants.
        if listener is Listener.PUBLIC
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": TITLES[listener],
            "version": "v1",
            "description": contract.comments.get(INTRODUCTIONS[listener], ""),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": list(tags.values()),
        "paths": paths,
        **({"webhooks": webhooks} if webhooks else {}),
        "components": _components(contract, schemas),
    }


def _components(contract: Contract, schemas: Schemas) -> Schema:
    text = {"schema": {"type": "string"}}
    return {
        "schemas": dict(sorted({**schemas.components, **_status(contract)}.items())),
        "parameters": {
            name: {"name": name, "in": "header", **text, **header}
            for name, header in REQUEST_HEADERS.items()
        },
        "headers": {name: {**text, **header} for name, header in RESPONSE_HEADERS.items()},
        "responses": Refusals(contract).shared(),
        "securitySchemes": dict(security_schemes(contract)),
    }


def _status(contract: Contract) -> Schema:
    """google.rpc.Status with the details that we send, distinguished by their @type."""
    details = Schemas(contract)
    for name in ERROR_DETAILS:
        details.reference(f"google.rpc.{name}", printed=True)
        schema = details.components[name]
        tag = {"const": f"type.googleapis.com/google.rpc.{name}"}
        schema["properties"] = {"@type": tag, **schema["properties"]}
        schema["required"] = ["@type", *schema.get("required", [])]
    details.components["Status"] = {
        "type": "object",
        "description": "Every error. The first detail is an ErrorInfo, whose `reason` is for "
        f"programs and whose domain is {DOMAIN}; `message` is for people and may change.",
        "required": ["code", "message", "details"],
        "properties": {
            "code": {
                "type": "integer",
                "format": "int32",
                "description": "The gRPC status code, not the HTTP status.",
            },
            "message": {"type": "string", "description": "A sentence for people."},
            "details": {
                "type": "array",
                "items": {
                    "anyOf": [{"$ref": f"#/components/schemas/{name}"} for name in ERROR_DETAILS]
                },
            },
        },
    }
    return details.components
