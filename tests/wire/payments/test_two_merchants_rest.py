"""The two merchants again, over REST and a real gateway: each route of the contract with each id of
the other merchant, and each with each credential that must not serve, operators' routes too."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.payments.merchants.tokens.opening import TokenSettings
from services.shared.deployment import Deployment
from services.shared.ids import encode_id, new_id
from tests.conftest import new_database, new_engine
from tests.identities import identity_of
from tests.polling import until
from tests.servers import PrivateCluster
from tests.signing_keys import make_pem
from tests.unit.gateway.conftest import Backend, Gateway, healthz, run_envoy
from tests.wire.payments.calls import methods
from tests.wire.payments.conftest import CORRIDORS, serving_payments
from tests.wire.payments.merchants.test_tokens_issuing import followed
from tests.wire.payments.rest import RestAnswer, answer_of, routes
from tests.wire.payments.sides import (
    FIELDS,
    GOOD,
    KINDS,
    Access,
    Side,
    ids_in,
    make_operators,
    make_side,
    refusals_of,
)

METHODS = {method.name: method for method in methods(Access.MERCHANT, Access.OPERATOR)}
MERCHANTS = [route for route in routes() if route.principal == "MERCHANT"]
PATIENCE = aiohttp.ClientTimeout(total=30)


@dataclass(frozen=True)
class Public:
    """A staging deployment behind a gateway, two merchants, and operators' keys."""

    gateway: Gateway
    ours: Side
    theirs: Side
    operators: dict[str, str]
    key_file: Path


@pytest.fixture(scope="module")
async def public(
    cluster: PrivateCluster, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Public]:
    folder = tmp_path_factory.mktemp("public")
    key_file = folder / "keys.pem"
    key_file.write_text(make_pem())
    tokens = TokenSettings(issuer="https://api.caravel.example", signing_keys=followed(key_file))
    staging, identity = Deployment.STAGING, identity_of("payments")
    async with (
        new_database(cluster) as database,
        new_engine(database) as engine,
        serving_payments(engine, CORRIDORS, staging, tokens, identity=identity) as service,
        run_envoy(folder / "envoy", service.port, Backend()) as gateway,
    ):
        await until(lambda: healthz(gateway), lambda status: status == 200)
        await service.exposure.look()
        yield Public(
            gateway=gateway,
            ours=await make_side(service, engine, "Acme"),
            theirs=await make_side(service, engine, "Borealis"),
            operators=dict(await make_operators(engine)),
            key_file=key_file,
        )


@pytest.fixture(scope="module")
async def merchants(public: Public) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(public.gateway.rest, timeout=PATIENCE) as http:
        yield http


@pytest.fixture(scope="module")
async def operators(public: Public) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(public.gateway.operators, timeout=PATIENCE) as http:
        yield http


async def test_anothers_id_is_answered_like_an_unknown_one(
    public: Public, merchants: aiohttp.ClientSession
) -> None:
    ours, theirs = public.ours, public.theirs
    wrong: list[Any] = []
    cases = 0
    for credential, route in product((ours.text, ours.token), MERCHANTS):
        for field in ids_in(METHODS[route.name]):
            asked = {
                "another's": theirs.owned[field],
                "unknown": encode_id(KINDS[field], new_id()),
                "malformed": f"{KINDS[field]}_nothing",
            }
            # A verb on one's own would change it, and has tests of its own.
            if route.verb == "GET":
                asked["own"] = ours.owned[field]
            given: dict[str, RestAnswer] = {}
            for name, id_ in asked.items():
                fields = {**FIELDS.get(route.name, {}), field: id_}
                given[name] = await answer_of(merchants, route, credential, fields, id_)
                cases += 1
            alike = given["another's"] == given["unknown"] == given["malformed"]
            if not alike or given["unknown"].status != 404:
                wrong.append((route, field, given))
            # Nobody has collected one's own payment here, so that it has no receipt.
            own = given.get("own")
            if own and own.status != 200 and own.reason != "RECEIPT_NOT_READY":
                wrong.append((route, field, own))

    assert not wrong
    assert cases > 80


async def test_each_route_is_refused_with_each_bad_credential(
    public: Public, merchants: aiohttp.ClientSession, operators: aiohttp.ClientSession
) -> None:
    wrong: list[Any] = []
    cases = 0
    for route in routes():
        http = merchants if route.principal == "MERCHANT" else operators
        method = METHODS[route.name]
        wanted = refusals_of(method, public.ours, public.operators, public.key_file)
        for credential, reason in wanted.items():
            given = await answer_of(http, route, credential, {})
            cases += 1
            status = 403 if reason in ("SCOPE_MISSING", "PRINCIPAL_NOT_ALLOWED") else 401
            challenged = given.headers.get("www-authenticate", "").startswith("Bearer")
            if (given.reason, given.status) != (reason, status) or challenged != (status == 401):
                wrong.append((route.name, reason, given))

    assert not wrong
    assert cases > 700


async def test_no_route_of_operators_is_refused_with_every_scope(
    public: Public, operators: aiohttp.ClientSession
) -> None:
    """So a refusal above is that of the credential."""
    refused = {401, 403}
    asked = [route for route in routes() if route.principal == "OPERATOR"]
    given = [await answer_of(operators, route, public.operators[GOOD], {}) for route in asked]

    assert len(asked) > 15
    assert [one for one in given if one.status in refused or one.status >= 500] == []
