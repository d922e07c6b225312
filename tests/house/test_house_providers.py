"""Each provider has a page, whose tables are those of the code, and it takes few files."""

import ast
import copy
import importlib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from services.providers.adapters import ADAPTERS
from services.providers.domain import (
    Capabilities,
    DuplicateReference,
    ErrorCaching,
    LookUpStrength,
    WebhookAuthentication,
)
from services.providers.simulator.catalogue import APIS
from services.shared.money import EXPONENTS
from services.shared.recipients.rails import Rail
from tests.house.places import ROOT, at, check, files, tree

PAGES = ROOT / "docs" / "providers"
RECORDS: Mapping[str, Capabilities] = {
    name: ADAPTERS[name].capabilities for name in sorted(ADAPTERS)
}
WORDS = {
    ErrorCaching.ERRORS_CACHED: "yes",
    ErrorCaching.ERRORS_NOT_CACHED: "no",
    DuplicateReference.REJECTS: "is refused",
    DuplicateReference.RETURNS_ORIGINAL: "returns the original",
    DuplicateReference.CREATES_NEW: "is done again",
    WebhookAuthentication.BODY_SIGNATURE: "a signature over the body",
    WebhookAuthentication.SHARED_VALUE: "a shared value",
    WebhookAuthentication.NOTHING: "nothing",
}


def _time(span: timedelta) -> str:
    hours, rest = divmod(span, timedelta(hours=1))
    if rest:
        return f"{span // timedelta(seconds=1)} seconds"
    return (
        f"{hours // 24} days" if hours > 24 and hours % 24 == 0 else f"{hours} hours" * bool(hours)
    )


def _minutes(span: timedelta) -> str:
    minutes, rest = divmod(span, timedelta(minutes=1))
    return f"{span // timedelta(seconds=1)} seconds" if rest else f"{minutes} minutes"


def _absent(record: Capabilities) -> str:
    if record.look_up is LookUpStrength.EVENTUAL:
        return f"all, {_time(record.look_up_lag)} after the last request can have left"
    return "all, at once" if record.look_up is LookUpStrength.STRONG else "nothing"


ROWS: Mapping[str, Callable[[Capabilities], str]] = {
    "takes": lambda record: ", ".join(sorted(kind.value for kind in record.kinds)),
    "remembers a key for": lambda record: _time(record.key_lifetime),
    "within": lambda record: record.key_scope,
    "an error is the key's answer": lambda record: WORDS[record.error_caching],
    "a reference that comes again": lambda record: WORDS[record.duplicate_reference],
    '"absent" proves': _absent,
    "success is final after": lambda record: _time(record.success_final_after) or "at once",
    "webhooks are proved by": lambda record: WORDS[record.webhook_authentication],
    "an unknown outcome is held after": lambda record: _minutes(record.unknown_hold_after),
    "takes as a rule": lambda record: ", ".join(
        f"{kind.value} {_minutes(within)}"
        for kind, within in sorted(record.expected.items(), key=lambda item: item[0].value)
    ),
    "names the holder of": lambda record: (
        ", ".join(f"{kind} {currency}" for kind, currency in sorted(record.resolves)) or "nothing"
    ),
    "an event is evidence": lambda record: "yes" if record.event_is_evidence else "no",
    "lists its events": lambda record: "yes" if record.lists_events else "no",
    "lists our operations": lambda record: "yes" if record.lists_operations else "no",
    "is asked about disputes": lambda record: "yes" if record.looks_up_disputes else "no",
    "failures of the recipient": lambda record: (
        ", ".join(f"`{code}`" for code in sorted(record.recipient_failures)) or "none"
    ),
    "failures that may pass": lambda record: (
        ", ".join(f"`{code}`" for code in sorted(record.passing_failures)) or "none"
    ),
}


def record(name: str) -> str:
    """The table of one provider's record."""
    rows = [f"| {row} | {say(RECORDS[name])} |" for row, say in ROWS.items()]
    return "\n".join(["| what it declares | |", "|---|---|", *rows])


def rails(name: str) -> str:
    """The table of one provider's rails; "none" where it takes no payouts."""
    declared = RECORDS[name].rails
    if not declared:
        return "none"
    if {rail.currency for rail in declared} == EXPONENTS.keys():
        return "\n".join([*_RAILS_HEAD, *sorted({_rail_of_all(rail) for rail in declared})])
    rows = sorted(declared, key=lambda rail: (rail.recipient_kind, rail.currency, rail.country))
    return "\n".join([*_RAILS_HEAD, *map(_rail, rows)])


