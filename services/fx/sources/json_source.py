"""A source that a file describes: its address, where its JSON has the rate and the time, and which
way the rate is meant. A corridor names it `json_` and the file's name."""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quote

from pydantic import BaseModel, Field, SecretStr, ValidationError, create_model

from services.fx.domain import Leg, Observation, cross_rate
from services.fx.ports import SourceAway
from services.fx.sources.description import Description, Direction, RatePart, StampForm, found
from services.fx.sources.http import (
    Answer,
    address_problem,
    get_json,
    read_day,
    read_instant,
    read_rate,
    read_text_rate,
    read_unix,
)
from services.fx.sources.kit import Handed, LastGood, Pair, Registration, load_all
from services.fx.sources.settings import Key
from services.shared.errors import CannotStart
from services.shared.toml_files import problems_in

PREFIX = "json_"


class DescriptionError(CannotStart):
    """The file of a source is wrong; the message names the file and the key."""


class JsonSettings(BaseModel):
    """The variables of all sources of this kind."""

    json_sources_dir: Path = Field(
        description="Folder of the files that describe sources: NAME.toml is json_NAME."
    )


def described(name: str) -> Registration:
    """The registration of the source of this name, with its own variable for its key."""
    key: Any = (Key | None, Field(None, description=f"The key of {name}, where its file has one."))
    settings = create_model("JsonSettings", __base__=JsonSettings, **{f"{name}_key": key})
    return Registration(open=JsonSource, settings=settings)


class JsonSource:
    """Rates at the address of one file: a request for each address that its pairs come to."""

    def __init__(self, handed: Handed) -> None:
        """Raises DescriptionError."""
        self._handed = handed
        file = handed.settings.json_sources_dir / f"{handed.name.removeprefix(PREFIX)}.toml"
        self._described = _read_file(file)
        self._key: SecretStr | None = getattr(handed.settings, f"{handed.name}_key")
        if (self._described.key is None) != (self._key is None):
            variable = f"{handed.name}_key".upper()
            raise DescriptionError(f"{file.name}: [key] and {variable} need each other")
        if problem := address_problem(self._described.address, handed.settings.deployment):
            raise DescriptionError(f"{file.name}: address {problem}")
        self.refresh_seconds: float | None = self._described.refresh_seconds
        self._rates = LastGood(handed.name, handed.clock)

    async def load(self) -> None:
        """Asks each address, once. Raises SourceAway where none of them answers."""
        pairs_of: dict[str, list[Pair]] = {}
        for pair in sorted(self._handed.pairs):
            pairs_of.setdefault(self._address(pair), []).append(pair)
        await load_all(
            self._handed.name, (self._load(address, pairs) for address, pairs in pairs_of.items())
        )

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        """The newest rate that an answer had."""
        return self._rates.get(base_currency, quote_currency)

    def _address(self, pair: Pair) -> str:
        base, quote = map(url_quote, pair)
        return self._described.address.replace("{base}", base).replace("{quote}", quote)

    async def _load(self, address: str, pairs: list[Pair]) -> None:
        part, key = self._described.key, self._key.get_secret_value() if self._key else ""
        sent = f"{part.before}{key}" if part else ""
        answer = await get_json(
            self._handed.http,
            address,
            parameters={part.parameter: sent} if part and part.parameter else None,
            headers={part.header: sent} if part and part.header else None,
            key=key,
        )
        fetched_at = self._handed.clock.now()
        self._rates.keep(self._read(answer, pairs, fetched_at))

    def _read(
        self, answer: Answer, pairs: list[Pair], fetched_at: datetime
    ) -> Iterator[tuple[Pair, Observation]]:
        described = self._described
        for expected in described.expected:
            if found(answer.value, expected.path, ("", "")) != expected.value:
                raise SourceAway("its answer is none of a success")
        for pair in pairs:
            base = described.base_path
            if base and found(answer.value, base, pair) != pair[0]:
                raise SourceAway("it answered for another base currency")
            value = found(answer.value, described.rate.path, pair)
            rate = read_text_rate(value) if isinstance(value, str) else read_rate(value)
            if rate is None:
                continue
            yield pair, self._observation(pair, rate, answer, fetched_at)

    def _observation(
        self, pair: Pair, rate: Decimal, answer: Answer, fetched_at: datetime
    ) -> Observation:
        described = self._described
        mid = _price(rate, described.rate)
        stamp = found(answer.value, described.stamp.path, pair)
        return Observation(
            mid=mid,
            legs=(Leg(*pair, mid),),
            observed_at=_READERS[described.stamp.form](stamp),
            fetched_at=fetched_at,
            payload_sha256=answer.payload_sha256,
        )


def _price(rate: Decimal, part: RatePart) -> Decimal:
    try:
        if part.direction is Direction.BASE_PER_QUOTE:
            return cross_rate(rate, part.units)
        return cross_rate(part.units, rate)
    except ArithmeticError:
        # Of nothing, or of what no number holds, there is no price; as it stands it is nonsense.
        return rate


_READERS: Mapping[StampForm, Callable[[object], datetime]] = {
    StampForm.UNIX: read_unix,
    StampForm.UNIX_MILLISECONDS: partial(read_unix, per_second=1000),
    StampForm.ISO: read_instant,
    StampForm.DAY: read_day,
}


def _read_file(file: Path) -> Description:
    try:
        return Description.model_validate(tomllib.loads(file.read_text("utf-8")))
    except ValidationError as error:
        raise DescriptionError(f"{file.name}: {problems_in(error)}") from None
    except (OSError, ValueError, RecursionError) as error:
        why = f"it cannot be read ({type(error).__name__})"
        raise DescriptionError(f"{file.name}: {why}; see JSON_SOURCES_DIR") from None
