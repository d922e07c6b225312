"""A real issuer over HTTP: keys that rotate, an outage, and answers that are slow, huge or lead
elsewhere."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from services.payments.merchants.tokens.fetching import ANSWER_MAX_BYTES, KeyFetcher, open_session
from services.payments.merchants.tokens.keys import KeysUnreadable
from tests.tokens import make_signer
from tests.wire.payments.merchants.conftest import Answer, IssuerServer

ALGORITHMS = ("RS256", "ES256", "EdDSA")


@pytest.fixture
async def fetch(issuer: IssuerServer) -> AsyncIterator[KeyFetcher]:
    async with open_session() as session:
        yield KeyFetcher(session, issuer.url, f"{issuer.url}/keys", ALGORITHMS, plain_http=True)


@pytest.fixture
async def discover(issuer: IssuerServer) -> AsyncIterator[KeyFetcher]:
    async with open_session() as session:
        yield KeyFetcher(session, issuer.url, None, ALGORITHMS, plain_http=True)


async def test_keys_are_fetched_and_rotate(issuer: IssuerServer, fetch: KeyFetcher) -> None:
    issuer.signers = [make_signer("RS256", "a"), make_signer("ES256", "b")]
    assert set(await fetch.fetch()) == {"a", "b"}

    issuer.signers = [make_signer("EdDSA", "c")]
    assert set(await fetch.fetch()) == {"c"}


async def test_the_discovery_document_leads_to_the_keys(
    issuer: IssuerServer, discover: KeyFetcher
) -> None:
    assert set(await discover.fetch()) == {"key-1"}
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"issuer": "https://other.example", "jwks_uri": "https://other.example/keys"},
        {"issuer": "", "jwks_uri": "http://127.0.0.1/keys"},
    ],
    ids=["empty", "another issuer's", "nobody's"],
)
async def test_a_discovery_document_of_another_is_refused(
    issuer: IssuerServer, discover: KeyFetcher, document: dict[str, object]
) -> None:
    issuer.document = document

    with pytest.raises(KeysUnreadable):
        await discover.fetch()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "https://u:p@x/y", 7, None])
async def test_a_discovery_document_leads_to_no_other_scheme(
    issuer: IssuerServer, discover: KeyFetcher, url: object
) -> None:
    issuer.document = {"issuer": issuer.url, "jwks_uri": url}

    with pytest.raises(KeysUnreadable):
        await discover.fetch()


async def test_a_discovery_document_leads_to_no_plain_http_outside_a_sandbox(
    issuer: IssuerServer,
) -> None:
    async with open_session() as session:
        strict = KeyFetcher(session, issuer.url, None, ALGORITHMS, plain_http=False)
        with pytest.raises(KeysUnreadable, match="https"):
            await strict.fetch()
    assert "/keys" not in issuer.asked


async def _redirect(_: web.Request) -> web.StreamResponse:
    return web.Response(status=302, headers={"location": "/elsewhere"})


async def _fail(_: web.Request) -> web.StreamResponse:
    return web.Response(status=500)


async def _empty(_: web.Request) -> web.StreamResponse:
    return web.Response(status=204)


async def _page(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>")


async def _compressed(_: web.Request) -> web.StreamResponse:
    # A megabyte in a few bytes.
    bomb = gzip.compress(b" " * 2**20)
    return web.Response(body=bomb, headers={"content-encoding": "gzip"})


async def _huge(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(ANSWER_MAX_BYTES // 1024 * 4):
        await answer.write(b" " * 1024)
    return answer


@pytest.mark.parametrize("answer", [_redirect, _fail, _empty, _page, _compressed, _huge])
async def test_another_answer_is_no_set_of_keys(
    issuer: IssuerServer, fetch: KeyFetcher, answer: Answer
) -> None:
    issuer.answer = answer

    with pytest.raises(KeysUnreadable):
        await fetch.fetch()

    assert issuer.asked == ["/keys"]


async def test_a_connection_that_breaks_is_an_outage(
    issuer: IssuerServer, fetch: KeyFetcher
) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.close()
        return web.Response()

    issuer.answer = cut

    with pytest.raises(OSError, match="ServerDisconnected"):
        await fetch.fetch()


async def test_an_issuer_that_nobody_serves_is_an_outage() -> None:
    async with open_session() as session:
        fetch = KeyFetcher(session, "x", "http://127.0.0.1:1/keys", ALGORITHMS, plain_http=True)
        with pytest.raises(OSError, match="Client"):
            await fetch.fetch()


async def test_an_answer_that_never_ends_is_given_up(issuer: IssuerServer) -> None:
    forever = asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"{")
        await forever.wait()
        return answer

    issuer.answer = slow
    async with open_session(seconds=0.05) as session:
        fetch = KeyFetcher(session, issuer.url, f"{issuer.url}/keys", ALGORITHMS, plain_http=True)
        with pytest.raises(TimeoutError):
            await fetch.fetch()
    forever.set()
