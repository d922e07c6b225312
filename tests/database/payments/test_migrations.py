"""The migrations lead down as they lead up: what one adds it takes back, and then adds again."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT, Database


@pytest.mark.parametrize("revision", ["0003", "base"])
def test_migrations_go_down_and_up_again(database: Database, revision: str) -> None:
    environment = {**os.environ, "MIGRATION_DATABASE_URL": database.owner_url}

    for direction in (("downgrade", revision), ("upgrade", "head"), ("check",)):
        command = [sys.executable, "-m", "alembic", *direction]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
