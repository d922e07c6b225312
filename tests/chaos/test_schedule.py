"""The seed alone decides the actions against a mesh."""

import random
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from deploy.local.mesh.credentials import load_or_make
from services.providers.simulator.app import create_app
from services.providers.simulator.catalogue import load_config
from services.providers.simulator.config import Config
from services.providers.simulator.faults.modes import Mode
from tests.chaos import corridors, lies, phases, schedule
from tests.chaos.proxy import Toxic
from tests.chaos.topology import Topology, kind_of

TOPOLOGY = Topology()


def test_seed_decides_everything() -> None:
    assert schedule.make(7, 600, TOPOLOGY) == schedule.make(7, 600, TOPOLOGY)
    assert schedule.make(7, 600, TOPOLOGY) != schedule.make(8, 600, TOPOLOGY)


def test_seeds_draw_different_faults() -> None:
    kinds = {
        frozenset(action.kind for action in schedule.make(seed, 600, TOPOLOGY).actions)
        for seed in range(20)
    }
    assert len(kinds) > 5


def test_seeds_together_do_everything() -> None:
    actions = [a for seed in range(40) for a in schedule.make(seed, 600, TOPOLOGY).actions]
    killed = {action.target for action in actions if action.kind == "kill"}
    assert killed == set(TOPOLOGY.processes)
    assert {action.kind for action in actions} == {
        *("kill", "kill_session", "pause", "pause_session", "terminate_sessions"),
        *("toxic", "lies", "pause_sender", "phase"),
    }
    assert {action.target for action in actions if action.kind == "phase"} == set(phases.PHASES)
    assert {action.target for action in actions if action.kind == "toxic"} == set(TOPOLOGY.links)
    regimes = [regime for a in actions if a.kind == "lies" for regime in a.parameters.values()]
    assert {mode for regime in regimes for mode in regime["modes"]} == set(lies.MODES)
    toxics = {name for a in actions if a.kind == "toxic" for name in a.parameters["toxic"]}
    assert {"cut_commit", "end_commit", "lose_commit_reply"} <= toxics


def test_faults_that_came_later_leave_an_older_seed_what_it_had() -> None:
    without = dict.fromkeys(schedule.LATER_RATES, 0.0)
    for seed in range(10):
        older = schedule.make(seed, 600, TOPOLOGY, certain=without)
        whole = schedule.make(seed, 600, TOPOLOGY)
        assert set(map(repr, older.actions)) < set(map(repr, whole.actions))
        assert older.has_short_quotes == whole.has_short_quotes


def test_beside_strange_words_somebody_is_killed() -> None:
    certain = {"strange_words": 4.0}
    kinds = set()
    for seed in range(5):
        actions = schedule.make(seed, 600, TOPOLOGY, certain=certain).actions
        (first, *_) = [a for a in actions if (a.kind, a.target) == ("phase", "strange_words")]
        assert set(first.parameters["modes"]) == set(lies.PROVIDERS)
        after = first.at_seconds + schedule.BESIDE_SECONDS[1]
        beside = [a for a in actions if first.at_seconds < a.at_seconds <= after]
        killed = {kind_of(action.target) for action in beside if action.kind == "kill"}
        assert killed & set(schedule.KILLED_BESIDE)
        kinds |= killed
    assert set(schedule.KILLED_BESIDE) <= kinds


def test_a_certain_rate_is_neither_drawn_nor_multiplied() -> None:
    certain = {"pause_worker": 20.0, "kill worker-1": 0.0, "strange_words": 0.0}
    for seed in range(10):
        actions = schedule.make(seed, 600, TOPOLOGY, 5.0, certain).actions
        others = schedule.make(seed, 600, TOPOLOGY, 5.0).actions
        paused = [a for a in actions if a.kind == "pause" and a.target in TOPOLOGY.names("worker")]
        assert 60 < len(paused) < 180
        assert ("kill", "worker-1") not in {(a.kind, a.target) for a in actions}
        rest = [a for a in others if a.target == "fees"]
        assert len(rest) == len([a for a in actions if a.target == "fees"])


def test_every_toxic_is_one() -> None:
    for seed in range(20):
        for action in schedule.make(seed, 600, TOPOLOGY).actions:
            if action.kind == "toxic":
                assert Toxic(**action.parameters["toxic"]) != Toxic()


@pytest.fixture
def simulator_config(tmp_path: Path) -> Config:
    known = load_or_make(tmp_path / "credentials.json")
    values = {name.upper(): value for name, value in known.stand_ins.items()}
    return load_config(
        {
            **values,
            "DEPLOYMENT": "sandbox",
            "BOOK_FILE": str(tmp_path / "book.jsonl"),
            "GATEWAY_URL": "http://127.0.0.1:1",
        }
    )


async def test_simulator_refuses_what_is_impossible_and_nothing_else(
    simulator_config: Config,
) -> None:
    async with TestClient(TestServer(await create_app(simulator_config))) as client:
        for provider in lies.PROVIDERS:
            refused = set()
            for mode in lies.MODES:
                setting = lies._setting(random.Random(1), mode)
                answer = await client.put(f"/control/{provider}", json={"modes": {mode: setting}})
                if answer.status != 200:
                    refused.add(mode)
            # A phase's mode is impossible where a lie would be; others no phase has there.
            possible = lies.IMPOSSIBLE[provider] & set(lies.MODES)
            assert refused == possible, provider


async def test_simulator_takes_every_phase(simulator_config: Config) -> None:
    async with TestClient(TestServer(await create_app(simulator_config))) as client:
        for name in phases.PHASES:
            for seed in range(10):
                modes = phases.draw(random.Random(seed), name)["modes"]
                for provider, regime in phases.merged({}, [modes]).items():
                    answer = await client.put(f"/control/{provider}", json=regime)
                    assert answer.status == 200, await answer.text()


def test_a_phase_adds_to_the_lies_and_takes_nothing_from_them() -> None:
    lies_of = {"brownout": {"probability": 0.1}}
    modes = {"unknown_status": {"probability": 1.0}}

    merged = phases.merged(
        {"stripe": {"seed": 7, "modes": lies_of}}, [{"stripe": modes, "paystack": modes}]
    )

    assert merged["stripe"] == {"seed": 7, "modes": {**lies_of, **modes}}
    assert merged["paystack"]["modes"] == modes
    assert merged["local_wallet"]["modes"] == {}


def test_every_mode_is_drawn_as_a_lie_or_in_a_phase_but_some() -> None:
    regimes = set(lies.MODES) | lies.OF_PHASES
    # The contract ring walks the rows of refusals, and an order names how its payer behaves.
    elsewhere = {"refused", "fails_as", "payer_authenticates", "payer_fails"}
    assert {mode.value for mode in Mode} - regimes == {"cache_500", "key_ttl"} | elsewhere
    drawn = [phases.draw(random.Random(1), name)["modes"] for name in phases.PHASES]
    in_phases = {mode for modes in drawn for regime in modes.values() for mode in regime}
    assert in_phases >= lies.OF_PHASES


def test_corridors_of_a_run_have_times_of_its_own(tmp_path: Path) -> None:
    for short in (False, True):
        for file in corridors.write(tmp_path / "corridors", short=short).glob("*.toml"):
            text = file.read_text()
            assert f"patience_seconds = {corridors.PATIENCE_SECONDS}" in text
            assert (f"lifetime_seconds = {corridors.LIFETIME_SECONDS}" in text) is short
            assert (f"grace_seconds = {corridors.GRACE_SECONDS}" in text) is short
