"""A file describes a source: where its answers have rate and time, and how both are meant."""

import re
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from services.fx.domain import Observation
from services.fx.ports import SourceAway
from services.fx.sources.description import Description, found
from services.fx.sources.http import open_session
from services.fx.sources.json_source import DescriptionError, JsonSource
from services.fx.sources.kit import Handed
from services.shared.deployment import Deployment
from tests.conftest import ROOT
from tests.contract.lab import serving

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
WHOLE = """
address = "URL/{base}/{quote}"
rate = { path = ["rate"] }
stamp = { path = ["at"], form = "unix" }
"""
AT = int(NOW.timestamp())


class Clock:
    def now(self) -> datetime:
        return NOW


def handed(
    folder: Path,
    text: str,
    key: str | None = None,
    deployment: Deployment = Deployment.SANDBOX,
    http: Any = None,
) -> Handed:
    (folder / "acme.toml").write_text(text)
    settings = SimpleNamespace(
        json_sources_dir=folder,
        json_acme_key=SecretStr(key) if key else None,
        deployment=deployment,
    )
    return Handed(
        name="json_acme",
        clock=Clock(),
        http=http,
        settings=settings,
        pairs=frozenset({("USD", "KES")}),
    )


async def observed(folder: Path, text: str, answer: str, key: str | None = None) -> Any:
    """The observation, and the request that led to it."""
    requests: list[web.Request] = []

    async def reply(request: web.Request) -> web.Response:
        requests.append(request)
        return web.Response(text=answer, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{tail:.*}", reply)
    async with serving(app) as url, open_session() as http:
        source = JsonSource(handed(folder, text.replace("URL", url), key, http=http))
        await source.load()
        found = await source.observe("USD", "KES")
    return found, requests[0]


@pytest.mark.parametrize(
    ("changes", "answer", "mid"),
    [
        ("", f'{{"rate":129.4,"at":{AT}}}', "129.4"),
        # No digit is lost on the way through a float.
        ("", f'{{"rate":129.40000000000000012,"at":{AT}}}', "129.400000000000000"),
        ("", f'{{"rate":0.1,"at":{AT}}}', "0.1"),
        ("", f'{{"rate":"129.4","at":{AT}}}', "129.4"),
        ('direction = "base_per_quote"', f'{{"rate":0.008,"at":{AT}}}', "125"),
        ('direction = "base_per_quote"\nunits = 100', f'{{"rate":0.8,"at":{AT}}}', "125"),
        ("units = 100", f'{{"rate":12940,"at":{AT}}}', "129.4"),
        ('path = ["a", 1, "b"]', f'{{"a":[0,{{"b":129.4}}],"at":{AT}}}', "129.4"),
        (
            'path = ["a", { code = "{quote}", base = "{base}" }, "r"]',
            f'{{"a":[{{"code":"KES","base":"EUR","r":1}},{{"code":"KES","base":"USD","r":129.4}}],'
            f'"at":{AT}}}',
            "129.4",
        ),
        ('path = ["{base}{quote}"]', f'{{"USDKES":129.4,"at":{AT}}}', "129.4"),
    ],
)
async def test_a_rate_is_read_where_and_as_the_file_says(
    changes: str, answer: str, mid: str, tmp_path: Path
) -> None:
    if "path" not in changes:
        changes = f'path = ["rate"]\n{changes}'
    text = WHOLE.replace('rate = { path = ["rate"] }\n', "") + f"[rate]\n{changes}\n"

    found, _ = await observed(tmp_path, text, answer)

    assert isinstance(found, Observation)
    assert found.mid == Decimal(mid)
    assert [(leg.base_currency, leg.quote_currency, leg.rate) for leg in found.legs] == [
        ("USD", "KES", found.mid)
    ]


@pytest.mark.parametrize(
    ("form", "stamp", "at"),
    [
        ("unix", str(AT), NOW),
        ("unix_milliseconds", f"{AT}250", NOW),
        ("iso", '"2026-11-25T13:00:00+01:00"', NOW),
        ("iso", '"2026-11-25T12:00:00Z"', NOW),
        ("day", '"2026-11-25"', NOW.replace(hour=0)),
    ],
)
async def test_a_time_is_read_in_its_form(
    form: str, stamp: str, at: datetime, tmp_path: Path
) -> None:
    text = WHOLE.replace('"unix"', f'"{form}"')

    found, _ = await observed(tmp_path, text, f'{{"rate":129.4,"at":{stamp}}}')

    assert found.observed_at == at


@pytest.mark.parametrize(
    ("form", "stamp"),
    [
        ("unix", '"1764072000"'),
        ("unix", "-1"),
        ("unix", "1e20"),
        ("unix", "null"),
        ("iso", '"2026-11-25T12:00:00"'),
        ("iso", '"2026-11-25"'),
        ("iso", "5"),
        ("iso", '"0001-01-01T00:00:00+14:00"'),
        ("day", '"20261125"'),
        ("day", '"2026-02-30"'),
        ("day", '"2026-W48-3"'),
        ("day", "20261125"),
    ],
)
async def test_a_time_in_another_form_is_no_time(form: str, stamp: str, tmp_path: Path) -> None:
    text = WHOLE.replace('"unix"', f'"{form}"')

    with pytest.raises(SourceAway, match="it states no"):
        await observed(tmp_path, text, f'{{"rate":129.4,"at":{stamp}}}')


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ('key = { header = "authorization", before = "Bearer " }', "header"),
        ('key = { parameter = "token" }', "parameter"),
    ],
)
async def test_a_key_goes_where_the_file_says(part: str, where: str, tmp_path: Path) -> None:
    text = f"{part}\n{WHOLE}"

    _, request = await observed(tmp_path, text, f'{{"rate":1,"at":{AT}}}', "k-0123456789")

    sent = request.headers.get("authorization"), request.query.get("token")
    expected = {"header": ("Bearer k-0123456789", None), "parameter": (None, "k-0123456789")}
    assert sent == expected[where]
    assert request.path == "/USD/KES"


