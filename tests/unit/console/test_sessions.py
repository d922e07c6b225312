"""Sessions in cookies: sealed, with an end, and replaced at each sign-in."""

from cryptography.fernet import Fernet
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from gateway.console.sessions import NOTED_SECONDS, PARTS_MAX, Lifetime, Session, Sessions

OLD, NEW = (SecretStr(Fernet.generate_key().decode()) for _ in range(2))
HOUR = 3600.0


class Jar:
    """The cookies of one browser."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.keys: list[SecretStr] = [OLD]
        self.cookies: dict[str, str] = {}
        self.headers: list[str] = []

    def sessions(self, *, secure: bool = True) -> Sessions:
        lifetime = Lifetime(absolute=8 * HOUR, idle=HOUR / 2)
        return Sessions(self.keys, lifetime, secure=secure, now=lambda: self.now)

    def request(self) -> Request:
        text = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return Request({"type": "http", "headers": [(b"cookie", text.encode())]})

    def read(self, sessions: Sessions) -> Session:
        return sessions.read(self.request())

    def write(self, sessions: Sessions, session: Session) -> None:
        response = Response()
        sessions.write(self.request(), response, session)
        self.headers = response.headers.getlist("set-cookie")
        for header in self.headers:
            name, _, rest = header.partition("=")
            self.cookies[name] = rest.partition(";")[0].strip('"')
        self.cookies = {name: value for name, value in self.cookies.items() if value}


def signed_in(jar: Jar, sessions: Sessions, credential: str = "cvo_test_1") -> Session:
    session = sessions.signed_in(credential)
    jar.write(sessions, session)
    return session


def test_a_session_comes_back_as_it_was_and_shows_nothing() -> None:
    jar = Jar()
    sessions = jar.sessions()

    session = signed_in(jar, sessions)

    assert jar.read(sessions) == session
    assert "cvo_test_1" not in "".join(jar.headers)
    assert "cvo_test_1" not in repr(session)


def test_a_cookie_is_for_this_host_alone_and_no_script_reads_it() -> None:
    jar = Jar()
    signed_in(jar, jar.sessions())
    (header,) = jar.headers
    assert header.startswith("__Host-caravel=")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} == set(header.split("; ")[1:])

    signed_in(jar, jar.sessions(secure=False))
    (plain,) = jar.headers
    assert plain.startswith("caravel=") and "Secure" not in plain and "HttpOnly" in plain


def test_a_changed_cookie_is_a_session_of_nobody() -> None:
    jar = Jar()
    sessions = jar.sessions()
    signed_in(jar, sessions)
    sealed = jar.cookies["__Host-caravel"]
    # The last bits of the text may stand for nothing.
    other = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
    for changed in (other, sealed[1:], "", "é", "x" * 9000, sealed + sealed):
        jar.cookies["__Host-caravel"] = changed.encode().decode("latin-1")
        assert jar.read(sessions).credential == ""


def test_a_session_ends_after_its_time_whatever_its_browser_does() -> None:
    jar = Jar()
    sessions = jar.sessions()
    session = signed_in(jar, sessions)
    for _ in range(31):
        jar.now += 900
        assert jar.read(sessions).credential
        jar.write(sessions, session)

    jar.now += 900
    assert not jar.read(sessions).credential


def test_a_session_ends_without_a_request_and_each_request_puts_that_off() -> None:
    jar = Jar()
    sessions = jar.sessions()
    session = signed_in(jar, sessions)
    assert not sessions.is_due(session)
    jar.now += NOTED_SECONDS
    assert sessions.is_due(session)
    jar.now += HOUR / 2 - NOTED_SECONDS - 1
    assert jar.read(sessions).credential
    jar.now += 1
    assert not jar.read(sessions).credential


def test_a_session_ends_with_its_credential() -> None:
    jar = Jar()
    sessions = jar.sessions()
    jar.write(sessions, sessions.signed_in("a.b.c", ends_at=jar.now + 60))

    jar.now += 60
    assert not jar.read(sessions).credential


def test_a_session_that_was_ended_counts_no_more_although_its_cookie_is_kept() -> None:
    jar = Jar()
    sessions = jar.sessions()
    session = signed_in(jar, sessions)

    sessions.end(session)

    assert not jar.read(sessions).credential


def test_a_key_is_rotated_while_sessions_go_on() -> None:
    jar = Jar()
    sessions = jar.sessions()
    signed_in(jar, sessions)

    jar.keys[:] = [NEW, OLD]
    session = jar.read(sessions)
    assert session.credential
    jar.write(sessions, session)
    jar.keys[:] = [NEW]
    assert jar.read(sessions).credential


def test_a_key_that_is_taken_away_opens_nothing_any_more() -> None:
    jar = Jar()
    sessions = jar.sessions()
    signed_in(jar, sessions)

    jar.keys[:] = [NEW]

    assert not jar.read(sessions).credential


def test_a_long_session_is_in_parts_and_the_name_at_the_provider_gives_way() -> None:
    jar = Jar()
    sessions = jar.sessions()

    session = sessions.signed_in("t" * 7000, id_token="i" * 3000)
    jar.write(sessions, session)

    assert session.id_token == ""
    assert 1 < len(jar.cookies) <= PARTS_MAX
    assert jar.read(sessions).credential == "t" * 7000
