"""The servers of a database's address, and the addresses that would ask a standby."""

import pytest

from services.shared.db_address import servers_of

ROLE = "postgresql://caravel_app:a%2Cb@"
WRITES = "?target_session_attrs=read-write"


@pytest.mark.parametrize(
    ("address", "servers"),
    [
        (f"{ROLE}db.example/caravel", [("db.example", 5432)]),
        (f"{ROLE}db.example:6000/caravel?sslmode=verify-full", [("db.example", 6000)]),
        (f"{ROLE}a:1,b,c:3/caravel{WRITES}", [("a", 1), ("b", 5432), ("c", 3)]),
        (f"{ROLE}a,b/caravel?target_session_attrs=primary", [("a", 5432), ("b", 5432)]),
        (f"{ROLE}[::1]:7,[::2]/caravel{WRITES}", [("::1", 7), ("::2", 5432)]),
        ("postgresql:///caravel?host=/run/postgresql", [("", 5432)]),
        ("postgres://u:p,q@a/caravel", [("a", 5432)]),
    ],
)
def test_each_server_is_named_in_order(address: str, servers: list[tuple[str, int]]) -> None:
    assert servers_of(address) == servers


@pytest.mark.parametrize(
    "address",
    [
        f"{ROLE}a,b/caravel",
        f"{ROLE}a,b/caravel?target_session_attrs=any",
        f"{ROLE}a,b/caravel?target_session_attrs=prefer-standby",
        f"{ROLE}a,b/caravel{WRITES}&target_session_attrs=any",
        f"{ROLE}a,/caravel?sslmode=require",
    ],
)
def test_several_servers_that_may_ask_a_standby_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="needs target_session_attrs=read-write"):
        servers_of(address)


@pytest.mark.parametrize(
    "address", ["", "mysql://u:s3cret@a/b", f"{ROLE}a:x/b", f"{ROLE}a:70000/b", f"{ROLE}[::1/b"]
)
def test_an_address_of_another_form_is_refused_and_not_quoted(address: str) -> None:
    with pytest.raises(ValueError, match=r"is no address|must begin") as refusal:
        servers_of(address)

    assert "s3cret" not in str(refusal.value)
    assert "a%2Cb" not in str(refusal.value)
