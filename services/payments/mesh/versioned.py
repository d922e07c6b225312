"""Calls that are priced by a version of the corridor files. A replica that does not know it says
so, and the same call is made again with the files, so that each replica that it reaches can answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from caravel.common.v1 import corridors_pb2

from services.payments.mesh.ports import FeeQuery, RateQuery
from services.shared.corridors import (
    CorridorFiles,
    CorridorsRefused,
    CorridorsVersionUnknown,
)
from services.shared.errors import NotAllowedNow, Unavailable
from services.shared.log import get_logger

Answer = TypeVar("Answer")
_OF_FILES = (CorridorsRefused.reason, CorridorsVersionUnknown.reason)
# Calls go to the replicas in turn, and some of them are one call behind another's refusal: so many
# calls bring the files after one that was refused, and each replica has them.
BRINGING_CALLS = 8
# The files of a version. Raises Unavailable.
Files = Callable[[str], Awaitable[CorridorFiles]]


class VersionedCalls:
    """The calls to one service."""

    def __init__(self, service: str, files: Files) -> None:
        self._service = service
        self._files = files
        self._full = corridors_pb2.CorridorsVersion()
        self._bringing = 0

    async def ask(
        self,
        queries: Sequence[FeeQuery] | Sequence[RateQuery],
        call: Callable[[corridors_pb2.CorridorsVersion], Awaitable[Answer]],
    ) -> Answer:
        """The answer to the call, by the one version of its queries. Raises Unavailable, also where
        the service cannot use the files, and what else the call raises."""
        version = _version_of(queries)
        try:
            if self._bringing and self._full.version == version:
                self._bringing -= 1
                return await call(self._full)
            try:
                return await call(corridors_pb2.CorridorsVersion(version=version))
            except NotAllowedNow as refusal:
                if refusal.error_reason != CorridorsVersionUnknown.reason:
                    raise
            await self._bring(version)
            return await call(self._full)
        except NotAllowedNow as refusal:
            if refusal.error_reason not in _OF_FILES:
                raise
            get_logger().error(
                "corridors_refused", name=self._service, version=version, reason=refusal.message
            )
            words = f"{self._service} cannot use the corridor files that count"
            raise Unavailable(words, service=self._service) from None

    async def _bring(self, version: str) -> None:
        if self._full.version != version:
            self._full = corridors_pb2.CorridorsVersion(
                version=version, files=write_files(await self._files(version))
            )
        self._bringing = BRINGING_CALLS


def write_files(files: CorridorFiles) -> Sequence[corridors_pb2.CorridorFile]:
    """The files as the wire has them."""
    return [corridors_pb2.CorridorFile(name=name, content=text) for name, text in files.items()]


def _version_of(queries: Sequence[FeeQuery] | Sequence[RateQuery]) -> str:
    """The services would answer by their own folder where none is named."""
    versions = {query.corridors_version for query in queries}
    if len(versions) > 1 or "" in versions:
        raise ValueError("the queries of a call name one version of the corridor files")
    return versions.pop() if versions else ""
