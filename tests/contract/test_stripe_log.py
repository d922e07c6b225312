"""Stripe's SDK writes no log of its own: it would format each answer, with its body, for nobody."""

import logging
from pathlib import Path

import pytest

from services.providers.domain import Outcome
from tests.contract.cases import CASES, send
from tests.contract.lab import running_lab


async def test_the_sdk_formats_no_line_at_any_level(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    operation = CASES["stripe"].operation()
    with caplog.at_level(logging.DEBUG, logger="stripe"):
        async with running_lab(tmp_path / "book.jsonl") as lab:
            result = await send(lab.adapters["stripe"], operation)
            await lab.adapters["stripe"].look_up(operation)

    assert result.outcome is Outcome.SUCCEEDED
    assert [record for record in caplog.records if record.name.startswith("stripe")] == []
