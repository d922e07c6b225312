"""Every corridor pays every kind of recipient that it lists: the example that it shows, at the
smallest and at the largest amount that it shows, and not a cent beyond them."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

from tests.e2e.conftest import Answer, Rest

CENT = Decimal("0.01")
BEYOND = {"AMOUNT_BELOW_MINIMUM", "AMOUNT_ABOVE_MAXIMUM", "AMOUNT_TOO_SMALL_AFTER_FEES"}
BEYOND |= {"PAYOUT_BELOW_MINIMUM", "PAYOUT_ABOVE_MAXIMUM"}
# So many payments at once are no load.
TOGETHER = 20


async def _listed(rest: Rest) -> list[Any]:
    return list((await rest.get("/api/corridors")).json["corridors"])


def _rails(corridors: list[Any]) -> list[tuple[Any, Any]]:
    return [(corridor, rail) for corridor in corridors for rail in corridor["rails"]]


async def _asked(rest: Rest, corridor: Any, rail: Any, amount: Decimal) -> Answer:
    kind = rail["recipient_kind"]
    form = next(one for one in corridor["recipients"] if one["kind"] == kind)
    body = {
        "user_id": str(uuid4()),
        "amount_usd": str(amount),
        "destination_currency": corridor["destination_currency"],
        "destination_country": corridor["destination_country"],
        "recipient": form["example"],
    }
    return await rest.post("/api/payments", body, key=uuid4().hex)


async def test_at_least_twenty_corridors_over_at_least_four_rails_are_offered(rest: Rest) -> None:
    corridors = await _listed(rest)

    currencies = {corridor["destination_currency"] for corridor in corridors}
    wanted = "INR MXN PHP BRL NGN KES GHS ZAR UGX TZS EUR GBP JPY IDR VND XOF COP PKR BDT"
    assert currencies >= set(wanted.split())
    assert len(corridors) >= 20
    assert sum(corridor["destination_currency"] == "EUR" for corridor in corridors) == 3
    assert len({name for _, rail in _rails(corridors) for name in rail["offramps"]}) >= 4
    for corridor in corridors:
        kinds = [form["kind"] for form in corridor["recipients"]]
        assert [rail["recipient_kind"] for rail in corridor["rails"]] == kinds
        assert corridor["indicative_rate"]


async def test_each_shown_minimum_and_maximum_arrives_to_the_digit(rest: Rest) -> None:
    corridors = await _listed(rest)
    ends = [
        (corridor, rail, rail[f"{end}_usd"], rail[f"{end}_payout"])
        for corridor, rail in _rails(corridors)
        for end in ("minimum", "maximum")
    ]
    gate = asyncio.Semaphore(TOGETHER)

    async def paid(corridor: Any, rail: Any, amount: str, payout: str) -> str:
        async with gate:
            answer = await _asked(rest, corridor, rail, Decimal(amount))
            name = f"{corridor['corridor_id']} {rail['recipient_kind']} {amount}"
            if answer.status != 201:
                return f"{name}: {answer.reason}"
            payment = answer.json
            if payment["payout_amount"] != payout:
                return f"{name}: {payment['payout_amount']} and not {payout}"
            ended = await rest.wait(payment["transaction_id"], {"COMPLETED", "FAILED", "ON_HOLD"})
            is_rail_s = ended["offramp"] in rail["offramps"]
            return "" if is_rail_s and ended["status"] == "COMPLETED" else f"{name}: {ended}"

    assert [found for found in await asyncio.gather(*(paid(*end) for end in ends)) if found] == []


async def test_a_cent_beyond_a_shown_limit_is_refused(rest: Rest) -> None:
    beyond = [
        (corridor, rail, Decimal(rail[f"{end}_usd"]) + step)
        for corridor, rail in _rails(await _listed(rest))
        for end, step in (("minimum", -CENT), ("maximum", CENT))
    ]

    answers = await asyncio.gather(*(_asked(rest, *one) for one in beyond))

    assert {answer.reason for answer in answers if answer.status != 201} <= BEYOND
    assert [answer.status for answer in answers if answer.status == 201] == []


async def test_a_corridor_is_measured_and_a_quote_asked_for_before_is_a_disclosure(
    rest: Rest,
) -> None:
    asked = {"amount_usd": "100.00", "destination_currency": "INR"}
    quote = (await rest.post("/api/quotes", asked)).json
    payment = await rest.create(quote_id=quote["quote_id"])
    await rest.wait(payment["transaction_id"], {"PROCESSING", "SENT", "COMPLETED"})
    corridor = next(one for one in await _listed(rest) if one["corridor_id"] == "us-in")

    board = (await rest.get("/api/corridors/us-in/scoreboard")).json

    assert corridor["fees"]["schedule_version"] == board["cost"]["fee_schedule_version"]
    assert Decimal(board["cost"]["cost_usd"]) >= Decimal(board["cost"]["fee_usd"]) > 0
    assert int(board["disclosed_before_payment"]["reached"]) >= 1
    assert board["within_one_hour"]["target_percent"] == "75"
    unknown = await rest.get("/api/corridors/us-xx/scoreboard")
    assert unknown.reason == "CORRIDOR_UNSUPPORTED"
