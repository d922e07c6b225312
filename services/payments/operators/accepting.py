"""ACCEPT_DATABASE: a database that is older than what has happened is taken as it is, so that sends
begin from it. It is also the answer to a false alarm."""

from services.payments.model.operator import Operator
from services.payments.operators.domain import Action
from services.payments.operators.policy import Policy
from services.payments.operators.ports import Operations, OperatorTransaction
from services.payments.operators.trail import Trail
from services.shared.rollback import repeated

# The subject of the verb, in proposals and in the log of actions.
DATABASE = "database"


class Accepting:
    """The verb of one person."""

    def __init__(self, operations: Operations, policy: Policy, trail: Trail) -> None:
        self._operations = operations
        self._policy = policy
        self._trail = trail

    async def accept(self, operator: Operator) -> None:
        """Takes the database as it is.

        Raises ApprovalRequired, DatabaseNotOlder, RecoveryRunning, Unavailable.
        """
        async with self._trail.attempt(operator, Action.ACCEPT_DATABASE, DATABASE):
            self._policy.refuse_alone(Action.ACCEPT_DATABASE)
            await self._accept(operator)

    @repeated
    async def _accept(self, operator: Operator) -> None:
        async with self._operations.begin() as transaction:
            await accept(transaction, operator, by=operator.name, reason=operator.note)
            await transaction.commit()


async def accept(
    transaction: OperatorTransaction, operator: Operator, *, by: str, reason: str
) -> None:
    """Takes the database as it is, with the entry in the log of actions.

    Raises DatabaseNotOlder, RecoveryRunning.
    """
    (await transaction.finding.read()).check()
    await transaction.finding.accept(accepted_by=by, reason=reason)
    await transaction.log(operator, Action.ACCEPT_DATABASE, DATABASE)
