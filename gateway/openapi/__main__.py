"""Writes gateway/openapi.json."""

from gateway.openapi import DESCRIPTOR, OPENAPI, render

if __name__ == "__main__":
    OPENAPI.write_text(render(DESCRIPTOR))
