"""Stripe's list of events, which it keeps for 30 days: the types that only a webhook would bring,
and the reading of a page. Collections are looked up one by one, so that their events are not
among them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import stripe

from services.providers.adapters.kit.http import AnswerInvalid, instant, text
from services.providers.adapters.stripe import refunds, translate
from services.providers.domain import EventPage, ListedEvent
from services.shared.errors import Invalid

PATH = "/v1/events"
# Stripe filters by 20 types at the most, each by its whole name.
TYPES_MAX = 20
LISTED = (
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "radar.early_fraud_warning.created",
    "radar.early_fraud_warning.updated",
    "review.opened",
    "review.closed",
    # Also of refunds that were made in the dashboard, or fail after they have succeeded.
    *sorted(refunds.EVENTS),
)
# An event with a dispute may hold all the evidence of it, 150,000 characters: a page of so many is
# within the bytes that are read, and within one message of ours.
PAGE = 20
BYTES_MAX = 4 * 1024 * 1024


def params(since: datetime | None, page: str) -> Mapping[str, Any]:
    """The question for one page, the newest event first."""
    asked: dict[str, Any] = {"types": list(LISTED), "limit": PAGE}
    if since is not None:
        asked["created"] = {"gte": int(since.timestamp())}
    return {**asked, "starting_after": page} if page else asked


def read_page(listed: dict[str, Any], page: str) -> EventPage:
    """The events of an answer, each read for itself. Raises AnswerInvalid where it is no list, or
    leads nowhere."""
    data, has_more = listed.get("data"), listed.get("has_more")
    if not isinstance(data, list) or not isinstance(has_more, bool):
        raise AnswerInvalid("not a list of events")
    events = [translate.as_object(one) for one in data]
    named = [name for one in events if (name := text(one.get("id")))]
    if has_more and (not named or named[-1] == page):
        raise AnswerInvalid("a list without an end")
    return EventPage(events=tuple(map(_read, events)), next_page=named[-1] if has_more else "")


def refuses_page(error: stripe.StripeError) -> bool:
    """Whether Stripe does not know the event that a page begins after."""
    return isinstance(error, stripe.InvalidRequestError) and error.param == "starting_after"


def _read(event: dict[str, Any]) -> ListedEvent:
    # Escaped, so that any text can be written; whether it can be kept, the reading says.
    body = json.dumps(event, separators=(",", ":")).encode()
    created_at = instant(event.get("created"))
    try:
        return ListedEvent(read=translate.read_event(body), body=body, created_at=created_at)
    except Invalid as refusal:
        return ListedEvent(read=refusal, body=body, created_at=created_at)
