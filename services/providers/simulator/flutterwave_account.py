"""A Flutterwave account: its transfers from the queue to their end, the balances that they are paid
from, and the events that report each change. The HTTP around it is in flutterwave_api."""

import asyncio
import base64
import hashlib
import hmac
from collections import Counter
from collections.abc import Iterator
from itertools import count

from services.providers.simulator.background import Background
from services.providers.simulator.book import Book, BookFull
from services.providers.simulator.config import Config
from services.providers.simulator.faults.control import Control
from services.providers.simulator.faults.modes import REFUSED_NAME, Mode, Step
from services.providers.simulator.faults.wire import row
from services.providers.simulator.flutterwave_refusals import (
    BAD_ACCOUNT,
    FAILURES,
    NO_FUNDS,
    PAID,
    REVERSED,
)
from services.providers.simulator.flutterwave_transfers import (
    PROVIDER,
    Json,
    as_answer,
    line,
    read_amount,
)
from services.providers.simulator.webhooks import Event, Sender, event_id
from services.shared.env import Field, SecretStr

ID_FIRST = 190_626
# The book's name of the end, by Flutterwave's.
EFFECTS = {
    **dict.fromkeys((BAD_ACCOUNT, NO_FUNDS, *FAILURES), "payout_failed"),
    PAID: "payout_completed",
    REVERSED: "payout_returned",
}
_REFUSING = {Mode.PAYOUT_FAILS, Mode.LATE_SUCCESS, Mode.RECIPIENT_REFUSED}


def flutterwave_headers(
    body: bytes, secret: str, _timestamp: int = 0, _event_id: str = ""
) -> dict[str, str]:
    """Flutterwave's two proofs: the secret as it is, and HMAC-SHA256 over the body alone by it."""
    signed = hmac.digest(secret.encode(), body, hashlib.sha256)
    return {
        "verif-hash": secret,
        "flutterwave-signature": base64.b64encode(signed).decode(),
    }


class FlutterwaveStandIn(Config):
    """The variables of the simulator's Flutterwave."""

    secret_forms = {
        "flutterwave_api_key": "FLWSECK_TEST-{hex}-X",
        "flutterwave_webhook_secret": "{hex}",
    }

    flutterwave_api_key: SecretStr = Field(description="The one key that its Flutterwave accepts.")
    flutterwave_webhook_secret: SecretStr = Field(
        description="The secret hash of its Flutterwave events; it signs them too."
    )
    flutterwave_balance: int = Field(
        10**13,
        gt=0,
        le=10**13,
        description="The balance of its Flutterwave in each currency at first, in whole units.",
    )


