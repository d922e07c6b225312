"""Refusals, by kind. A subclass lives beside the noun that it protects; its docstring is its
default message, and its reason names the cause. The gRPC code and the time to wait belong to the
reason and stand in the contract (shared.contract); a kind groups reasons of one code.

DomainError
├── Invalid            the request is malformed; correct it
│   └── OutOfRange     well-formed, outside the limits
├── NotFound           no such thing for this caller
├── Conflict           another request is in the way; retry
├── NotAllowedNow      the state of things forbids it
├── NotAuthenticated   who is calling?
├── Forbidden          the caller is known, and may not do this
├── Overloaded         too much at once; retry later
├── TooSlow            the request did not arrive in time
├── Unsupported        there is no such method
└── Unavailable        something we depend on is down; retry
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One field that is wrong: its path, the machine-readable reason, a sentence for people."""

    field: str
    reason: str
    description: str


class DomainError(Exception):
    """The request was refused."""

    reason: ClassVar[str] = "INTERNAL_ERROR"
    # After how long it may be possible; None where the contract's own time for the reason holds.
    retry_after_seconds: int | None = None

    def __init__(self, message: str | None = None, **metadata: str) -> None:
        self.message = message or " ".join((type(self).__doc__ or "Refused.").split())
        self.metadata = metadata
        super().__init__(self.message)

    @property
    def error_reason(self) -> str:
        """The `reason` of the answer's ErrorInfo, a name of the ErrorReason enum."""
        return self.reason


def unexpected() -> DomainError:
    """An error that nobody foresaw. The answer says nothing of it, for the log has it."""
    return DomainError("Something went wrong on our side; it is logged.")


class Invalid(DomainError):
    """The request is not of the documented form."""

    reason = "FIELD_INVALID"

    def __init__(
        self, message: str | None = None, *, violations: tuple[Violation, ...] = (), **metadata: str
    ) -> None:
        self.violations = violations
        if violations:
            first = violations[0]
            message = message or "; ".join(v.description for v in violations)
            metadata = {"field": first.field, **metadata}
        super().__init__(message, **metadata)

    @property
    def error_reason(self) -> str:
        """The first violation's own reason, where there are violations."""
        return self.violations[0].reason if self.violations else self.reason


class OutOfRange(Invalid):
    """The value is outside the limits."""


class NotFound(DomainError):
    """There is no such thing."""


class Conflict(DomainError):
    """Another request is in the way; retry in a moment."""


class NotAllowedNow(DomainError):
    """The present state does not allow it."""


class NotAuthenticated(DomainError):
    """The caller is not known."""

    reason = "CREDENTIALS_MISSING"


class Forbidden(DomainError):
    """The caller may not do this."""

    reason = "PRINCIPAL_NOT_ALLOWED"


class Overloaded(DomainError):
    """More work is waiting than this replica accepts; retry in a moment."""

    reason = "OVERLOADED"


class TooSlow(DomainError):
    """The request did not arrive in time."""

    reason = "REQUEST_TOO_SLOW"


class Unsupported(DomainError):
    """There is no such method."""

    reason = "METHOD_UNKNOWN"


class Unavailable(DomainError):
    """A part that is needed cannot answer now; retry with the same idempotency key."""

    reason = "SERVICE_UNAVAILABLE"

    def __init__(self, message: str | None = None, *, cause: str = "", **metadata: str) -> None:
        """The cause is for our own log alone: a class and a code, never a value."""
        self.cause = cause
        super().__init__(message, **metadata)


class CannotStart(Exception):
    """The process refuses to start; the message is one sentence that says what to change."""


def field_invalid(
    field: str, description: str, reason: str = "FIELD_INVALID", **metadata: str
) -> Invalid:
    """An Invalid about exactly one field."""
    violation = Violation(field=field, reason=reason, description=description)
    return Invalid(violations=(violation,), **metadata)
