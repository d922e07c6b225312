"""A file in TOML is taken whole, or refused in one sentence with its name and all that is wrong."""

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from services.shared.errors import CannotStart
from services.shared.toml_files import read_model, read_toml


class Refused(CannotStart):
    """The refusal of these tests."""


class Shop(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    tills: int


def test_a_file_becomes_its_model(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('name = "Ama"\ntills = 2\n')

    assert read_model(file, Shop, Refused) == Shop(name="Ama", tills=2)
    assert read_toml(file, Refused) == {"name": "Ama", "tills": 2}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"name = ", "Invalid value"),
        (b"\xff", "UnicodeDecodeError"),
        (b"a = " + b"[" * 100_000, "RecursionError"),
        (None, "FileNotFoundError"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_by_name(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "shop.toml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(Refused, match=rf"^shop\.toml: it cannot be read as TOML: {why}"):
        read_model(file, Shop, Refused)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text('tills = "two"\ncolour = "red"\n')

    with pytest.raises(Refused) as refused:
        read_model(file, Shop, Refused)

    text = str(refused.value)
    assert text.startswith("shop.toml: name: ")
    assert all(f"{key}: " in text for key in ("tills", "colour"))
