"""The checker checked, on logs."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.worlds import broken, clean


@pytest.mark.parametrize(
    ("line", "is_broken"),
    [
        ('{"event": "sent", "token": "s3cret-value"}', True),
        ('{"event": "sent", "account": "9988776655443"}', True),
        ('{"event": "paid", "card": "4242424242424242"}', True),
        ('{"event": "paid", "card": "4242424242424241", "ns": 1700000000000000000}', False),
    ],
)
def test_i21_a_log_that_says_too_much(tmp_path: Path, line: str, is_broken: bool) -> None:
    world = clean()
    world.payments[0] = replace(
        world.payments[0], recipient={"kind": "wallet", "wallet_id": "9988776655443"}
    )
    world.records[0] = replace(
        world.records[0],
        request={
            **world.records[0].request,
            "recipient": {"wallet": {"wallet_id": "9988776655443"}},
        },
    )
    log = tmp_path / "worker.log"
    log.write_text(f'{{"event": "started"}}\n{line}\n')

    facts = world.facts(logs=[log], secrets={"api key": "s3cret-value"})

    assert broken(facts) == ({"I21"} if is_broken else set())


@pytest.mark.parametrize("loses_primary", [False, True])
def test_i25_a_process_that_takes_the_database_for_an_older_one(
    tmp_path: Path, loses_primary: bool
) -> None:
    log = tmp_path / "worker.log"
    log.write_text('{"finding": "the mark went back", "event": "database_older"}\n')

    facts = clean().facts(logs=[log], loses_primary=loses_primary)

    assert broken(facts) == (set() if loses_primary else {"I25"})
