"""Secrets that come from files: changed, damaged and lost while the service runs."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.providers.config import Config
from services.shared.env import SecretStr, Settings
from services.shared.errors import CannotStart
from services.shared.secret_files import SETTLED_SECONDS, LiveSecret, LiveSecrets
from tests.contract.lab import provider_environment
from tests.contract.providers.stripe import KEY as STRIPE_KEY
from tests.corridors import live_corridors

SIMULATOR = "http://127.0.0.1:7000"


def later() -> float:
    """A time at which each change so far has stood long enough."""
    return time.time() + 60


class Folder:
    """A folder of secret files, and the configuration that reads them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Much later than each change, unless a test says otherwise.
        self.ahead = 60.0
        self.put("STRIPE_API_KEY", "sk_test_first")
        self.put("STRIPE_WEBHOOK_SECRETS", "whsec_one,whsec_two")
        environment = provider_environment(SIMULATOR)
        for variable in ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"):
            del environment[variable]
            environment[f"{variable}_FILE"] = str(self.path(variable))
        self.config: Any = Config.load(environment, lambda: time.time() + self.ahead)

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
        "STRIPE_API_KEY": "",
        "STRIPE_API_KEY_FILE": str(tmp_path / "key"),
        "CORRIDORS_DIR": str(live_corridors(tmp_path)),
    }
    (tmp_path / "key").write_text(first)
    config: Any = Config.load(provider_environment(SIMULATOR) | real, later)

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
    missing = {"STRIPE_API_KEY": "", "STRIPE_API_KEY_FILE": str(tmp_path / "none")}

    with pytest.raises(CannotStart, match=r"STRIPE_API_KEY_FILE: .* cannot be read"):
        Config.load(provider_environment(SIMULATOR) | missing)


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
    variables = {**environment, "STRIPE_API_KEY_FILE": str(tmp_path / "key")}
    config: Any = Config.load(variables, later)
    seen = [config.stripe_api_key.get_secret_value()]

    for number in (1, 2):
        moved = tmp_path / "..data_tmp"
        moved.symlink_to(f"..version_{number}")
        moved.replace(data)
        shutil.rmtree(tmp_path / f"..version_{number - 1}")
        seen.append(config.stripe_api_key.get_secret_value())

    assert seen == ["sk_test_first", "sk_test_other", "sk_test_third"]


def test_a_half_written_file_does_not_count_until_it_has_stood(folder: Folder) -> None:
    path = folder.path("STRIPE_API_KEY")
    written = path.stat().st_ctime
    folder.ahead = 0.0
    with path.open("w") as file:
        file.write("sk_test_sec")
        file.flush()
        changed = path.stat().st_ctime
        folder.ahead = changed - time.time()
        halves = [folder.key for _ in range(3)]
        file.write("ond\n")
    assert changed >= written
    folder.ahead = 60.0

    assert (halves, folder.key) == (["sk_test_first"] * 3, "sk_test_second")


def test_a_clock_of_the_file_system_that_is_ahead_delays_a_rotation_no_longer(
    folder: Folder,
) -> None:
    # Our clock is an hour behind.
    folder.ahead = -3600.0
    folder.put("STRIPE_API_KEY", "sk_test_second")
    assert folder.key == "sk_test_first"

    folder.ahead += 2 * SETTLED_SECONDS

    assert folder.key == "sk_test_second"


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_file_says_that_it_is_empty(folder: Folder, content: str) -> None:
    folder.put("STRIPE_API_KEY", content)

    with capture_logs() as lines:
        assert folder.key == "sk_test_first"

    assert [line["reason"] for line in lines] == ["the file is empty"]


def test_the_same_content_again_is_no_rotation(folder: Folder) -> None:
    folder.put("STRIPE_API_KEY", "sk_test_first")

    with capture_logs() as lines:
        assert folder.key == "sk_test_first"

    assert lines == []


def test_any_setting_that_is_a_secret_follows_its_file(tmp_path: Path) -> None:
    class Signing(Settings):
        signing_key: SecretStr

    file = tmp_path / "key"
    file.write_text("-----BEGIN\nfirst\n-----END\n")
    variables = {"DEPLOYMENT": "live", "SIGNING_KEY_FILE": str(file)}
    config = Signing.load(variables, later)
    assert config.signing_key.get_secret_value() == "-----BEGIN\nfirst\n-----END"

    file.write_text("second")

    assert config.signing_key.get_secret_value() == "second"


def test_a_secret_of_the_compose_file_never_comes_in_by_a_rotation(tmp_path: Path) -> None:
    class Signing(Settings):
        signing_key: SecretStr

    file = tmp_path / "key"
    file.write_text("of our own")
    config = Signing.load({"DEPLOYMENT": "live", "SIGNING_KEY_FILE": str(file)}, later)

    file.write_text("sandbox-application")

    assert config.signing_key.get_secret_value() == "of our own"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_single_file_that_is_mounted_and_written_in_place_is_followed(tmp_path: Path) -> None:
    """A file that is moved to its place cannot be: the mount shows the old one. That is said."""
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    outside.write_text("first")
    inside.touch()
    if subprocess.run(["mount", "--bind", outside, inside], check=False).returncode:
        pytest.skip("no mounts here")
    try:

        class Signing(Settings):
            signing_key: SecretStr

        variables = {"DEPLOYMENT": "live", "SIGNING_KEY_FILE": str(inside)}
        config = Signing.load(variables, later)
        outside.write_text("second")
        assert config.signing_key.get_secret_value() == "second"

        _renamed(outside, "third")

        with capture_logs() as lines:
            assert config.signing_key.get_secret_value() == "second"
        assert [line["event"] for line in lines] == ["secret_kept"]
        assert "mount its folder" in lines[0]["reason"]
    finally:
        subprocess.run(["umount", inside], check=True)
