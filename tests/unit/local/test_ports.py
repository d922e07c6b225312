"""Ports are free, different, and out of the kernel's way."""

import socket

from deploy.local import ports


def test_picked_ports_are_free_and_different() -> None:
    picked = ports.pick(["one", "two", "three"])

    assert picked.keys() == {"one", "two", "three"}
    assert len(set(picked.values())) == 3
    assert all(ports.is_free(port) for port in picked.values())


def test_picked_ports_are_none_the_kernel_hands_out() -> None:
    first, last = ports.kernel_range()

    assert not first <= ports.pick(["one"])["one"] <= last


def test_port_with_a_listener_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind((ports.HOST, 0))
        listener.listen()

        assert not ports.is_free(listener.getsockname()[1])
