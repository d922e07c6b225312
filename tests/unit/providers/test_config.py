"""The settings of a providers process, and those with which it refuses to start."""

from pathlib import Path
from typing import Any

import pytest

from services.providers.adapters import ADAPTERS
from services.providers.assembly import assemble
from services.providers.config import Config
from services.shared.errors import CannotStart
from tests.contract.lab import LIVE, SECRETS, provider_environment
from tests.corridors import live_corridors, one_corridor

SIMULATOR = "http://127.0.0.1:7000"
VARIABLES = [name for name in ADAPTERS for name in ADAPTERS[name].settings.model_fields]
ADDRESSES = [name.upper() for name in VARIABLES if name.endswith("_base_url")]


def load(**changes: str) -> Any:
    return Config.load(provider_environment(SIMULATOR) | changes)


@pytest.fixture
def live(tmp_path: Path) -> dict[str, str]:
    """The change from a sandbox, whose corridor names every offramp, to a deployment with real
    money."""
    folder = live_corridors(tmp_path, *(name for name in ADAPTERS if name != "stripe"))
    return LIVE | {"CORRIDORS_DIR": str(folder)}


def test_a_sandbox_at_the_simulator_starts() -> None:
    config = load(LOCAL_WALLET_BASE_URL=f"{SIMULATOR}/wallet/")

    assert config.local_wallet_base_url == f"{SIMULATOR}/wallet"


def test_real_providers_by_tls_start_without_a_simulator(live: dict[str, str]) -> None:
    assert load(**live).stripe_base_url == "https://api.stripe.com"


@pytest.mark.parametrize("key", ["sk_live_1", "rk_live_1", " sk_live_1"])
def test_a_live_key_in_a_sandbox_is_refused(key: str) -> None:
    with pytest.raises(CannotStart, match="live key"):
        load(STRIPE_API_KEY=key)


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("PAYSTACK_API_KEY", "sk_live_1"),
        ("PAYSTACK_WEBHOOK_SECRETS", "sk_test_1, sk_live_1"),
        ("FLUTTERWAVE_API_KEY", "FLWSECK-1-X"),
    ],
)
def test_every_providers_live_keys_are_known_wherever_they_stand(variable: str, key: str) -> None:
    with pytest.raises(CannotStart, match=f"{variable}: a live key"):
        load(**{variable: key})


@pytest.mark.parametrize("variable", ADDRESSES)
@pytest.mark.parametrize(
    "url",
    [
        "https://api.stripe.com",
        "http://127.0.0.1:70001",
        "http://127.0.0.1:7000.evil.example",
        "http://127.0.0.1:7000@evil.example",
        "https://127.0.0.1:7000",
    ],
)
def test_a_sandbox_that_reaches_beyond_the_simulator_is_refused(variable: str, url: str) -> None:
    with pytest.raises(CannotStart, match=variable):
        load(**{variable: url})


def test_a_sandbox_without_a_simulator_is_refused() -> None:
    with pytest.raises(CannotStart, match="SIMULATOR_URL"):
        load(SIMULATOR_URL="")


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("simulator", [SIMULATOR, f"{SIMULATOR}/"])
def test_in_a_sandbox_a_provider_without_an_address_is_at_the_simulator(
    address: str, simulator: str
) -> None:
    provider = address.removesuffix("_BASE_URL").lower()
    expected = SIMULATOR + ADAPTERS[provider].settings.simulator_path

    config = load(**{address: "", "SIMULATOR_URL": simulator})

    assert getattr(config, address.lower()) == expected


def test_the_provider_s_own_address_is_not_for_a_sandbox() -> None:
    with pytest.raises(CannotStart, match="STRIPE_BASE_URL"):
        load(STRIPE_BASE_URL="https://api.stripe.com")


@pytest.mark.parametrize("variable", ADDRESSES)
def test_a_real_provider_without_tls_is_refused(live: dict[str, str], variable: str) -> None:
    with pytest.raises(CannotStart, match=f"{variable} must be https"):
        load(**(live | {variable: "http://wallet.example"}))


@pytest.mark.parametrize(
    "variable", [name for name in VARIABLES if name.endswith("_webhook_secrets")]
)
@pytest.mark.parametrize("secrets", ["", " ", ",", "whsec_b2s=,"])
def test_an_empty_webhook_secret_is_refused(variable: str, secrets: str) -> None:
    with pytest.raises(CannotStart, match=variable.upper()):
        load(**{variable.upper(): secrets})


