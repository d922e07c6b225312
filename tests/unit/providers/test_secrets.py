"""Secrets that come from files: changed, damaged and lost while the service runs."""

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.providers.config import Config
from services.providers.secrets import LiveSecret, LiveSecrets
from services.shared.env import SecretStr
from services.shared.errors import CannotStart
from tests.contract.lab import provider_environment
from tests.contract.providers.stripe import KEY as STRIPE_KEY
from tests.corridors import live_corridors

SIMULATOR = "http://127.0.0.1:7000"


class Folder:
    """A folder of secret files, and the configuration that reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.put("STRIPE_API_KEY", "sk_test_first")
        self.put("STRIPE_WEBHOOK_SECRETS", "whsec_one,whsec_two")
        environment = provider_environment(SIMULATOR)
        for variable in ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"):
            del environment[variable]
            environment[f"{variable}_FILE"] = str(self.path(variable))
        self.config: Any = Config.load(environment)

    def path(self, variable: str) -> Path:
        return self._folder / variable.lower()

    def put(self, variable: str, text: str) -> None:
        """Replaces the file as a careful operator does: written beside, then moved over it."""
        beside = self._folder / "beside"
        beside.write_text(f"{text}\n")
        beside.replace(self.path(variable))

    @property
    def key(self) -> str:
        return self.config.stripe_api_key.get_secret_value()

    @property
    def secrets(self) -> list[str]:
        return values(self.config.stripe_webhook_secrets)


def values(secrets: Sequence[SecretStr]) -> list[str]:
    return [secret.get_secret_value() for secret in secrets]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_new_content_counts_from_the_next_use_on(folder: Folder) -> None:
    held_key, held_secrets = folder.config.stripe_api_key, folder.config.stripe_webhook_secrets
    assert (folder.key, folder.secrets) == ("sk_test_first", ["whsec_one", "whsec_two"])

    folder.put("STRIPE_API_KEY", "sk_test_second")
    folder.put("STRIPE_WEBHOOK_SECRETS", "whsec_two, whsec_three, whsec_four")

    # Code that took them from the configuration at the start has the new ones too.
    assert held_key.get_secret_value() == "sk_test_second"
    assert values(held_secrets) == ["whsec_two", "whsec_three", "whsec_four"]
    assert (len(held_key), len(held_secrets), held_secrets[0]) == (14, 3, SecretStr("whsec_two"))
    assert values(held_secrets[1:]) == ["whsec_three", "whsec_four"]


def test_a_rotation_is_logged_without_the_value(folder: Folder) -> None:
    folder.put("STRIPE_API_KEY", "sk_test_second")

    with capture_logs() as lines:
        _ = folder.key, folder.key

    assert lines == [{"event": "secret_rotated", "log_level": "info", "variable": "STRIPE_API_KEY"}]


@pytest.mark.parametrize("content", [b"", b" \n", b"\xff\xfe", b"sk_live_1", None])
def test_an_unusable_file_keeps_the_old_secret_and_is_spoken_of_once(
    folder: Folder, content: bytes | None
) -> None:
    if content is None:
        folder.path("STRIPE_API_KEY").unlink()
    else:
        folder.path("STRIPE_API_KEY").write_bytes(content)

    with capture_logs() as lines:
        assert [folder.key for _ in range(3)] == ["sk_test_first"] * 3

    [line] = lines
    assert (line["event"], line["variable"]) == ("secret_kept", "STRIPE_API_KEY")
    assert not [secret for secret in ("sk_live_1", "sk_test_first") if secret in str(line)]


@pytest.mark.parametrize(
    ("deployment", "first", "second"),
    [
        ("staging", "sk_test_1", "sk_live_1"),
        ("live", "sk_live_1", "sk_test_1"),
        ("live", "sk_live_1", "?"),
        ("staging", "sk_test_1", "?"),
    ],
)
def test_a_test_key_never_becomes_a_live_one_while_running(
    tmp_path: Path, deployment: str, first: str, second: str
) -> None:
    real = {
        "DEPLOYMENT": deployment,
        "SIMULATOR_URL": "",
        **{f"{name}_BASE_URL": "" for name in ("STRIPE", "FLUTTERWAVE", "PAYSTACK")},
        **{f"{name}_API_KEY": "key" for name in ("FLUTTERWAVE", "PAYSTACK")},
        "PAYSTACK_WEBHOOK_SECRETS": "key",
        "LOCAL_WALLET_BASE_URL": "https://wallet.example",
        "STRIPE_API_KEY_FILE": str(tmp_path / "key"),
        "CORRIDORS_DIR": str(live_corridors(tmp_path)),
    }
    (tmp_path / "key").write_text(first)
    config: Any = Config.load(provider_environment(SIMULATOR) | real)

    (tmp_path / "key").write_text(f"{second}\n")

    assert config.stripe_api_key.get_secret_value() == first


@pytest.mark.parametrize("content", ["", ",", "whsec_one,", "sk_live_1"])
def test_unusable_webhook_secrets_keep_the_old_ones(folder: Folder, content: str) -> None:
    folder.put("STRIPE_WEBHOOK_SECRETS", content)

    assert folder.secrets == ["whsec_one", "whsec_two"]


def test_a_file_that_is_well_again_counts_again(folder: Folder) -> None:
    folder.path("STRIPE_API_KEY").unlink()
    assert folder.key == "sk_test_first"

    folder.put("STRIPE_API_KEY", "sk_test_second")

    assert folder.key == "sk_test_second"


def test_a_broken_file_hinders_no_other(folder: Folder) -> None:
    folder.path("STRIPE_API_KEY").unlink()
    folder.put("STRIPE_WEBHOOK_SECRETS", "whsec_three")

    assert (folder.key, folder.secrets) == ("sk_test_first", ["whsec_three"])


def test_a_secret_from_the_environment_stays_as_it_is() -> None:
    config: Any = Config.load(provider_environment(SIMULATOR))

    assert not isinstance(config.stripe_api_key, LiveSecret)
    assert not isinstance(config.stripe_webhook_secrets, LiveSecrets)
    assert config.stripe_api_key.get_secret_value() == STRIPE_KEY


def test_a_file_that_is_missing_at_the_start_is_refused(tmp_path: Path) -> None:
    environment = provider_environment(SIMULATOR) | {"STRIPE_API_KEY_FILE": str(tmp_path / "none")}

    with pytest.raises(CannotStart, match="STRIPE_API_KEY_FILE"):
        Config.load(environment)


def test_no_secret_is_in_any_repr(folder: Folder) -> None:
    config = folder.config
    held = (config.stripe_api_key, config.stripe_webhook_secrets)

    shown = "\n".join([repr(config), str(config), repr(held), str(held), repr(vars(config))])

    assert "LiveSecrets([SecretStr('**********')" in shown
    assert not [secret for secret in (folder.key, *folder.secrets) if secret in shown]


def _in_place(path: Path, text: str) -> None:
    path.write_text(text)


def _renamed(path: Path, text: str) -> None:
    beside = path.with_name("beside")
    beside.write_text(text)
    beside.replace(path)


def _with_old_times(path: Path, text: str) -> None:
    before = path.stat()
    _renamed(path, text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _removed_and_made(path: Path, text: str) -> None:
    path.unlink()
    path.write_text(text)


@pytest.mark.parametrize("change", [_in_place, _renamed, _with_old_times, _removed_and_made])
@pytest.mark.parametrize("text", ["sk_test_2nd\n", "sk_test_longer_than_the_first\n"])
def test_a_change_of_any_kind_is_seen(
    folder: Folder, change: Callable[[Path, str], None], text: str
) -> None:
    path = folder.path("STRIPE_API_KEY")
    assert folder.key == "sk_test_first"

    change(path, text)

    assert folder.key == text.strip()


def test_a_mounted_folder_that_moves_its_link_is_seen(tmp_path: Path) -> None:
    """As Kubernetes does it: the file is a link into ..data, and ..data a link to a folder."""
    for number, key in enumerate(("sk_test_first", "sk_test_other", "sk_test_third")):
        version = tmp_path / f"..version_{number}"
        version.mkdir()
        (version / "key").write_text(key)
    data = tmp_path / "..data"
    data.symlink_to("..version_0")
    (tmp_path / "key").symlink_to("..data/key")
    environment = provider_environment(SIMULATOR)
    del environment["STRIPE_API_KEY"]
    config: Any = Config.load({**environment, "STRIPE_API_KEY_FILE": str(tmp_path / "key")})
    seen = [config.stripe_api_key.get_secret_value()]

    for number in (1, 2):
        moved = tmp_path / "..data_tmp"
        moved.symlink_to(f"..version_{number}")
        moved.replace(data)
        shutil.rmtree(tmp_path / f"..version_{number - 1}")
        seen.append(config.stripe_api_key.get_secret_value())

    assert seen == ["sk_test_first", "sk_test_other", "sk_test_third"]
