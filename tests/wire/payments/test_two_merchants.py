"""Two merchants, and every call of the contract: each id of the other is answered exactly like one
that never was, by each credential; each bad credential is refused; and nothing of one is changed
or listed by the other. Calls, their ids and their scopes are read from the contract."""

from collections.abc import AsyncIterator
from itertools import product
from pathlib import Path

import grpc
import pytest
from caravel.payments.v1 import payments_pb2
from google.protobuf import json_format
from prometheus_client import generate_latest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.merchants.key_text import new_key_text
from services.payments.merchants.tokens.opening import TokenSettings
from services.shared.deployment import Deployment
from services.shared.ids import encode_id, new_id
from tests.signing_keys import make_pem
from tests.wire.payments.calls import methods
from tests.wire.payments.conftest import CORRIDORS, Service, serving_payments
from tests.wire.payments.merchants.test_tokens_issuing import followed
from tests.wire.payments.sides import (
    CALLERS_OWN,
    COMMON,
    FIELDS,
    KINDS,
    Access,
    Side,
    answer,
    ids_in,
    make_operators,
    make_side,
    refusals_of,
)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.pem"
    path.write_text(make_pem())
    return path


@pytest.fixture
async def service(
    request: pytest.FixtureRequest, engine: AsyncEngine, key_file: Path
) -> AsyncIterator[Service]:
    """A deployment that issues tokens."""
    settings = TokenSettings(issuer="https://api.caravel.example", signing_keys=followed(key_file))
    async with serving_payments(engine, CORRIDORS, request.param, settings) as service:
        yield service


@pytest.fixture
async def sides(service: Service, engine: AsyncEngine) -> AsyncIterator[tuple[Side, Side]]:
    yield await make_side(service, engine, "Acme"), await make_side(service, engine, "Borealis")


in_staging = pytest.mark.parametrize("service", [Deployment.STAGING], indirect=True)


@in_staging
async def test_anothers_id_is_answered_like_an_unknown_one(
    service: Service, sides: tuple[Side, Side]
) -> None:
    ours, theirs = sides
    wrong, cases = [], 0
    for credential, method in product((ours.text, ours.token), methods(Access.MERCHANT)):
        for field in ids_in(method):
            asked = {
                "own": ours.owned[field],
                "another's": theirs.owned[field],
                "unknown": encode_id(KINDS[field], new_id()),
                "malformed": f"{KINDS[field]}_nothing",
            }
            given = {
                name: await answer(
                    service, method, credential, {**FIELDS.get(method.name, {}), field: id_}, id_
                )
                for name, id_ in asked.items()
                # A verb on one's own would change it, and has tests of its own.
                if name != "own" or method.name.startswith(("Get", "List"))
            }
            cases += len(given)
            if given["another's"] != given["unknown"]:
                wrong.append((method.name, field, given["another's"], given["unknown"]))
            if given["unknown"].status is not grpc.StatusCode.NOT_FOUND:
                wrong.append((method.name, field, "unknown", given["unknown"]))
            if given["malformed"] != given["unknown"]:
                wrong.append((method.name, field, given["malformed"], given["unknown"]))
            # Nobody has collected one's own payment here, so that it has no receipt.
            own = given.get("own")
            if own and own.status is not grpc.StatusCode.OK and own.reason != "RECEIPT_NOT_READY":
                wrong.append((method.name, field, "own", own))

    assert not wrong
    assert cases > 80


@in_staging
async def test_nothing_of_anothers_is_changed_or_listed(
    service: Service, sides: tuple[Side, Side]
) -> None:
    ours, theirs = sides
    readers = [
        method
        for method in methods(Access.MERCHANT)
        if method.name.startswith(("Get", "List")) and method.name != "ListCorridors"
    ]

    async def seen(side: Side) -> dict[str, str]:
        return {
            method.name: (
                await answer(
                    service,
                    method,
                    side.text,
                    {field: side.owned[field] for field in ids_in(method)},
                )
            ).body
            for method in readers
        }

    before = await seen(theirs)
    for method in methods(Access.MERCHANT):
        for field in ids_in(method):
            fields = {**FIELDS.get(method.name, {}), field: theirs.owned[field]}
            await answer(service, method, ours.text, fields)

    assert await seen(theirs) == before
    shown = "".join((await seen(ours)).values())
    assert [id_ for id_ in (*theirs.owned.values(), theirs.merchant_id) if id_ in shown] == []
    assert [id_ for id_ in ours.owned.values() if id_ not in shown] == []


@in_staging
async def test_no_metric_names_a_merchant_or_anything_of_one(
    service: Service, sides: tuple[Side, Side]
) -> None:
    for side, other in (sides, reversed(sides)):
        for method in methods(Access.MERCHANT):
            for field in ids_in(method):
                fields = {**FIELDS.get(method.name, {}), field: other.owned[field]}
                await answer(service, method, side.text, fields)

    published = generate_latest().decode()

    assert "caravel_rpc_seconds" in published
    owned = [id_ for side in sides for id_ in (*side.owned.values(), side.merchant_id)]
    assert [id_ for id_ in owned if id_ in published] == []


@in_staging
async def test_one_idempotency_key_serves_each_merchant_by_itself(
    service: Service, sides: tuple[Side, Side]
) -> None:
    request = json_format.ParseDict(
        dict(FIELDS["CreatePayment"]), payments_pb2.CreatePaymentRequest()
    )
    key = ("idempotency-key", "the-same")
    made = []
    for side in (*sides, *sides):
        metadata = (("authorization", f"Bearer {side.text}"), key)
        made.append(await service.payments.CreatePayment(request, metadata=metadata))

    assert made[0] == made[2]
    assert made[1] == made[3]
    assert made[0].transaction_id != made[1].transaction_id


@in_staging
async def test_each_call_is_refused_by_each_bad_credential(
    service: Service, sides: tuple[Side, Side], engine: AsyncEngine, key_file: Path
) -> None:
    ours, _ = sides
    operators = await make_operators(engine)
    wrong, cases = [], 0
    for method in methods(Access.MERCHANT, Access.OPERATOR):
        for text, reason in refusals_of(method, ours, operators, key_file).items():
            given = await answer(service, method, text, {})
            cases += 1
            if given.reason != reason:
                wrong.append((method.name, reason, given))

    assert not wrong
    assert cases > 700


@pytest.mark.parametrize("service", [Deployment.LIVE], indirect=True)
async def test_a_test_key_is_refused_by_each_call_of_a_live_deployment(service: Service) -> None:
    texts = [
        new_key_text(new_id(), is_operators=is_operators, is_live=False)
        for is_operators in (False, True)
    ]
    given = {
        (await answer(service, method, text, {})).reason
        for method in methods(Access.MERCHANT, Access.OPERATOR)
        for text in texts
    }

    assert given == {"API_KEY_OF_OTHER_DEPLOYMENT"}


def test_every_id_of_the_contract_has_its_place_here() -> None:
    unknown = {
        field.name
        for method in methods(Access.MERCHANT)
        for field in method.input_type.fields
        if field.name.endswith("_id") and field.name not in {*KINDS, *CALLERS_OWN, *COMMON}
    }

    assert not unknown
