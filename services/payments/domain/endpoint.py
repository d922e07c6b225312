"""A merchant's endpoint: where it hears of its payments, and which addresses that may be. A name is
judged when the endpoint is made, and what it resolves to at each delivery."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from services.shared.errors import Invalid, NotAllowedNow, NotFound, field_invalid
from services.shared.ids import decode_id, encode_id

ENDPOINTS_MAX = 10
URL_LENGTH_MAX = 2048
PORTS = (None, 443, 8443)
# At least two labels, of which the last is no number: what is left out are the many other ways to
# write an IPv4 address.
_NAME = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    re.ASCII | re.IGNORECASE,
)
_URL = re.compile(r"[!-~]+", re.ASCII)
_NAT64 = IPv6Network("64:ff9b::/96")
# Public by its number, and answered inside a cloud only.
_METADATA = frozenset({ip_address("168.63.129.16")})


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint."""

    reason = "ENDPOINT_NOT_FOUND"


class EndpointsExhausted(NotAllowedNow):
    """The merchant has as many webhook endpoints as it may; delete one first."""

    reason = "ENDPOINTS_EXHAUSTED"


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a merchant wants to be told; the secret signs what is sent there."""

    merchant_id: str
    id: UUID
    url: str
    secret: str = field(repr=False)
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def endpoint_id(self) -> str:
        """The public id."""
        return encode_id("whe", self.id)


def read_endpoint_id(text: str) -> UUID:
    """The id behind a public endpoint id. Raises EndpointNotFound for a malformed one."""
    endpoint_id = decode_id("whe", text)
    if endpoint_id is None:
        raise EndpointNotFound(endpoint_id=text[:64])
    return endpoint_id


def check_url(url: str, *, sandbox: bool) -> None:
    """Raises Invalid where we would not send anything to this URL."""
    if not url:
        raise field_invalid("url", "url is required", "FIELD_REQUIRED")
    if len(url) > URL_LENGTH_MAX or not _URL.fullmatch(url):
        raise _invalid(f"be at most {URL_LENGTH_MAX} ASCII characters without spaces")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid("be of the form https://host/path") from None
    host = parts.hostname or ""
    if "@" in parts.netloc or "#" in url or "\\" in url:
        raise _invalid("have no user name, no fragment and no backslash")
    if sandbox and is_loopback(host):
        if parts.scheme not in ("http", "https"):
            raise _invalid("begin with http:// or https://")
        return
    _check_public(parts, host, port)


def _check_public(parts: SplitResult, host: str, port: int | None) -> None:
    if parts.scheme != "https":
        raise _invalid("begin with https://")
    if port not in PORTS:
        raise _invalid("name port 443, 8443 or none")
    address = _address(host)
    if address is None and not _NAME.fullmatch(host):
        raise _invalid("name a public host, in ASCII")
    if is_loopback(host) or (address is not None and not is_public(address)):
        raise field_invalid("url", "url must be a public address", "ENDPOINT_ADDRESS_FORBIDDEN")


def is_loopback(host: str) -> bool:
    """Whether a host of a URL names this machine itself, in so many words."""
    address = _address(host)
    if address is not None:
        return address.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def may_connect(address: str, *, sandbox: bool) -> bool:
    """Whether an event may go to this address, which an endpoint's host has resolved to."""
    found = ip_address(address)
    return is_public(found) or (sandbox and found.is_loopback)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the open internet, whatever it is wrapped in."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast and address not in _METADATA


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _invalid(rule: str) -> Invalid:
    return field_invalid("url", f"url must {rule}", "ENDPOINT_URL_INVALID")
