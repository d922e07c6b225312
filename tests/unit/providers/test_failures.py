"""Each code of an adapter is of the recipient, of the route, or of neither."""

from services.providers.adapters import ADAPTERS
from services.providers.failures import PASSING_FAILURES, RECIPIENT_FAILURES


def test_no_code_is_of_the_recipient_and_of_the_route() -> None:
    assert not RECIPIENT_FAILURES & PASSING_FAILURES


def test_the_failures_of_a_kind_are_those_that_the_adapter_declares() -> None:
    for adapter in ADAPTERS.values():
        record = adapter.capabilities
        assert record.recipient_failures | record.passing_failures <= record.definitive_failures
    stripe = ADAPTERS["stripe"].capabilities
    assert not stripe.recipient_failures
    assert "credentials_refused" in stripe.passing_failures
