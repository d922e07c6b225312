"""A list of a provider, page after page."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from services.payments.mesh.ports import ListedOperation, OperationLists
from services.payments.model.attempt import Step
from services.shared.errors import NotFound, Unavailable


async def pages_of(
    lists: OperationLists, provider: str, step: Step, since: datetime, expected: Sequence[str]
) -> AsyncIterator[Sequence[ListedOperation]]:
    """The operations of each page, to the last one; none where the provider has no such list. A
    list that ends before its last page is none. Raises Unavailable."""
    page = ""
    while True:
        try:
            read = await lists.read(provider, step, since=since, page=page, expected_keys=expected)
        except NotFound:
            if page:
                raise Unavailable("The provider's list has ended before its last page.") from None
            return
        yield read.operations
        page = read.next_page
        if not page:
            return
