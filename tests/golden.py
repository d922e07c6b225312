"""The golden files of disclosures: each case in each locale, as the message of the API and as the
page. `python -m tests.golden` writes them again; a person reads them before they are committed."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from google.protobuf.json_format import MessageToJson

from services.payments.disclosures.convert import write_disclosure
from services.payments.disclosures.document import Document
from services.payments.disclosures.facts import disclosure_of, receipt_of
from services.payments.disclosures.page import page
from services.payments.disclosures.wording import SUPPORTED, worded
from services.payments.model.causes import Cause
from services.payments.model.disclosure import Contact, DisclosureTerms, Rule
from services.payments.model.payment import Event, Payment, RecordedEvent, State
from services.payments.model.quote import Quote, RateLeg, RateTrail, RefundFees, agree_terms
from services.payments.model.refund import Refund, RefundStatus, new_refund
from services.shared.money import Money
from services.shared.recipients import BankAccount
from tests.makers import CONDITIONS, FEES, NOW, make_payment, make_quote, make_trail

FOLDER = Path(__file__).resolve().parent / "golden"
QUOTE_ID = UUID("019ac0de-0000-7000-8000-000000000001")
PAYMENT_ID = UUID("019ac0de-0000-7000-8000-000000000002")
TERMS = DisclosureTerms(
    rules=(Rule.US_REMITTANCE, Rule.EU_CROSS_BORDER),
    scope_above=Money(1500, "USD"),
    available_within=timedelta(days=1),
    provider=Contact(
        name="Caravel & Sons", phone="+1 555 010 0100", website="https://caravel.example/help"
    ),
    authorities=(
        Contact(
            name="Consumer Financial Protection Bureau",
            phone="855-411-2372",
            website="https://www.consumerfinance.gov",
        ),
    ),
)
# The European Central Bank's own rates; and a made-up one.
ECB = replace(
    make_trail("0.895099"),
    source="ecb",
    synthetic=False,
    legs=(RateLeg(base_currency="EUR", quote_currency="USD", rate=Decimal("1.1172")),),
)
MADE_UP = make_trail("2503.777")
RECIPIENT = BankAccount(holder_name="Élodie <Petit>", iban="FR1420041010050500013M02606")


def quote_of(minor: int, currency: str, trail: RateTrail) -> Quote:
    """A quote that discloses."""
    terms = agree_terms(Money(minor, "USD"), currency, FEES, trail)
    conditions = replace(CONDITIONS, disclosure=TERMS)
    return make_quote(id=QUOTE_ID, terms=terms, trail=trail, conditions=conditions)


def payment_of(quote: Quote, **changes: object) -> Payment:
    """A payment by a quote."""
    fields = {"state": State.COMPLETED, "version": 6, "recipient": RECIPIENT, **changes}
    return make_payment(id=PAYMENT_ID, quote_id=quote.id, terms=quote.terms, **fields)


def history_of(*moves: tuple[str, timedelta]) -> tuple[RecordedEvent, ...]:
    """A history of states, each with the time after the creation."""
    states = [None, *(State(state) for state, _ in moves)]
    return tuple(
        RecordedEvent(
            event=Event(
                sequence=number,
                from_state=states[number - 1],
                to_state=State(state),
                actor="worker",
                cause=Cause.PAYMENT_CREATED,
            ),
            occurred_at=NOW + after,
            trace_id="",
        )
        for number, (state, after) in enumerate(moves, 1)
    )


def refund_of(payment: Payment, minor: int, **changes: object) -> Refund:
    """The first refund of a payment, which has succeeded."""
    refund = new_refund(payment, Money(minor, "USD"), reason="", requested_by="merchant")
    fields = {"status": RefundStatus.SUCCEEDED, "updated_at": NOW + timedelta(days=3), **changes}
    return replace(refund, **fields)


PAID = history_of(
    ("CREATED", timedelta(0)),
    ("COLLECTING", timedelta(0)),
    ("FUNDED", timedelta(hours=1)),
    ("CONVERTED", timedelta(hours=1)),
    ("PAYING_OUT", timedelta(hours=1)),
    ("COMPLETED", timedelta(days=2)),
)
LARGE, SMALL = quote_of(1_234_567, "EUR", ECB), quote_of(1_700, "JPY", MADE_UP)
# The sender may cancel for half an hour.
CANCELLABLE = replace(
    LARGE,
    conditions=replace(
        LARGE.conditions,
        route=replace(LARGE.conditions.route, cancel_window=timedelta(minutes=30)),
    ),
)
REFUNDED = payment_of(
    LARGE,
    state=State.REFUNDED,
    refunded=LARGE.terms.amount,
    refunds=(refund_of(payment_of(LARGE), LARGE.terms.amount.amount_minor),),
)
DOCUMENTS: Mapping[str, Document] = {
    "quote": disclosure_of(LARGE),
    "quote_cancellable": disclosure_of(CANCELLABLE),
    "receipt_cancellable": receipt_of(
        payment_of(
            CANCELLABLE,
            state=State.CONVERTED,
            version=4,
            route=CANCELLABLE.conditions.route,
            cancellable_until=NOW + timedelta(minutes=90),
        ),
        CANCELLABLE,
        PAID,
    ),
    "receipt": receipt_of(payment_of(LARGE), LARGE, PAID),
    "refunded": receipt_of(REFUNDED, LARGE, ()),
    # Of a small transfer at a rate that is not the European Central Bank's.
    "small": receipt_of(payment_of(SMALL, refund_fees=RefundFees.KEPT), SMALL, PAID),
}


def rendered() -> Iterator[tuple[Path, bytes]]:
    """Each golden file with its content as the code makes it now."""
    for name, document in DOCUMENTS.items():
        for locale in SUPPORTED:
            it = worded(document, locale)
            message = MessageToJson(
                write_disclosure(it), preserving_proto_field_name=True, ensure_ascii=False
            )
            yield FOLDER / f"{name}.{locale}.json", f"{message}\n".encode()
            yield FOLDER / f"{name}.{locale}.html", page(it)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for path, content in rendered():
        path.write_bytes(content)
