"""Every mix of keys, addresses and deployment that providers refuses to start with, in one sentence
that names the variable; and the ones that it starts with."""

from pathlib import Path
from typing import Any

import pytest

from services.providers.adapters import ADAPTERS
from services.providers.config import Config
from services.shared.deployment import Deployment
from services.shared.env import UnsafeDeployment
from tests.contract.cases import FACTS
from tests.contract.lab import LIVE, SECRETS, provider_environment
from tests.corridors import live_corridors

SIMULATOR = "http://127.0.0.1:7000"
HTTPS_SIMULATOR = "https://simulator:8443"
SETTINGS = {name: ADAPTERS[name].settings for name in ADAPTERS}
ADDRESSES = [f"{name.upper()}_BASE_URL" for name in SETTINGS]
KEYS = {
    f"{name.upper()}_API_KEY": (part.live_keys, part.test_keys)
    for name, part in SETTINGS.items()
    if part.live_keys
}
OF_THE_ACCOUNT = ("WISE_PROFILE_ID", "WISE_SOURCE_CURRENCY", "FLUTTERWAVE_WEBHOOK_SCHEME")
TEST_KEYS = {
    name: value
    for facts in FACTS.values()
    for name, value in facts.sandbox.items()
    if not name.endswith("_BASE_URL")
}
ACCOUNT = {name: value for name, value in LIVE.items() if name in OF_THE_ACCOUNT}
OWN_SANDBOXES = {
    "SIMULATOR_URL": "",
    **dict.fromkeys(ADDRESSES, ""),
    "LOCAL_WALLET_BASE_URL": "https://wallet.example",
    "WISE_BASE_URL": "https://api.wise-sandbox.com",
}
AT_THE_SIMULATOR = dict.fromkeys(ADDRESSES, "")


@pytest.fixture
def deployments(tmp_path: Path) -> dict[str, dict[str, str]]:
    """The variables of a good deployment of each kind, all of whose providers are needed."""
    folder = live_corridors(tmp_path, *(name for name in ADAPTERS if name != "stripe"))
    own = provider_environment(SIMULATOR) | {"CORRIDORS_DIR": str(folder)}
    staging = own | TEST_KEYS | ACCOUNT | {"DEPLOYMENT": "staging"}
    return {
        "sandbox": own,
        "staging": staging | OWN_SANDBOXES,
        "staging at the simulator": staging | AT_THE_SIMULATOR,
        "live": own | LIVE,
    }


def load(environment: dict[str, str], **changes: str) -> Any:
    return Config.load(environment | changes)


def refusal_of(environment: dict[str, str], **changes: str) -> str:
    with pytest.raises(UnsafeDeployment) as refused:
        load(environment, **changes)
    said = str(refused.value)
    assert "\n" not in said
    secrets = [*SECRETS, *(text for name, text in changes.items() if name.endswith("KEY"))]
    assert not [secret for secret in secrets if secret in said]
    return said


@pytest.mark.parametrize("name", ["sandbox", "staging", "staging at the simulator", "live"])
def test_a_deployment_without_a_mix_starts(
    deployments: dict[str, dict[str, str]], name: str
) -> None:
    assert load(deployments[name]).deployment is Deployment(name.split(maxsplit=1)[0])


@pytest.mark.parametrize("simulator", [SIMULATOR, HTTPS_SIMULATOR, "http://simulator:8080"])
def test_in_staging_a_provider_without_an_address_is_at_the_simulator(
    deployments: dict[str, dict[str, str]], simulator: str
) -> None:
    config = load(deployments["staging at the simulator"], SIMULATOR_URL=simulator)

    assert config.stripe_base_url == simulator
    assert config.flutterwave_base_url == f"{simulator}/v3"


@pytest.mark.parametrize(
    ("name", "variable", "prefix"),
    [
        (name, variable, prefix)
        for variable, (live, test) in KEYS.items()
        for name, prefixes in (("sandbox", live), ("staging", live), ("live", test))
        for prefix in prefixes
    ],
)
def test_a_key_of_the_other_mode_is_refused(
    deployments: dict[str, dict[str, str]], name: str, variable: str, prefix: str
) -> None:
    said = refusal_of(deployments[name], **{variable: f"{prefix}4eC39HqLyjWDar"})

    mode = "a test key, and this is live; use live keys" if name == "live" else "a live key"
    assert said.startswith(f"{variable}: {mode}")


@pytest.mark.parametrize("name", ["sandbox", "staging"])
def test_a_live_key_is_known_wherever_it_stands(
    deployments: dict[str, dict[str, str]], name: str
) -> None:
    said = refusal_of(deployments[name], PAYSTACK_WEBHOOK_SECRETS="sk_test_1, sk_live_1")

    assert said.startswith("PAYSTACK_WEBHOOK_SECRETS: a live key")


