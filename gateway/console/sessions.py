"""The session of a browser: what it holds, when it ends, and the cookies that carry it. All of it
is sealed, so that a browser can neither read nor change it. A sign-in makes a new session."""

import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

# A browser keeps 4096 bytes of one cookie; the gateway takes 16 KiB of all headers.
PART_CHARACTERS, PARTS_MAX = 3800, 3
# A session is written again once its last request is so long ago.
NOTED_SECONDS = 60.0
# An operator has so long at the provider.
SIGN_IN_SECONDS = 600.0


class SessionTooLarge(Exception):
    """The credential is longer than cookies can carry."""


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """A sign-in that is under way at the provider."""

    state: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    begun_at: float
    # The page that was asked for.
    wanted: str


@dataclass(frozen=True, kw_only=True)
class Session:
    """The state that a browser holds for us. Without a credential nobody has signed in."""

    id: str
    # Forms repeat it.
    form_token: str = field(repr=False)
    started_at: float
    seen_at: float
    credential: str = field(default="", repr=False)
    # When the credential ends; None where that is not known.
    credential_ends_at: float | None = None
    # Names the session at the provider; empty where a key was typed.
    id_token: str = field(default="", repr=False)
    sign_in: SignIn | None = None


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """After how many seconds a session ends, in any case and without a request."""

    absolute: float
    idle: float

    def end_of(self, session: Session) -> float:
        """When the session ends, whatever its browser does."""
        end = session.started_at + self.absolute
        ends_at = session.credential_ends_at
        return end if ends_at is None else min(end, ends_at)


class Sessions:
    """Reads sessions from cookies and writes them there."""

    def __init__(
        self,
        keys: Sequence[SecretStr],
        lifetime: Lifetime,
        *,
        secure: bool,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._lifetime = lifetime
        self._secure = secure
        self._now = now
        self._name = "__Host-caravel" if secure else "caravel"
        # Ids of sessions that were ended before their time, and when that is.
        self._ended: dict[str, float] = {}

    def read(self, request: Request) -> Session:
        """The session of a request; a new one where it has none that counts."""
        text = "".join(request.cookies.get(name, "") for name in self._names())
        session = self._open(text) if text else None
        return session if session and self._counts(session) else self.new()

    def new(self) -> Session:
        """A session of nobody yet."""
        now = self._now()
        return Session(
            id=secrets.token_urlsafe(24),
            form_token=secrets.token_urlsafe(24),
            started_at=now,
            seen_at=now,
        )

    def signed_in(
        self, credential: str, *, ends_at: float | None = None, id_token: str = ""
    ) -> Session:
        """A new session of whoever has this credential. Raises SessionTooLarge."""
        session = replace(self.new(), credential=credential, credential_ends_at=ends_at)
        whole = replace(session, id_token=id_token)
        # The provider ends its own session without the name of it too, after a question.
        kept = whole if self._fits(whole) else session
        if not self._fits(kept):
            raise SessionTooLarge
        return kept

    def end_of(self, session: Session) -> float:
        """See Lifetime.end_of."""
        return self._lifetime.end_of(session)

    def end(self, session: Session) -> None:
        """Ends a session: its cookies count no more, whoever still has them."""
        now = self._now()
        self._ended = {id_: end for id_, end in self._ended.items() if end > now}
        self._ended[session.id] = self.end_of(session)

    def write(self, request: Request, response: Response, session: Session) -> None:
        """Puts the session into the answer to a request."""
        sealed = self._seal(replace(session, seen_at=self._now()))
        for at, name in enumerate(self._names()):
            part = sealed[at * PART_CHARACTERS : (at + 1) * PART_CHARACTERS]
            # A longer session before this one has left more parts.
            if part or name in request.cookies:
                response.set_cookie(
                    name,
                    part,
                    max_age=None if part else 0,
                    path="/",
                    secure=self._secure,
                    httponly=True,
                    samesite="lax",
                )

    def is_due(self, session: Session) -> bool:
        """Whether the time of its last request should be written again."""
        return self._now() - session.seen_at >= NOTED_SECONDS

    def _counts(self, session: Session) -> bool:
        now = self._now()
        return (
            session.id not in self._ended
            and now < self.end_of(session)
            and now < session.seen_at + self._lifetime.idle
        )

    def _seal(self, session: Session) -> str:
        text = json.dumps(asdict(session), separators=(",", ":"))
        # Without padding, which a cookie could only have between quotes.
        return self._fernet().encrypt(text.encode()).decode().rstrip("=")

    def _open(self, text: str) -> Session | None:
        try:
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            return _read(json.loads(self._fernet().decrypt(padded)))
        except (InvalidToken, ValueError, TypeError, KeyError):
            return None

    def _fits(self, session: Session) -> bool:
        return len(self._seal(session)) <= PART_CHARACTERS * PARTS_MAX

    def _fernet(self) -> MultiFernet:
        return MultiFernet([Fernet(key.get_secret_value()) for key in self._keys])

    def _names(self) -> Sequence[str]:
        return [self._name, *(f"{self._name}-{at}" for at in range(1, PARTS_MAX))]


def _read(fields: Mapping[str, object]) -> Session:
    known = dict(fields)
    begun = known.pop("sign_in", None)
    session = Session(**known)  # type: ignore[arg-type]
    return replace(session, sign_in=SignIn(**begun)) if isinstance(begun, dict) else session
