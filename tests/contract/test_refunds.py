"""One suite for every adapter that gives collections back, in front of the real simulator."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, web

from services.providers.adapters import ADAPTERS
from services.providers.domain import Kind, Operation, Outcome
from services.providers.ports import Refunder
from services.shared.money import Money
from tests.contract.cases import CASES, send
from tests.contract.lab import Lab, adapters_at, answering, running_lab

REFUNDERS = ["stripe"]
every_refunder = pytest.mark.parametrize("name", REFUNDERS)


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path / "book.jsonl") as lab:
        yield lab


async def collected(lab: Lab, name: str, reference: str = "invoice 17") -> Operation:
    """A collection of 100.00 that has succeeded, as an operation with the provider's id."""
    operation = CASES[name].operation(reference=reference, amount=Money(10_000, "USD"))
    result = await send(lab.adapters[name], operation)
    assert result.outcome is Outcome.SUCCEEDED
    return replace(operation, provider_reference=result.provider_reference)


def refund_of(collection: Operation, amount_minor: int, number: int = 1) -> Operation:
    return replace(
        collection,
        kind=Kind.REFUND,
        key=f"{collection.transaction_id}-refund-{number}",
        amount=Money(amount_minor, "USD"),
        provider_reference="",
        collection_reference=collection.provider_reference,
    )


def refunder(lab: Lab, name: str) -> Refunder:
    adapter = lab.adapters[name]
    assert isinstance(adapter, Refunder)
    return adapter


async def refunded(lab: Lab, operation: Operation) -> list[int]:
    """The amount that the book has refunded under this key."""
    lines = await lab.book(operation.key)
    return [line["amount_minor"] for line in lines if line["effect"] == "refund_succeeded"]


async def test_every_adapter_that_refunds_is_here(lab: Lab) -> None:
    assert [n for n in ADAPTERS if Kind.REFUND in lab.adapters[n].capabilities.kinds] == REFUNDERS


@every_refunder
async def test_a_refund_succeeds_with_its_exact_amount(lab: Lab, name: str) -> None:
    collection = await collected(lab, name)
    for number, amount in enumerate((1, 3_333, 6_666), start=1):
        operation = refund_of(collection, amount, number)

        result = await refunder(lab, name).refund(operation)

        assert (result.outcome, result.amount) == (Outcome.SUCCEEDED, operation.amount)
        assert result.provider_reference
        assert await refunded(lab, operation) == [amount]


@every_refunder
async def test_the_same_key_twice_is_one_refund(lab: Lab, name: str) -> None:
    operation = refund_of(await collected(lab, name), 4_000)

    first = await refunder(lab, name).refund(operation)
    second = await refunder(lab, name).refund(operation)

    assert first == second
    assert await refunded(lab, operation) == [4_000]


@every_refunder
async def test_the_same_key_at_once_is_one_refund(lab: Lab, name: str) -> None:
    operation = refund_of(await collected(lab, name), 4_000)

    results = await asyncio.gather(*(refunder(lab, name).refund(operation) for _ in range(8)))

    assert not [result for result in results if result.outcome is Outcome.FAILED]
    assert await refunded(lab, operation) == [4_000]


@every_refunder
async def test_never_more_is_given_back_than_was_collected(lab: Lab, name: str) -> None:
    collection = await collected(lab, name)
    operations = [refund_of(collection, 3_000, number) for number in range(1, 6)]

    results = await asyncio.gather(*(refunder(lab, name).refund(one) for one in operations))

    assert sorted(result.outcome.name for result in results) == ["FAILED"] * 2 + ["SUCCEEDED"] * 3
    assert {r.failure.code for r in results if r.failure} == {"refund_exceeds_collection"}
    assert sum([sum(await refunded(lab, one)) for one in operations]) == 9_000


@every_refunder
async def test_a_collection_that_is_gone_already_is_refused(lab: Lab, name: str) -> None:
    collection = await collected(lab, name)
    await refunder(lab, name).refund(refund_of(collection, 10_000))

    result = await refunder(lab, name).refund(refund_of(collection, 1, 2))

    assert result.outcome is Outcome.FAILED
    assert result.failure
    assert result.failure.code == "refund_exceeds_collection"
    assert result.failure.code in refunder(lab, name).capabilities.definitive_failures


async def test_a_refund_of_a_disputed_charge_is_refused_until_the_dispute_is_won(lab: Lab) -> None:
    collection = await collected(lab, "stripe")
    control = f"{lab.url}/control/stripe/disputes"
    async with ClientSession() as session:
        body = json.dumps({"transaction_id": collection.provider_reference})
        async with session.post(control, data=body) as answer:
            dispute = await answer.json()
        refused = await refunder(lab, "stripe").refund(refund_of(collection, 4_000))
        won = json.dumps({"status": "won"})
        async with session.post(f"{control}/{dispute['id']}", data=won) as answer:
            assert answer.status == 200
    done = await refunder(lab, "stripe").refund(refund_of(collection, 4_000, 2))

    assert refused.outcome is Outcome.FAILED
    assert refused.failure
    assert refused.failure.code == "collection_disputed"
    assert refused.failure.code in refunder(lab, "stripe").capabilities.definitive_failures
    assert done.outcome is Outcome.SUCCEEDED


