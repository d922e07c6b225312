"""Errors on the wire: a DomainError as google.rpc.Status with one ErrorInfo, and back. Used for
whole calls by grpc_server and grpc_client, and for single items of a batch by the services'
convert."""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.shared import errors

DOMAIN = "caravel.dev"
CODES: dict[type[errors.DomainError], grpc.StatusCode] = {
    errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
    errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.Conflict: grpc.StatusCode.ABORTED,
    errors.NotAllowedNow: grpc.StatusCode.FAILED_PRECONDITION,
    errors.NotAuthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.Overloaded: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.TooSlow: grpc.StatusCode.DEADLINE_EXCEEDED,
    errors.Unsupported: grpc.StatusCode.UNIMPLEMENTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.DomainError: grpc.StatusCode.INTERNAL,
}
_KINDS = {code.value[0]: kind for kind, code in CODES.items()}


def code_of(error: errors.DomainError) -> grpc.StatusCode:
    """The gRPC code of the error's kind."""
    return next(CODES[kind] for kind in type(error).__mro__ if kind in CODES)


def to_status(error: errors.DomainError, request_id: str = "") -> status_pb2.Status:
    """The error as every answer carries it: ErrorInfo first, then what else helps the caller."""
    details = [
        _any(
            error_details_pb2.ErrorInfo(
                reason=error.error_reason, domain=DOMAIN, metadata=error.metadata
            )
        )
    ]
    if isinstance(error, errors.Invalid) and error.violations:
        details.append(
            _any(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(
                            field=violation.field,
                            description=violation.description,
                            reason=violation.reason,
                        )
                        for violation in error.violations
                    ]
                )
            )
        )
    if error.retry_after_seconds is not None:
        delay = duration_pb2.Duration(seconds=error.retry_after_seconds)
        details.append(_any(error_details_pb2.RetryInfo(retry_delay=delay)))
    if request_id:
        details.append(_any(error_details_pb2.RequestInfo(request_id=request_id)))
    return status_pb2.Status(code=code_of(error).value[0], message=error.message, details=details)


def from_status(status: status_pb2.Status) -> errors.DomainError:
    """The refusal another service made, with its kind, reason, message and metadata."""
    kind = _KINDS.get(status.code, errors.DomainError)
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(info):
            break
    reason = info.reason or kind.reason
    remote = type(kind.__name__, (kind,), {"reason": reason, "__doc__": kind.__doc__})
    error: errors.DomainError = remote(status.message, **dict(info.metadata))
    return error


def _any(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
