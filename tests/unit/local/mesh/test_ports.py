"""Ports are free, different, out of the kernel's way, and one mesh's alone while it lives."""

import socket

import pytest

from deploy.local.mesh import ports
from deploy.local.process.terminal import Problem


def test_claimed_ports_are_free_and_different() -> None:
    with ports.claimed(["one", "two", "three"]) as claimed:
        assert claimed.keys() == {"one", "two", "three"}
        assert len(set(claimed.values())) == 3
        assert all(ports.is_free(port) for port in claimed.values())


def test_claimed_ports_are_none_the_kernel_hands_out() -> None:
    first, last = ports.kernel_range()

    with ports.claimed(["one"]) as claimed:
        assert not first <= claimed["one"] <= last


def test_block_is_one_meshs_though_nobody_listens_there_yet() -> None:
    with ports.claimed(["one"]) as claimed:
        block = claimed["one"] // ports.BLOCK_PORTS * ports.BLOCK_PORTS

        with (
            pytest.raises(Problem, match="no block of ports is left"),
            ports.claimed(["two"], blocks=[block]),
        ):
            pass


def test_ports_that_are_spoken_for_are_left_alone() -> None:
    everywhere = range(ports.LOWEST, ports.HIGHEST + 1)
    spoken_for = {port for port in everywhere if port % 2}

    with ports.claimed(["one", "two"], spoken_for) as claimed:
        assert not spoken_for & set(claimed.values())


def test_port_with_a_listener_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind((ports.HOST, 0))
        listener.listen()

        assert not ports.is_free(listener.getsockname()[1])


def test_mesh_on_one_port_gets_the_same_ports_at_every_start() -> None:
    starts = []
    for _ in range(3):
        with ports.claimed(["one", "two"], blocks=ports.blocks_of(18_080)) as claimed:
            starts.append(claimed)

    assert starts[0] == starts[1] == starts[2]


def test_meshes_on_different_ports_begin_at_different_blocks() -> None:
    assert ports.blocks_of(8080)[0] != ports.blocks_of(8081)[0]
    assert sorted(ports.blocks_of(8080)) == sorted(ports.blocks_of(8081))
