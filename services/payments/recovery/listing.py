"""A list of a provider, page after page."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

from services.payments.mesh.ports import ListedOperation, OperationLists
from services.payments.model.attempt import Step
from services.shared.errors import NotFound


async def pages_of(
    lists: OperationLists, provider: str, step: Step, since: datetime, expected: Sequence[str]
) -> AsyncIterator[Sequence[ListedOperation]]:
    """The operations of each page; none where the provider has no such list. Raises Unavailable."""
    page = ""
    while True:
        try:
            read = await lists.read(provider, step, since=since, page=page, expected_keys=expected)
        except NotFound:
            return
        yield read.operations
        page = read.next_page
        if not page:
            return
