"""An operator applies corridor files while merchants pay: each refusal, the log, and quotes and
payments across the change."""

from typing import Any

import pytest
from caravel.payments.v1 import admin_pb2, corridor_versions_pb2, payments_pb2
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.operators.store.corridors import PostgresCorridors
from services.shared.corridors import (
    CorridorFiles,
    CorridorsRefused,
    canonical,
    read_folder,
    version_of,
)
from services.shared.errors import Unavailable
from tests.corridors import SHIPPED, corridor_files, replaced
from tests.poison import run
from tests.wire.payments.calls import new_key, order, refusal
from tests.wire.payments.conftest import Service

SHIPPED_FILES = read_folder(SHIPPED)
LONGER = replaced("lifetime_seconds = 60", "lifetime_seconds = 120", corridor="us-ng")
GONE = {name: text for name, text in SHIPPED_FILES.items() if name != "us-ng.toml"}
NAIRA = {"amount_usd": "100.00", "destination_currency": "NGN"}


def version(files: CorridorFiles) -> str:
    return version_of(canonical(files))


def applying(files: CorridorFiles, **fields: Any) -> corridor_versions_pb2.ApplyCorridorsRequest:
    return corridor_versions_pb2.ApplyCorridorsRequest(files=corridor_files(files), **fields)


async def listed(
    service: Service, **page: Any
) -> corridor_versions_pb2.ListCorridorVersionsResponse:
    request = corridor_versions_pb2.ListCorridorVersionsRequest(**page)
    return await service.corridors.ListCorridorVersions(request)


async def now_counting(service: Service, engine: AsyncEngine, files: CorridorFiles) -> None:
    """As if they had been applied some seconds ago."""
    await run(
        engine,
        """
        INSERT INTO corridor_versions (sequence, version, files, applied_by, reason, applied_at,
               effective_at)
        SELECT max(sequence) + 1, :version, :files, 'ada', '', now(), now() FROM corridor_versions
        """,
        version=version(files),
        files=canonical(files),
    )
    await service.held.load()


async def test_files_are_applied_with_their_operator_reason_and_moment(service: Service) -> None:
    applied = await service.corridors.ApplyCorridors(applying(LONGER, reason="slower payers"))

    assert (applied.sequence, applied.version) == (2, version(LONGER))
    assert (applied.applied_by, applied.reason) == ("ada", "slower payers")
    assert applied.effective_at.ToMicroseconds() - applied.applied_at.ToMicroseconds() == 5_000_000
    assert service.check.asked == [LONGER]
    first, second = (await listed(service)).versions
    assert first == applied
    assert (second.sequence, second.applied_by, second.reason) == (1, "caravel", "start")
    actions = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    [action] = actions.actions
    assert (action.action, action.subject) == ("APPLY_CORRIDORS", version(LONGER))
    assert (action.operator, action.note) == ("ada", "slower payers")
    # A repeated request changes nothing.
    assert await service.corridors.ApplyCorridors(applying(LONGER)) == applied
    assert len((await listed(service)).versions) == 2


async def test_files_are_checked_without_being_applied(service: Service) -> None:
    checked = await service.corridors.ApplyCorridors(applying(LONGER, validate_only=True))

    assert checked == corridor_versions_pb2.CorridorVersion(version=version(LONGER))
    assert service.check.asked == [LONGER]
    assert len((await listed(service)).versions) == 1


@pytest.mark.parametrize("validate_only", [False, True])
@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (applying({}), "FIELD_REQUIRED"),
        (applying(LONGER, reason="x" * 501), "FIELD_INVALID"),
        (applying(LONGER, reason="a\u202eb"), "CHARACTER_FORBIDDEN"),
        (applying({**LONGER, "us-ng.toml": "id ="}), "CORRIDORS_REFUSED"),
        (applying({**LONGER, "us-ng.toml": "id = \x00"}), "CORRIDORS_REFUSED"),
        (applying({**LONGER, "readme\x00\u202e.md": ""}), "CORRIDORS_REFUSED"),
        (applying({**LONGER, "us-xx.toml": LONGER["us-ng.toml"]}), "CORRIDORS_REFUSED"),
    ],
)
async def test_wrong_requests_change_nothing(
    service: Service,
    request_: corridor_versions_pb2.ApplyCorridorsRequest,
    reason: str,
    validate_only: bool,
) -> None:
    request_.validate_only = validate_only

    assert (await refusal(service.corridors.ApplyCorridors(request_)))[1] == reason

    assert len((await listed(service)).versions) == 1
    assert service.check.asked == []


async def test_a_file_that_is_there_twice_is_refused(service: Service) -> None:
    request = applying(LONGER)
    request.files.append(request.files[0])

    assert (await refusal(service.corridors.ApplyCorridors(request)))[1] == "CORRIDORS_REFUSED"


