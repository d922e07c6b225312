"""Settings: a name or a file of it, everything wrong at once, and never a secret's value."""

import traceback
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.shared.env import Deployment, Field, SecretStr, Settings, SettingsError

SECRET, SHORT_SECRET = "swordfish", "eel!"


class Config(Settings):
    """Two that are required, one that is not."""

    api_key: SecretStr = Field(description="Secret.", min_length=5)
    corridors_dir: Path = Field(description="Folder.")
    batch_max: int = Field(default=64, gt=0, description="Largest batch.")


GOOD = {"DEPLOYMENT": "sandbox", "API_KEY": SECRET, "CORRIDORS_DIR": "deploy/corridors"}


def refusal_of(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as refused:
        Config.load(environment)
    # The text of a traceback says no more.
    assert SHORT_SECRET not in "".join(traceback.format_exception(refused.value))
    return str(refused.value)


def test_variables_are_read_by_name_and_the_rest_has_defaults() -> None:
    config = Config.load({**GOOD, "BATCH_MAX": "8"})

    assert config.api_key.get_secret_value() == SECRET
    assert (config.corridors_dir, config.batch_max) == (Path("deploy/corridors"), 8)
    assert (config.host, config.port, config.metrics_port) == ("127.0.0.1", 0, 0)
    assert (config.log_level, config.deployment) == ("info", Deployment.SANDBOX)


def test_an_empty_variable_or_file_is_none(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.write_text("\n")

    assert Config.load({**GOOD, "BATCH_MAX": "", "API_KEY_FILE": ""}).batch_max == 64
    assert "API_KEY: field required" in refusal_of({**GOOD, "API_KEY": ""})
    assert "API_KEY: field required" in refusal_of(
        {**GOOD, "API_KEY": "", "API_KEY_FILE": str(empty)}
    )


def test_variables_of_others_are_left_alone() -> None:
    assert Config.load({**GOOD, "PATH": "/usr/bin", "DATABASE_URL": "x"}) == Config.load(GOOD)


def test_a_value_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from the file\n")

    config = Config.load({**GOOD, "API_KEY": "", "API_KEY_FILE": str(file)})

    assert config.api_key.get_secret_value() == "from the file"


@pytest.mark.parametrize("name", sorted(set(GOOD) - {"DEPLOYMENT"}))
def test_a_value_and_its_file_together_are_refused_in_one_sentence(
    tmp_path: Path, name: str
) -> None:
    file = tmp_path / "value"
    file.write_text(GOOD[name])

    refusal = refusal_of({**GOOD, f"{name}_FILE": str(file)})

    words = f"{name} and {name}_FILE are both set; keep one"
    assert refusal == f"the environment cannot be used: {words}"


def test_every_violation_is_reported_at_once(tmp_path: Path) -> None:
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe")

    refusal = refusal_of(
        {
            "API_KEY_FILE": str(tmp_path / "missing"),
            "BATCH_MAX": "0",
            "HOST_FILE": str(binary),
            "PORT": "65536",
            "DEPLOYMENT": "Live",
        }
    )

    assert "\n" not in refusal
    for problem in (
        f"API_KEY_FILE: {tmp_path}/missing cannot be read (FileNotFoundError)",
        f"HOST_FILE: {binary} cannot be read (UnicodeDecodeError)",
        "CORRIDORS_DIR: field required",
        "BATCH_MAX: input should be greater than 0",
        "PORT: input should be less than or equal to 65535",
        "DEPLOYMENT must be sandbox, staging or live",
    ):
        assert problem in refusal
    # A variable whose file cannot be read is not reported as missing as well.
    assert "API_KEY: " not in refusal


@pytest.mark.parametrize("in_file", [False, True])
def test_a_secrets_value_is_in_no_refusal_and_no_repr(tmp_path: Path, in_file: bool) -> None:
    file = tmp_path / "key"
    file.write_text(SHORT_SECRET)
    given = {"API_KEY_FILE": str(file)} if in_file else {"API_KEY": SHORT_SECRET}

    refusal = refusal_of({"CORRIDORS_DIR": "deploy", **given})

    assert "API_KEY: value should have at least 5" in refusal
    assert SHORT_SECRET not in refusal
    assert SECRET not in repr(Config.load(GOOD))
    assert SECRET not in str(Config.load(GOOD))


def test_settings_never_change() -> None:
    config = Config.load(GOOD)

    with pytest.raises(ValidationError):
        config.port = 1
