"""Errors on the wire: a DomainError as google.rpc.Status with one ErrorInfo, and back. Used for
whole calls by grpc_server and grpc_client, and for single items of a batch by the services'
convert."""

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from services.shared import errors
from services.shared.contract import REFUSALS

DOMAIN = "caravel.dev"
# The most characters of one value beside a reason.
METADATA_MAX = 200
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_CODE_BY_REASON = {reason: _CODES[stated.grpc_code] for reason, stated in REFUSALS.items()}
# The kind that a refusal of another service becomes, by its code.
KINDS: dict[grpc.StatusCode, type[errors.DomainError]] = {
    grpc.StatusCode.OUT_OF_RANGE: errors.OutOfRange,
    grpc.StatusCode.INVALID_ARGUMENT: errors.Invalid,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ABORTED: errors.Conflict,
    grpc.StatusCode.FAILED_PRECONDITION: errors.NotAllowedNow,
    grpc.StatusCode.UNAUTHENTICATED: errors.NotAuthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.Forbidden,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.Overloaded,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.TooSlow,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unsupported,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.INTERNAL: errors.DomainError,
}
_KINDS = {code.value[0]: kind for code, kind in KINDS.items()}
_CODE_BY_KIND = {kind: code for code, kind in KINDS.items()}


def code_of(error: errors.DomainError) -> grpc.StatusCode:
    """The gRPC code of the error's reason; of its kind, where a newer service sent the reason."""
    code = _CODE_BY_REASON.get(error.error_reason)
    return code or next(
        _CODE_BY_KIND[kind] for kind in type(error).__mro__ if kind in _CODE_BY_KIND
    )


def retry_after_seconds(error: errors.DomainError) -> int | None:
    """After how many seconds the call may be repeated: the error's own time, or that of its reason;
    None where waiting changes nothing."""
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds
    stated = REFUSALS.get(error.error_reason)
    return stated.retry_after_seconds if stated else None


def to_status(error: errors.DomainError, request_id: str = "") -> status_pb2.Status:
    """The error as every answer carries it: ErrorInfo first, then what else helps the caller."""
    details = [
        _any(
            error_details_pb2.ErrorInfo(
                reason=error.error_reason,
                domain=DOMAIN,
                metadata={name: _bounded(text) for name, text in error.metadata.items()},
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
    if (seconds := retry_after_seconds(error)) is not None:
        delay = duration_pb2.Duration(seconds=seconds)
        details.append(_any(error_details_pb2.RetryInfo(retry_delay=delay)))
    if request_id:
        details.append(_any(error_details_pb2.RequestInfo(request_id=request_id)))
    return status_pb2.Status(code=code_of(error).value[0], message=error.message, details=details)


def from_status(status: status_pb2.Status) -> errors.DomainError:
    """The refusal another service made, with its kind, reason, message, metadata and its time to
    wait."""
    kind = _KINDS.get(status.code, errors.DomainError)
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        detail.Unpack(info)
        detail.Unpack(retry)
    reason = info.reason or kind.reason
    remote = type(kind.__name__, (kind,), {"reason": reason, "__doc__": kind.__doc__})
    error: errors.DomainError = remote(status.message, **dict(info.metadata))
    if retry.HasField("retry_delay"):
        error.retry_after_seconds = retry.retry_delay.seconds
    return error


def _bounded(text: str) -> str:
    """A text that may be the caller's own, as far as trailers have room for it: longer ones would
    break the connection that the gateway shares among its callers."""
    return text if len(text) <= METADATA_MAX else f"{text[: METADATA_MAX - 1]}…"


def _any(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
