"""Only globally reachable unicast addresses are public, on every version of Python."""

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payments.webhooks_out.addresses import Targets, is_loopback, is_public, read_address

PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.31.196.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700::1111",
    "2001:200::1",
    "2a00:1450:4001:82a::200e",
    "64:ff9b::5db8:d822",
    "::ffff:93.184.216.34",
]
NOT_PUBLIC = [
    # IPv4: this network, private, shared, loopback, link-local.
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    # Protocols' own, documentation, relays, benchmarking, multicast, reserved, broadcast.
    "192.0.0.1",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    # IPv6: nothing, loopback, IPv4 in every dress.
    "::",
    "::1",
    "::2",
    "::7f00:1",
    "::93.184.216.34",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:0:93.184.216.34",
    "::ffff:0:127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff:ffff:ffff:5db8:d822",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2002:5db8:d822::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001::1",
    # Discarding, benchmarking, ORCHID, documentation, segment routing.
    "100::1",
    "100:0:0:1::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "5f00::1",
    # Local, unique local, site-local, multicast, and what nobody has been given.
    "fe80::1",
    "febf::1",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ff0e::1",
    "4000::1",
    "8000::1",
    # Of a zone, which is a cable of this machine.
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_open_internet_is_public(address: str) -> None:
    assert Targets().allow(address, 443)
    assert Targets(loopback=True, own_ports=frozenset({443})).allow(address, 443)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_every_other_address_is_not(address: str) -> None:
    assert not Targets().allow(address, 443)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_a_sandbox_adds_this_machine_and_nothing_else(address: str) -> None:
    local = ("127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1")
    targets = Targets(loopback=True, own_ports=frozenset({8080}))

    assert targets.allow(address, 9000) == (address in local)
    assert not targets.allow(address, 8080)


@pytest.mark.parametrize(
    "text",
    [
        "127.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "2130706433",
        "127.0.0.1.",
        " 127.0.0.1",
        "example.com",
        "",
    ],
)
def test_any_other_way_to_write_an_address_is_none(text: str) -> None:
    assert read_address(text) is None
    assert not Targets(loopback=True).allow(text, 9000)


# Where this Python may call global what we refuse: some of it is reachable, none is a merchant's.
STRICTER_V4 = ("192.0.0.", "192.88.99.", "168.63.129.16")


@given(st.integers(0, 2**32 - 1))
def test_an_ipv4_address_is_public_as_python_has_it_or_more_strictly(number: int) -> None:
    address = IPv4Address(number)
    theirs = address.is_global and not address.is_multicast

    if is_public(address):
        assert theirs
    elif theirs:
        assert str(address).startswith(STRICTER_V4)


@given(st.integers(0, 2**128 - 1) | st.integers(0x2000 << 112, (0x4000 << 112) - 1))
def test_an_ipv6_address_that_is_public_is_global_to_python_too(number: int) -> None:
    address = IPv6Address(number)

    if is_public(address):
        assert address.is_global and not address.is_multicast
        assert address in (address, address.ipv4_mapped) and number >> 125 == 1


@given(st.integers(0, 2**32 - 1), st.sampled_from(["::ffff:0:0", "64:ff9b::"]))
def test_a_wrapped_address_is_public_where_its_inner_one_is(number: int, prefix: str) -> None:
    inner = IPv4Address(number)
    wrapped = IPv6Address(int(IPv6Address(prefix)) | number)

    assert is_public(wrapped) == is_public(inner)
    assert is_loopback(wrapped) == (is_loopback(inner) and prefix == "::ffff:0:0")
