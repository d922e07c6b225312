"""Turning faults on and off: the requests that it strikes, how often, and its refusals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web

from services.providers.simulator.book import Book, Line
from services.providers.simulator.faults.control import Control, Subject, chance
from services.providers.simulator.faults.modes import Mode, Step
from services.providers.simulator.faults.wire import At, Call, Wire
from tests.contract.lab import serving

WIRE = Wire(
    provider="acme",
    calls=(Call(method="POST", path="/pay", step=Step.SEND, key=At("body", "key")),),
    amount_fields=frozenset({"amount"}),
    currency_field="currency",
    status_field="status",
    error=lambda status, message: {"error": message},
    mismatch=(409, {}),
    forget=lambda key: None,
    exempt={Mode.KEY_TTL: "it never forgets a key"},
)


def acme(key: str = "key-1", **changes: Any) -> Subject:
    return Subject(**{"provider": "acme", "key": key, **changes})


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return Book(tmp_path / "book.jsonl")


@pytest.fixture
def control(book: Book) -> Control:
    control = Control(book)
    control.add(WIRE)
    return control


@asynccontextmanager
async def pages(control: Control) -> AsyncIterator[tuple[ClientSession, str]]:
    app = web.Application()
    app.add_routes(control.routes())
    async with serving(app) as url, ClientSession() as session:
        yield session, f"{url}/control"


async def put(control: Control, body: Any, provider: str = "acme") -> tuple[int, str]:
    async with (
        pages(control) as (session, url),
        session.put(f"{url}/{provider}", json=body) as answer,
    ):
        return answer.status, await answer.text()


def test_nothing_is_on_at_first(control: Control) -> None:
    assert control.active(acme(), Step.SEND) == {}


def test_words_ask_for_modes_at_their_steps(control: Control) -> None:
    subject = acme(words="sim:hold sim:500_before")

    assert control.active(subject, Step.SEND) == {Mode.ERROR_BEFORE: 1}
    assert control.active(subject, Step.SETTLE) == {Mode.HOLD: 0}


def test_an_amount_asks_for_its_mode(control: Control) -> None:
    assert control.active(acme(amount_minor=66_604), Step.SEND) == {Mode.ERROR_AFTER: 1}


def test_a_word_strikes_the_first_requests_of_a_step_only(control: Control) -> None:
    subject = acme(words="sim:brownout=2")

    struck = [Mode.BROWNOUT in control.active(subject, Step.SEND) for _ in range(3)]

    assert struck == [True, True, False]
    assert Mode.BROWNOUT in control.active(subject, Step.LOOK_UP)
    other = acme("key-2", words="sim:brownout=2")
    assert Mode.BROWNOUT in control.active(other, Step.SEND)


async def test_fault_turned_on_for_a_provider_lasts_until_it_is_healed(control: Control) -> None:
    await put(control, {"modes": {"brownout": 1}})

    assert all(control.active(acme(), Step.SEND) for _ in range(5))
    async with pages(control) as (session, url), session.delete(f"{url}/acme") as answer:
        assert answer.status == 204
    assert control.active(acme(), Step.SEND) == {}


async def test_steps_can_be_chosen(control: Control) -> None:
    await put(control, {"modes": {"brownout": {"steps": ["send"]}}})

    assert control.active(acme(), Step.LOOK_UP) == {}
    assert control.active(acme(), Step.SEND) == {Mode.BROWNOUT: 0}


async def test_chance_is_the_same_for_the_same_seed_and_key(book: Book) -> None:
    struck = []
    for seed in (7, 7, 8):
        control = Control(book)
        control.add(WIRE)
        await put(control, {"modes": {"500_after": 0.2}, "seed": seed})
        keys = [f"key-{number}" for number in range(500)]
        struck.append([key for key in keys if control.active(acme(key), Step.SEND)])

    assert struck[0] == struck[1] != struck[2]
    assert 60 <= len(struck[0]) <= 140


def test_chance_differs_by_mode_and_is_never_certain() -> None:
    chances = {mode: chance(7, "key-1", mode) for mode in Mode}

    assert len(set(chances.values())) == len(Mode)
    assert all(0 <= one < 1 for one in chances.values())


async def test_the_pages_show_what_is_on(control: Control) -> None:
    body = {"modes": {"lookup_lag": {"probability": 1, "seconds": 7}}, "seed": 3}
    control.add(
        Wire(
            **{
                **vars(WIRE),
                "provider": "late",
                "calls": (
                    Call(method="GET", path="/see", step=Step.LOOK_UP, key=At("path", "id")),
                ),
            }
        )
    )

    status, _ = await put(control, body, "late")

    assert status == 200
    async with pages(control) as (session, url), session.get(url) as answer:
        settings = await answer.json()
    setting = {"probability": 1, "seconds": 7, "steps": ["look_up"]}
    assert settings == {
        "acme": {"modes": {}, "seed": 0},
        "late": {"modes": {"lookup_lag": setting}, "seed": 3},
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ([], "the body must be"),
        ({"mode": {}}, "the body must be"),
        ({"modes": []}, "modes must be an object"),
        ({"seed": "7"}, "seed a whole number"),
        ({"modes": {"hickup": 1}}, "no such mode: hickup"),
        ({"modes": {"500_after": 2}}, "probability must be from 0 to 1"),
        ({"modes": {"500_after": True}}, "probability must be from 0 to 1"),
        ({"modes": {"500_after": {"seconds": 1}}}, "does not take seconds"),
        ({"modes": {"500_after": {"times": -1}}}, "times must be a whole number"),
        ({"modes": {"500_after": {"steps": []}}}, "steps may be cancel, send"),
        ({"modes": {"500_after": {"steps": ["event"]}}}, "steps may be cancel, send"),
        ({"modes": {"500_after": {"steps": ["cancel"]}}}, "acme has no cancel"),
        ({"modes": {"slow_lookup": 1}}, "acme has no list or list_all or look_up"),
        ({"modes": {"key_ttl": 1}}, "key_ttl cannot happen at acme: it never forgets a key"),
    ],
)
async def test_invalid_fault_is_refused_with_the_reason(
    control: Control, body: Any, why: str
) -> None:
    status, said = await put(control, body)

    assert status == 400
    assert why in said


async def test_no_other_provider_can_be_set(control: Control) -> None:
    assert await put(control, {}, "nobody") == (404, "the providers are acme")


def test_words_do_not_turn_on_an_impossible_fault(control: Control) -> None:
    assert control.active(acme(words="sim:key_ttl"), Step.SEND) == {}


async def test_a_look_up_by_id_finds_the_words_in_the_book(control: Control, book: Book) -> None:
    line = Line(
        provider="acme",
        effect="paid",
        key="key-1",
        id="acme-9",
        transaction_id="",
        reference="sim:webhook_only",
        amount_minor=100,
        currency="USD",
    )
    await book.write(line)

    subject = control.subject("acme", "acme-9")

    assert subject == acme(words="sim:webhook_only", amount_minor=100)
    assert control.active(subject, Step.LOOK_UP) == {Mode.WEBHOOK_ONLY: 0}
