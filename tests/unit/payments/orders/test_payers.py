"""A request may say that its payer is present, and where that payer comes back to."""

import pytest
from caravel.payments.v1 import payers_pb2, payments_pb2

from services.payments.base.problems import Problems
from services.payments.model.payer import PresentPayer
from services.payments.orders.payers import payer_print, read_payer
from services.shared.errors import Invalid

PRESENT, OFF_SESSION = payers_pb2.PRESENT, payers_pb2.OFF_SESSION


def _read(payer: int, url: str = "") -> PresentPayer | None:
    problems = Problems()
    request = payments_pb2.CreatePaymentRequest(payer=payer, return_url=url)  # type: ignore[arg-type]
    read = read_payer(request, problems)
    problems.raise_any()
    return read


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://shop.example",
        "https://shop.example:8443/back?order=7#paid",
        "http://localhost:3000/back",
        "http://127.0.0.1/",
        f"https://shop.example/{'x' * 1979}",
    ],
)
def test_a_payer_who_is_present_may_come_back_to_the_merchant(url: str) -> None:
    assert _read(PRESENT, url) == PresentPayer(return_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/back",
        "javascript:alert(1)",
        "https://",
        "https://user@shop.example/",
        "https://shop.example/a b",
        "http://localhost.evil.example/",
        "shop.example",
        f"https://shop.example/{'x' * 1980}",
    ],
)
def test_a_payer_comes_back_to_no_other_place(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        _read(PRESENT, url)

    assert [wrong.field for wrong in refused.value.violations] == ["return_url"]


@pytest.mark.parametrize("payer", [payers_pb2.PAYER_UNSPECIFIED, OFF_SESSION])
def test_off_session_nobody_comes_back(payer: int) -> None:
    assert _read(payer) is None
    with pytest.raises(Invalid) as refused:
        _read(payer, "https://shop.example")

    assert [(w.field, w.reason) for w in refused.value.violations] == [
        ("payer", "FIELDS_CONTRADICTORY"),
        ("return_url", "FIELDS_CONTRADICTORY"),
    ]


def test_a_payer_of_a_kind_that_we_do_not_know_is_refused() -> None:
    with pytest.raises(Invalid):
        _read(7)


def test_off_session_the_fingerprint_is_that_of_before() -> None:
    assert payer_print(None) == {}
    assert payer_print(PresentPayer()) == {"payer": "PRESENT", "return_url": ""}