@every_refunder
async def test_a_refund_that_fails_says_so_and_gives_its_amount_back(lab: Lab, name: str) -> None:
    collection = await collected(lab, name, "invoice 17 sim:refund_fails")
    for number in (1, 2):
        operation = refund_of(collection, 10_000, number)

        result = await refunder(lab, name).refund(operation)

        assert result.outcome is Outcome.FAILED
        assert result.failure
        assert result.failure.code in refunder(lab, name).capabilities.definitive_failures
        assert await refunder(lab, name).look_up(operation) == result
        assert await refunded(lab, operation) == []


@every_refunder
async def test_after_those_that_shall_fail_a_refund_succeeds(lab: Lab, name: str) -> None:
    collection = await collected(lab, name, "invoice 17 sim:refund_fails=1")

    first = await refunder(lab, name).refund(refund_of(collection, 10_000, 1))
    second = await refunder(lab, name).refund(refund_of(collection, 10_000, 2))

    assert (first.outcome, second.outcome) == (Outcome.FAILED, Outcome.SUCCEEDED)


@every_refunder
async def test_a_refund_is_found_by_key_and_by_reference(lab: Lab, name: str) -> None:
    collection = await collected(lab, name)
    done = await refunder(lab, name).refund(refund_of(collection, 4_000))
    await refunder(lab, name).refund(refund_of(collection, 4_000, 2))
    operation = refund_of(collection, 4_000)

    by_key = await refunder(lab, name).look_up(operation)
    by_reference = await refunder(lab, name).look_up(
        replace(operation, provider_reference=done.provider_reference)
    )

    assert by_key == by_reference == done


@every_refunder
async def test_a_refund_that_was_never_sent_is_absent(lab: Lab, name: str) -> None:
    collection = await collected(lab, name)
    await refunder(lab, name).refund(refund_of(collection, 4_000))

    result = await refunder(lab, name).look_up(refund_of(collection, 4_000, 2))

    assert result.outcome is Outcome.ABSENT


@every_refunder
async def test_a_refund_of_an_unknown_collection_is_unknown(lab: Lab, name: str) -> None:
    collection = replace(CASES[name].operation(), provider_reference="pi_unknown")

    result = await refunder(lab, name).refund(refund_of(collection, 4_000))

    assert result.outcome is Outcome.UNKNOWN


@every_refunder
async def test_its_events_name_the_refund(lab: Lab, name: str) -> None:
    collection = await collected(lab, name)
    await lab.gateway.next()
    operation = refund_of(collection, 4_000)
    await refunder(lab, name).refund(operation)

    events = [refunder(lab, name).read_webhook(await lab.gateway.next()) for _ in range(2)]

    [named] = [event for event in events if event.key]
    assert (named.key, named.kind, named.amount) == (operation.key, Kind.REFUND, operation.amount)
    assert {event.kind for event in events} == {Kind.REFUND}
    assert {event.transaction_id for event in events} == {operation.transaction_id}


@every_refunder
async def test_nobody_listening_is_not_sent_and_an_unanswered_question_unknown(name: str) -> None:
    collection = replace(CASES[name].operation(), provider_reference="pi_1")
    operation = refund_of(collection, 4_000)
    async with adapters_at("http://127.0.0.1:1") as adapters:
        adapter = adapters[name]
        assert isinstance(adapter, Refunder)
        sent, asked = await adapter.refund(operation), await adapter.look_up(operation)

    assert (sent.outcome, asked.outcome) == (Outcome.NOT_SENT, Outcome.UNKNOWN)


@every_refunder
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 418, 422, 429, 500, 503])
async def test_a_refusal_with_an_unknown_code_is_unknown(name: str, status: int) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response(CASES[name].error("zebra_crossing"), status=status)

    operation = refund_of(replace(CASES[name].operation(), provider_reference="pi_1"), 4_000)
    async with answering(refuse) as adapters:
        adapter = adapters[name]
        assert isinstance(adapter, Refunder)
        results = [await adapter.refund(operation), await adapter.look_up(operation)]

    assert {result.outcome for result in results} == {Outcome.UNKNOWN}


async def test_a_forgotten_key_of_a_refund_that_was_done_is_found_in_the_list(lab: Lab) -> None:
    collection = await collected(lab, "stripe")
    operation = refund_of(collection, 10_000)
    done = await refunder(lab, "stripe").refund(operation)
    # From now on every key is too old to be remembered, as after a day.
    async with ClientSession() as session:
        regime = {"modes": {"key_ttl": {"seconds": 0, "steps": ["send"]}}}
        async with session.put(f"{lab.url}/control/stripe", json=regime) as answer:
            assert answer.status < 300

    again = await refunder(lab, "stripe").refund(operation)

    assert again == done
    assert await refunded(lab, operation) == [10_000]