async def test_the_refusal_of_another_service_is_answered_and_kept_in_the_log(
    service: Service,
) -> None:
    service.check.refusal = CorridorsRefused("us-ng.toml: it names frankfurter, not open")

    call = service.corridors.ApplyCorridors(applying(LONGER))
    assert (await refusal(call))[1] == "CORRIDORS_REFUSED"

    assert "us-ng.toml: it names frankfurter" in (await call.details())
    actions = await service.admin.ListOperatorActions(admin_pb2.ListOperatorActionsRequest())
    assert [one.refusal for one in actions.actions] == ["CORRIDORS_REFUSED"]
    service.check.refusal = Unavailable("fx cannot answer now")
    call = service.corridors.ApplyCorridors(applying(LONGER))
    assert (await refusal(call))[1] == "SERVICE_UNAVAILABLE"
    assert len((await listed(service)).versions) == 1


async def test_the_list_has_pages_and_refuses_tokens_that_are_none(
    service: Service, engine: AsyncEngine
) -> None:
    for files in (LONGER, GONE):
        await PostgresCorridors(engine).add(canonical(files), "grace", "", None)

    first = await listed(service, page_size=2)
    rest = await listed(service, page_size=2, page_token=first.next_page_token)

    assert [one.sequence for one in (*first.versions, *rest.versions)] == [3, 2, 1]
    assert rest.next_page_token == ""
    for token in ("x", "WyIwIl0", "WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTk5Il0", "W10", "WyItMSJd"):
        call = service.corridors.ListCorridorVersions(
            corridor_versions_pb2.ListCorridorVersionsRequest(page_token=token)
        )
        assert (await refusal(call))[1] == "FIELD_INVALID", token


async def test_a_quote_keeps_its_terms_across_a_change(
    service: Service, engine: AsyncEngine
) -> None:
    before = await service.payments.CreateQuote(payments_pb2.CreateQuoteRequest(**NAIRA))

    await now_counting(service, engine, LONGER)

    after = await service.payments.CreateQuote(payments_pb2.CreateQuoteRequest(**NAIRA))
    assert [_lifetime(one) for one in (before, after)] == [60, 120]
    shown = await service.payments.GetQuote(payments_pb2.GetQuoteRequest(quote_id=before.quote_id))
    assert shown.expires_at == before.expires_at
    paid = await service.payments.CreatePayment(order(quote_id=before.quote_id), metadata=new_key())
    assert paid.payout_amount == before.payout_amount


async def test_a_corridor_that_is_gone_takes_no_payment_and_the_ones_before_go_on(
    service: Service, engine: AsyncEngine
) -> None:
    quote = await service.payments.CreateQuote(payments_pb2.CreateQuoteRequest(**NAIRA))
    key = new_key()
    under_way = await service.payments.CreatePayment(order(), metadata=key)

    await now_counting(service, engine, GONE)

    refused = service.payments.CreatePayment(order(), metadata=new_key())
    assert (await refusal(refused))[1] == "CORRIDOR_UNSUPPORTED"
    offered = await service.payments.ListCorridors(payments_pb2.ListCorridorsRequest())
    assert "us-ng" not in {one.corridor_id for one in offered.corridors}
    # The promises from before the change are kept: the quote, the payment, and its answer.
    await service.payments.CreatePayment(order(quote_id=quote.quote_id), metadata=new_key())
    again = await service.payments.CreatePayment(order(), metadata=key)
    assert again.transaction_id == under_way.transaction_id


async def test_a_replica_that_cannot_read_the_files_that_count_prices_nothing(
    service: Service, engine: AsyncEngine
) -> None:
    payment = await service.payments.CreatePayment(order(), metadata=new_key())

    await now_counting(service, engine, {**LONGER, "us-ng.toml": "of_a_newer_release = 1"})

    for call in (
        service.payments.CreatePayment(order(), metadata=new_key()),
        service.payments.CreateQuote(payments_pb2.CreateQuoteRequest(**NAIRA)),
        service.payments.ListCorridors(payments_pb2.ListCorridorsRequest()),
    ):
        assert (await refusal(call))[1] == "SERVICE_UNAVAILABLE"
    # A call that needs no corridor is answered.
    request = payments_pb2.GetPaymentRequest(transaction_id=payment.transaction_id)
    assert await service.payments.GetPayment(request)
    await now_counting(service, engine, SHIPPED_FILES)
    await service.payments.CreatePayment(order(), metadata=new_key())


def _lifetime(quote: payments_pb2.Quote) -> int:
    return quote.expires_at.ToSeconds() - quote.created_at.ToSeconds()
