"""The meaning of an endpoint's answer, and the time of the next try."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.payments.model.timing import DELIVERY_WAITS
from services.payments.webhooks_out.delivery import (
    DeliveryState,
    Reply,
    event_id,
    give_up,
    result_of,
)
from services.shared.ids import new_id
from tests.makers import make_delivery


def _half() -> float:
    return 0.5


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_2xx_means_delivered(status: int) -> None:
    result = result_of(make_delivery(failures=3), Reply(status=status), _half)

    assert (result.state, result.failures, result.last_error) == ("DELIVERED", 3, None)


@pytest.mark.parametrize(
    "status", [100, 199, 300, 301, 302, 307, 400, 401, 404, 429, 500, 503, 999]
)
def test_every_other_status_is_tried_again(status: int) -> None:
    result = result_of(make_delivery(), Reply(status=status), _half)

    assert (result.state, result.failures) == (DeliveryState.PENDING, 1)
    assert result.last_error == f"the endpoint answered {status}"
    assert result.due_in == DELIVERY_WAITS[0] / 2


def test_no_answer_is_tried_again_and_says_why() -> None:
    result = result_of(make_delivery(failures=4), Reply(error="no answer"), _half)

    assert (result.failures, result.last_error) == (5, "no answer")
    assert result.due_in == DELIVERY_WAITS[4] / 2


def test_410_disables_the_endpoint_and_is_not_tried_again() -> None:
    result = result_of(make_delivery(), Reply(status=410), _half)

    assert result.state is DeliveryState.SET_ASIDE
    assert result.disables_endpoint


def test_after_the_last_try_an_event_is_set_aside_with_its_reason() -> None:
    delivery = make_delivery(failures=len(DELIVERY_WAITS))
    result = result_of(delivery, Reply(status=500), _half)

    assert result.state is DeliveryState.SET_ASIDE
    assert (result.failures, result.last_error) == (
        len(DELIVERY_WAITS) + 1,
        "the endpoint answered 500",
    )
    assert not result.disables_endpoint
    assert result_of(
        replace(delivery, failures=len(DELIVERY_WAITS) - 1), Reply(status=500), _half
    ).due_in


def test_the_tries_spread_over_about_three_days() -> None:
    assert list(DELIVERY_WAITS) == sorted(DELIVERY_WAITS)
    assert timedelta(days=2.5) < sum(DELIVERY_WAITS, timedelta()) / 2 < timedelta(days=3.5)


def test_an_event_of_a_disabled_endpoint_is_set_aside_without_a_try() -> None:
    result = give_up(make_delivery(failures=2))

    assert (result.state, result.failures) == (DeliveryState.SET_ASIDE, 2)
    assert result.last_error == "the endpoint is disabled"


def test_an_event_id_is_the_payments_and_the_sequences_alone() -> None:
    one, other = new_id(), new_id()

    assert event_id(one, 3) == event_id(one, 3)
    assert len({event_id(one, 3), event_id(one, 4), event_id(other, 3)}) == 3
    # The standard's signature separates its parts with dots.
    assert event_id(one, 3).startswith("evt_")
    assert "." not in event_id(one, 3)


def test_a_delivery_never_shows_its_secret() -> None:
    delivery = make_delivery()

    assert delivery.secret not in repr(delivery)
