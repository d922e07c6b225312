"""The operators' requests about corridor files, and the answers."""

from caravel.payments.v1 import corridor_versions_pb2

from services.payments.base.convert import timestamp
from services.payments.base.paging import read_page_size, read_token, write_token
from services.payments.model.corridor_version import CorridorVersion
from services.payments.model.operator import Operator, operator_of
from services.payments.model.principal import Principal
from services.shared.corridors import CorridorFiles, collect
from services.shared.errors import field_invalid
from services.shared.text import limited_text

REASON_MAX = 500
# Numbers of versions are 64 bits wide.
_SEQUENCES = range(1, 2**63)


def read_application(
    request: corridor_versions_pb2.ApplyCorridorsRequest, principal: Principal
) -> tuple[CorridorFiles, Operator]:
    """The files, and the operator with the reason. Raises Invalid, CorridorsRefused."""
    operator = operator_of(principal, limited_text("reason", REASON_MAX)(request.reason))
    if not request.files:
        raise field_invalid("files", "files are required: all of the folder", "FIELD_REQUIRED")
    return collect(request.files), operator


def read_page(
    request: corridor_versions_pb2.ListCorridorVersionsRequest,
) -> tuple[int | None, int]:
    """The number to list before, None for the first page, and how many. Raises Invalid."""
    before = read_token(request.page_token, _read_place) if request.page_token else None
    return before, read_page_size(request.page_size)


def write_token_of(last: int | None) -> str:
    """Where to go on; empty at the end."""
    return "" if last is None else write_token([str(last)])


def write_version(version: CorridorVersion) -> corridor_versions_pb2.CorridorVersion:
    """A version as operators see it."""
    return corridor_versions_pb2.CorridorVersion(
        sequence=version.sequence,
        version=version.version,
        applied_by=version.applied_by,
        reason=version.reason,
        applied_at=timestamp(version.applied_at),
        effective_at=timestamp(version.effective_at),
    )


def _read_place(words: list[str]) -> int:
    sequence = int(words[0])
    if sequence not in _SEQUENCES:
        raise ValueError
    return sequence
