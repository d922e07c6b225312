"""Signatures as others publish them, and what every adapter refuses: forged, changed, old, early,
and unreadable events."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession

from services.providers.adapters import ADAPTERS
from services.providers.config import Config
from services.providers.domain import (
    Webhook,
    WebhookSignatureInvalid,
    WebhookTimestampOutOfRange,
)
from services.providers.ports import Adapter
from services.providers.simulator.local_wallet_api import standard_headers
from services.providers.simulator.stripe_api import stripe_headers
from services.shared.errors import Invalid
from tests.contract.cases import FACTS
from tests.contract.lab import provider_environment
from tests.contract.providers.local_wallet import SECRET as WALLET_SECRET

STRIPE_VECTOR = "001ce3ef73e456cedaab328328720d3ad59defb8bbd0f1518f46c04ad4ac0bb7"
STANDARD_VECTOR = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still."""

    at: datetime

    def now(self) -> datetime:
        return self.at


async def adapter_at(name: str, at: datetime, **variables: str) -> Adapter:
    environment = provider_environment("http://127.0.0.1:1") | variables
    async with ClientSession() as session:
        # Reading a webhook speaks with nobody.
        return ADAPTERS[name].open(Config.load(environment), session, FixedClock(at))


SCHEMES = {name: facts.scheme for name, facts in FACTS.items()}
every_scheme = pytest.mark.parametrize("name", list(ADAPTERS))
every_timed_scheme = pytest.mark.parametrize("name", [n for n in SCHEMES if SCHEMES[n].timed])


async def test_stripes_published_signature_is_accepted() -> None:
    adapter = await adapter_at(
        "stripe", datetime.fromtimestamp(1700000000, UTC), STRIPE_WEBHOOK_SECRETS="whsec_test"
    )

    event = adapter.read_webhook(
        Webhook(
            headers={"stripe-signature": f"t=1700000000,v1={STRIPE_VECTOR}"},
            body=b'{"id":"evt_1","type":"payment_intent.succeeded"}',
        )
    )

    assert event.event_id == "evt_1"


async def test_standard_webhooks_published_signature_is_accepted() -> None:
    adapter = await adapter_at("local_wallet", datetime.fromtimestamp(1614265330, UTC))
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": STANDARD_VECTOR,
    }

    # The vector's body is no event of ours: it is refused for that, and not for its signature.
    with pytest.raises(Invalid) as refused:
        adapter.read_webhook(Webhook(headers=headers, body=b'{"test": 2432232314}'))

    assert refused.value.error_reason == "FIELD_REQUIRED"


def test_the_simulator_signs_as_published() -> None:
    stripe = stripe_headers(
        b'{"id":"evt_1","type":"payment_intent.succeeded"}', "whsec_test", 1700000000
    )
    standard = standard_headers(
        b'{"test": 2432232314}', WALLET_SECRET, 1614265330, "msg_p5jXN8AQM9LWM0D4loKWxJek"
    )

    assert stripe["stripe-signature"] == f"t=1700000000,v1={STRIPE_VECTOR}"
    assert standard["webhook-signature"] == STANDARD_VECTOR


@every_timed_scheme
@pytest.mark.parametrize("seconds", [-300, 0, 300])
async def test_five_minutes_of_skew_are_accepted(name: str, seconds: int) -> None:
    adapter, scheme = await adapter_at(name, NOW), SCHEMES[name]
    headers = scheme.sign(scheme.body, scheme.secret, NOW + timedelta(seconds=seconds))

    assert adapter.read_webhook(Webhook(headers=headers, body=scheme.body)).signed


@every_timed_scheme
@pytest.mark.parametrize("seconds", [-86_400, -301, 301, 86_400])
async def test_more_skew_is_refused_both_ways(name: str, seconds: int) -> None:
    adapter, scheme = await adapter_at(name, NOW), SCHEMES[name]
    headers = scheme.sign(scheme.body, scheme.secret, NOW + timedelta(seconds=seconds))

    with pytest.raises(WebhookTimestampOutOfRange):
        adapter.read_webhook(Webhook(headers=headers, body=scheme.body))


@every_scheme
async def test_an_event_that_could_be_replayed_is_no_evidence(name: str) -> None:
    adapter = await adapter_at(name, NOW)

    assert SCHEMES[name].timed or not adapter.capabilities.event_is_evidence