@pytest.mark.parametrize("variable", ADDRESSES)
@pytest.mark.parametrize("name", ["staging", "live"])
def test_a_provider_without_tls_is_refused(
    deployments: dict[str, dict[str, str]], name: str, variable: str
) -> None:
    said = refusal_of(deployments[name], **{variable: "http://wallet.example"})

    assert said == f"{variable} must be https:// outside a sandbox"


@pytest.mark.parametrize("variable", ADDRESSES)
def test_a_sandbox_that_reaches_a_provider_is_refused(
    deployments: dict[str, dict[str, str]], variable: str
) -> None:
    said = refusal_of(deployments["sandbox"], **{variable: "https://api.stripe.com"})

    assert said == f"a sandbox needs {variable} to be under SIMULATOR_URL"


@pytest.mark.parametrize(
    ("name", "address", "words"),
    [
        ("staging", "https://api.wise.com", "where real money moves"),
        ("staging", "https://api.transferwise.com/", "where real money moves"),
        ("staging", "https://API.wise.com", "where real money moves"),
        ("live", "https://api.wise-sandbox.com", "where no real money moves"),
        ("live", "https://api.sandbox.transferwise.tech", "where no real money moves"),
        ("live", "https://127.0.0.1:7000", "is on this machine"),
        ("live", "https://localhost", "is on this machine"),
    ],
)
def test_an_address_of_the_other_mode_is_refused(
    deployments: dict[str, dict[str, str]], name: str, address: str, words: str
) -> None:
    said = refusal_of(deployments[name], WISE_BASE_URL=address)

    assert said.startswith("WISE_BASE_URL is ") and words in said


def test_staging_without_an_address_of_wise_does_not_take_the_live_one(
    deployments: dict[str, dict[str, str]],
) -> None:
    said = refusal_of(deployments["staging"], WISE_BASE_URL="")

    assert said == (
        "WISE_BASE_URL is api.wise.com, where real money moves; in staging give "
        "api.wise-sandbox.com"
    )


def test_a_simulator_where_it_is_live_is_refused(deployments: dict[str, dict[str, str]]) -> None:
    said = refusal_of(deployments["live"], SIMULATOR_URL=HTTPS_SIMULATOR)

    assert said == "SIMULATOR_URL must be empty where it is live: there is no simulator"


@pytest.mark.parametrize("name", ["sandbox", "staging at the simulator"])
@pytest.mark.parametrize(
    "simulator",
    [
        "https://api.stripe.com",
        "https://api.wise.com",
        "https://api.wise-sandbox.com",
        "https://API.paystack.co",
        "http://8.8.8.8",
        "https://[2606:4700::1111]/",
    ],
)
@pytest.mark.parametrize("private_network", ["true", "false"])
def test_no_provider_is_taken_for_the_simulator(
    deployments: dict[str, dict[str, str]], name: str, simulator: str, private_network: str
) -> None:
    said = refusal_of(
        deployments[name],
        **AT_THE_SIMULATOR,
        SIMULATOR_URL=simulator,
        PRIVATE_NETWORK=private_network,
    )

    assert said.startswith("SIMULATOR_URL is ") and "which is no simulator" in said


@pytest.mark.parametrize("simulator", ["http://simulator:8080", "http://10.0.0.7:8080"])
def test_a_sandbox_on_a_machine_reaches_no_other_one(
    deployments: dict[str, dict[str, str]], simulator: str
) -> None:
    changes = {**AT_THE_SIMULATOR, "SIMULATOR_URL": simulator}

    said = refusal_of(deployments["sandbox"], **changes)

    assert said == "SIMULATOR_URL must be at 127.0.0.1 in a sandbox"
    assert load(deployments["sandbox"], **changes, PRIVATE_NETWORK="true")


@pytest.mark.parametrize("variable", OF_THE_ACCOUNT)
@pytest.mark.parametrize("name", ["staging", "staging at the simulator", "live"])
def test_a_setting_of_the_account_has_no_default_outside_a_sandbox(
    deployments: dict[str, dict[str, str]], name: str, variable: str
) -> None:
    said = refusal_of(deployments[name], **{variable: ""})

    assert said == f"{variable} has a default in a sandbox only; give your account's"


def test_no_other_setting_of_a_provider_has_a_default_but_its_published_address() -> None:
    defaults = {
        field.upper()
        for part in SETTINGS.values()
        for field, info in part.model_fields.items()
        if not info.is_required() and not field.endswith("_base_url")
    }

    assert defaults == set(OF_THE_ACCOUNT)
