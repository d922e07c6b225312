"""Genuine events with one part that nobody expects, at any depth: each is read, or refused as
malformed, and of each that is read every text can be sent on and kept."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from services.providers.adapters import ADAPTERS
from services.providers.convert import from_events
from services.providers.domain import Webhook, WebhookEvent, WebhookSignatureInvalid
from services.providers.simulator.local_wallet_api import standard_headers
from services.shared.errors import Invalid
from services.shared.text import is_storable
from tests.contract.cases import FACTS
from tests.contract.test_webhooks import NOW, SCHEMES, adapter_at

BODIES: dict[str, Any] = {name: facts.event for name, facts in FACTS.items()}
STRANGE: dict[str, Any] = {
    "zero": "\0",
    "zero within": "a\0b",
    "half of a surrogate pair": "\ud800",
    "the other half": "a\udfffb",
    "an override": "a\u202eb",
    "long": "x" * 20_000,
    "empty": "",
    "nothing": None,
    "true": True,
    "a list": [["\0"]],
    "an object": {"\0": "\ud800"},
    "deep": None,
    "a huge number": 10**40,
    "a number of many digits": int("9" * 4000),
    "a negative number": -1,
    "a fraction": 0.1,
    "infinite": 1e999,
}


def paths(value: Any, *before: str | int) -> Iterator[tuple[str | int, ...]]:
    """Where each part of a JSON value is."""
    if before:
        yield before
    inner = value.items() if isinstance(value, dict) else ()
    inner = enumerate(value) if isinstance(value, list) else inner
    for name, part in inner:
        yield from paths(part, *before, name)


def changed(value: Any, path: tuple[str | int, ...], to: Any) -> Any:
    """The same value with another part in one place."""
    if not path:
        return to
    copy = value.copy()
    copy[path[0]] = changed(value[path[0]], path[1:], to)
    return copy


def written(value: Any, flaw: str) -> bytes:
    text = json.dumps(value)
    # Deeper than a parser goes, or a writer.
    return (
        text.replace('"DEEP"', "[" * 20_000 + "]" * 20_000).encode()
        if flaw == "deep"
        else text.encode()
    )


@pytest.mark.parametrize("flaw", STRANGE)
@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_a_strange_part_anywhere_is_read_or_refused_and_never_breaks(
    name: str, flaw: str
) -> None:
    adapter, scheme, good = await adapter_at(name, NOW), SCHEMES[name], BODIES[name]
    strange = "DEEP" if flaw == "deep" else STRANGE[flaw]

    for path in paths(good):
        body = written(changed(good, path, strange), flaw)
        headers = scheme.sign(body, scheme.secret, NOW)
        try:
            event = adapter.read_webhook(Webhook(headers=headers, body=body))
        except Invalid as refused:
            from_events([refused]).SerializeToString()
            continue
        from_events([event]).SerializeToString()
        assert all(is_storable(text) and len(text) <= 255 for text in texts(event)), path


def texts(event: WebhookEvent) -> list[str]:
    failure = [event.failure.code, event.failure.message] if event.failure else []
    named = [event.event_id, event.event_type, event.transaction_id, event.key]
    return [*named, event.provider_reference, *failure]


@pytest.mark.parametrize("name", list(ADAPTERS))
async def test_the_event_that_is_spoilt_is_a_good_one(name: str) -> None:
    scheme, body = SCHEMES[name], json.dumps(BODIES[name]).encode()

    event = (await adapter_at(name, NOW)).read_webhook(
        Webhook(headers=scheme.sign(body, scheme.secret, NOW), body=body)
    )

    # One that names no key of ours is placed where it was sent from here.
    assert (event.kind is not None) == FACTS[name].case.events_name_the_key


@pytest.mark.parametrize("event_id", ["x" * 256, "x" * 8000])
async def test_an_event_id_too_long_to_be_found_by_is_refused(event_id: str) -> None:
    adapter, scheme = await adapter_at("local_wallet", NOW), SCHEMES["local_wallet"]
    headers = standard_headers(scheme.body, scheme.secret, int(NOW.timestamp()), event_id)

    with pytest.raises(Invalid, match="webhook-id must be text of at most 255"):
        adapter.read_webhook(Webhook(headers=headers, body=scheme.body))


async def test_the_refusal_of_a_forged_event_says_nothing_of_its_id() -> None:
    adapter, scheme = await adapter_at("local_wallet", NOW), SCHEMES["local_wallet"]
    headers = {
        "webhook-id": "x" * 256,
        "webhook-timestamp": "1772366400",
        "webhook-signature": "v1,AA",
    }

    with pytest.raises(WebhookSignatureInvalid):
        adapter.read_webhook(Webhook(headers=headers, body=scheme.body))
