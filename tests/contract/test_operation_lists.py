"""Every adapter lists what it has sent, as the simulator's own lists show it: with our key, the
provider's id and the time, and nothing of before the time that is asked for."""

import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import ClientSession

from services.providers.adapters import ADAPTERS
from services.providers.adapters.kit import pages
from services.providers.domain import Kind, Operation, Outcome
from services.providers.listed import ListedOperation, OperationPage, OperationQuery
from services.providers.ports import OperationLister, Refunder
from services.providers.simulator.faults.modes import SPECS, Mode, Step
from services.shared.errors import Invalid, Unavailable
from tests.contract.cases import CASES, Case, send
from tests.contract.lab import Lab, adapters_at, running_lab

# The faults of a list, each with its parameters; a test waits for none.
STRUCK: Mapping[Mode, Mapping[str, int]] = {
    mode: {"seconds": 0} if spec.parameter == "seconds" else {}
    for mode, spec in SPECS.items()
    if Step.LIST_ALL in spec.steps
}
# These hide nothing.
TRUE = {Mode.SLOW_LOOK_UP, Mode.EXTRA_FIELDS, Mode.UNKNOWN_STATUS}
every_adapter = pytest.mark.parametrize("case", [CASES[name] for name in ADAPTERS], ids=ADAPTERS)


@pytest.fixture(scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    async with running_lab(tmp_path_factory.mktemp("lists") / "book.jsonl") as lab:
        yield lab


async def _listed(lab: Lab, case: Case, since: datetime, *expected: Operation) -> OperationPage:
    adapter = lab.adapters[case.provider]
    assert isinstance(adapter, OperationLister)
    assert adapter.capabilities.lists_operations
    keys = tuple(one.key for one in expected)
    return await adapter.list_operations(
        OperationQuery(kind=case.kind, since=since, expected_keys=keys)
    )


async def _put(lab: Lab, provider: str, modes: Mapping[str, Any]) -> None:
    """Turns these faults on in place of those that were on."""
    address = f"{lab.url}/control/{provider}"
    async with ClientSession() as session, session.put(address, json={"modes": modes}) as answer:
        assert answer.status == 200, await answer.text()


@pytest.fixture
async def healed(lab: Lab, case: Case) -> AsyncIterator[None]:
    """No fault is left behind for the next test."""
    yield
    await _put(lab, case.provider, {})


@every_adapter
async def test_it_lists_what_was_sent_with_our_key_and_its_own_id(lab: Lab, case: Case) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    sent = [case.operation() for _ in range(2)]
    results = [await send(lab.adapters[case.provider], one) for one in sent]

    listed = (await _listed(lab, case, since, *sent)).operations

    by_key = {one.key: one for one in listed}
    for operation, result in zip(sent, results, strict=True):
        found = by_key[operation.key]
        assert found.provider_reference == result.provider_reference
        assert found.created_at is not None
        assert abs(found.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    times = [one.created_at for one in listed if one.created_at]
    assert times == sorted(times, reverse=True)


@every_adapter
async def test_it_lists_nothing_of_before(lab: Lab, case: Case) -> None:
    sent = case.operation()
    await send(lab.adapters[case.provider], sent)

    later = datetime.now(UTC) + timedelta(minutes=1)

    assert (await _listed(lab, case, later, sent)).operations == ()


every_onramp = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.kind is Kind.COLLECTION],
    ids=lambda case: case.provider,
)
# Longer than any one value that a provider keeps.
RECOVERY = "".join(f'{{"figure_{number}":"ä 1 & 2"}}' for number in range(60))


@every_onramp
async def test_a_collection_is_listed_with_the_text_that_came_with_it(lab: Lab, case: Case) -> None:
    sent = [replace(case.operation(), recovery=text) for text in (RECOVERY, "short", "")]
    since = datetime.now(UTC) - timedelta(minutes=1)
    for one in sent:
        assert (await send(lab.adapters[case.provider], one)).outcome is Outcome.SUCCEEDED

    by_key = {one.key: one for one in (await _listed(lab, case, since)).operations}

    assert [by_key[one.key].recovery for one in sent] == [RECOVERY, "short", ""]


