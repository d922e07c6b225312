"""Stripe's lists of payment intents and refunds: the question for a page, and its reading. Objects
without our key were made by somebody else, as in the dashboard."""

from collections.abc import Mapping
from typing import Any

from services.providers.adapters.kit.http import AnswerInvalid, instant, text
from services.providers.adapters.stripe import recovery, translate
from services.providers.domain import Kind
from services.providers.listed import ListedOperation, OperationPage, OperationQuery, is_ours

PATHS = {Kind.COLLECTION: "/v1/payment_intents", Kind.REFUND: "/v1/refunds"}
# A page of so many whole objects, with their metadata, is well below the bound of a list.
PAGE = 50


def params(query: OperationQuery) -> Mapping[str, Any]:
    """The question for one page."""
    asked = {"limit": PAGE, "created": {"gte": int(query.since.timestamp())}}
    return {**asked, "starting_after": query.page} if query.page else asked


def read_page(listed: dict[str, Any], page: str) -> OperationPage:
    """The operations of an answer. Raises AnswerInvalid where it is no list, or leads nowhere."""
    data, has_more = listed.get("data"), listed.get("has_more")
    if not isinstance(data, list) or not isinstance(has_more, bool):
        raise AnswerInvalid("not a list")
    found = [translate.as_object(one) for one in data]
    last = text(found[-1].get("id")) if found else ""
    if has_more and last in ("", page):
        raise AnswerInvalid("a list without an end")
    read = (_read(one) for one in found)
    return OperationPage(
        operations=tuple(one for one in read if is_ours(one.key)),
        next_page=last if has_more else "",
    )


def _read(one: dict[str, Any]) -> ListedOperation:
    stated = one.get("metadata")
    metadata = stated if isinstance(stated, dict) else {}
    return ListedOperation(
        key=text(metadata.get("operation_key")),
        provider_reference=text(one.get("id")),
        created_at=instant(one.get("created")),
        recovery=recovery.whole_of(metadata),
    )
