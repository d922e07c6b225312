"""Starts the monolith beside the mesh."""

import sys
from functools import partial

from deploy.local.mesh import processes, supervisor
from deploy.local.mesh.ports import HOST
from deploy.local.process.child import Spec


def spec(name: str, database_url: str, port: int, workers: int) -> Spec:
    """uvicorn on uvloop and httptools, with so many worker processes."""
    words = ("uvicorn", "tests.benchmarks.baseline.app:make", "--factory", "--host", HOST)
    options = ("--port", str(port), "--workers", str(workers), "--loop", "uvloop")
    quiet = ("--http", "httptools", "--no-access-log", "--log-level", "warning")
    return Spec(
        name=name,
        command=(sys.executable, "-P", "-m", *words, *options, *quiet),
        environment=processes.environment({"DATABASE_URL": database_url}),
        healthy=partial(supervisor.http_ok, port),
        port=port,
    )
