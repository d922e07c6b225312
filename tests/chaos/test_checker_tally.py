"""The checker checked, on the two numbers of a campaign."""

from dataclasses import replace

from tests.chaos.checker import Tally, check_facts
from tests.chaos.worlds import Story, clean, story


def test_books_that_agree_count_nothing_as_lost_or_doubled() -> None:
    assert check_facts(clean().facts()).tally == Tally(acknowledged=3)


def test_a_payment_that_is_gone_and_paid_again_under_its_key_is_lost_and_doubled() -> None:
    world, first = story()
    first.completed()
    again = Story(world, 5)
    again.completed()
    del world.payments[first.place]
    world.records[:] = [
        replace(one, idem_key="same") if one.idem_key in (first.key, again.key) else one
        for one in world.records
    ]

    assert check_facts(world.facts()).tally == Tally(acknowledged=5, lost=1, doubled=1)
