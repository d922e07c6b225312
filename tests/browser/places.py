"""Every page and every form of the console, by its own tables: the routes of the application, its
lists and its verbs. A new one is among them by itself, and one that is no page has to be named."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from starlette.routing import Route

from gateway.console.app import application
from gateway.console.client import CALLS
from gateway.console.fields import Field
from gateway.console.verbs import VERBS, address_of
from gateway.console.verbs.model import Verb
from services.shared.deployment import Deployment
from tests.browser.payment_sample import MERCHANT, PAYMENT, payment
from tests.browser.samples import OVERRIDE, PROPOSAL
from tests.wire.console.conftest import ScriptedPayments, answer_of, settings

# The subjects of pages and verbs, by the names of their fields.
SUBJECT: Mapping[str, str] = {
    "transaction_id": PAYMENT,
    "proposal_id": PROPOSAL,
    "merchant_id": MERCHANT,
    "dead_letter_id": "step_MDE5YWJjZGU",
    "delivery_id": "dlv_MDE5YWJjZGU",
    "endpoint_id": "whe_01m83mbj55ewdbrd2wha9z9ewh",
    "key_id": "opk_01m83mbj55ewdbrd2wha9z9eok",
    "override_id": OVERRIDE,
    "provider": "flutterwave",
    "corridor_id": "us-ng",
}
# Routes whose answer is no page of ours: a stream, and what leads to the sign-in service and back.
NO_PAGES = ("/live", "/sign-in/oidc", "/sign-in/callback")
FORM = "/do/{name}"
# A text of each kind of field, as a person types it.
TYPED: Mapping[str, str] = {
    "number": "2",
    "decimal": "1.50",
    "minor": "1.50",
    "currency": "USD",
    "words": "us-ng",
    "lines": "203.0.113.0/24",
}


def pages() -> Sequence[str]:
    """The addresses of all pages that a GET answers, but for the forms of verbs."""
    routes = application(settings(deployment=Deployment.SANDBOX), ScriptedPayments()).routes
    paths = [
        route.path
        for route in routes
        if isinstance(route, Route) and "GET" in (route.methods or ())
    ]
    assert {FORM, *NO_PAGES} <= {*paths}
    return [path.format(**SUBJECT) for path in paths if path not in (FORM, *NO_PAGES)]


def forms() -> Iterator[tuple[Verb, str]]:
    """Every verb, as it is for its subject, with the address of its form."""
    inspected = answer_of("InspectPayment", **payment(datetime.now(UTC)))
    for name, verb in VERBS.items():
        yield verb.fitted(inspected), address_of(name, SUBJECT)


def fields_of(verb: Verb) -> Sequence[Field]:
    """The fields that a person fills in: of several groups the first."""
    first = next((field.group for field in verb.fields if field.group), "")
    return [field for field in verb.fields if field.group in ("", first)]


def begins_incomplete(verb: Verb) -> bool:
    """Whether the form lacks something as long as nobody fills it in."""
    return any(one.is_required and not (one.usual or one.begins_now) for one in verb.fields)


def typed(field: Field) -> str:
    """The text that a person types into this field."""
    return TYPED.get(field.kind, "statement, line 12")


def makes_a_key(verb: Verb) -> bool:
    """Whether the answer of the verb has a key, which its page shows once."""
    return bool(verb.call) and "api_key" in CALLS[verb.call].response.DESCRIPTOR.fields_by_name
