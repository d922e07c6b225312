"""Wise's HTTP: the calls that a payout takes, each marked with the payout's own id. Numbers are
read exactly."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import aiohttp

from services.providers.adapters.kit.bearer import BearerApi, segment
from services.providers.adapters.kit.http import Answer
from services.providers.adapters.wise.settings import WiseSettings

Json = dict[str, Any]
# A page of so many transfers is well below the bound of an answer.
PAGE = 50


class Api:
    """One business profile. Every call raises what NO_ANSWER lists; a post may raise NotConnected
    too. `mark` is the id of the payout that the call is for."""

    def __init__(self, settings: WiseSettings, session: aiohttp.ClientSession) -> None:
        self._api = BearerApi(session, settings.wise_base_url, settings.wise_api_key)
        self._profile = settings.wise_profile_id

    async def create_recipient(self, mark: UUID, body: Json) -> Answer:
        """Registers a recipient; moves nothing."""
        return await self._post("/v1/accounts", mark, body)

    async def create_quote(self, mark: UUID, body: Json) -> Answer:
        """Makes a quote; moves nothing."""
        return await self._post(f"/v3/profiles/{self._profile}/quotes", mark, body)

    async def create_transfer(self, mark: UUID, body: Json) -> Answer:
        """Makes a transfer, or answers with the one that the mark has; moves nothing yet."""
        return await self._post("/v1/transfers", mark, body)

    async def fund(self, mark: UUID, transfer_id: str, body: Json) -> Answer:
        """Pays a transfer from our balance: the one call that moves money."""
        path = f"/v3/profiles/{self._profile}/transfers/{segment(transfer_id)}/payments"
        return await self._post(path, mark, body)

    async def read_transfer(self, mark: UUID, transfer_id: str) -> Answer:
        """The transfer with Wise's own id."""
        return await self._api.get(f"/v1/transfers/{segment(transfer_id)}", headers=_headers(mark))

    async def list_transfers(
        self, mark: UUID, currency: str, since: datetime, offset: int
    ) -> Answer:
        """A page of the transfers into a currency that were made since then."""
        query = {**self._page(since, offset), "targetCurrency": currency}
        return await self._api.get("/v1/transfers", query, headers=_headers(mark))

    async def list_all(self, since: datetime, until: datetime | None, offset: int) -> Answer:
        """A page of all transfers that were made since then, and until then where it is given."""
        query = self._page(since, offset)
        if until is not None:
            query["createdDateEnd"] = _written(until)
        return await self._api.get("/v1/transfers", query)

    def _page(self, since: datetime, offset: int) -> dict[str, str]:
        return {
            "profile": self._profile,
            "createdDateStart": _written(since),
            "limit": str(PAGE),
            "offset": str(offset),
        }

    async def _post(self, path: str, mark: UUID, body: Mapping[str, Any]) -> Answer:
        return await self._api.post(path, body, headers=_headers(mark))


def _written(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _headers(mark: UUID) -> dict[str, str]:
    return {"x-external-correlation-id": str(mark), "x-idempotence-uuid": str(mark)}
