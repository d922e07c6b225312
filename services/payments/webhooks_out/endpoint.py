"""A merchant's endpoint: the URL that gets its events, and which URLs are allowed. The host is
checked by name when the endpoint is made, and by address at each delivery."""

import re
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from services.payments.webhooks_out.addresses import Targets, is_loopback, is_public, read_address
from services.shared.errors import Invalid, NotAllowedNow, NotFound, field_invalid
from services.shared.ids import Prefix, decode_id

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
_DEFAULT_PORTS = {"http": 80, "https": 443}


class EndpointNotFound(NotFound):
    """There is no such webhook endpoint."""

    reason = "ENDPOINT_NOT_FOUND"


class EndpointsExhausted(NotAllowedNow):
    """The merchant has as many webhook endpoints as it may; delete one first."""

    reason = "ENDPOINTS_EXHAUSTED"


def read_endpoint_id(text: str) -> UUID:
    """The id behind a public endpoint id. Raises EndpointNotFound for a malformed one."""
    endpoint_id = decode_id(Prefix.ENDPOINT, text)
    if endpoint_id is None:
        raise EndpointNotFound(endpoint_id=text)
    return endpoint_id


def check_url(url: str, targets: Targets) -> None:
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
    if targets.loopback and names_this_machine(host):
        _check_local(parts, port, targets)
    else:
        _check_public(parts, host, port)


def _check_local(parts: SplitResult, port: int | None, targets: Targets) -> None:
    if parts.scheme not in _DEFAULT_PORTS:
        raise _invalid("begin with http:// or https://")
    if not targets.allow_local(_DEFAULT_PORTS[parts.scheme] if port is None else port):
        raise _forbidden("url must not be a port of the mesh itself")


def _check_public(parts: SplitResult, host: str, port: int | None) -> None:
    if parts.scheme != "https":
        raise _invalid("begin with https://")
    if port not in PORTS:
        raise _invalid("name port 443, 8443 or none")
    address = read_address(host)
    if address is None and ("[" in parts.netloc or not _NAME.fullmatch(host)):
        raise _invalid("name a public host, in ASCII")
    if names_this_machine(host) or (address is not None and not is_public(address)):
        raise _forbidden("url must be a public address")


def names_this_machine(host: str) -> bool:
    """Whether a host of a URL is this machine itself, in so many words."""
    address = read_address(host)
    if address is not None:
        return is_loopback(address)
    return host == "localhost" or host.endswith(".localhost")


def _forbidden(description: str) -> Invalid:
    return field_invalid("url", description, "ENDPOINT_ADDRESS_FORBIDDEN")


def _invalid(rule: str) -> Invalid:
    return field_invalid("url", f"url must {rule}", "ENDPOINT_URL_INVALID")
