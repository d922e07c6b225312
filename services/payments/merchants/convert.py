"""Keys as they are asked for and shown: read strictly, and every wrong field is named at once."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import Literal
from uuid import UUID

from caravel.payments.v1 import keys_pb2, merchants_pb2, operator_keys_pb2

from services.payments.base.convert import timestamp
from services.payments.base.instants import read_instant
from services.payments.base.paging import write_id_token
from services.payments.base.problems import Problems
from services.payments.merchants.domain import ADDRESSES_MAX, OVERLAP_HOURS_MAX, Network
from services.payments.merchants.usecases import KeyOrder, Shown
from services.shared.contract import PrincipalKind, scopes_of
from services.shared.errors import field_invalid
from services.shared.ids import Prefix, encode_id
from services.shared.text import limited_text

NAME_MAX = 100
# Of a leak report: the text that was found, longer than any key, and where.
FOUND_MAX, PLACE_MAX = 200, 500
MERCHANT_SCOPES = scopes_of(PrincipalKind.MERCHANT)


def read_key_order(request: keys_pb2.CreateKeyRequest) -> KeyOrder:
    """A validated order for a key. Raises Invalid with every field that is wrong."""
    problems = Problems()
    name = problems.read(read_name, request.name, "")
    scopes: frozenset[str] = problems.read(
        lambda _: read_scopes(request.scopes, MERCHANT_SCOPES), "", frozenset()
    )
    addresses: tuple[Network, ...] = problems.read(
        lambda _: read_addresses(request.allowed_addresses), "", ()
    )
    expires_at = problems.read(lambda _: read_end(request), "", None)
    problems.raise_any()
    return KeyOrder(name=name, scopes=scopes, addresses=addresses, expires_at=expires_at)


def read_name(text: str) -> str:
    """The name of a key or of a merchant. Raises Invalid."""
    if not text.strip():
        raise field_invalid("name", "name is required", "FIELD_REQUIRED")
    return limited_text("name", NAME_MAX)(text)


def read_scopes(names: Sequence[str], known: frozenset[str]) -> frozenset[str]:
    """Scopes by their names. Raises Invalid."""
    if not names:
        raise field_invalid("scopes", "scopes is required, at least one", "FIELD_REQUIRED")
    for index, name in enumerate(names):
        if name not in known:
            words = f"each scope must be one of {', '.join(sorted(known))}"
            raise field_invalid(f"scopes[{index}]", words)
    return frozenset(names)


def read_addresses(texts: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks. Raises Invalid."""
    field = "allowed_addresses"
    if len(texts) > ADDRESSES_MAX:
        raise field_invalid(field, f"{field} may have at most {ADDRESSES_MAX} entries")
    networks = []
    for index, text in enumerate(texts):
        try:
            # A zone of IPv6 is any text, and means nothing to another machine.
            if "%" in text:
                raise ValueError
            networks.append(ip_network(text))
        except ValueError:
            words = "must be an address or a network such as 203.0.113.0/24"
            raise field_invalid(f"{field}[{index}]", f"{field}[{index}] {words}") from None
    return tuple(dict.fromkeys(networks))


def read_end(
    request: keys_pb2.CreateKeyRequest
    | merchants_pb2.CreateMerchantKeyRequest
    | operator_keys_pb2.CreateOperatorKeyRequest,
) -> datetime | None:
    """When a key ends; None where it does not. Raises Invalid."""
    field: Literal["expires_at"] = "expires_at"
    return read_instant(request.expires_at, field) if request.HasField(field) else None


def read_overlap(
    request: keys_pb2.RollKeyRequest | operator_keys_pb2.RollOperatorKeyRequest,
) -> int:
    """For how many hours a rolled key may still be used. Raises Invalid."""
    field = "overlap_hours"
    if not request.HasField("overlap_hours"):
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    return read_hours(request.overlap_hours)


def read_hours(hours: int) -> int:
    """The hours as they are. Raises Invalid where they are negative or above OVERLAP_HOURS_MAX."""
    if not 0 <= hours <= OVERLAP_HOURS_MAX:
        raise field_invalid("overlap_hours", f"overlap_hours must be 0 to {OVERLAP_HOURS_MAX}")
    return hours


def read_leak(request: keys_pb2.ReportLeakedKeyRequest) -> tuple[str, str]:
    """The text that was found, and where. Raises Invalid."""
    problems = Problems()
    text = problems.read(_read_found, request.api_key, "")
    place = problems.read(limited_text("place", PLACE_MAX), request.place, "")
    problems.raise_any()
    return text, place


def _read_found(text: str) -> str:
    if not text:
        raise field_invalid("api_key", "api_key is required", "FIELD_REQUIRED")
    return limited_text("api_key", FOUND_MAX)(text)


def write_list(shown: Sequence[Shown], rest: UUID | None) -> keys_pb2.ListKeysResponse:
    """The message of a page of keys; `rest` is the last one's id where more follow."""
    return keys_pb2.ListKeysResponse(
        keys=[write_key(one) for one in shown],
        next_page_token=write_id_token(rest),
    )


def write_new_key(shown: Shown) -> keys_pb2.NewKey:
    """A key with its text, which is shown this once."""
    return keys_pb2.NewKey(key=write_key(shown), api_key=shown.text)


def write_key(shown: Shown) -> keys_pb2.Key:
    """A key as it is listed."""
    key = shown.key
    return keys_pb2.Key(
        key_id=key.key_id,
        name=key.name,
        status=keys_pb2.Key.Status.Value(key.status(shown.now)),
        scopes=sorted(key.scopes),
        allowed_addresses=[str(network) for network in key.addresses],
        created_at=timestamp(key.created_at),
        created_by=key.created_by,
        expires_at=timestamp(key.expires_at) if key.expires_at else None,
        last_used_at=timestamp(key.last_used_at) if key.last_used_at else None,
        revoked_at=timestamp(key.revoked_at) if key.revoked_at else None,
        rolled_to=encode_id(Prefix.API_KEY, key.rolled_to) if key.rolled_to else "",
        leak_place=key.leak_place,
    )
