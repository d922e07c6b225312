"""The settings of the console: each wrong mix is refused in one sentence."""

import pytest
from cryptography.fernet import Fernet

from gateway.console.config import ConsoleSettings
from services.shared.env import SettingsError, UnsafeDeployment

KEY = Fernet.generate_key().decode()
LIVE = {
    "DEPLOYMENT": "live",
    "PAYMENTS_TARGET": "payments:50051",
    "CONSOLE_URL": "https://operators.example:8081/",
    "SESSION_KEYS": KEY,
    "OIDC_ISSUER": "https://login.example",
    "OIDC_CLIENT_ID": "console",
}


def test_a_live_console_has_https_a_key_and_an_exact_address_to_return_to() -> None:
    config = ConsoleSettings.load(LIVE)

    assert config.is_secure
    assert config.redirect_uri == "https://operators.example:8081/sign-in/callback"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://Operators.Example:443/", "https://operators.example"),
        ("https://operators.example:8081", "https://operators.example:8081"),
        ("https://[2001:DB8::1]:443", "https://[2001:db8::1]"),
    ],
)
def test_its_address_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert ConsoleSettings.load({**LIVE, "CONSOLE_URL": url}).console_url == origin


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"CONSOLE_URL": "http://operators.example"}, "CONSOLE_URL must begin with https://"),
        ({"CONSOLE_URL": "http://127.0.0.1:8081"}, "CONSOLE_URL must begin with https://"),
        ({"SESSION_KEYS": ""}, "SESSION_KEYS is needed for live"),
        ({"OIDC_ISSUER": "http://login.example"}, "OIDC_ISSUER must begin with https://"),
        ({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID is needed"),
        ({"OIDC_SCOPES": "profile"}, "OIDC_SCOPES must have openid"),
    ],
)
def test_a_live_console_refuses_what_is_not_safe(changes: dict[str, str], words: str) -> None:
    with pytest.raises(UnsafeDeployment, match=words):
        ConsoleSettings.load({**LIVE, **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"CONSOLE_URL": "https://operators.example/console"},
        {"CONSOLE_URL": "https://ada@operators.example"},
        {"CONSOLE_URL": "operators.example"},
        {"SESSION_KEYS": "short"},
        {"SESSION_KEYS": f"{KEY},"},
        {"SESSION_HOURS": "0"},
    ],
)
def test_a_setting_that_is_malformed_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        ConsoleSettings.load({**LIVE, **changes})


def test_a_staging_console_may_speak_plainly_on_this_machine_alone() -> None:
    staging = {**LIVE, "DEPLOYMENT": "staging"}
    assert not ConsoleSettings.load({**staging, "CONSOLE_URL": "http://127.0.0.1:8081"}).is_secure

    with pytest.raises(UnsafeDeployment):
        ConsoleSettings.load({**staging, "CONSOLE_URL": "http://operators.example"})
