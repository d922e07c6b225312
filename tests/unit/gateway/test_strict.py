"""A request is as the contract says, or it is refused with a reason before anything happens."""

import json
from typing import Any

import aiohttp
import pytest
from yarl import URL

from gateway.contract import Listener
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.corpus import (
    ROUTES,
    TEXTS,
    VALUES,
    Fault,
    bodies_of,
    faults,
    item_of,
    path_of,
    query_text_of,
)

FAULTS = list(faults())
JSON = {"content-type": "application/json"}


def url_of(gateway: Gateway, listener: Listener, path: str) -> URL:
    """Where the listener has the path, which is sent as it is written."""
    base = gateway.rest if listener is Listener.PUBLIC else gateway.operators
    return URL(base + path, encoded=True)


async def send(
    gateway: Gateway, http: aiohttp.ClientSession, fault: Fault
) -> tuple[aiohttp.ClientResponse, dict[str, Any]]:
    headers = fault.headers if "content-type" in fault.headers else {**JSON, **fault.headers}
    url = url_of(gateway, fault.listener, fault.path)
    async with http.request(fault.method, url, data=fault.body, headers=headers) as response:
        assert response.content_type == "application/json"
        return response, await response.json()


def test_the_corpus_has_every_route_and_many_faults() -> None:
    assert {(one["method"], path_of(one)) for one in ROUTES} <= {
        (fault.method, fault.path.partition("?")[0]) for fault in FAULTS
    }
    assert len(FAULTS) > 1000


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route['method']} {route['path']}")
async def test_every_fault_is_refused_with_its_reason_before_anything_happens(
    gateway: Gateway, http: aiohttp.ClientSession, route: dict[str, Any]
) -> None:
    wrong = []
    for fault in FAULTS:
        if fault.path.partition("?")[0] != path_of(route):
            continue
        response, body = await send(gateway, http, fault)
        info, *_, request_info = body["details"]
        problems = {
            "status": response.status != fault.status,
            "reason": info["reason"] != fault.reason,
            "field": fault.at is not None and info["metadata"].get("field") != fault.at[:400],
            "request id": request_info["request_id"] != response.headers["x-request-id"],
            "internal name": "caravel.payments" in str(body),
            "not kept": response.headers["cache-control"] != "no-store",
            "allow": fault.status == 405 and "OPTIONS" not in response.headers["allow"],
        }
        wrong += [f"{fault}: {name}: {body}" for name, is_wrong in problems.items() if is_wrong]

    assert not wrong
    assert not gateway.backend.requests


@pytest.mark.parametrize(
    "route", [one for one in ROUTES if "raw" not in one], ids=lambda one: one["path"]
)
async def test_every_field_of_the_contract_is_accepted(
    gateway: Gateway, http: aiohttp.ClientSession, route: dict[str, Any]
) -> None:
    query = {name: query_text_of(one) for name, one in route["query"].items()}
    url = url_of(gateway, route["listener"], path_of(route))
    for body in bodies_of(route.get("body", {})):
        data = json.dumps(body) if "body" in route else None

        async with http.request(route["method"], url, params=query, data=data) as response:
            assert response.status in (200, 201), await response.text()

        request = gateway.backend.requests[-1]
        set_fields = {one.name for one, _ in request.ListFields()}
        assert {*query, *body} - {"page_token"} <= set_fields | {"page_token"}


@pytest.mark.parametrize("body", [None, b"", b"{}", b" {\r\n\t} "])
async def test_a_call_without_fields_takes_an_empty_body(
    gateway: Gateway, http: aiohttp.ClientSession, body: bytes | None
) -> None:
    async with http.post("/api/payments/pay_1:cancel", data=body) as response:
        assert response.status == 200

    assert gateway.backend.requests[-1].transaction_id == "pay_1"


@pytest.mark.parametrize("colon", [":", "%3A", "%3a"])
async def test_an_encoded_colon_begins_a_verb(
    gateway: Gateway, http: aiohttp.ClientSession, colon: str
) -> None:
    url = URL(f"{gateway.rest}/api/payments/pay_1{colon}cancel", encoded=True)
    async with http.post(url, data=b"{}") as response:
        assert response.status == 200

    assert gateway.backend.requests[-1].transaction_id == "pay_1"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        *[("a%20b", "a b"), ("a%25b", "a%b"), ("a%252Fb", "a%2Fb"), ("x:frob", "x:frob")],
        *[("x:requeue", "x:requeue"), ("x%3Arequeue", "x:requeue"), ("%C3%A9", "é")],
        *[("x;y=1", "x;y=1"), ("%2E%2E%2E", "...")],
    ],
)
async def test_an_id_arrives_as_it_was_meant(
    gateway: Gateway, http: aiohttp.ClientSession, written: str, read: str
) -> None:
    async with http.get(URL(f"{gateway.rest}/api/payments/{written}", encoded=True)) as response:
        assert response.status == 200

    assert gateway.backend.requests[-1].transaction_id == read


async def test_several_faults_are_named_at_once(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    text = '{"userId": "u", "amount_usd": true, "recipient": {"acount": "1", "wallet": null}}'

    async with http.post("/api/payments", data=text) as response:
        violations = (await response.json())["details"][1]["field_violations"]

    assert [(one["field"], one["reason"]) for one in violations] == [
        ("userId", "FIELD_UNKNOWN"),
        ("amount_usd", "FIELD_INVALID"),
        ("recipient.acount", "FIELD_UNKNOWN"),
        ("recipient.wallet", "FIELD_INVALID"),
    ]
    assert "user_id" in violations[0]["description"]
    assert not gateway.backend.requests


async def test_ten_thousand_unknown_names_make_a_short_answer(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    text = json.dumps({f"name_{number}": number for number in range(10_000)})

    async with http.post("/api/payments", data=text) as response:
        assert response.status == 400
        assert len(await response.read()) < 20_000


async def test_text_of_every_script_arrives_as_it_is(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    reference = 'é "\\/\b\f\n\r\t € 😀 \x7f'
    for text in (json.dumps({"reference": reference}), f'{{"reference": "\\u0041{"é€😀"}"}}'):
        async with http.post("/api/payments", data=text.encode()) as response:
            assert response.status == 201
        assert gateway.backend.requests[-1].reference == json.loads(text)["reference"]


async def test_the_log_says_why_a_request_was_refused(
    gateway: Gateway, http: aiohttp.ClientSession
) -> None:
    async with http.post("/api/payments", data='{"user": 1}') as response:
        line = await gateway.log_line(response.headers["x-request-id"])

    assert (line["status"], line["reason"]) == (400, "FIELD_UNKNOWN")


def test_values_of_the_corpus_are_of_known_kinds() -> None:
    kinds = {item_of(one)["kind"] for route in ROUTES for one in route["query"].values()}
    assert kinds <= {*VALUES, *TEXTS, "enum"}
