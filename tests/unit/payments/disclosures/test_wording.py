"""Disclosures in each locale are as a person has read and committed them."""

import string
import tomllib
from pathlib import Path

import pytest

from services.payments.disclosures.wording import (
    DEFAULT,
    LOCALES,
    SUPPORTED,
    LocaleUnsupported,
    read_locale,
)
from tests.golden import FOLDER, rendered

RENDERED = list(rendered())
ENGLISH = tomllib.loads((LOCALES / "en-US.toml").read_text())


@pytest.mark.parametrize(("path", "content"), RENDERED, ids=[path.name for path, _ in RENDERED])
def test_a_disclosure_is_as_it_was_read(path: Path, content: bytes) -> None:
    assert path.read_bytes() == content, "read it, and write it again with `python -m tests.golden`"


def test_no_golden_file_is_left_over() -> None:
    assert {path for path, _ in RENDERED} == set(FOLDER.iterdir())


def _fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("locale", SUPPORTED)
def test_every_locale_says_the_same_things(locale: str) -> None:
    words = tomllib.loads((LOCALES / f"{locale}.toml").read_text())

    assert {table: list(words[table]) for table in words} == {
        table: list(ENGLISH[table]) for table in ENGLISH
    }
    for name, sentence in words["statements"].items():
        assert _fields(sentence) == _fields(ENGLISH["statements"][name])


def test_a_locale_is_american_english_where_none_is_named() -> None:
    assert read_locale("") == DEFAULT == "en-US"
    assert read_locale("fr-FR") == "fr-FR"


@pytest.mark.parametrize("locale", ["en", "en_US", "tlh", "../fr-FR", "x" * 500])
def test_an_unknown_locale_is_refused_by_name(locale: str) -> None:
    with pytest.raises(LocaleUnsupported) as refusal:
        read_locale(locale)

    assert refusal.value.error_reason == "LOCALE_UNSUPPORTED"
    assert refusal.value.metadata == {
        "field": "locale",
        "locale": locale[:35],
        "supported": "de-DE,en-US,es-MX,fr-FR,pt-BR",
    }
