"""The servers that a database's address names: one, or several of which one takes writes at a time.
The driver tries them in their order."""

import re
from collections.abc import Sequence
from urllib.parse import parse_qs, urlsplit

PORT = 5432
# Of several servers only the primary is asked: a standby answers with the past.
ASKS_THE_PRIMARY = frozenset({"read-write", "primary"})
_ADDRESS = re.compile(r"postgres[a-z+]*://(?:[^/?#]*@)?(?P<servers>[^/?#]*)")


def servers_of(address: str) -> Sequence[tuple[str, int]]:
    """The host and the port of each server, in the order in which they are tried.

    Raises ValueError, whose words quote nothing of the address.
    """
    found = _ADDRESS.match(address)
    if found is None:
        raise ValueError("must begin with postgresql://")
    query = parse_qs(address.partition("?")[2])
    named = found["servers"] or ",".join(query.get("host", ()))
    servers = [_server(one) for one in named.split(",")]
    asked = set(query.get("target_session_attrs", ()))
    if len(servers) > 1 and not (len(asked) == 1 and asked <= ASKS_THE_PRIMARY):
        raise ValueError("names several servers, and needs target_session_attrs=read-write")
    return servers


def _server(written: str) -> tuple[str, int]:
    try:
        one = urlsplit(f"//{written}")
        return one.hostname or "", PORT if one.port is None else one.port
    except ValueError:
        raise ValueError("is no address") from None
