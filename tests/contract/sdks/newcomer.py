"""Every call about payouts that a newcomer makes with pypaystack2, against the simulator. Prints
the calls. A `data` of None is what that library gives where it could not parse an answer."""

import json
import sys
from typing import Any

from pypaystack2 import PaystackClient
from pypaystack2.base_clients import AbstractAPIClient
from pypaystack2.enums import Country, Currency, RecipientType

address, key = sys.argv[1:3]
# It takes no address, so that the one it has is replaced.
AbstractAPIClient._BASE_URL = address
client = PaystackClient(key)
calls: list[str] = []


def parsed(name: str, response: Any) -> Any:
    """The content of an answer that the library has understood."""
    assert response.status is True, (name, response)
    assert response.data is not None, (name, response.raw)
    calls.append(name)
    return response.data


def refused(name: str, response: Any, status: int) -> None:
    """A refusal in Paystack's form."""
    assert response.status is False, (name, response)
    assert response.status_code == status, (name, response)
    assert response.message
    calls.append(name)


banks = parsed("miscellaneous.get_banks", client.miscellaneous.get_banks(country=Country.NIGERIA))
assert any(bank.code == "044" for bank in banks)
holder = parsed(
    "verification.resolve_account_number",
    client.verification.resolve_account_number(account_number="0690000031", bank_code="044"),
)
assert holder.account_name == "Ada Obi"
refused(
    "verification.resolve_account_number refused",
    client.verification.resolve_account_number(account_number="0690000099", bank_code="044"),
    422,
)
recipient = parsed(
    "transfer_recipients.create",
    client.transfer_recipients.create(
        type_=RecipientType.NUBAN,
        name="Ada Obi",
        account_number="0690000031",
        bank_code="044",
        currency=Currency.NGN,
    ),
)
listed = parsed(
    "transfer_recipients.get_transfer_recipients",
    client.transfer_recipients.get_transfer_recipients(),
)
assert [one.recipient_code for one in listed] == [recipient.recipient_code]
transfer = parsed(
    "transfers.initiate",
    client.transfers.initiate(
        amount=5_500,
        recipient=recipient.recipient_code,
        reason="invoice 17",
        currency=Currency.NGN,
        reference="newcomer-00000001",
    ),
)
verified = client.transfers.verify("newcomer-00000001")
while verified.data is not None and verified.data.status == "pending":
    verified = client.transfers.verify("newcomer-00000001")
assert parsed("transfers.verify", verified).status == "success"
one = parsed("transfers.get_transfer", client.transfers.get_transfer(transfer.transfer_code))
assert one.reference == "newcomer-00000001"
assert len(parsed("transfers.get_transfers", client.transfers.get_transfers())) == 1
refused(
    "transfers.initiate twice",
    client.transfers.initiate(
        amount=5_500,
        recipient=recipient.recipient_code,
        reason="invoice 17",
        currency=Currency.NGN,
        reference="newcomer-00000001",
    ),
    400,
)
refused("transfers.verify refused", client.transfers.verify("newcomer-99999999"), 404)
sys.stdout.write(json.dumps(calls))