_RAILS_HEAD = (
    "| recipient | currency | in | networks | decimals | smallest | largest | cut-off |",
    "|---|---|---|---|---|---|---|---|",
)


def _rail(rail: Rail) -> str:
    shown = (
        f"`{rail.recipient_kind}`",
        rail.currency,
        rail.country or "any country",
        ", ".join(sorted(rail.operators)) or "any",
        str(rail.decimals),
        str(rail.minimum),
        str(rail.maximum),
        str(rail.cut_off or "none"),
    )
    return f"| {' | '.join(shown)} |"


def _rail_of_all(rail: Rail) -> str:
    """The one row of a provider that pays every currency alike."""
    assert rail.decimals == EXPONENTS[rail.currency]
    bounds = f"{rail.minimum.amount_minor} minor unit | {rail.maximum.amount_minor:,} minor units"
    return (
        f"| `{rail.recipient_kind}` | every one | any country | any | its own | {bounds} | none |"
    )


def failures(name: str) -> str:
    """The closed list of one provider."""
    return ", ".join(f"`{code}`" for code in sorted(RECORDS[name].definitive_failures))


def variables(name: str) -> str:
    """The table of one provider's variables: its adapter's, then its stand-in's."""
    rows = [f"| `{field.upper()}` | {info.description} |" for field, info in _fields(name)]
    return "\n".join(["| variable | meaning |", "|---|---|", *rows])


def _fields(name: str) -> Iterator[tuple[str, FieldInfo]]:
    shown: set[str] = set()
    for settings in (ADAPTERS[name].settings, APIS[name].settings):
        for field, info in settings.model_fields.items():
            if field.startswith(f"{name}_") and field not in shown:
                shown.add(field)
                yield field, info


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_tables_of_a_provider_s_page_are_those_of_the_code(name: str) -> None:
    page = PAGES / f"{name}.md"
    text = page.read_text()
    tables = {
        "variables": variables(name),
        "record": record(name),
        "rails": rails(name),
        "failures": failures(name),
    }
    for mark, table in tables.items():
        written = re.search(rf"<!-- {mark} -->\n(.*)<!-- /{mark} -->", text, re.DOTALL)
        assert written, at(page, 1, f"mark the place of the table with <!-- {mark} -->")
        line = text[: written.start()].count("\n") + 2
        assert written[1] == f"{table}\n", at(page, line, f"this should be\n\n{table}\n")


def test_every_provider_has_a_page_that_says_what_its_success_proves() -> None:
    headings = ("## The proof of a success", "## Residual risks", "## A real sandbox account")
    pages = {name: PAGES / f"{name}.md" for name in ADAPTERS}
    missing = [page for page in pages.values() if not page.is_file()]
    check(at(page, 1, "write this page") for page in missing)
    check(
        at(page, 1, f"say it under {heading}")
        for page in pages.values()
        for heading in headings
        if heading not in page.read_text()
    )


def test_links_between_the_providers_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
    check(
        at(page, number, f"{target} is not there")
        for page in sorted(PAGES.glob("*.md"))
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for target in link.findall(line)
        if not (page.parent / target).exists()
    )


# The files that may name a provider: those of its own, and those that every provider shares.
OWN = (
    r"services/providers/adapters/{name}/.+",
    r"services/providers/simulator/({name}_|{other}).+",
    r"tests/contract/providers/{name}\.py",
    r"tests/.+/test_{name}(_.+)?\.py",
    r"docs/providers/{name}\.md",
)
SHARED = (r"docker-compose\.yml", r"deploy/corridors/.+\.toml")
# More of Stripe stands in the simulator than its API.
OTHER = {"stripe": "cards"}
# Where a rule is about one of them, and would be about no other.
PECULIAR = {
    "local_wallet": (
        r"services/payments/.+",
        r"tests/contract/test_(webhooks|hostile_events|unknown_status)\.py",
    ),
    # Under which code each was sent an account before recipients had kinds.
    "flutterwave": (r"services/payments/base/migrations/versions/0018_typed_recipients\.py",),
    "paystack": (r"services/payments/base/migrations/versions/0018_typed_recipients\.py",),
    "stripe": (
        r"tests/contract/test_(webhooks|refunds|fault_words|hostile_answers)\.py",
        r"tests/contract/test_(other_amounts|unknown_status|simulator_readme|adapters)\.py",
    ),
}
# A recipe's steps that a provider may need are in services/providers/README.md, one a line.
RECIPE = ROOT / "services" / "providers" / "README.md"
RECIPE_FILES = 7


