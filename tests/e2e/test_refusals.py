"""Bad input through the gateway: a clear error in one shape, and nothing changed."""

from uuid import uuid4

import pytest
from yarl import URL

from tests.e2e.conftest import Rest

USER = str(uuid4())


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ('{"user_id": "%s", "amount_usd": 0, "destination_currency": "INR"}', 400, None),
        ('{"user_id": "%s", "amount_usd": -1, "destination_currency": "INR"}', 400, None),
        ('{"user_id": "%s", "amount_usd": 1.005, "destination_currency": "INR"}', 400, None),
        ('{"user_id": "%s", "amount_usd": "NaN", "destination_currency": "INR"}', 400, None),
        ('{"user_id": "%s", "amount_usd": 1e400, "destination_currency": "INR"}', 400, None),
        ('{"user_id": "%s", "amount_usd": true, "destination_currency": "INR"}', 400, None),
        ('{"user_id": "%s", "amount_usd": null, "destination_currency": "INR"}', 400, None),
        (
            '{"user_id": "%s", "amount_usd": 5, "destination_currency": "ABC"}',
            400,
            "CURRENCY_UNKNOWN",
        ),
        (
            '{"user_id": "%s", "amount_usd": 5, "destination_currency": "CHF"}',
            400,
            "CORRIDOR_UNSUPPORTED",
        ),
        (
            '{"user_id": "%s", "amount_usd": 99999, "destination_currency": "INR"}',
            400,
            "AMOUNT_ABOVE_MAXIMUM",
        ),
        ('{"user_id": "x%s", "amount_usd": 5, "destination_currency": "INR"}', 400, None),
        ('{"user_id": "%s", "amount_usd": 5', 400, None),
        ("[]", 400, None),
        ("", 400, None),
        ('{"user_id": "%s\\ud800", "amount_usd": 5, "destination_currency": "INR"}', 400, None),
        (b"\xff\xfe", 400, None),
    ],
)
async def test_a_bad_body_is_a_400_in_our_shape(
    rest: Rest, body: str | bytes, status: int, reason: str | None
) -> None:
    if isinstance(body, str) and "%s" in body:
        body = body % USER

    answer = await rest.post("/api/payments", body, key=uuid4().hex)

    assert answer.status == status, answer.body
    assert set(answer.json) == {"code", "message", "details"}
    assert reason in (None, answer.reason)


@pytest.mark.parametrize(
    "path",
    [
        "/api/payments/pay_01m83kn3s0e24t886s6p8k72tv",
        "/api/payments/nonsense",
        "/api/payments/%00",
        "/api/payments/nonsense/events",
        "/api/quotes/nonsense",
        "/api/nothing",
        "/nothing",
    ],
)
async def test_an_unknown_path_is_404_in_our_shape(rest: Rest, path: str) -> None:
    answer = await rest.get(path)

    assert answer.status in ((404,) if "%00" not in path else (400, 404))
    assert set(answer.json) == {"code", "message", "details"}


async def test_text_that_is_not_utf8_is_refused_without_a_word_of_our_own(rest: Rest) -> None:
    answer = await rest.get(URL("/api/payments/%ff", encoded=True))

    assert (answer.status, answer.reason) == (400, "FIELD_INVALID")


async def test_a_body_that_is_too_large_is_413(rest: Rest) -> None:
    answer = await rest.post("/api/payments", "x" * 300_000, key=uuid4().hex)

    assert answer.status == 413
    assert set(answer.json) == {"code", "message", "details"}


async def test_an_unknown_query_parameter_is_refused(rest: Rest) -> None:
    assert (await rest.get("/api/payments?page=2")).status == 400


async def test_a_bad_credential_is_401_and_the_answer_says_how_one_is_sent(rest: Rest) -> None:
    for text, reason in (("cvl_live_nobody", "API_KEY_MISTYPED"), ("nobody", "API_KEY_INVALID")):
        answer = await rest.get("/api/payments", authorization=f"Bearer {text}")

        assert (answer.status, answer.reason) == (401, reason)
        assert answer.headers["www-authenticate"] == 'Bearer realm="caravel"'


async def test_every_answer_has_a_request_id_and_no_grpc_noise(rest: Rest) -> None:
    for path in ("/api/corridors", "/api/payments/nonsense"):
        answer = await rest.get(path)
        assert answer.headers["x-request-id"]
        assert not [name for name in answer.headers if name.lower().startswith("grpc-")]


async def test_a_misspelt_field_makes_no_payment(rest: Rest) -> None:
    user = str(uuid4())
    body = {"user_id": user, "amount_usd": "100.00", "destination_currency": "INR"}

    for extra in ({"recipent": {"wallet": {}}}, {"recipient": {"account": "1"}}, {"userId": user}):
        answer = await rest.post("/api/payments", {**body, **extra}, key=uuid4().hex)
        assert (answer.status, answer.reason) == (400, "FIELD_UNKNOWN")

    assert (await rest.get(f"/api/payments?user_id={user}")).json["payments"] == []


async def test_the_query_does_not_say_which_payment_is_meant(rest: Rest) -> None:
    one, other = await rest.create(), await rest.create()
    query = f"?transaction_id={other['transaction_id']}"

    for path in (":cancel", "/refunds", ""):
        method = "POST" if path else "GET"
        place = f"/api/payments/{one['transaction_id']}{path}{query}"
        answer = await rest.send(method, place, {} if path else None, key=uuid4().hex)
        assert (answer.status, answer.reason) == (400, "FIELD_MISPLACED")

    for payment in (one, other):
        shown = (await rest.get(f"/api/payments/{payment['transaction_id']}")).json
        assert (shown["cancel_requested"], shown["refunded_usd"]) == (False, "0.00")


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "text/plain", "origin": "https://elsewhere.example"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"content_type": "text/plain"},
    ],
)
async def test_a_page_from_elsewhere_makes_no_endpoint(rest: Rest, headers: dict[str, str]) -> None:
    before = (await rest.get("/api/webhook-endpoints")).json

    answer = await rest.post("/api/webhook-endpoints", {"url": "http://127.0.0.1:9/x"}, **headers)

    assert answer.status in (403, 415)
    assert (await rest.get("/api/webhook-endpoints")).json == before
