"""Refusals as Status and back: the code by the kind, one ErrorInfo, and whatever else helps."""

import inspect
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.shared import errors
from services.shared.grpc_status import (
    DOMAIN,
    KINDS,
    METADATA_MAX,
    code_of,
    from_status,
    retry_after_seconds,
    to_status,
)
from tests.refusals import Busy, Expired, Missing, TooMuch

DETAILS: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
    error_details_pb2.RequestInfo,
)
# One reason of each code, by hand; the contract has the others.
CODES = [
    (errors.Invalid(), grpc.StatusCode.INVALID_ARGUMENT),
    (TooMuch(), grpc.StatusCode.OUT_OF_RANGE),
    (Missing(), grpc.StatusCode.NOT_FOUND),
    (Busy(), grpc.StatusCode.ABORTED),
    (Expired(), grpc.StatusCode.FAILED_PRECONDITION),
    (errors.NotAuthenticated(), grpc.StatusCode.UNAUTHENTICATED),
    (errors.Overloaded(), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.TooSlow(), grpc.StatusCode.DEADLINE_EXCEEDED),
    (errors.Unsupported(), grpc.StatusCode.UNIMPLEMENTED),
    (errors.Unavailable(), grpc.StatusCode.UNAVAILABLE),
    (errors.DomainError(), grpc.StatusCode.INTERNAL),
]
each_kind = pytest.mark.parametrize(
    ("error", "code"), CODES, ids=[type(error).__name__ for error, _ in CODES]
)


def details_of(status: status_pb2.Status) -> list[Any]:
    """The details, unpacked; fails on a type that is not expected."""
    found = []
    for packed in status.details:
        [kind] = [one for one in DETAILS if packed.Is(one.DESCRIPTOR)]
        detail = kind()
        packed.Unpack(detail)
        found.append(detail)
    return found


@each_kind
def test_a_refusal_has_the_code_of_its_reason(
    error: errors.DomainError, code: grpc.StatusCode
) -> None:
    assert code_of(error) is code
    assert to_status(error).code == code.value[0]


def test_every_kind_there_is_can_come_back() -> None:
    kinds = {
        one
        for one in vars(errors).values()
        if inspect.isclass(one) and issubclass(one, errors.DomainError)
    }

    assert kinds == set(KINDS.values())


def test_a_reason_decides_whatever_the_kind() -> None:
    error = errors.field_invalid("amount_usd", "amount_usd is too large", "AMOUNT_ABOVE_MAXIMUM")

    assert code_of(error) is grpc.StatusCode.OUT_OF_RANGE


def test_a_reason_newer_than_this_service_has_the_code_that_it_came_with() -> None:
    info = error_details_pb2.ErrorInfo(reason="NEWER_THAN_THIS_SERVICE", domain=DOMAIN)
    sent = status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="no")
    sent.details.add().Pack(info)

    read = from_status(sent)

    assert (read.error_reason, code_of(read)) == (info.reason, grpc.StatusCode.NOT_FOUND)
    assert retry_after_seconds(read) is None


def test_a_subclass_has_its_kinds_code_and_its_own_reason_and_words() -> None:
    status = to_status(Expired(quote_id="quo_1"))

    assert status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0]
    assert status.message == "The quote has expired."
    assert details_of(status) == [
        error_details_pb2.ErrorInfo(
            reason="QUOTE_EXPIRED", domain=DOMAIN, metadata={"quote_id": "quo_1"}
        )
    ]


def test_violations_are_listed_field_by_field_and_the_first_gives_the_reason() -> None:
    violations = (
        errors.Violation(field="user_id", reason="FIELD_REQUIRED", description="a"),
        errors.Violation(field="amount_usd", reason="AMOUNT_NOT_POSITIVE", description="b"),
    )

    status = to_status(errors.Invalid(violations=violations, hint="c"))

    info, bad_request = details_of(status)
    assert (status.message, info.reason) == ("a; b", "FIELD_REQUIRED")
    assert dict(info.metadata) == {"field": "user_id", "hint": "c"}
    listed = [(one.field, one.reason, one.description) for one in bad_request.field_violations]
    assert listed == [
        ("user_id", "FIELD_REQUIRED", "a"),
        ("amount_usd", "AMOUNT_NOT_POSITIVE", "b"),
    ]


