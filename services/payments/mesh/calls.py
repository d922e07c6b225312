"""The amounts that the calls to the other services share."""

from caravel.common.v1 import money_pb2

from services.shared.money import Money


def write_money(money: Money) -> money_pb2.Money:
    """An amount as the wire has it."""
    return money_pb2.Money(currency_code=money.currency, amount_minor=money.amount_minor)


def read_money(money: money_pb2.Money) -> Money:
    """An amount from the wire."""
    return Money(money.amount_minor, money.currency_code)
