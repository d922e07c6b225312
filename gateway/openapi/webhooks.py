"""Webhooks out: the requests that a merchant's endpoint is sent, and how its answers are taken."""

from gateway.contract import Contract
from gateway.openapi.operations import REQUEST_HEADERS
from gateway.openapi.schemas import Schema, Schemas

SIGNATURE_HEADERS = [name for name in REQUEST_HEADERS if name.startswith("webhook-")]


def webhook(contract: Contract, schemas: Schemas, message: str) -> Schema:
    """The request that carries the message, given by its full name."""
    comment = contract.comments.get(message, "")
    return {
        "summary": comment.partition(". ")[0].rstrip("."),
        "description": comment,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in SIGNATURE_HEADERS],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": schemas.reference(message, printed=True)}},
        },
        "responses": {
            "2XX": {"description": "The event has arrived. The body is not read."},
            "410": {"description": "The endpoint is disabled; no event is sent there any more."},
            "default": {"description": "The event is sent again, over about three days."},
        },
    }
