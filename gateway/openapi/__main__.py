"""Writes gateway/openapi.json and gateway/openapi.operators.json."""

from gateway.openapi import DESCRIPTOR, DOCUMENTS, render

if __name__ == "__main__":
    for listener, path in DOCUMENTS.items():
        path.write_text(render(DESCRIPTOR, listener))
