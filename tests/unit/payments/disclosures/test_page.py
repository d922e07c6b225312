"""The page of a disclosure loads nothing and runs nothing, whatever a text in it says."""

from html.parser import HTMLParser

from services.payments.disclosures.facts import receipt_of
from services.payments.disclosures.page import HEADERS, page
from services.payments.disclosures.wording import worded
from tests.golden import LARGE, PAID, payment_of


class Elements(HTMLParser):
    """The elements of a page, with their attributes, and the end tags that are due."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_a_page_has_no_script_no_style_and_nothing_to_load() -> None:
    text = page(worded(receipt_of(payment_of(LARGE), LARGE, PAID), "fr-FR")).decode()
    elements = Elements()
    elements.feed(text)

    assert elements.open == []
    names = {name for name, _ in elements.found}
    assert names.isdisjoint({"script", "style", "link", "img", "iframe", "form", "petit"})
    attributes = {name for _, given in elements.found for name in given}
    assert attributes <= {"lang", "charset", "name", "content", "scope", "id", "aria-labelledby"}
    assert ("html", {"lang": "fr-FR"}) in elements.found
    assert "É*** &lt;***" in text
    assert "Caravel &amp; Sons" in text


def test_its_policy_forbids_everything() -> None:
    policy = dict(HEADERS)["content-security-policy"]

    assert policy.startswith("default-src 'none';")
    assert "frame-ancestors 'none'" in policy
