"""The pages of lists: filters and columns in the address, one page after the other, and a file with
exactly what the address filters."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from gateway.console.client import Record
from gateway.console.fields import read, texts
from gateway.console.listings.model import Listing
from gateway.console.pages import Pages, Visit, to
from gateway.console.refusals import Refused
from gateway.console.tables import Column, as_csv, filled, unreadable_of, used, with_query

PAGE_SIZE = 50
# A file is made of so many pages of the longest size at most.
FILE_PAGE_SIZE, FILE_PAGES_MAX = 200, 50
# Pages of things that the search of payments does not find, by the beginning of their ids.
_ELSEWHERE = {"prp_": "/proposals/{query}", "mer_": "/merchants/{query}/keys"}


class Lists:
    """The pages of all lists."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    async def show(self, listing: Listing, visit: Visit) -> Response:
        """One page of the list, or all of it as a file."""
        query = visit.request.query_params
        request = self._request(listing, visit)
        chosen = _chosen(listing, query.getlist("column"))
        if query.get("format") == "csv":
            return await self._file(listing, visit, request, chosen)
        token = query.get("page", "")
        page = await self._page(listing, visit, request, PAGE_SIZE, token)
        records = [
            {**one, **{name: one[known] for name, known in listing.also.items()}}
            for one in page[listing.items]
        ]
        if address := _only(listing, request, records, token):
            return to(address)
        asked: dict[str, Any] = {
            **texts(listing.filters, query),
            "column": [column.label for column in chosen],
        }
        path = visit.request.url.path
        following = page.get("next_page_token", "")
        return self._pages.render(
            visit,
            "list.html",
            live="all" if listing.is_live else "",
            listing=listing,
            columns=chosen or used(listing.columns, records),
            records=records,
            unreadable=unreadable_of(page),
            looked_until=page.get("looked_until") if following else None,
            asked=asked,
            of_path=visit.request.path_params,
            path=path,
            is_first=not token,
            next_address=with_query(path, {**asked, "page": following}) if following else "",
            first_address=with_query(path, asked),
            file_address=with_query(path, {**asked, "format": "csv"}),
        )

    def _request(self, listing: Listing, visit: Visit) -> dict[str, Any]:
        form = read(listing.filters, visit.request.query_params)
        for one in listing.filters:
            if one.name in form.wrong:
                raise Refused(400, "FIELD_INVALID", f"{one.label}: {form.wrong[one.name]}")
        return {**listing.fixed, **form.values, **visit.request.path_params}

    async def _page(
        self, listing: Listing, visit: Visit, request: Mapping[str, Any], size: int, token: str
    ) -> Record:
        paged = {} if listing.is_whole else {"page_size": size, "page_token": token}
        return await self._pages.payments.call(visit.acting, listing.call, {**request, **paged})

    async def _file(
        self, listing: Listing, visit: Visit, request: Mapping[str, Any], chosen: Sequence[Column]
    ) -> Response:
        records: list[Record] = []
        token = ""
        for _ in range(FILE_PAGES_MAX):
            page = await self._page(listing, visit, request, FILE_PAGE_SIZE, token)
            records += page[listing.items]
            if not (token := page.get("next_page_token", "")):
                break
        else:
            raise Refused(400, "FILE_TOO_LONG", "The list is too long for a file: filter it first.")
        name = listing.path.strip("/").split("/")[0]
        return Response(
            as_csv(chosen or listing.columns, records),
            media_type="text/csv",
            headers={
                "content-disposition": f'attachment; filename="{name}.csv"',
                "cache-control": "no-store",
            },
        )


def _chosen(listing: Listing, names: Sequence[str]) -> Sequence[Column]:
    """The columns of these labels, in the list's own order."""
    return [column for column in listing.columns if column.label in names]


def _only(
    listing: Listing, request: Mapping[str, Any], records: Sequence[Record], token: str
) -> str:
    """The address of the one thing that an id finds; empty where it finds none or several."""
    query = str(request.get("query", ""))
    if not query or token or set(request) != {"query"}:
        return ""
    if len(records) == 1:
        return listing.columns[0].address(records[0])
    elsewhere = next((path for begin, path in _ELSEWHERE.items() if query.startswith(begin)), "")
    return filled(elsewhere, {"query": query})
