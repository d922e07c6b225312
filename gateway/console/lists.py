"""The pages of lists: a filter in the address, one page after the other, and a file with exactly
what the address filters."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from gateway.console.client import Record
from gateway.console.listings import Listing
from gateway.console.pages import Pages, Visit
from gateway.console.refusals import Refused
from gateway.console.tables import as_csv, unreadable_of, with_query

PAGE_SIZE = 50
# A file is made of so many pages of the longest size at most.
FILE_PAGE_SIZE, FILE_PAGES_MAX = 200, 50


class Lists:
    """The pages of all lists."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def show(self, listing: Listing, visit: Visit) -> Response:
        """One page of the list, or all of it as a file."""
        asked = filters_of(listing, visit)
        if visit.request.query_params.get("format") == "csv":
            return await self._file(listing, visit, asked)
        token = visit.request.query_params.get("page", "")
        page = await self._page(listing, visit, asked, PAGE_SIZE, token)
        path = visit.request.url.path
        following = page.get("next_page_token", "")
        return self._pages.render(
            visit,
            "list.html",
            listing=listing,
            records=page[listing.items],
            unreadable=unreadable_of(page),
            page=page,
            asked=asked,
            of_path=visit.request.path_params,
            path=path,
            is_first=not token,
            next_address=with_query(path, {**asked, "page": following}) if following else "",
            first_address=with_query(path, asked),
            file_address=with_query(path, {**asked, "format": "csv"}),
        )

    async def _page(
        self, listing: Listing, visit: Visit, asked: Mapping[str, str], size: int, token: str
    ) -> Record:
        request: dict[str, Any] = {**listing.fixed, **asked, **visit.request.path_params}
        if not listing.is_whole:
            request |= {"page_size": size, "page_token": token}
        return await self._pages.payments.call(visit.acting, listing.call, request)

    async def _file(self, listing: Listing, visit: Visit, asked: Mapping[str, str]) -> Response:
        records: list[Record] = []
        token = ""
        for _ in range(FILE_PAGES_MAX):
            page = await self._page(listing, visit, asked, FILE_PAGE_SIZE, token)
            records += page[listing.items]
            if not (token := page.get("next_page_token", "")):
                break
        else:
            raise Refused(400, "FILE_TOO_LONG", "The list is too long for a file: filter it first.")
        name = listing.path.strip("/").split("/")[0]
        return Response(
            as_csv(listing.columns, records),
            media_type="text/csv",
            headers={
                "content-disposition": f'attachment; filename="{name}.csv"',
                "cache-control": "no-store",
            },
        )


def filters_of(listing: Listing, visit: Visit) -> dict[str, str]:
    """The filters of the address, those of the list alone."""
    query = visit.request.query_params
    return {one.name: text for one in listing.filters if (text := query.get(one.name, "").strip())}