@pytest.mark.parametrize("secret", ["whsec_", "whsec_a"])
def test_a_wallet_secret_that_is_no_base64_is_refused(secret: str) -> None:
    with pytest.raises(CannotStart, match="LOCAL_WALLET_WEBHOOK_SECRETS"):
        load(LOCAL_WALLET_WEBHOOK_SECRETS=secret)


def test_a_refusal_names_no_secret() -> None:
    with pytest.raises(CannotStart) as refused:
        load(STRIPE_BASE_URL="https://api.stripe.com")

    assert not [secret for secret in SECRETS if secret in str(refused.value)]


@pytest.mark.parametrize(
    ("onramp", "offramp", "problem"),
    [
        ("unheard_of", "local_wallet", "no adapter is called unheard_of"),
        ("stripe", "unheard_of", "no adapter is called unheard_of"),
        ("local_wallet", "local_wallet", "local_wallet takes no collection"),
        ("stripe", "stripe", "stripe takes no payout"),
    ],
)
async def test_a_corridor_that_nobody_can_serve_is_refused(
    tmp_path: Path, onramp: str, offramp: str, problem: str
) -> None:
    corridor = (Path(load().corridors_dir) / "us-mx.toml").read_text()
    lines = [
        f'onramps = ["{onramp}"]'
        if line.startswith("onramps")
        else f'offramps = ["{offramp}"]'
        if line.startswith("offramps")
        else line
        for line in corridor.splitlines()
    ]
    (tmp_path / "us-mx.toml").write_text("\n".join(lines))

    with pytest.raises(CannotStart, match=problem):
        async with assemble(load(CORRIDORS_DIR=str(tmp_path))):
            pass


def _without(provider: str, folder: Path) -> dict[str, str]:
    """A sandbox's variables but those of one provider."""
    prefix = f"{provider.upper()}_"
    environment = provider_environment(SIMULATOR) | {"CORRIDORS_DIR": str(folder)}
    return {name: text for name, text in environment.items() if not name.startswith(prefix)}


@pytest.mark.parametrize("provider", [name for name in ADAPTERS if name != "stripe"])
async def test_a_provider_that_no_corridor_names_needs_no_variable_and_is_not_opened(
    tmp_path: Path, provider: str
) -> None:
    others = [name for name in ADAPTERS if name not in (provider, "stripe")]
    config = Config.load(_without(provider, one_corridor(tmp_path, *others)))

    assert set(config.needed_providers()) == {*ADAPTERS} - {provider}
    assert not [name for name in type(config).model_fields if name.startswith(provider)]
    async with assemble(config):
        pass


@pytest.mark.parametrize("provider", list(ADAPTERS))
def test_a_variable_that_is_missing_is_named_with_the_corridor_that_needs_it(
    tmp_path: Path, provider: str
) -> None:
    folder = one_corridor(tmp_path, *(name for name in ADAPTERS if name != "stripe"))

    with pytest.raises(CannotStart) as refused:
        Config.load(_without(provider, folder))

    variable = f"{provider.upper()}_API_KEY"
    words = f"{variable}: field required (corridor us-ng names {provider})"
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_retired_provider_is_opened_as_long_as_it_is_named(tmp_path: Path) -> None:
    environment = {"CORRIDORS_DIR": str(one_corridor(tmp_path, "local_wallet"))}

    assert set(load(**environment).needed_providers()) == {"local_wallet", "stripe"}
    kept = load(**environment, RETIRED_PROVIDERS="paystack, flutterwave")
    assert {"paystack", "flutterwave"} < set(kept.needed_providers())
    with pytest.raises(CannotStart, match=r"PAYSTACK_API_KEY: .*RETIRED_PROVIDERS names paystack"):
        load(**environment, RETIRED_PROVIDERS="paystack", PAYSTACK_API_KEY="")
    with pytest.raises(CannotStart, match="RETIRED_PROVIDERS: no adapter is called unheard_of"):
        load(**environment, RETIRED_PROVIDERS="unheard_of")


@pytest.mark.parametrize("module", ["kit", "http", "__init__", ""])
def test_module_that_adapters_share_is_not_a_provider(module: str) -> None:
    assert module not in ADAPTERS


async def test_a_limit_for_a_provider_that_no_corridor_names_is_none(tmp_path: Path) -> None:
    folder = str(one_corridor(tmp_path, "local_wallet"))

    async with assemble(load(CORRIDORS_DIR=folder, PROVIDER_RATES="paystack=5")):
        pass
    with pytest.raises(CannotStart, match="no adapter is called unheard_of"):
        async with assemble(load(CORRIDORS_DIR=folder, PROVIDER_RATES="unheard_of=5")):
            pass
