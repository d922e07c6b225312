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
from services.shared.grpc_status import CODES, DOMAIN, code_of, from_status, to_status

DETAILS: tuple[type[Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.RetryInfo,
    error_details_pb2.RequestInfo,
)
KINDS = [
    (errors.Invalid, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.OutOfRange, grpc.StatusCode.OUT_OF_RANGE),
    (errors.NotFound, grpc.StatusCode.NOT_FOUND),
    (errors.Conflict, grpc.StatusCode.ABORTED),
    (errors.NotAllowedNow, grpc.StatusCode.FAILED_PRECONDITION),
    (errors.NotAuthenticated, grpc.StatusCode.UNAUTHENTICATED),
    (errors.Overloaded, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Unavailable, grpc.StatusCode.UNAVAILABLE),
    (errors.DomainError, grpc.StatusCode.INTERNAL),
]


class QuoteExpired(errors.NotAllowedNow):
    """The quote has
    expired."""

    reason = "QUOTE_EXPIRED"


def details_of(status: status_pb2.Status) -> list[Any]:
    """The details, unpacked; fails on a type that is not expected."""
    found = []
    for packed in status.details:
        [kind] = [one for one in DETAILS if packed.Is(one.DESCRIPTOR)]
        detail = kind()
        packed.Unpack(detail)
        found.append(detail)
    return found


@pytest.mark.parametrize(("kind", "code"), KINDS)
def test_each_kind_has_its_code(kind: type[errors.DomainError], code: grpc.StatusCode) -> None:
    assert code_of(kind()) is code
    assert to_status(kind()).code == code.value[0]


def test_every_kind_there_is_has_a_code() -> None:
    kinds = {
        one
        for one in vars(errors).values()
        if inspect.isclass(one) and issubclass(one, errors.DomainError)
    }

    assert kinds == CODES.keys()


def test_a_subclass_has_its_kinds_code_and_its_own_reason_and_words() -> None:
    status = to_status(QuoteExpired(quote_id="quo_1"))

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


@pytest.mark.parametrize("kind", [errors.Conflict, errors.Overloaded, errors.Unavailable])
def test_what_may_be_sent_again_says_when(kind: type[errors.DomainError]) -> None:
    _, retry = details_of(to_status(kind()))

    assert retry.retry_delay.seconds == kind.retry_after_seconds == 1


def test_an_answer_names_its_request_after_exactly_one_error_info() -> None:
    details = details_of(to_status(errors.Overloaded(), "req-1"))

    assert [type(detail).__name__ for detail in details] == [
        "ErrorInfo",
        "RetryInfo",
        "RequestInfo",
    ]
    assert details[-1].request_id == "req-1"


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
def test_a_refusal_comes_back_as_its_kind(kind: type[errors.DomainError]) -> None:
    sent = kind("No, thank you.", corridor_id="us-mx")

    read = from_status(to_status(sent, "req-1"))

    assert isinstance(read, kind)
    assert code_of(read) is code_of(sent)
    assert (read.message, read.error_reason) == (sent.message, sent.error_reason)
    assert read.metadata == {"corridor_id": "us-mx"}
    assert read.retry_after_seconds == sent.retry_after_seconds


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts.filter(bool), st.dictionaries(st.from_regex(r"k_[a-z]{1,8}", fullmatch=True), texts))
def test_words_and_facts_survive_the_wire(message: str, metadata: dict[str, str]) -> None:
    sent = to_status(QuoteExpired(message, **metadata))

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
    sent = to_status(QuoteExpired(), "req-1")
    turned = status_pb2.Status(code=sent.code, details=reversed(sent.details))

    assert from_status(turned).error_reason == "QUOTE_EXPIRED"