@every_scheme
async def test_either_of_two_active_secrets_may_have_signed(name: str) -> None:
    scheme = SCHEMES[name]
    old, new = scheme.others
    adapter = await adapter_at(name, NOW, **{scheme.variable: f"{old}, {new}"})

    for secret in (old, new):
        headers = scheme.sign(scheme.body, secret, NOW)
        assert adapter.read_webhook(Webhook(headers=headers, body=scheme.body)).signed
    with pytest.raises(WebhookSignatureInvalid):
        headers = scheme.sign(scheme.body, scheme.secret, NOW)
        adapter.read_webhook(Webhook(headers=headers, body=scheme.body))


@every_scheme
async def test_any_changed_byte_is_refused(name: str) -> None:
    adapter, scheme = await adapter_at(name, NOW), SCHEMES[name]
    headers = scheme.sign(scheme.body, scheme.secret, NOW)

    for position in range(len(scheme.body)):
        changed = bytearray(scheme.body)
        changed[position] ^= 1
        with pytest.raises(WebhookSignatureInvalid):
            adapter.read_webhook(Webhook(headers=headers, body=bytes(changed)))


@every_scheme
async def test_bytes_that_are_no_text_are_refused_in_type(name: str) -> None:
    adapter, scheme = await adapter_at(name, NOW), SCHEMES[name]
    body = b"\xff\xfe\x00"

    # A scheme that signs bytes finds no fault with them; then it is their JSON that is refused.
    with pytest.raises((WebhookSignatureInvalid, Invalid)):
        headers = scheme.sign(body, scheme.secret, NOW)
        adapter.read_webhook(Webhook(headers=headers, body=body))


@every_scheme
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"stripe-signature": ""},
        {"stripe-signature": "t=,v1="},
        {"stripe-signature": "nonsense"},
        {"stripe-signature": "t=1772366400,v1=ž"},
        {"stripe-signature": "t=1772366400,v0=00"},
        {"stripe-signature": f"t={'9' * 5000},v1=00"},
        {"webhook-id": "msg_1"},
        {"webhook-signature": "v1,AAAA"},
        {"webhook-id": "msg_1", "webhook-timestamp": "nan", "webhook-signature": "v1,AA"},
        {"webhook-id": "msg_1", "webhook-timestamp": "1772366400", "webhook-signature": "v1"},
        {"webhook-id": "msg_1", "webhook-timestamp": "1772366400", "webhook-signature": "v1,ž"},
        {"webhook-id": "msg_1", "webhook-timestamp": "9" * 30, "webhook-signature": "v1,AA"},
    ],
)
async def test_a_signature_of_any_other_form_is_refused(name: str, headers: dict[str, str]) -> None:
    adapter = await adapter_at(name, NOW)

    with pytest.raises(WebhookSignatureInvalid):
        adapter.read_webhook(Webhook(headers=headers, body=SCHEMES[name].body))


@every_scheme
@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"{}", b"[" * 50_000, b'{"id": 7, "type": NaN}', b'{"id": ""}']
)
async def test_a_genuine_signature_on_nonsense_is_invalid(name: str, body: bytes) -> None:
    adapter, scheme = await adapter_at(name, NOW), SCHEMES[name]

    with pytest.raises(Invalid):
        headers = scheme.sign(body, scheme.secret, NOW)
        adapter.read_webhook(Webhook(headers=headers, body=body))


@every_scheme
@pytest.mark.parametrize("value", ["", "ž", "0" * 128, "0" * 64, "null"])
async def test_its_own_headers_with_any_other_value_are_refused(name: str, value: str) -> None:
    adapter, scheme = await adapter_at(name, NOW), SCHEMES[name]
    headers = dict.fromkeys(scheme.sign(scheme.body, scheme.secret, NOW), value)

    with pytest.raises(WebhookSignatureInvalid):
        adapter.read_webhook(Webhook(headers=headers, body=scheme.body))


@every_scheme
async def test_another_providers_signature_is_none(name: str) -> None:
    adapter, scheme = await adapter_at(name, NOW), SCHEMES[name]
    headers: dict[str, str] = {}
    for other, theirs in SCHEMES.items():
        if other != name:
            headers |= theirs.sign(scheme.body, theirs.secret, NOW)

    with pytest.raises(WebhookSignatureInvalid):
        adapter.read_webhook(Webhook(headers=headers, body=scheme.body))
