"""Every registered adapter in front of servers that answer as no provider should: late, never,
wrongly, hugely, or with our own secrets. Nothing of it is a success or a failure: it is UNKNOWN."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit.http import BODY_BYTES_MAX
from services.providers.config import Config
from services.providers.domain import Operation, Outcome
from services.providers.usecases import Providers
from tests.contract.cases import CASES, Case, send
from tests.contract.lab import SECRETS, adapters_at, answering, provider_environment
from tests.logs import logged

every_adapter = pytest.mark.parametrize("case", [CASES[name] for name in ADAPTERS], ids=ADAPTERS)


@every_adapter
async def test_a_timeout_is_unknown(case: Case) -> None:
    never = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with answering(hang) as adapters:
        providers = Providers(adapters)
        for verb in (providers.execute, providers.look_up):
            [result] = [r async for r in verb([case.operation()], timedelta(milliseconds=50))]
            assert result.outcome is Outcome.UNKNOWN
            assert result.failure is not None
            assert result.failure.code == "timeout"


@every_adapter
async def test_an_answer_that_drips_is_unknown(case: Case) -> None:
    never = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"id":')
        await never.wait()
        return response

    async with answering(drip) as adapters:
        within = timedelta(milliseconds=50)
        [result] = [r async for r in Providers(adapters).execute([case.operation()], within)]

    assert result.outcome is Outcome.UNKNOWN
    assert result.failure is not None
    assert result.failure.code == "timeout"


@every_adapter
async def test_nobody_listening_is_not_sent_and_an_unanswered_question_unknown(case: Case) -> None:
    operation = case.operation()
    async with adapters_at("http://127.0.0.1:1") as adapters:
        adapter = adapters[case.provider]
        sent, asked = await send(adapter, operation), await adapter.look_up(operation)

    assert (sent.outcome, asked.outcome) == (Outcome.NOT_SENT, Outcome.UNKNOWN)
    assert sent.failure is not None
    assert sent.failure.code in ("not_connected", "connection_failed")
    assert asked.failure is not None
    assert asked.failure.code == "connection_failed"


@every_adapter
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 418, 422, 429, 500, 503])
async def test_an_error_with_an_unknown_code_is_unknown(case: Case, status: int) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response(case.error("zebra_crossing"), status=status)

    async with answering(refuse) as adapters:
        adapter, operation = adapters[case.provider], case.operation()
        results = [await send(adapter, operation), await adapter.look_up(operation)]

    assert {result.outcome for result in results} == {Outcome.UNKNOWN}
    assert all(result.failure and result.failure.code for result in results)


def spoilt(case: Case, operation: Operation) -> dict[str, dict[str, Any]]:
    """Success answers with one thing wrong each."""
    good, amount, name = case.success(operation), case.amount_field, case.id_field
    flaws: dict[str, dict[str, Any]] = {
        "unknown status": {case.status_field: "zebra"},
        "no status": {case.status_field: None},
        "no id": {name: ""},
        "wrong currency": {case.currency_field: case.other_currency},
        "unknown currency": {case.currency_field: "ZZZ"},
        "amount plus one": {amount: good[amount] + 1},
        "amount minus one": {amount: good[amount] - 1},
        "negative amount": {amount: -good[amount]},
        "fractional amount": {amount: good[amount] + case.malformed_by},
        "amount as text": {amount: str(good[amount])},
        "amount true": {amount: True},
        "no amount": {amount: None},
        "another key": {case.key_field: "other", "metadata": {"operation_key": "other"}},
        "half a surrogate pair": {name: "\ud800"},
        "huge id": {name: "x" * 1000},
    }
    return {flaw: {**good, **changes} for flaw, changes in flaws.items()}


@every_adapter
async def test_a_good_answer_is_believed_so_that_the_spoilt_ones_prove_something(
    case: Case,
) -> None:
    operation = case.operation()

    async def succeed(request: web.Request) -> web.Response:
        return web.json_response(case.answer(case.success(operation), request))

    async with answering(succeed) as adapters:
        adapter = adapters[case.provider]
        results = [await send(adapter, operation), await adapter.look_up(operation)]

    assert {result.outcome for result in results} == {Outcome.SUCCEEDED}


@every_adapter
@pytest.mark.parametrize("flaw", spoilt(CASES["stripe"], CASES["stripe"].operation()))
async def test_a_spoilt_success_is_unknown(case: Case, flaw: str) -> None:
    operation = case.operation()

    async def succeed(request: web.Request) -> web.Response:
        return web.json_response(case.answer(spoilt(case, operation)[flaw], request))

    async with answering(succeed) as adapters:
        adapter = adapters[case.provider]
        results = [await send(adapter, operation), await adapter.look_up(operation)]

    outcomes = [result.outcome for result in results]
    if flaw == "another key" and case.lists_all:
        # In a list of all there are others, and ours is not.
        assert outcomes == [Outcome.UNKNOWN, Outcome.ABSENT]
    else:
        assert set(outcomes) == {Outcome.UNKNOWN}


# The flaws that have a code of their own; of any other it is only said that nobody can read it.
CODES = {
    "unknown status": "unknown_status",
    "wrong currency": "amount_mismatch",
    "unknown currency": "amount_mismatch",
    "amount plus one": "amount_mismatch",
    "amount minus one": "amount_mismatch",
    "negative amount": "amount_mismatch",
    "another key": "reference_mismatch",
}


@every_adapter
@pytest.mark.parametrize("flaw", spoilt(CASES["stripe"], CASES["stripe"].operation()))
async def test_only_what_differs_is_called_a_mismatch(case: Case, flaw: str) -> None:
    operation = case.operation()

    async def succeed(request: web.Request) -> web.Response:
        return web.json_response(case.answer(spoilt(case, operation)[flaw], request))

    async with answering(succeed) as adapters:
        adapter = adapters[case.provider]
        results = [await adapter.look_up(replace(operation, provider_reference="1"))]
        # An operation found by our reference has this reference; another one's is not found at all.
        results += [await send(adapter, operation)] if flaw != "another key" else []

    expected = {CODES.get(flaw, "answer_invalid")}
    if flaw == "fractional amount" and case.malformed_by:
        # A number of this provider's form, and not ours.
        expected = {"amount_mismatch"}
    assert {result.failure.code for result in results if result.failure} == expected


HOSTILE_BODIES = {
    "empty": b"",
    "text": b"all good",
    "list": b"[]",
    "null": b"null",
    "not a number": b'{"id": NaN}',
    "not UTF-8": b'{"id": "\xff\xfe"}',
    "deeply nested": b"[" * 60_000,
    "error as a list": b'{"error": [1]}',
    "error as text": b'{"error": "no"}',
    "a number too long": b'{"amount": ' + b"9" * 5_000 + b"}",
    "a huge body": b'{"id": "' + b"x" * (4 * BODY_BYTES_MAX) + b'"}',
}


@every_adapter
@pytest.mark.parametrize("status", [200, 402, 422, 500])
@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES)
async def test_a_hostile_answer_is_contained(case: Case, status: int, body: bytes) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, content_type="application/json")

    async with answering(answer) as adapters:
        providers = Providers(adapters)
        results = [r async for r in providers.execute([case.operation()], None)]
        results += [r async for r in providers.look_up([case.operation()], None)]

    is_a_list = case.lists_all and (status, body) == (200, HOSTILE_BODIES["list"])
    found = Outcome.ABSENT if is_a_list else Outcome.UNKNOWN
    assert [result.outcome for result in results] == [Outcome.UNKNOWN, found]
    assert all(len(r.failure.message) < 300 for r in results if r.failure)


@every_adapter
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(case: Case, status: int) -> None:
    asked: list[str] = []
    operation = case.operation()

    async def redirect(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/elsewhere":
            return web.json_response(case.answer(case.success(operation), request))
        return web.json_response({}, status=status, headers={"location": "/elsewhere"})

    async with answering(redirect) as adapters:
        result = await send(adapters[case.provider], operation)

    assert result.outcome is Outcome.UNKNOWN
    assert len(asked) == 1


@every_adapter
async def test_a_compressed_answer_is_not_inflated(case: Case) -> None:
    async def bomb(_: web.Request) -> web.Response:
        response = web.Response(body=b" " * (50 * BODY_BYTES_MAX))
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with answering(bomb) as adapters:
        result = await send(adapters[case.provider], case.operation())

    assert result.outcome is Outcome.UNKNOWN


@every_adapter
@pytest.mark.parametrize("status", [200, 402, 422, 500])
async def test_secrets_reach_no_log_no_result_and_no_repr(
    case: Case, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    async def echo(request: web.Request) -> web.Response:
        # The worst a provider can do: give us our own key, in every place that we read.
        credential = request.headers["authorization"]
        return web.json_response(
            {
                **case.answer(case.success(operation), request),
                "error": {"type": "card_error", "code": "amount_invalid", "message": credential},
                case.status_field: credential,
            },
            status=status,
            headers={"request-id": credential},
        )

    operation = case.operation()
    with logged("contract", "debug") as lines:
        async with answering(echo) as adapters:
            providers = Providers(adapters)
            operations = [operation, replace(case.operation(), amount=None)]  # type: ignore[arg-type]
            results = [r async for r in providers.execute(operations, None)]
            results += [r async for r in providers.look_up(operations, None)]
            shown = [*results, *adapters.values(), vars(adapters[case.provider])]
    config = Config.load(provider_environment("http://127.0.0.1:1"))
    written = capsys.readouterr()

    credential = "\n".join(
        map(str, [lines(), written.out, written.err, shown, repr(config), config])
    )
    assert "adapter_error" in {line["event"] for line in lines()}
    assert [secret for secret in SECRETS if secret in credential] == []