class Account:
    """All that the provider knows, going on where the book ends."""

    def __init__(
        self, config: FlutterwaveStandIn, book: Book, sender: Sender, control: Control
    ) -> None:
        self._secret = config.flutterwave_webhook_secret
        self._url = f"{config.gateway_url.rstrip('/')}/api/webhooks/flutterwave"
        self._settle_seconds = config.settle_seconds
        self._opening_balance = config.flutterwave_balance
        self._book = book
        self._sender = sender
        self._control = control
        self._processing = Background()
        self._transfers: dict[str, Json] = {one.key: one.state for one in book.remembered(PROVIDER)}
        self._by_id = {str(one["id"]): key for key, one in self._transfers.items()}
        # An id that was forgotten is not given again.
        given = (int(line.id) for line in book.lines if line.provider == PROVIDER)
        self._ids = count(max(given, default=ID_FIRST - 1) + 1)
        # The amounts that have left each balance, with fees, in minor units.
        self._spent = Counter[str]()
        for transfer in self._transfers.values():
            self._spent[transfer["currency"]] += _spent(transfer["status"], transfer)
            self._process_later(transfer)

    async def close(self) -> None:
        """Stops processing; what is still queued goes on after the next start."""
        await self._processing.close()

    def __contains__(self, reference: str) -> bool:
        return reference in self._transfers

    def __iter__(self) -> Iterator[Json]:
        """Every transfer, newest first."""
        return reversed(self._transfers.values())

    def find(self, transfer_id: str) -> Json | None:
        """The transfer with this id."""
        return self._transfers.get(self._by_id.get(transfer_id, ""))

    def balance_minor(self, currency: str) -> int:
        """The balance that is left to pay out."""
        return read_amount(self._opening_balance, currency) - self._spent[currency]

    def next_id(self) -> int:
        """An id no other transfer has."""
        return next(self._ids)

    async def settled(self) -> None:
        """Returns once all that is known is on disk."""
        await self._book.settled()

    async def queue(self, transfer: Json) -> None:
        """Takes a transfer with a new reference; it is processed a moment later."""
        self._transfers[transfer["reference"]] = transfer
        self._by_id[str(transfer["id"])] = transfer["reference"]
        try:
            await self._book.write(line(transfer, "payout_accepted"))
        except BookFull:
            del self._transfers[transfer["reference"]]
            raise
        self._process_later(transfer)

    def forget(self, reference: str) -> None:
        """Loses the transfer, as if it had never been."""
        self._transfers.pop(reference, None)

    async def turn(self, reference: str) -> None:
        """The recipient's bank sends the money back; or a failed transfer arrives after all."""
        transfer = self._transfers.get(reference)
        if transfer and transfer["status"] == "SUCCESSFUL":
            await self._end(transfer, "FAILED", REVERSED)
        elif transfer:
            await self._end(transfer, "SUCCESSFUL", PAID)

    def _process_later(self, transfer: Json) -> None:
        if transfer["status"] in ("NEW", "PENDING"):
            self._processing.start(self._process(transfer))

    async def _process(self, transfer: Json) -> None:
        subject = self._control.subject(PROVIDER, transfer["reference"])
        modes = self._control.active(subject, Step.SETTLE)
        transfer["status"] = "PENDING"
        if Mode.HOLD in modes:
            return
        await asyncio.sleep(float(self._settle_seconds))
        cause = row(FAILURES, modes.get(Mode.FAILS_AS))
        if cause:
            await self._end(transfer, "FAILED", cause)
        elif not _REFUSING.isdisjoint(modes) or REFUSED_NAME in transfer["full_name"]:
            await self._end(transfer, "FAILED", BAD_ACCOUNT)
        elif _price(transfer) > self.balance_minor(transfer["currency"]):
            await self._end(transfer, "FAILED", NO_FUNDS)
        else:
            await self._end(transfer, "SUCCESSFUL", PAID)

    async def _end(self, transfer: Json, status: str, message: str) -> None:
        reference, currency = transfer["reference"], transfer["currency"]
        if reference not in self._transfers:
            # Forgotten in the meantime: nobody is left to end it.
            return
        # Before it is on disk, so that no other transfer counts on the same money.
        self._spent[currency] += _spent(status, transfer) - _spent(transfer["status"], transfer)
        ended = {**transfer, "status": status, "complete_message": message}
        await self._book.write_in_time(line(ended, EFFECTS[message]))
        self._transfers[reference] = ended
        self._announce(ended)

    def _announce(self, transfer: Json) -> None:
        self._sender.send(
            Event(
                provider=PROVIDER,
                key=transfer["reference"],
                url=self._url,
                id=event_id("flw"),
                sign=flutterwave_headers,
                secret=self._secret,
                body={
                    # A transfer that failed is "completed" too.
                    "event": "transfer.completed",
                    "event.type": "Transfer",
                    "data": as_answer(transfer, fullname=transfer["full_name"]),
                },
            )
        )


def _price(transfer: Json) -> int:
    return int(transfer["amount_minor"]) + int(transfer["fee_minor"])


def _spent(status: str, transfer: Json) -> int:
    """The amount that a transfer of this status has taken from its balance."""
    return _price(transfer) if status == "SUCCESSFUL" else 0
