"""Asks whose an account is before anybody pays: on request, and of a payment whose corridor demands
it. The name that a bank holds goes no further than the comparison here. No transaction is open
meanwhile, no batch waits, and a provider that does not answer in time is an answer too."""

from dataclasses import dataclass, replace

from services.payments.base.batcher import Batcher
from services.payments.base.idempotency import Created
from services.payments.mesh.ports import Holder, HolderQuery, Providers, Resolution
from services.payments.orders.checks import Checked, CheckNeeded
from services.payments.orders.creation import PaymentOrder
from services.payments.orders.payees import Payees
from services.shared.errors import Overloaded
from services.shared.recipients import HOLDER_NAME, AccountCheck, Recipient, masked, recipient_of
from services.shared.recipients.matching import compare_names

# So many questions are under way at once; each takes as long as the providers may.
CHECKS_MAX = 64


@dataclass(frozen=True, kw_only=True)
class CheckOrder:
    """A request to check a recipient, read and validated; the recipient is as it was given."""

    recipient: Recipient
    currency: str
    country: str


class Checking:
    """Checks recipients."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers
        self._under_way = 0

    async def check(self, order: CheckOrder, payees: Payees) -> Checked:
        """The answer to the question whose the account is, where its corridor offers that.

        Raises Invalid, CorridorUnsupported, CorridorAmbiguous, Overloaded.
        """
        recipient, question = payees.question(order.recipient, order.currency, order.country)
        if question is None:
            return Checked(recipient=recipient, result=AccountCheck.UNAVAILABLE)
        return await self.ask(question)

    async def ask(self, question: HolderQuery) -> Checked:
        """The answer to a question; UNAVAILABLE where no provider has one in time. Raises
        Overloaded."""
        if self._under_way >= CHECKS_MAX:
            raise Overloaded
        self._under_way += 1
        try:
            holder = await self._providers.resolve(question)
        finally:
            self._under_way -= 1
        return compared(question.recipient, holder)


class CheckedCreation:
    """Creates payments in batches; one whose corridor demands a check waits for it alone, before it
    joins a batch."""

    def __init__(self, creation: Batcher[PaymentOrder, Created], checking: Checking) -> None:
        self._creation = creation
        self._checking = checking

    async def create(self, order: PaymentOrder) -> Created:
        """The answer to an order, or to the first one under its key. Raises what creation refuses,
        and Overloaded."""
        try:
            return await self._creation.submit(order)
        except CheckNeeded as needed:
            checked = await self._checking.ask(needed.question)
        return await self._creation.submit(replace(order, checked=checked))


def compared(recipient: Recipient, holder: Holder) -> Checked:
    """The name that was given beside the one that the account is held under."""
    if holder.resolution is Resolution.UNANSWERED:
        return Checked(recipient=recipient, result=AccountCheck.UNAVAILABLE)
    if holder.resolution is Resolution.NOT_FOUND:
        return Checked(recipient=recipient, result=AccountCheck.NO_MATCH)
    result = compare_names(recipient.holder_name, holder.name)
    is_close = result is AccountCheck.CLOSE_MATCH
    known = recipient_of(recipient.kind, {HOLDER_NAME: holder.name})
    return Checked(
        recipient=recipient,
        result=result,
        initials=masked(known).holder_name if is_close else "",
    )