async def test_a_list_in_which_several_fit_has_no_rate(tmp_path: Path) -> None:
    text = WHOLE.replace('["rate"]', '["a", { code = "{quote}" }, "r"]')
    twice = f'{{"a":[{{"code":"KES","r":1}},{{"code":"KES","r":2}}],"at":{AT}}}'

    found, _ = await observed(tmp_path, text, twice)

    assert found is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "address: Field required"),
        (WHOLE + "colour = 1", "colour: Extra inputs are not permitted"),
        (WHOLE.replace('"unix"', '"sundial"'), "stamp.form"),
        (WHOLE.replace('["rate"]', "[]"), "rate.path"),
        (WHOLE + "refresh_seconds = 5", "refresh_seconds"),
        ("key = { }\n" + WHOLE, "either header or parameter"),
        ("key = { header = 'x y' }\n" + WHOLE, "key.header"),
        (WHOLE.replace("URL", "ftp://host"), "address must be an address of the form https://host"),
        (WHOLE.replace("URL", "https://me:word@host"), "address must be an address"),
        ("address = ", "it cannot be read (TOMLDecodeError)"),
    ],
)
def test_a_wrong_file_stops_the_start_and_is_named(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(DescriptionError) as refused:
        JsonSource(handed(tmp_path, text))

    assert str(refused.value).startswith("acme.toml: ")
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("part", "key"), [('key = { header = "x-key" }\n', None), ("", "k-0123456789")]
)
def test_a_file_and_its_key_need_each_other(part: str, key: str | None, tmp_path: Path) -> None:
    text = part + WHOLE.replace("URL", "https://rates.example")

    with pytest.raises(DescriptionError, match=r"\[key\] and JSON_ACME_KEY need each other"):
        JsonSource(handed(tmp_path, text, key))


@pytest.mark.parametrize("deployment", [Deployment.STAGING, Deployment.LIVE])
def test_an_address_without_tls_is_of_a_sandbox_or_of_this_machine(
    deployment: Deployment, tmp_path: Path
) -> None:
    plain = WHOLE.replace("URL", "http://rates.example")

    JsonSource(handed(tmp_path, plain))
    JsonSource(
        handed(tmp_path, WHOLE.replace("URL", "http://127.0.0.1:8080"), deployment=deployment)
    )
    with pytest.raises(DescriptionError, match="address must begin with https://"):
        JsonSource(handed(tmp_path, plain, deployment=deployment))


def test_the_file_that_the_documents_show_is_a_description() -> None:
    page = (ROOT / "docs" / "rates.md").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)

    described = Description.model_validate(tomllib.loads(shown))

    answer = {"prices": [{"code": "NGN", "price": 1}, {"code": "KES", "price": 2}]}
    assert found(answer, described.rate.path, ("USD", "KES")) == 2
    assert described.model_fields_set == set(Description.model_fields)


@pytest.mark.parametrize("direction", ["quote_per_base", "base_per_quote"])
@pytest.mark.parametrize("rate", ["0", "-1", "1e-999999", "1e999999", "1e-400000", "1e400000"])
async def test_a_price_that_nobody_can_make_is_left_out(
    direction: str, rate: str, tmp_path: Path
) -> None:
    path = f'rate = {{ path = ["rate"], direction = "{direction}", units = 1000000 }}'
    text = WHOLE.replace('rate = { path = ["rate"] }', path)

    found, _ = await observed(tmp_path, text, f'{{"rate":{rate},"at":{AT}}}')

    assert found is None
