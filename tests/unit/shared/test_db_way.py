"""The way to a database on another machine, on which nobody may read along where money is real."""

import pytest

from services.payments.config import DatabaseSettings
from services.shared.db import is_unverified
from services.shared.env import UnsafeDeployment

HERE = [
    "postgresql://caravel_app@127.0.0.1/caravel",
    "postgresql://caravel_app@localhost:6432/caravel",
    "postgresql://caravel_app@[::1]/caravel?sslmode=disable",
    "postgresql:///caravel",
    "postgresql:///caravel?host=/run/postgresql",
    "postgresql://caravel_app@/caravel?host=%2Frun%2Fpostgresql",
]
VERIFIED = [
    "postgresql://caravel_app@db.example/caravel?sslmode=verify-full&sslrootcert=/ca.pem",
    "postgresql://caravel_app@one.example,two.example/caravel?sslmode=verify-full&target_session_attrs=primary",
]
UNVERIFIED = [
    "postgresql://caravel_app:secret@db.example/caravel",
    "postgresql://caravel_app@10.0.0.5/caravel?sslmode=require",
    "postgresql://caravel_app@db.example/caravel?sslmode=verify-ca&sslrootcert=/ca.pem",
    "postgresql://caravel_app@db.example/caravel?sslrootcert=/ca.pem",
    "postgresql://caravel_app@db.example/caravel?sslmode=verify-full&sslmode=disable",
    "postgresql://caravel_app@db.example/caravel?sslmode=VERIFY-FULL",
    "postgresql:///caravel?host=db.example",
    "postgresql:///caravel?host=/run/postgresql,db.example&target_session_attrs=primary",
    "postgresql://127.0.0.1,db.example/caravel?target_session_attrs=primary",
    "postgresql:///caravel?host=127.0.0.1&host=db.example&target_session_attrs=primary",
]


@pytest.mark.parametrize("address", [*HERE, *VERIFIED])
def test_a_socket_this_machine_and_a_verified_server_are_taken(address: str) -> None:
    assert not is_unverified(address)
    DatabaseSettings.read({"DEPLOYMENT": "live", "DATABASE_URL": address})


@pytest.mark.parametrize("address", UNVERIFIED)
def test_any_other_way_is_refused_where_it_is_live_and_nowhere_else(address: str) -> None:
    with pytest.raises(UnsafeDeployment) as refused:
        DatabaseSettings.read({"DEPLOYMENT": "live", "DATABASE_URL": address})
    assert str(refused.value) == (
        "DATABASE_URL must have sslmode=verify-full and sslrootcert where the database is not on "
        "this machine"
    )
    DatabaseSettings.read({"DEPLOYMENT": "staging", "DATABASE_URL": address})


def test_each_of_several_hosts_counts_whatever_its_port() -> None:
    assert is_unverified("postgresql://127.0.0.1:5432,db.example:5432/caravel")
    assert is_unverified("postgresql://caravel@[::1]:5432,db.example/caravel")
    assert not is_unverified("postgresql://caravel@[::1]:5432,127.0.0.1:5433/caravel")
