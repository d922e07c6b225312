"""The events that providers keep are read from where the last reading ended, less an overlap; what
no webhook has brought is kept, and nothing is lost where a page, an answer or a commit fails."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.payments.mesh.ports import EventPage, ListedEvent, ProviderEvent
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Capabilities
from services.payments.model.dispute import DisputeKind, DisputeReport, DisputeStatus
from services.payments.model.payment import PaymentNotFound
from services.payments.model.timing import LISTING_OVERLAP
from services.payments.webhooks_in.ports import Arrival, Place, Receipt
from services.payments.webhooks_in.reader import EventReader
from services.shared.errors import DomainError, Invalid, Unavailable
from tests.fakes import ScriptedProviders
from tests.logs import logged
from tests.makers import CAPABILITIES

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
EVERY_SECONDS = 30.0
LISTS: Mapping[str, Capabilities] = {
    **CAPABILITIES,
    "stripe": replace(CAPABILITIES["stripe"], lists_events=True),
}
REPORT = DisputeReport(
    kind=DisputeKind.DISPUTE,
    provider_reference="du_1",
    status=DisputeStatus.LOST,
    reason="fraudulent",
    amount=None,
    withdrawn=None,
    respond_by=None,
)


def _event(event_id: str, seconds: int = 0, *, about_us: bool = True) -> ListedEvent:
    read = ProviderEvent(
        provider="stripe",
        event_id=event_id,
        event_type="charge.dispute.closed",
        transaction_id="",
        step=None,
        answer=Answer(outcome=Outcome.UNKNOWN),
        collection_reference="pi_1",
        dispute=REPORT if about_us else None,
    )
    created_at = NOW + timedelta(seconds=seconds)
    return ListedEvent(read=read, body=b"{}", created_at=created_at)


class Listing(ScriptedProviders):
    """Providers whose pages a test sets; notes what is asked."""

    def __init__(self, pages: Mapping[str, EventPage | DomainError | Exception]) -> None:
        super().__init__()
        self.pages = dict(pages)
        self.asked: list[tuple[str, datetime | None, str]] = []

    async def list_events(self, provider: str, since: datetime | None, page: str) -> EventPage:
        self.asked.append((provider, since, page))
        answer = self.pages[page]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class HeldInbox:
    """The port Inbox in memory."""

    kept: list[str] = field(default_factory=list)
    error: Exception | None = None
    receipt: Receipt = Receipt.ACCEPTED

    async def receive(self, arrivals: Sequence[Arrival]) -> Sequence[Receipt | PaymentNotFound]:
        assert all(arrival.keep_unmatched for arrival in arrivals)
        if self.error:
            raise self.error
        self.kept += [arrival.event.event_id for arrival in arrivals]
        return [self.receipt for _ in arrivals]


@dataclass
class OneList:
    """The port EventLists with the list of one provider, due as long as it is not moved away."""

    place: Place = field(
        default_factory=lambda: Place(provider="stripe", lease_token=1, read_until=NOW)
    )
    moves: list[float] = field(default_factory=list)
    came: set[str] = field(default_factory=set)
    moved: asyncio.Event = field(default_factory=asyncio.Event)
    is_due: bool = True
    away: bool = False

    async def claim(self, providers: Sequence[str], *, lease_seconds: float) -> Place | None:
        assert providers == ["stripe"]
        if self.away:
            raise Unavailable("away")
        due, self.is_due = self.is_due, False
        return self.place if due else None

    async def move(self, place: Place, *, due_in_seconds: float) -> bool:
        self.place, self.is_due = place, due_in_seconds == 0
        self.moves.append(due_in_seconds)
        self.moved.set()
        return True

    async def known(self, provider: str, event_ids: Collection[str]) -> set[str]:
        return self.came & set(event_ids)


@dataclass
class Parts:
    """A reader and all around it."""

    providers: Listing
    inbox: HeldInbox = field(default_factory=HeldInbox)
    lists: OneList = field(default_factory=OneList)
    declared: Mapping[str, Capabilities] = field(default_factory=lambda: LISTS)

    @property
    def reader(self) -> EventReader:
        return EventReader(
            self.providers, self.inbox, self.lists, self.declared, every_seconds=EVERY_SECONDS
        )

    async def read(self) -> None:
        """Until nothing is due."""
        while await self.reader.run_once():
            pass


def _parts(*events: ListedEvent, **changes: Any) -> Parts:
    return Parts(Listing({"": EventPage(events=events)}), **changes)


async def test_a_list_is_read_from_its_newest_event_on_less_the_overlap() -> None:
    parts = _parts(_event("evt_1", 5))

    await parts.read()

    assert parts.providers.asked == [("stripe", NOW - LISTING_OVERLAP, "")]
    assert parts.inbox.kept == ["evt_1"]
    assert parts.lists.place.read_until == NOW + timedelta(seconds=5)
    assert parts.lists.moves == [EVERY_SECONDS]


async def test_the_first_reading_is_of_all_that_is_kept() -> None:
    parts = _parts(lists=OneList(Place(provider="stripe", lease_token=1, read_until=None)))

    await parts.read()

    assert parts.providers.asked == [("stripe", None, "")]
    assert parts.lists.place.read_until is None


async def test_an_old_event_that_appears_late_does_not_move_the_place_back() -> None:
    parts = _parts(_event("evt_1", -60))

    await parts.read()

    assert parts.inbox.kept == ["evt_1"]
    assert parts.lists.place.read_until == NOW


async def test_an_event_whose_webhook_came_is_not_kept_again() -> None:
    parts = _parts(_event("evt_3", 3), _event("evt_2", 2), _event("evt_1", 1))
    parts.lists.came = {"evt_2"}

    await parts.read()

    assert parts.inbox.kept == ["evt_1", "evt_3"]


async def test_an_event_about_none_of_our_operations_is_not_kept() -> None:
    parts = _parts(_event("evt_1", about_us=False))

    await parts.read()

    assert parts.inbox.kept == []


async def test_every_page_is_read_before_the_place_is_the_newest_event() -> None:
    pages = {
        "": EventPage(events=(_event("evt_3", 3),), next_page="evt_3"),
        "evt_3": EventPage(events=(_event("evt_2", 2),), next_page="evt_2"),
        "evt_2": EventPage(events=(_event("evt_1", 1),)),
    }
    parts = Parts(Listing(pages))

    assert await parts.reader.run_once()
    halfway = parts.lists.place
    await parts.read()

    assert (halfway.page, halfway.read_until) == ("evt_3", NOW)
    assert [page for _, _, page in parts.providers.asked] == ["", "evt_3", "evt_2"]
    assert parts.inbox.kept == ["evt_3", "evt_2", "evt_1"]
    ended = parts.lists.place
    assert (ended.page, ended.read_until) == ("", NOW + timedelta(seconds=3))
    assert parts.lists.moves == [0.0, 0.0, EVERY_SECONDS]


async def test_a_page_is_read_again_where_its_provider_has_not_answered() -> None:
    parts = Parts(Listing({"evt_3": Unavailable("away")}))
    parts.lists.place = place = replace(parts.lists.place, page="evt_3", newest_at=NOW)

    await parts.read()

    assert parts.lists.place == place
    assert parts.lists.moves == [EVERY_SECONDS]


async def test_a_reading_begins_again_where_its_page_is_known_no_more() -> None:
    parts = Parts(Listing({"evt_3": Invalid("page")}))
    parts.lists.place = replace(parts.lists.place, page="evt_3", newest_at=NOW)

    await parts.read()

    assert (parts.lists.place.page, parts.lists.place.newest_at) == ("", None)
    assert parts.lists.place.read_until == NOW


async def test_the_place_is_not_moved_before_the_events_are_kept() -> None:
    parts = _parts(_event("evt_1", 5), inbox=HeldInbox(error=Unavailable("the database is away")))

    await parts.read()
    assert parts.lists.moves == []
    parts.inbox.error, parts.lists.is_due = None, True
    await parts.read()

    assert parts.inbox.kept == ["evt_1"]


async def test_an_event_that_cannot_be_read_is_said_and_stops_no_other() -> None:
    unreadable = ListedEvent(read=Invalid("no event"), body=b"[]")
    parts = _parts(unreadable, _event("evt_1", 5))

    with logged("worker") as lines:
        await parts.read()

    assert parts.inbox.kept == ["evt_1"]
    said = [one["reason"] for one in lines() if one["event"] == "listed_event_unreadable"]
    assert said == ["no event"]


async def test_nobody_is_asked_where_no_provider_lists_events() -> None:
    parts = _parts(declared=CAPABILITIES)

    assert not await parts.reader.run_once()

    assert parts.providers.asked == []


@pytest.mark.parametrize("error", [RuntimeError("a bug"), DomainError("a bug elsewhere")])
async def test_an_error_that_nobody_foresaw_does_not_end_the_reader(error: Exception) -> None:
    parts = Parts(Listing({"": error}))

    assert not await parts.reader.run_once()
    parts.lists.away = True
    assert not await parts.reader.run_once()

    assert parts.lists.moves == []


async def test_a_reader_that_is_woken_to_stop_stops() -> None:
    parts = _parts(_event("evt_1"))
    reader, stopping = parts.reader, asyncio.Event()
    running = asyncio.create_task(reader.run(stopping))
    async with asyncio.timeout(10):
        await parts.lists.moved.wait()
        stopping.set()
        reader.wake()
        await running

    assert len(parts.providers.asked) == 1
