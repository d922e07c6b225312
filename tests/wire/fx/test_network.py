"""Nothing leaves the machine that was not configured: in the sandbox as it ships there is no
network at all, and elsewhere no key goes where others could read it."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from services.fx.config import Config
from services.shared.env import SettingsError, UnsafeDeployment
from tests.corridors import SHIPPED
from tests.house.places import ROOT

# Runs the whole service in a process whose sockets connect nowhere and whose names resolve to
# nothing. gRPC has sockets of its own, so that its calls still arrive.
WITHOUT_NETWORK = """
    import asyncio, sys

    TRIED = []
    WAYS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")

    def refuse(event, arguments):
        if event in WAYS:
            TRIED.append(event)
            raise OSError("there is no network")

    sys.addaudithook(refuse)

    import grpc
    from caravel.fx.v1 import fx_pb2, fx_pb2_grpc
    from services.fx.assembly import assemble
    from services.fx.config import Config

    async def main():
        config = Config.load({"CORRIDORS_DIR": sys.argv[1], "DEPLOYMENT": "sandbox"})
        async with assemble(config) as server:
            await server.start("127.0.0.1", 0)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                queries = [fx_pb2.RateQuery(corridor_id=name) for name in sys.argv[2:]]
                request = fx_pb2.GetRatesRequest(queries=queries)
                answer = await fx_pb2_grpc.FxServiceStub(channel).GetRates(request, timeout=20)
            await server.stop(0)
        sources = sorted({result.rate.source for result in answer.results})
        print(sources, all(one.HasField("rate") for one in answer.results), TRIED)
        import socket
        try:
            socket.create_connection(("127.0.0.1", 9))
        except OSError as error:
            print(error)

    asyncio.run(main())
"""


def test_the_sandbox_as_it_ships_has_a_rate_for_every_corridor_without_a_network() -> None:
    names = sorted(path.stem for path in SHIPPED.glob("*.toml"))
    ran = subprocess.run(
        [sys.executable, "-c", dedent(WITHOUT_NETWORK), str(SHIPPED), *names],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'protos' / 'gen'}"},
    )

    rates, hooked = ran.stdout.splitlines()[-2:]
    assert rates == "['ecb', 'synthetic'] True []"
    # And the hook does see a connection.
    assert hooked == "there is no network"


TERMS = 'maximum_age_hours = 30\nmid_bounds = { lowest = "100", highest = "200" }'


def environment(folder: Path, source: str, **variables: str) -> dict[str, str]:
    text = (SHIPPED / "us-jp.toml").read_text()
    text = text.replace('["ecb"]', f'["{source}"]\n{TERMS}')
    (folder / "us-jp.toml").write_text(text)
    return {"CORRIDORS_DIR": str(folder), "DEPLOYMENT": "live", **variables}


LIVE_SOURCES: dict[str, dict[str, str]] = {
    "frankfurter": {"FRANKFURTER_PROVIDERS": "ECB"},
    "openexchangerates": {"OPENEXCHANGERATES_APP_ID": "k-0123456789"},
    "currencylayer": {"CURRENCYLAYER_ACCESS_KEY": "k-0123456789"},
}


@pytest.mark.parametrize("source", LIVE_SOURCES)
def test_a_live_source_is_asked_over_tls_or_on_this_machine(source: str, tmp_path: Path) -> None:
    given: Any = environment(tmp_path, source, **LIVE_SOURCES[source])
    address = f"{source.upper()}_URL"

    default = getattr(Config.load(given), f"{source}_url")
    Config.load({**given, address: "http://127.0.0.1:8080"})
    Config.load({**given, "DEPLOYMENT": "sandbox", address: "http://rates.example"})

    assert default.startswith("https://")
    for url in (
        "http://rates.example",
        "rates.example",
        "https://me:word@rates.example",
        "ftp://x",
    ):
        with pytest.raises(UnsafeDeployment, match=f"{address} must"):
            Config.load({**given, address: url})


@pytest.mark.parametrize("source", ["openexchangerates", "currencylayer"])
def test_a_source_without_its_key_stops_the_start(source: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"field required \(corridor us-jp names"):
        Config.load(environment(tmp_path, source))


@pytest.mark.parametrize(
    "providers", ["", "ECB,NGN=", "ECB,FED", "NGN=CBN,NGN=ECB", "e c b", "NGNX=CBN"]
)
def test_institutions_are_named_plainly(providers: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="FRANKFURTER_PROVIDERS"):
        Config.load(environment(tmp_path, "frankfurter", FRANKFURTER_PROVIDERS=providers))


def test_each_currency_may_have_an_institution_of_its_own(tmp_path: Path) -> None:
    given = environment(tmp_path, "frankfurter", FRANKFURTER_PROVIDERS="ECB, NGN=CBN, KES=CBK")

    providers = getattr(Config.load(given), "frankfurter_providers")  # noqa: B009 - of a part

    assert providers == {"": "ECB", "NGN": "CBN", "KES": "CBK"}


def test_a_described_source_needs_the_folder_of_its_description(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="JSON_SOURCES_DIR"):
        Config.load(environment(tmp_path, "json_acme"))


def test_each_described_source_has_a_key_of_its_own(tmp_path: Path) -> None:
    given = environment(
        tmp_path, "json_acme", JSON_SOURCES_DIR=str(tmp_path), JSON_ACME_KEY="a" * 9
    )
    (tmp_path / "us-jp.toml").write_text(
        (tmp_path / "us-jp.toml").read_text().replace('["json_acme"]', '["json_acme", "json_bank"]')
    )

    config: Any = Config.load({**given, "JSON_BANK_KEY": "b" * 9})

    assert config.json_acme_key.get_secret_value() == "a" * 9
    assert config.json_bank_key.get_secret_value() == "b" * 9
    assert "a" * 9 not in repr(config)
    with pytest.raises(SettingsError, match="JSON_ACME_KEY: value should have at least 8 items"):
        Config.load({**given, "JSON_ACME_KEY": "short"})
