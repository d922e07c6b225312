"""Requests that are hardly HTTP: every answer has the one form and none is a 5xx."""

import asyncio
import json
import re
from collections.abc import Iterable

import pytest

from tests.unit.gateway.conftest import Gateway

GET = b"GET /api/payments/pay_1 HTTP/1.1\r\nhost: x\r\n"
POST = b"POST /api/payments HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
BODY = b'{"reference": "chunks"}'
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
TOKEN = "!#$%&'*+-.^`|~09az"
HEADERS = (b"x-any", b"user-agent", b"authorization", b"traceparent", b"accept", b"te", b"origin")
ANSWER_SECONDS = 20


async def send(gateway: Gateway, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Sends bytes as they are; the first final answer's status, headers and body."""
    host, port = gateway.rest.removeprefix("http://").split(":")
    async with asyncio.timeout(ANSWER_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(request)
        status = 100
        while status < 200:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            lines = head.strip().split("\r\n")
            status = int(lines[0].split(" ")[1])
        headers = {
            name.lower(): text for name, _, text in (line.partition(": ") for line in lines[1:])
        }
        is_head = request.startswith(b"HEAD")
        length = 0 if is_head or status == 204 else int(headers["content-length"])
        body = await reader.readexactly(length)
        writer.close()
        await writer.wait_closed()
    return status, headers, body


def get(*headers: str | bytes) -> bytes:
    lines = (line if isinstance(line, bytes) else line.encode("latin-1") for line in headers)
    return GET + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


async def refused(gateway: Gateway, request: bytes) -> tuple[int, str]:
    """The status and reason of a refusal, after a look that it has the form of all errors."""
    status, headers, text = await send(gateway, request)
    assert headers["content-type"] == "application/json", text
    body = json.loads(text)
    assert set(body) == {"code", "message", "details"}
    assert body["code"]
    info, *_, request_info = body["details"]
    assert info["domain"] == "caravel.dev"
    assert request_info["request_id"] == headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", headers["x-request-id"])
    assert headers["cache-control"] == "no-store"
    assert not re.search(rb"caravel\.payments|envoy|grpc_json|upstream", text)
    return status, info["reason"]


MALFORMED = {
    "unknown method": b"FOO /api/payments HTTP/1.1\r\nhost: x\r\n\r\n",
    "no method": b" /api/payments HTTP/1.1\r\nhost: x\r\n\r\n",
    "no host": b"GET /api/payments HTTP/1.1\r\n\r\n",
    "two hosts in one": get("host: x\x00y"),
    "a TLS greeting": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no slash": b"GET api HTTP/1.1\r\nhost: x\r\n\r\n",
    "encoded slash": b"GET /api/payments/a%2Fb HTTP/1.1\r\nhost: x\r\n\r\n",
    "encoded backslash": b"GET /api/payments/a%5Cb HTTP/1.1\r\nhost: x\r\n\r\n",
    "NUL in the path": b"GET /api/payments/%00 HTTP/1.1\r\nhost: x\r\n\r\n",
    "raw bytes in the path": b"GET /api/payments/\xc3\xa9 HTTP/1.1\r\nhost: x\r\n\r\n",
    "a fragment": b"GET /api/payments#x HTTP/1.1\r\nhost: x\r\n\r\n",
    "unknown transfer encoding": get("transfer-encoding: gzip"),
    "chunked twice": get("transfer-encoding: chunked, chunked"),
    "length and chunked": POST + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    "two lengths": POST + b"content-length: 2\r\ncontent-length: 3\r\n\r\n{} ",
    "no length": POST + b"content-length: x\r\n\r\n{}",
    "negative length": POST + b"content-length: -1\r\n\r\n{}",
    "no chunk": POST + b"transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "blank before a header": get(" x: 1"),
    "blank after a name": get("x : 1"),
    "NUL in a header": get(b"x: a\x00b"),
    "underscore in a name": get("idempotency_key: k"),
    "header of HTTP/2": get(":path: /x"),
    "credential that is no ASCII": get("authorization: é"),
    "body of a reading": GET + b"content-length: 2\r\ncontent-type: application/json\r\n\r\n{}",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED.keys())
async def test_malformed_request_is_a_400_in_our_form(
    gateway: Gateway, request_bytes: bytes
) -> None:
    assert await refused(gateway, request_bytes) == (400, "REQUEST_MALFORMED")
    assert not gateway.backend.requests


@pytest.mark.parametrize("path", ["%ff", "%0a", "%7f", "%4", "%zz", "%", "%ED%A0%80"])
async def test_a_path_that_is_no_text_is_refused(gateway: Gateway, path: str) -> None:
    request = f"GET /api/payments/{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()

    assert await refused(gateway, request) == (400, "FIELD_INVALID")
    assert not gateway.backend.requests


async def test_a_key_that_is_no_ascii_is_no_key(gateway: Gateway) -> None:
    request = get(b"idempotency-key: \xff")

    assert await refused(gateway, request) == (400, "IDEMPOTENCY_KEY_INVALID")


async def test_an_answer_before_the_request_has_an_id_is_in_the_log_under_its_own(
    gateway: Gateway,
) -> None:
    _, headers, _ = await send(gateway, MALFORMED["unknown transfer encoding"])

    line = await gateway.log_line(headers["x-request-id"])

    assert line["status"] == 400


@pytest.mark.parametrize(
    "headers",
    [
        ["big: " + "x" * 17_000],
        [f"big-{number}: {'x' * 1000}" for number in range(20)],
        [f"h{number}: 1" for number in range(120)],
        ["x-api-key: " + "x" * 17_000],
        ["idempotency-key: " + "x" * 17_000],
    ],
    ids=lambda headers: f"{len(headers)} of {len(headers[0])}",
)
async def test_headers_beyond_the_bound_are_431(gateway: Gateway, headers: Iterable[str]) -> None:
    for _ in range(5):
        assert await refused(gateway, get(*headers)) == (431, "REQUEST_TOO_LARGE")


async def test_a_path_beyond_the_bound_is_431(gateway: Gateway) -> None:
    path = b"GET /api/payments/" + b"x" * 17_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n"

    assert await refused(gateway, path) == (431, "REQUEST_TOO_LARGE")


@pytest.mark.parametrize("name", ["x-anything", "x-api-key", "authorization", "idempotency-key"])
async def test_headers_within_the_bound_are_never_refused_by_lot(
    gateway: Gateway, name: str
) -> None:
    for size in (1_000, 9_000, 12_000, 15_000):
        for _ in range(10):
            status, _, body = await send(gateway, get(f"{name}: {'x' * size}"))
            assert status == 200, body


@pytest.mark.parametrize("path", ["/api/payments/pay_1", "/docs", "/openapi.json", "/healthz"])
async def test_every_token_may_be_a_header_name(gateway: Gateway, path: str) -> None:
    for one in TOKEN:
        for name in (f"x{one}y", f"{one}x", f"x{one}", one, one * 3):
            request = f"GET {path} HTTP/1.1\r\nhost: x\r\n{name}: 1\r\n\r\n".encode()
            status, _, body = await send(gateway, request)
            assert status == 200, (name, body)


@pytest.mark.parametrize("path", ["/api/payments/pay_1", "/api/webhooks"])
async def test_every_byte_of_a_header_is_served_or_refused(gateway: Gateway, path: str) -> None:
    method = b"POST" if path == "/api/webhooks" else b"GET"
    for byte in range(256):
        for name in HEADERS:
            line = name + b": a" + bytes([byte]) + b"b"
            request = (
                method + b" " + path.encode() + b" HTTP/1.1\r\nhost: x\r\n" + line + b"\r\n\r\n"
            )
            status, _, body = await send(gateway, request)
            assert status in (200, 400, 403), (line, body)
    # gRPC hands on as bytes what is no text, and says so in the service's log as an error.
    seen = [text for metadata in gateway.backend.metadata for text in metadata.values()]
    assert all(isinstance(text, str) and text.isascii() for text in seen)


async def test_a_header_that_a_service_reads_arrives_and_no_other(gateway: Gateway) -> None:
    await send(
        gateway,
        get("x-api-key: k", "cookie: c", "x-forwarded-host: h", "x-http-method-override: DELETE"),
    )

    seen = gateway.backend.metadata[-1]
    assert seen["x-api-key"] == "k"
    assert not {"cookie", "x-forwarded-host", "x-http-method-override"} & set(seen)


async def test_a_webhook_keeps_its_headers(gateway: Gateway) -> None:
    request = (
        b"POST /api/webhooks/acme HTTP/1.1\r\nhost: x\r\nx-acme-signature: s\r\nx: \xff\r\n\r\n"
    )

    status, _, _ = await send(gateway, request)

    assert status == 200
    assert gateway.backend.metadata[-1]["x-acme-signature"] == "s"
    assert "x" not in gateway.backend.metadata[-1]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /api/payments/pay_1 HTTP/1.0\r\n\r\n",
        b"GET http://elsewhere/api/payments/pay_1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET //api//payments/pay_1 HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /api/p%61yments/pay_1 HTTP/1.1\r\nhost: x\r\n\r\n",
        get("expect: nothing"),
        get("upgrade: websocket", "connection: upgrade"),
        get("upgrade: h2c", "connection: upgrade, http2-settings", "http2-settings: AAMAAABk"),
        get("x-http-method-override: DELETE", "x-method-override: DELETE"),
        get("content-type: text/plain"),
    ],
)
async def test_odd_request_with_one_meaning_is_served(
    gateway: Gateway, request_bytes: bytes
) -> None:
    status, _, _ = await send(gateway, request_bytes)

    assert status == 200
    assert gateway.backend.requests[-1].transaction_id == "pay_1"