def recipe() -> list[str]:
    """The files that the recipe names, for a provider that is called acme."""
    section = RECIPE.read_text().partition("## Add a provider")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)


def test_the_recipe_has_few_files_and_each_provider_has_them() -> None:
    assert 0 < len(recipe()) <= RECIPE_FILES
    check(
        at(RECIPE, 1, f"{name} has no {wanted}: is the recipe right?")
        for name in ADAPTERS
        for file in recipe()
        for wanted in [file.replace("acme", name)]
        if not list(ROOT.glob(wanted))
    )


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_a_provider_is_named_in_its_own_files_and_in_those_of_the_recipe_only(name: str) -> None:
    patterns = [
        pattern.replace("{name}", name).replace("{other}", OTHER.get(name, name))
        for pattern in (*OWN, *SHARED, *PECULIAR.get(name, ()))
    ]
    word = re.compile(rf"(?<![a-z]){name}(?![a-z])", re.IGNORECASE)
    kinds = ("*.py", "*.toml", "*.yml", "*.yaml", "*.lua", "*.ini")
    places = ("services", "gateway", "deploy", "tests/contract")
    check(
        at(path, 1, f"names {name}: let the provider's own files say it")
        for path in (*files(*kinds, below=places), ROOT / "docker-compose.yml")
        if not any(re.fullmatch(one, path.relative_to(ROOT).as_posix()) for one in patterns)
        if word.search(path.read_text()) and word.search(_code_of(path))
    )


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def _code_of(path: Path) -> str:
    """The file without comments and docstrings: prose may name whom it likes."""
    text = path.read_text()
    if path.suffix != ".py":
        return "\n".join(line.partition("#")[0] for line in text.splitlines())
    return ast.unparse(_without_docstrings(tree(path)))


def _without_docstrings(module: ast.Module) -> ast.Module:
    bare = copy.deepcopy(module)
    for node in ast.walk(bare):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False):
            node.body[0] = ast.Pass()
    return bare


def test_each_command_of_a_page_runs_tests_that_exist_with_a_variable_that_they_read() -> None:
    command = re.compile(r"`(\w+)=\S+ \./caravel test (\w+) -- -k (\w+)`")
    for page in sorted(PAGES.glob("*.md")):
        for variable, ring, word in command.findall(page.read_text()):
            found = [
                path for path in files("test_*.py", below=(f"tests/{ring}",)) if word in path.stem
            ]
            assert found, at(page, 1, f"no test of {ring} is called {word}")
            check(
                at(page, 1, f"{path.name} does not read {variable}")
                for path in found
                if f'"{variable}"' not in path.read_text()
            )


def test_each_variable_of_a_page_is_one_of_the_code() -> None:
    known = {field.upper() for name in ADAPTERS for field, _ in _fields(name)}
    prefixes = tuple(f"{name.upper()}_" for name in ADAPTERS)
    check(
        at(page, number, f"{word} is no variable")
        for page in sorted(PAGES.glob("*.md"))
        for number, line in enumerate(page.read_text().splitlines(), 1)
        for word in re.findall(r"\b[A-Z]+(?:_[A-Z]+)+\b", line)
        if word.startswith(prefixes) and not word.endswith("_LIVE_SANDBOX_KEY")
        if word not in known
    )


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_a_page_has_each_word_by_which_its_adapter_decides(name: str) -> None:
    package = f"services.providers.adapters.{name}"
    has_tables = importlib.util.find_spec(f"{package}.translate")
    tables = importlib.import_module(f"{package}.{'translate' if has_tables else 'client'}")
    words = {*getattr(tables, "STATUSES", ())}
    words |= {*getattr(tables, "UNFINISHED", ()), *getattr(tables, "DECLINES", ())}
    page = PAGES / f"{name}.md"
    check(
        at(page, 1, f"say what `{word}` comes to")
        for word in sorted(words)
        if f"`{word}`" not in page.read_text()
    )
