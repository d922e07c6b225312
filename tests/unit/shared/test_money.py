"""Money is exact: an amount is read as it was written, and nothing but a plain decimal is read."""

from decimal import ROUND_DOWN, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.shared.errors import Invalid
from services.shared.money import (
    EXACT,
    MAX_AMOUNT_MINOR,
    CurrencyUnknown,
    Money,
    exponent,
    format_rate,
    parse_amount,
    round_half_even,
    round_half_up,
)

CURRENCIES = {"CLF": 4, "EUR": 2, "INR": 2, "JPY": 0, "KWD": 3, "NGN": 2, "USD": 2}
# Text has 15 whole digits at most; the very largest amount, in yen, would be the only one with 16.
amounts = st.builds(
    Money, st.integers(1, MAX_AMOUNT_MINOR - 1), st.sampled_from(sorted(CURRENCIES))
)


@pytest.mark.parametrize(("currency", "digits"), CURRENCIES.items())
def test_exponent_is_the_one_of_iso_4217(currency: str, digits: int) -> None:
    assert exponent(currency) == digits


@pytest.mark.parametrize(
    "code", ["usd", "\uff35\uff33\uff24", "USD\u200b", "USD\n", "XXX", "XAU", "XTS", "BTC", ""]
)
def test_code_that_is_not_a_payable_currency_is_refused(code: str) -> None:
    with pytest.raises(CurrencyUnknown):
        exponent(code)


@given(amounts)
def test_amount_survives_being_written_and_read(amount: Money) -> None:
    assert parse_amount(str(amount), amount.currency, field="amount") == amount