@pytest.mark.parametrize(
    "body",
    [
        b"content-length: 23\r\n\r\n" + BODY,
        CHUNKED + b"b\r\n" + BODY[:11] + b"\r\nc\r\n" + BODY[11:] + b"\r\n0\r\n\r\n",
        CHUNKED + b"17;x=y\r\n" + BODY + b"\r\n0\r\nx*y: z\r\n\r\n",
        b"expect: 100-continue\r\ncontent-length: 23\r\n\r\n" + BODY,
    ],
    ids=["length", "chunks", "trailers", "100-continue"],
)
async def test_a_body_is_read_however_it_comes(gateway: Gateway, body: bytes) -> None:
    status, _, _ = await send(gateway, POST + body)

    assert status == 201
    assert gateway.backend.requests[-1].reference == "chunks"


@pytest.mark.parametrize("path", ["/api/payments", "/api/webhooks", "/api/webhooks/stripe"])
async def test_nothing_goes_to_a_service_before_the_body_is_whole(
    gateway: Gateway, path: str
) -> None:
    host, port = gateway.rest.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: 2\r\n\r\n{{".encode())
    await writer.drain()

    # Answered after the unfinished one has arrived, for Envoy has one thread here.
    await send(gateway, get())

    assert len(gateway.backend.requests) == 1
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("path", ["/api/payments/pay_1", "/api/payments", "/docs", "/healthz"])
async def test_head_is_get_without_a_body(gateway: Gateway, path: str) -> None:
    line = f" {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()

    status, headers, _ = await send(gateway, b"HEAD" + line)
    got, whole, _ = await send(gateway, b"GET" + line)

    assert (status, got) == (200, 200)
    assert headers["content-length"] == whole["content-length"]
    assert headers["content-type"] == whole["content-type"]


async def test_a_connection_goes_on_after_head(gateway: Gateway) -> None:
    host, port = gateway.rest.removeprefix("http://").split(":")
    async with asyncio.timeout(ANSWER_SECONDS):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(get().replace(b"GET", b"HEAD") + get("connection: close"))
        answers = await reader.read()
        writer.close()
        await writer.wait_closed()

    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.count(b'"transaction_id":"pay_1"') == 1


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/payments", "GET, HEAD, OPTIONS, POST"),
        ("/api/payments/pay_1", "GET, HEAD, OPTIONS"),
        ("/api/payments/pay_1:cancel", "OPTIONS, POST"),
        ("/api/payments/pay_1%3Acancel", "OPTIONS, POST"),
        ("/api/webhook-endpoints/whe_1", "DELETE, OPTIONS"),
        *[(page, "GET, HEAD, OPTIONS") for page in ("/", "/docs", "/openapi.json", "/healthz")],
    ],
)
async def test_allow_lists_the_methods_of_a_path(gateway: Gateway, path: str, allowed: str) -> None:
    line = f" {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()

    status, headers, _ = await send(gateway, b"OPTIONS" + line)
    assert (status, headers["allow"]) == (204, allowed)
    status, headers, _ = await send(gateway, b"PATCH" + line)
    assert (status, headers["allow"]) == (405, allowed)
    assert await refused(gateway, b"PATCH" + line) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("line", ["CONNECT x:80", "TRACE /nope", "OPTIONS *", "GET /API/payments"])
async def test_unknown_route_is_404(gateway: Gateway, line: str) -> None:
    request = f"{line} HTTP/1.1\r\nhost: x\r\n\r\n".encode()

    assert await refused(gateway, request) == (404, "ROUTE_NOT_FOUND")