@pytest.mark.parametrize("kind", [Busy, errors.Overloaded, errors.Unavailable])
def test_retryable_error_states_when_to_retry(kind: type[errors.DomainError]) -> None:
    _, retry = details_of(to_status(kind()))

    assert retry.retry_delay.seconds == 1


def test_a_refusal_that_knows_when_says_it_in_the_place_of_the_contracts_time() -> None:
    error = Busy()
    error.retry_after_seconds = 25

    _, retry = details_of(to_status(error))

    assert retry.retry_delay.seconds == 25


def test_an_answer_names_its_request_after_exactly_one_error_info() -> None:
    details = details_of(to_status(errors.Overloaded(), "req-1"))

    assert [type(detail).__name__ for detail in details] == [
        "ErrorInfo",
        "RetryInfo",
        "RequestInfo",
    ]
    assert details[-1].request_id == "req-1"


@each_kind
def test_a_refusal_comes_back_as_its_kind(error: errors.DomainError, code: grpc.StatusCode) -> None:
    sent = type(error)("No, thank you.", corridor_id="us-mx")

    read = from_status(to_status(sent, "req-1"))

    assert isinstance(read, KINDS[code])
    assert code_of(read) is code
    assert (read.message, read.error_reason) == (sent.message, sent.error_reason)
    assert read.metadata == {"corridor_id": "us-mx"}
    assert retry_after_seconds(read) == retry_after_seconds(sent)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=METADATA_MAX)


@given(texts.filter(bool), st.dictionaries(st.from_regex(r"k_[a-z]{1,8}", fullmatch=True), texts))
def test_words_and_facts_survive_the_wire(message: str, metadata: dict[str, str]) -> None:
    sent = to_status(Expired(message, **metadata))

    read = from_status(status_pb2.Status.FromString(sent.SerializeToString()))

    assert (read.message, read.error_reason) == (message, "QUOTE_EXPIRED")
    assert read.metadata == metadata


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, errors.Unavailable, "SERVICE_UNAVAILABLE"),
        (grpc.StatusCode.INVALID_ARGUMENT, errors.Invalid, "FIELD_INVALID"),
        (grpc.StatusCode.DATA_LOSS, errors.DomainError, "INTERNAL_ERROR"),
        (grpc.StatusCode.UNKNOWN, errors.DomainError, "INTERNAL_ERROR"),
    ],
)
def test_a_status_without_our_details_has_its_kinds_own_reason(
    code: grpc.StatusCode, kind: type[errors.DomainError], reason: str
) -> None:
    read = from_status(status_pb2.Status(code=code.value[0], message="no"))

    assert isinstance(read, kind)
    assert (read.error_reason, read.message) == (reason, "no")


def test_an_error_info_is_found_behind_other_details() -> None:
    sent = to_status(Expired(), "req-1")
    turned = status_pb2.Status(code=sent.code, details=reversed(sent.details))

    assert from_status(turned).error_reason == "QUOTE_EXPIRED"


def test_a_callers_own_text_is_bounded_in_what_goes_back() -> None:
    status = to_status(errors.NotFound(key_id="x" * 300_000))

    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert len(info.metadata["key_id"]) == METADATA_MAX
    assert status.ByteSize() < 1024


def test_a_time_to_wait_of_its_own_survives_the_wire() -> None:
    sent = errors.Unavailable()
    sent.retry_after_seconds = 122_400

    assert retry_after_seconds(from_status(to_status(sent))) == 122_400
