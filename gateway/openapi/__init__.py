"""The OpenAPI 3.1 document of the REST API, made from the descriptor set that Envoy loads. The
.proto files are its only source: comments become descriptions, and the reasons that an RPC's
comment names become its error answers. `python -m gateway.openapi` writes gateway/openapi.json, and
gateway/openapi.operators.json for the operators' listener."""

from gateway.openapi.document import DESCRIPTOR, DOCUMENTS, document, render

__all__ = ["DESCRIPTOR", "DOCUMENTS", "document", "render"]