@every_onramp
async def test_refunds_are_a_list_of_their_own(lab: Lab, case: Case) -> None:
    adapter = lab.adapters[case.provider]
    assert isinstance(adapter, Refunder)
    assert isinstance(adapter, OperationLister)
    charged = case.operation()
    collected = await send(adapter, charged)
    refund = replace(
        charged,
        kind=Kind.REFUND,
        key=charged.key.replace("collection", "refund"),
        collection_reference=collected.provider_reference,
    )
    assert (await adapter.refund(refund)).outcome is not Outcome.UNKNOWN

    since = datetime.now(UTC) - timedelta(minutes=1)
    listed = await adapter.list_operations(OperationQuery(kind=Kind.REFUND, since=since))

    assert [one.key for one in listed.operations] == [refund.key]


@every_adapter
async def test_pages_follow_each_other_to_the_end(
    lab: Lab, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, module in [*sys.modules.items()]:
        if name.startswith("services.providers.adapters.") and hasattr(module, "PAGE"):
            monkeypatch.setattr(module, "PAGE", 2)
    adapter = lab.adapters[case.provider]
    assert isinstance(adapter, OperationLister)
    since = datetime.now(UTC) - timedelta(minutes=1)
    sent = [case.operation() for _ in range(5)]
    for one in sent:
        await send(adapter, one)

    found: list[str] = []
    keys = tuple(one.key for one in sent)
    query = OperationQuery(kind=case.kind, since=since, expected_keys=keys)
    while True:
        page = await adapter.list_operations(query)
        found += [one.key for one in page.operations]
        if not page.next_page:
            break
        query = replace(query, page=page.next_page)

    assert {one.key for one in sent} <= {*found}
    # Those of an older test have no name where the list has only digests.
    named = [key for key in found if key]
    assert len(named) == len({*named})


@every_adapter
async def test_a_page_that_it_does_not_know_is_refused(lab: Lab, case: Case) -> None:
    adapter = lab.adapters[case.provider]
    assert isinstance(adapter, OperationLister)
    query = OperationQuery(kind=case.kind, since=datetime.now(UTC), page="pi_none")

    with pytest.raises(Invalid):
        await adapter.list_operations(query)


@every_adapter
async def test_a_provider_that_is_away_has_not_listed(case: Case) -> None:
    async with adapters_at("http://127.0.0.1:1") as adapters:
        adapter = adapters[case.provider]
        assert isinstance(adapter, OperationLister)
        with pytest.raises(Unavailable):
            await adapter.list_operations(OperationQuery(kind=case.kind, since=datetime.now(UTC)))


@every_adapter
@pytest.mark.parametrize("mode", STRUCK, ids=[mode.value for mode in STRUCK])
async def test_a_struck_list_has_everything_or_is_no_answer(
    lab: Lab, case: Case, mode: Mode, healed: None
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=1)
    sent = case.operation()
    await send(lab.adapters[case.provider], sent)
    setting = {"probability": 1, "steps": [Step.LIST_ALL.value], **STRUCK[mode]}
    await _put(lab, case.provider, {mode.value: setting})

    try:
        found = await _listed(lab, case, since, sent)
    except Unavailable:
        assert mode not in TRUE
    else:
        assert sent.key in {one.key for one in found.operations}

    await _put(lab, case.provider, {})
    assert sent.key in {one.key for one in (await _listed(lab, case, since, sent)).operations}


@every_adapter
async def test_a_list_is_refused_alone(lab: Lab, case: Case, healed: None) -> None:
    adapter = lab.adapters[case.provider]
    refused = {"probability": 1, "steps": [Step.LIST_ALL.value]}
    await _put(lab, case.provider, {Mode.BROWNOUT.value: refused})

    sent = case.operation()
    result = await send(adapter, sent)

    assert result.outcome is not Outcome.UNKNOWN
    with pytest.raises(Unavailable):
        await _listed(lab, case, datetime.now(UTC), sent)


def test_names_of_others_are_not_ours() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    query = OperationQuery(kind=Kind.PAYOUT, since=since)
    ours = f"pay_{7:026d}-payout-1"
    names = [ours, "salaries-7", f"{ours}-retry", "pay_7-payout-1"]

    def read(transfer: Mapping[str, Any]) -> ListedOperation:
        return ListedOperation(key=transfer["name"], provider_reference="1", created_at=None)

    page = pages.read_page([{"name": name} for name in names], query, read, full=1)

    assert [one.key for one in page.operations] == [ours]
