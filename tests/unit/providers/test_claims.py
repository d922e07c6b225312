"""Claims are asked about only where a provider declares that it can be asked, within its limits and
no longer than allowed."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest

from services.providers.claims import REFERENCE_LENGTH_MAX, Claims
from services.providers.domain import (
    Capabilities,
    Dispute,
    DisputeKind,
    DisputeStatus,
    ProviderNotFound,
)
from services.providers.limits import Gate, Limits
from services.providers.ports import Adapter
from services.shared.errors import Invalid, Unavailable
from tests.unit.providers.makers import make_capabilities

CLAIM = Dispute(
    kind=DisputeKind.DISPUTE, provider_reference="du_1", status=DisputeStatus.NEEDS_RESPONSE
)


class Keeper:
    """A provider with one claim, about which it answers, or never."""

    def __init__(self, *, answers: bool = True, can_be_asked: bool = True) -> None:
        self.capabilities: Capabilities = make_capabilities(looks_up_disputes=can_be_asked)
        self.asked: list[str] = []
        self._answers = answers

    async def look_up(self, operation: Any) -> Any:
        raise NotImplementedError

    def read_webhook(self, webhook: Any) -> Any:
        raise NotImplementedError

    async def look_up_dispute(self, provider_reference: str) -> Dispute | None:
        self.asked.append(provider_reference)
        if not self._answers:
            await asyncio.Event().wait()
        return CLAIM if provider_reference == CLAIM.provider_reference else None


def _claims(provider: Keeper, within: timedelta = timedelta(seconds=10)) -> Claims:
    return Claims({"fake": cast(Adapter, provider)}, {"fake": Gate(Limits(), lambda: 0.0)}, within)


async def test_a_claim_is_the_providers_own() -> None:
    claims = _claims(Keeper())

    assert await claims.look_up("fake", "du_1") is CLAIM
    assert await claims.look_up("fake", "du_2") is None


@pytest.mark.parametrize(("name", "can_be_asked"), [("nobody", True), ("fake", False)])
async def test_a_provider_that_cannot_be_asked_is_not_asked(name: str, can_be_asked: bool) -> None:
    provider = Keeper(can_be_asked=can_be_asked)

    with pytest.raises(ProviderNotFound):
        await _claims(provider).look_up(name, "du_1")

    assert provider.asked == []


@pytest.mark.parametrize("reference", ["", "x" * (REFERENCE_LENGTH_MAX + 1)])
async def test_a_reference_of_another_form_is_refused(reference: str) -> None:
    with pytest.raises(Invalid):
        await _claims(Keeper()).look_up("fake", reference)


async def test_a_provider_that_takes_longer_than_allowed_has_not_answered() -> None:
    with pytest.raises(Unavailable):
        await _claims(Keeper(answers=False), timedelta(milliseconds=50)).look_up("fake", "du_1")