@pytest.mark.parametrize(
    ("text", "currency", "amount_minor"),
    [
        ("100.00", "USD", 10000),
        ("100", "USD", 10000),
        ("100.5", "USD", 10050),
        ("0.01", "USD", 1),
        ("100.0000", "USD", 10000),
        ("14486", "JPY", 14486),
        ("1.005", "KWD", 1005),
        ("10000000000000.00", "USD", MAX_AMOUNT_MINOR),
    ],
)
def test_plain_decimals_are_read_exactly(text: str, currency: str, amount_minor: int) -> None:
    assert parse_amount(text, currency, field="amount") == Money(amount_minor, currency)


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "sNaN", "Infinity", "-Infinity", "inf"),
        *(
            "1_000",
            "1,000.00",
            "\uff11\uff12",
            "\u0661\u0662",
            " 1",
            "1 ",
            "1\n",
            "\u00a01",
            "1\x00",
        ),
        *("+5", ".5", "5.", "007", "1e", "e2", "0x10", "--1", "1-", "$1", "one", "1.0.0"),
        *("1e2", "1E+2", "1050e-2", "1e0", "0e5", "-1e2", "1e-3", "1e99"),
        *("1e308", "1e999999", "1e-999999", "9" * 30, "0." + "0" * 60 + "1", "1" * 5000),
    ],
)
def test_anything_else_is_refused_by_name_of_the_field(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_amount(text, "USD", field="amount_usd")

    assert refusal.value.metadata["field"] == "amount_usd"


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("", "USD", "FIELD_REQUIRED"),
        ("0", "USD", "AMOUNT_NOT_POSITIVE"),
        ("0.00", "USD", "AMOUNT_NOT_POSITIVE"),
        ("-0", "USD", "AMOUNT_NOT_POSITIVE"),
        ("-5", "USD", "AMOUNT_NOT_POSITIVE"),
        ("-100.00", "USD", "AMOUNT_NOT_POSITIVE"),
        ("100.005", "USD", "AMOUNT_PRECISION_EXCEEDED"),
        ("0.001", "USD", "AMOUNT_PRECISION_EXCEEDED"),
        ("1.5", "JPY", "AMOUNT_PRECISION_EXCEEDED"),
        ("1.0005", "BHD", "AMOUNT_PRECISION_EXCEEDED"),
        ("10000000000000.01", "USD", "AMOUNT_ABOVE_MAXIMUM"),
        ("1e2;", "USD", "FIELD_INVALID"),
        ("NaN", "USD", "FIELD_INVALID"),
    ],
)
def test_refusal_says_what_is_wrong(text: str, currency: str, reason: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_amount(text, currency, field="amount")

    assert refusal.value.error_reason == reason


@pytest.mark.parametrize("text", ["", "0", "-5", "0.001", "1e99", "x"])
def test_every_refusal_names_the_field(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        parse_amount(text, "USD", field="amount_usd")

    assert [violation.field for violation in refusal.value.violations] == ["amount_usd"]


def test_a_refusal_of_decimals_says_how_many_there_may_be() -> None:
    with pytest.raises(Invalid) as refusal:
        parse_amount("1.0005", "KWD", field="amount")

    assert refusal.value.metadata["max_decimals"] == "3"


def test_the_refusal_of_an_unknown_currency_shows_no_more_than_a_code_s_length() -> None:
    with pytest.raises(CurrencyUnknown) as refusal:
        exponent("BITCOINS!")

    assert refusal.value.metadata == {"currency": "BITCOINS"}


def test_nothing_depends_on_the_caller_s_decimal_context() -> None:
    with localcontext(prec=3, rounding=ROUND_DOWN):
        assert round_half_even(Decimal("123456.775"), "USD") == Money(12345678, "USD")
        assert round_half_even(Decimal("123456.785"), "USD") == Money(12345678, "USD")
        assert round_half_up(Decimal("123456.785"), "USD") == Money(12345679, "USD")
        assert parse_amount("123456.78", "USD", field="amount") == Money(12345678, "USD")
        assert format_rate(Decimal("94.9552452559971357")) == "94.9552452559971357"


@given(st.text(max_size=60) | st.text("0123456789.eE+-_ ", max_size=60))
def test_any_text_is_read_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        amount = parse_amount(text, "USD", field="amount")
    except Invalid:
        return

    assert amount.decimal == Decimal(text)


@pytest.mark.parametrize(
    ("value", "half_up", "half_even"),
    [
        ("0.025", "0.03", "0.02"),
        ("1.005", "1.01", "1.00"),
        ("0.035", "0.04", "0.04"),
        ("2.675", "2.68", "2.68"),
        ("2.6749", "2.67", "2.67"),
    ],
)
def test_ties_go_up_for_fees_and_to_even_for_exchanged_money(
    value: str, half_up: str, half_even: str
) -> None:
    assert str(round_half_up(Decimal(value), "USD")) == half_up
    assert str(round_half_even(Decimal(value), "USD")) == half_even


@pytest.mark.parametrize(
    ("rate", "currency", "payout"),
    [
        ("1522.59875", "NGN", "148453.38"),
        ("148.570415", "JPY", "14486"),
        ("0.30541525", "KWD", "29.778"),
        ("0.0303475", "CLF", "2.9589"),
    ],
)
def test_net_amount_is_exchanged_to_the_currency_s_own_digits(
    rate: str, currency: str, payout: str
) -> None:
    net = parse_amount("97.50", "USD", field="net")

    with localcontext(EXACT):
        assert str(round_half_even(net.decimal * Decimal(rate), currency)) == payout


@given(st.decimals("0", "1000000", places=12), st.sampled_from(sorted(CURRENCIES)))
def test_rounding_moves_by_half_a_minor_unit_at_most(value: Decimal, currency: str) -> None:
    half_unit = Decimal(5).scaleb(-exponent(currency) - 1)

    assert abs(round_half_up(value, currency).decimal - value) <= half_unit
    assert abs(round_half_even(value, currency).decimal - value) <= half_unit


@given(amounts, amounts)
def test_sum_less_one_part_is_the_other(left: Money, right: Money) -> None:
    if left.currency != right.currency:
        with pytest.raises(ValueError, match="do not mix"):
            left + right
    elif left.amount_minor + right.amount_minor <= MAX_AMOUNT_MINOR:
        assert left + right - right == left


@pytest.mark.parametrize("amount_minor", [-1, MAX_AMOUNT_MINOR + 1])
def test_money_out_of_bounds_does_not_exist(amount_minor: int) -> None:
    with pytest.raises(ValueError, match="out of bounds"):
        Money(amount_minor, "USD")


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        ("1522.59875000", "1522.59875"),
        ("1E+2", "100"),
        ("1E-7", "0.0000001"),
        ("94.9552452559971357", "94.9552452559971357"),
    ],
)
def test_rate_is_written_plainly(rate: str, text: str) -> None:
    assert format_rate(Decimal(rate)) == text


@pytest.mark.parametrize(
    ("value", "currency", "decimals", "rounded"),
    [
        ("14486.50", "TZS", 0, "14486.00"),
        ("14487.50", "TZS", 0, "14488.00"),
        ("14486.51", "TZS", 0, "14487.00"),
        ("14486.55", "TZS", 1, "14486.60"),
        ("14486.555", "TZS", 2, "14486.56"),
        ("0.5", "JPY", 0, "0"),
        ("1.23456", "KWD", 1, "1.200"),
    ],
)
def test_exchanged_money_is_rounded_once_to_the_decimals_that_can_be_sent(
    value: str, currency: str, decimals: int, rounded: str
) -> None:
    assert str(round_half_even(Decimal(value), currency, decimals)) == rounded
