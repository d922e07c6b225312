"""The picture of a payment's money has every account and every posting once."""

from gateway.console.flow import COLUMN, flow_of


def posting(debit: str, credit: str, amount: str = "100.00") -> dict[str, str]:
    return {"debit": debit, "credit": credit, "amount": amount, "currency": "USD"}


def test_accounts_stand_in_the_order_of_money() -> None:
    flow = flow_of(
        [
            posting("suspense:stripe:USD", "payments:USD"),
            posting("payments:USD", "revenue:fees"),
            posting("onramp:stripe:USD", "payments:USD"),
            posting("payments:USD", "something:new"),
        ]
    )

    assert [account.lines[0] for account in flow.accounts] == [
        "onramp",
        "payments",
        "revenue",
        "suspense",
        "something",
    ]
    assert flow.width == 5 * COLUMN


def test_an_arrow_leads_from_the_debit_to_the_credit() -> None:
    flow = flow_of([posting("onramp:a", "payments:b"), posting("payments:b", "onramp:a", "5.00")])
    onramp, payments = (account.x for account in flow.accounts)
    there, back = flow.arrows

    assert (there.begins, there.ends, there.text) == (onramp, payments, "100.00 USD")
    assert (back.begins, back.ends, back.text) == (payments, onramp, "5.00 USD")
    assert there.y < back.y < flow.height
    assert there.tip.startswith(f"{payments},{there.y} {payments - 8},")
    assert back.tip.startswith(f"{onramp},{back.y} {onramp + 8},")


def test_a_payment_without_postings_has_no_picture() -> None:
    assert flow_of([]).arrows == []
