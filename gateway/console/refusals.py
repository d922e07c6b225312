"""The reasons for which the console shows a page of refusal, each with its status and a sentence
that says what to do. A refusal by payments keeps its reason."""

from http import HTTPStatus

from services.shared import errors


class Refused(Exception):
    """A request that the console does not carry out. ends_session says that its operator has to
    sign in again."""

    def __init__(
        self, status: int, reason: str, sentence: str, *, ends_session: bool = False
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.sentence = sentence
        self.ends_session = ends_session

    @property
    def is_unsure(self) -> bool:
        """Whether a change that was asked for may have been made all the same."""
        return self.reason in _UNSURE


def sign_in_refused(reason: str, sentence: str) -> Refused:
    """A sign-in that did not succeed."""
    return Refused(HTTPStatus.FORBIDDEN, reason, sentence)


_STATUSES: tuple[tuple[type[errors.DomainError], int], ...] = (
    (errors.NotAuthenticated, HTTPStatus.FORBIDDEN),
    (errors.Forbidden, HTTPStatus.FORBIDDEN),
    (errors.NotFound, HTTPStatus.NOT_FOUND),
    (errors.Invalid, HTTPStatus.BAD_REQUEST),
    (errors.NotAllowedNow, HTTPStatus.CONFLICT),
    (errors.Conflict, HTTPStatus.CONFLICT),
    (errors.Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (errors.Unavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (errors.DomainError, HTTPStatus.INTERNAL_SERVER_ERROR),
)
_NO_ROLE = (
    "This operator has no role here that may see this. An administrator can grant one: to a key by "
    "making another, to a person at the sign-in service."
)


# Of a call that changes something, nobody knows after these whether it was carried out.
_UNSURE = ("SERVICE_UNAVAILABLE", "INTERNAL_ERROR")
_SENTENCES = {
    "SCOPE_MISSING": _NO_ROLE,
    "SERVICE_UNAVAILABLE": "A part of Caravel that is needed cannot answer now.",
}


def of_payments(error: errors.DomainError, *, ends_session: bool = True) -> Refused:
    """The page for a refusal by payments; it ends the session whose credential counts no more."""
    reason = error.error_reason
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    sentence = _SENTENCES.get(reason, error.message)
    ends = ends_session and isinstance(error, errors.NotAuthenticated)
    return Refused(status, reason, sentence, ends_session=ends)
