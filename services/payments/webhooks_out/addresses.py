"""Which addresses belong to the open internet, by our own list: Python's changes with its version.
From IANA's registries of special-purpose IPv4 and IPv6 addresses and of IPv6 address space, as of
2026-11; an address in none of them is decided by the broader rule above it."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

# https://www.iana.org/assignments/iana-ipv4-special-registry
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        # With its two anycast addresses, which lead to a router of ours, and clouds' metadata.
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        # Public by its number, and answered inside a cloud only.
        "168.63.129.16/32",
    )
)
# https://www.iana.org/assignments/ipv6-address-space: all that is given out as global unicast.
_PUBLIC_V6 = IPv6Network("2000::/3")
# https://www.iana.org/assignments/iana-ipv6-special-registry
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        # Protocols' own, among them Teredo (2001::/32), benchmarking and ORCHID.
        "2001::/23",
        "2001:db8::/32",
        # 6to4: an IPv4 address inside an IPv6 address; its relays are gone.
        "2002::/16",
        "3fff::/20",
    )
)
# An IPv4 address that is reached by IPv6; it is checked as the IPv4 address.
_WRAPPING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
_MAPPED = _WRAPPING[0]
_LOOPBACK_V4 = IPv4Network("127.0.0.0/8")
_LOOPBACK_V6 = IPv6Address("::1")


def read_address(host: str) -> Address | None:
    """The address that a text is in its usual notation; None for every other text."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address, or the IPv4 address inside it, is globally reachable unicast."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.scope_id is not None:
        return False
    if any(address in network for network in _WRAPPING):
        return is_public(_inner(address))
    return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_loopback(address: Address) -> bool:
    """Whether an address is this machine itself."""
    if isinstance(address, IPv6Address):
        if address not in _MAPPED:
            return address == _LOOPBACK_V6
        address = _inner(address)
    return address in _LOOPBACK_V4


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Where events may go: to the open internet; in a sandbox also to this machine itself, but to
    no port of the mesh's own."""

    loopback: bool = False
    own_ports: frozenset[int] = frozenset()

    def allow(self, address: str, port: int) -> bool:
        """Whether a connection may be made."""
        found = read_address(address)
        if found is None:
            return False
        return is_public(found) or (is_loopback(found) and self.allow_local(port))

    def allow_local(self, port: int) -> bool:
        """Whether a port of this machine may be connected to."""
        return self.loopback and port not in self.own_ports


def _inner(address: IPv6Address) -> IPv4Address:
    return IPv4Address(int(address) & 0xFFFFFFFF)
