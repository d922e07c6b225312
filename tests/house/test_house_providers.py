"""The providers' pages say what the code declares, table by table; each provider has a page."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta

from services.providers.adapters import ADAPTERS
from services.providers.domain import (
    Capabilities,
    DuplicateReference,
    ErrorCaching,
    LookUpStrength,
    WebhookAuthentication,
)
from tests.house.places import ROOT, at, check

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


def _absent(record: Capabilities) -> str:
    if record.look_up is LookUpStrength.EVENTUAL:
        return f"all, {_time(record.look_up_lag)} after the last send"
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
    "an event is evidence": lambda record: "yes" if record.event_is_evidence else "no",
}


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def matrix() -> str:
    """The table of all records."""
    head = [_row("", *RECORDS), f"|{'---|' * (len(RECORDS) + 1)}"]
    return "\n".join(head + [_row(name, *map(say, RECORDS.values())) for name, say in ROWS.items()])


def failures() -> str:
    """The table of the closed lists."""
    head = [_row("provider", "codes"), "|---|---|"]
    lists = {name: sorted(record.definitive_failures) for name, record in RECORDS.items()}
    return "\n".join(
        head + [_row(name, ", ".join(f"`{code}`" for code in lists[name])) for name in lists]
    )


def test_tables_of_the_providers_are_those_of_the_code() -> None:
    page = PAGES / "README.md"
    text = page.read_text()
    for name, table in (("matrix", matrix()), ("failures", failures())):
        written = re.search(rf"<!-- {name} -->\n(.*)<!-- /{name} -->", text, re.DOTALL)
        assert written, at(page, 1, f"mark the place of the table with <!-- {name} -->")
        line = text[: written.start()].count("\n") + 2
        assert written[1] == f"{table}\n", at(page, line, f"this table should be\n\n{table}\n")


def test_every_provider_has_a_page_that_says_what_its_success_proves() -> None:
    headings = ('## What "success" proves', "## Residual risks", "## A real sandbox account")
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
