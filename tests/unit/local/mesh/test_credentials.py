"""Credentials are made once, differ from sandbox to sandbox, and are nobody else's to read."""

import json
import stat
from pathlib import Path

import pytest

from deploy.local.mesh.credentials import Credentials, load_or_make
from deploy.local.process.terminal import Problem
from services.providers.simulator.catalogue import APIS


def test_credentials_are_made_once(tmp_path: Path) -> None:
    first = load_or_make(tmp_path / "credentials.json")

    assert load_or_make(tmp_path / "credentials.json") == first


def test_two_sandboxes_share_no_secret(tmp_path: Path) -> None:
    one, other = (load_or_make(tmp_path / name) for name in ("one.json", "other.json"))

    assert not _secrets_of(one) & _secrets_of(other)


def _secrets_of(credentials: Credentials) -> set[str]:
    own = {credentials.instance, credentials.owner_password, credentials.application_password}
    return own | set(credentials.stand_ins.values())


def test_only_the_owner_may_read_them(tmp_path: Path) -> None:
    load_or_make(tmp_path / "credentials.json")

    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600


def test_no_key_could_move_real_money(tmp_path: Path) -> None:
    secrets = load_or_make(tmp_path / "credentials.json").stand_ins

    assert {name for name in secrets if name.endswith("_api_key")} == {f"{p}_api_key" for p in APIS}
    live = ("sk_live_", "rk_live_", "FLWSECK-")
    assert not [name for name, secret in secrets.items() if secret.startswith(live)]


def test_a_sandbox_from_before_a_provider_keeps_its_own_and_gets_the_providers(
    tmp_path: Path,
) -> None:
    path = tmp_path / "credentials.json"
    first = load_or_make(path)
    written = json.loads(path.read_text())
    older = {name: value for name, value in written.items() if not name.startswith("paystack")}
    path.write_text(json.dumps(older))

    now = load_or_make(path)

    assert now.instance == first.instance
    assert older.items() <= json.loads(path.read_text()).items()
    assert now.stand_ins["paystack_api_key"]
    assert load_or_make(path) == now


@pytest.mark.parametrize("text", ['{"instance": "half', "{}", "[]", '{"instance": "one"}'])
def test_damaged_file_is_a_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "credentials.json").write_text(text)

    with pytest.raises(Problem, match="--fresh"):
        load_or_make(tmp_path / "credentials.json")
