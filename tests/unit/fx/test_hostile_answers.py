"""Answers of any form: a source takes a rate that it may take, or is away, and never breaks."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from services.fx.domain import CLOCK_TOLERANCE
from services.fx.ports import SourceAway
from services.fx.sources import registration
from services.fx.sources.kit import Handed
from services.shared.corridors import MID_MAX, MID_MIN
from services.shared.deployment import Deployment
from tests.wire.fx.sources import DESCRIPTION, GOOD, KEY, NOW, SOURCES, Facts, Server, good

each_source = pytest.mark.parametrize("facts", SOURCES, ids=lambda facts: facts.name)
# Times at the ends of the calendar, and numbers at the ends of what a number can be.
ODD = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01",
    "9999-12-31",
    10**17,
    -1,
    "",
    "1e999",
    [],
    {},
    [[]],
    None,
    True,
]
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(ODD),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)


class Session:
    """Answers each request with this body."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    @asynccontextmanager
    async def get(self, *_: object, **__: object) -> AsyncIterator[Any]:
        yield SimpleNamespace(status=200, content_type="application/json", content=self)

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self._body


class Clock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("described")
    (made / "acme.toml").write_text(DESCRIPTION.replace("URL", "https://rates.example"))
    return made


async def mids(facts: Facts, body: bytes, folder: Path) -> list[Decimal]:
    """The middles that the source takes from this body."""
    made = registration(facts.name)
    assert made is not None
    variables: dict[str, Any] = {
        "frankfurter_url": "",
        "frankfurter_providers": {"": "ECB"},
        "frankfurter_refresh_seconds": 60,
        "openexchangerates_url": "",
        "openexchangerates_app_id": SecretStr(KEY),
        "openexchangerates_refresh_seconds": 60,
        "currencylayer_url": "",
        "currencylayer_access_key": SecretStr(KEY),
        "currencylayer_refresh_seconds": 60,
        "json_sources_dir": folder,
        "json_acme_key": SecretStr(KEY),
        "deployment": Deployment.SANDBOX,
    }
    session: Any = Session(body)
    source = made.open(
        Handed(
            name=facts.name,
            clock=Clock(),
            http=session,
            settings=SimpleNamespace(**variables),
            pairs=frozenset(("USD", code) for code in GOOD),
        )
    )
    try:
        await source.load()
    except SourceAway as away:
        assert KEY not in str(away)
    seen = [await source.observe("USD", code) for code in GOOD]
    taken = [one for one in seen if one]
    assert all(one.observed_at <= NOW + CLOCK_TOLERANCE for one in taken)
    return [one.mid for one in taken]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container within the value, with each key of it."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


@each_source
@given(data=st.data())
@settings(max_examples=150, deadline=timedelta(seconds=10))
async def test_a_strange_part_anywhere_is_read_or_is_a_source_that_is_away(
    facts: Facts, folder: Path, data: st.DataObject
) -> None:
    answer = json.loads(Server(facts, good).body())
    container, key = data.draw(st.sampled_from(list(places(answer))))
    if data.draw(st.booleans()):
        container[key] = data.draw(values)
    else:
        del container[key]

    taken = await mids(facts, json.dumps(answer).encode(), folder)

    assert all(MID_MIN <= mid <= MID_MAX for mid in taken)


@each_source
@given(body=st.binary(max_size=200) | values.map(lambda value: json.dumps(value).encode()))
@settings(max_examples=150, deadline=timedelta(seconds=10))
async def test_an_answer_of_any_bytes_has_no_rate(facts: Facts, folder: Path, body: bytes) -> None:
    assert await mids(facts, body, folder) == []


@each_source
async def test_the_answer_without_a_strange_part_has_its_rates(facts: Facts, folder: Path) -> None:
    taken = await mids(facts, Server(facts, good).body().encode(), folder)

    assert taken == [Decimal(text) for text in GOOD.values()]
