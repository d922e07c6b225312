"""A source that asks a server needs one file and one row: clock, session and its own variables come
from assembly, and the feed refreshes it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from aiohttp import web
from caravel.fx.v1 import fx_pb2, fx_pb2_grpc
from pydantic import BaseModel, Field, SecretStr

from services.fx.assembly import assemble
from services.fx.config import Config
from services.fx.domain import Leg, Observation
from services.fx.sources import SOURCES
from services.fx.sources.kit import Handed, Registration
from services.shared.env import SettingsError
from tests.contract.lab import serving
from tests.corridors import SHIPPED

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


class AcmeSettings(BaseModel):
    """Its variables."""

    acme_url: str = Field(description="Where it answers.")
    acme_app_id: SecretStr = Field(description="Its key.")


class AcmeSource:
    """The price of each currency in one base currency, over HTTP."""

    refresh_seconds: float | None = 3600

    def __init__(self, handed: Handed) -> None:
        self._handed = handed
        self._rates: dict[tuple[str, str], Decimal] = {}

    async def load(self) -> None:
        settings = self._handed.settings
        for base in self._handed.quotes_by_base:
            query = {"base": base, "app_id": settings.acme_app_id.get_secret_value()}
            async with self._handed.http.get(settings.acme_url, params=query) as answer:
                answer.raise_for_status()
                received = await answer.json()
            self._rates |= {(base, code): Decimal(rate) for code, rate in received.items()}

    async def observe(self, base_currency: str, quote_currency: str) -> Observation | None:
        rate = self._rates.get((base_currency, quote_currency))
        if rate is None:
            return None
        leg = Leg(base_currency, quote_currency, rate)
        now = self._handed.clock.now()
        return Observation(mid=rate, legs=(leg,), observed_at=now, fetched_at=now)


def environment(folder: Path, **variables: str) -> dict[str, str]:
    text = (SHIPPED / "us-jp.toml").read_text()
    (folder / "us-jp.toml").write_text(text.replace('["ecb"]', '["acme", "ecb"]'))
    return {"CORRIDORS_DIR": str(folder), "DEPLOYMENT": "sandbox", **variables}


# The table with its row.
TABLE = {**SOURCES, "acme": Registration(open=AcmeSource, settings=AcmeSettings)}


async def asked(config: Config) -> fx_pb2.Rate:
    async with assemble(config, clock=FixedClock(), catalogue=TABLE) as server:
        await server.start("127.0.0.1", 0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            request = fx_pb2.GetRatesRequest(queries=[fx_pb2.RateQuery(corridor_id="us-jp")])
            answer = await fx_pb2_grpc.FxServiceStub(channel).GetRates(request, timeout=5)
        await server.stop(0)
    return answer.results[0].rate


async def test_a_source_over_http_is_a_file_and_a_row(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(dict(request.query))
        return web.json_response({"JPY": "150.25"})

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app) as url:
        variables: Any = environment(tmp_path, ACME_URL=url, ACME_APP_ID="secret")
        rate = await asked(Config.load(variables, sources=TABLE))

    assert (rate.source, rate.mid_rate) == ("acme", "150.25")
    assert seen == [{"base": "USD", "app_id": "secret"}]


async def test_where_its_server_fails_the_next_source_is_asked(tmp_path: Path) -> None:
    async with serving(web.Application()) as url:
        variables = environment(tmp_path, ACME_URL=url, ACME_APP_ID="secret")
        rate = await asked(Config.load(variables, sources=TABLE))

    assert rate.source == "ecb"


def test_its_variables_are_required_only_where_a_corridor_names_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as refused:
        Config.load(environment(tmp_path, ACME_URL="http://127.0.0.1:1"), sources=TABLE)
    words = "ACME_APP_ID: field required (corridor us-jp names acme)"
    assert words in str(refused.value)

    shipped = {"CORRIDORS_DIR": str(SHIPPED), "DEPLOYMENT": "sandbox"}
    assert not hasattr(Config.load(shipped, sources=TABLE), "acme_url")
