"""How many streams one connection may hold open."""

import pytest

from services.shared.errors import Overloaded
from services.shared.held import HeldStreams


def test_one_connection_has_so_many_places_and_takes_none_of_anothers() -> None:
    held = HeldStreams(per_connection_max=2)
    with held.one_more("a"), held.one_more("a"):
        with pytest.raises(Overloaded), held.one_more("a"):
            pass
        with held.one_more("b"):
            pass


def test_a_place_is_free_again_however_the_stream_ends() -> None:
    held = HeldStreams(per_connection_max=1)
    with pytest.raises(RuntimeError), held.one_more("a"):
        raise RuntimeError

    with held.one_more("a"):
        pass
