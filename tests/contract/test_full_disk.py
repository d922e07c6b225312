"""The simulator on a full disk: a request that it cannot write down is refused in the words of its
provider, has no effect, now or later, and can come again."""

from pathlib import Path

from services.providers.domain import Outcome
from tests.contract.cases import Case, send
from tests.contract.faults import every_adapter
from tests.contract.lab import running_lab
from tests.full_disk import FullDisk


@every_adapter
async def test_a_refused_operation_has_no_effect_and_can_come_again(
    case: Case, tmp_path: Path
) -> None:
    path, disk = tmp_path / "book.jsonl", FullDisk()
    refused, other = case.operation(), case.operation()
    async with running_lab(path, disk.open) as lab:
        adapter = lab.adapters[case.provider]
        disk.fails_at = "half"
        first = await send(adapter, refused)
        asked = await adapter.look_up(refused)
        disk.fails_at = ""
        second = await send(adapter, other)

        assert first.outcome in (Outcome.UNKNOWN, Outcome.NOT_SENT)
        assert first.failure
        assert first.failure.code == "provider_fault"
        assert asked.outcome is Outcome.ABSENT
        assert second.outcome in (Outcome.PENDING, Outcome.SUCCEEDED)
        assert await lab.book(refused.key) == []

    async with running_lab(path) as lab:
        assert await lab.book(refused.key) == []
        assert (await lab.adapters[case.provider].look_up(refused)).outcome is Outcome.ABSENT
        again = await send(lab.adapters[case.provider], refused)
        effects = [line["effect"] for line in await lab.book(refused.key)]

    assert again.outcome in (Outcome.PENDING, Outcome.SUCCEEDED)
    assert effects.count(case.effect) == 1
