"""The log of operators' actions on PostgreSQL: what is done, in the transaction that does it, and
what was refused."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.payments.base import tables
from services.payments.base.columns import columns
from services.payments.base.sources import ACTIONS
from services.payments.model.operator import Operator, OperatorAction
from services.payments.operators.domain import REFUSALS_MAX, Action
from services.shared.ids import new_id

_ACTION = columns(tables.operator_actions)
_WRITTEN = """operator_actions (merchant_id, id, operator, action, subject, note, credential_id,
                  address, request_id, refusal, provider_answer)"""
_VALUES = """:merchant_id, :id, :operator, :action, :subject, :note, :credential_id, :address,
                  :request_id, :refusal, :provider_answer"""
_LOG = text(f"INSERT INTO {_WRITTEN} VALUES ({_VALUES}) RETURNING {_ACTION}")
# However often a credential is refused, so many refusals of an hour are kept. Tries to approve a
# proposal of one's own count apart, for each proposal: no other refusals push them out.
_LOG_REFUSAL = text(
    f"""
    INSERT INTO {_WRITTEN}
    SELECT {_VALUES}
     WHERE (SELECT count(*) FROM operator_actions
             WHERE credential_id = :credential_id AND refusal <> ''
               AND acted_at > now() - interval '1 hour'
               AND CASE :refusal WHEN 'APPROVER_IS_PROPOSER'
                   THEN refusal = :refusal AND subject = :subject
                   ELSE refusal <> 'APPROVER_IS_PROPOSER' END) < :most
    RETURNING id
    """
)


async def log_action(
    connection: AsyncConnection,
    operator: Operator,
    action: Action,
    subject: str,
    *,
    merchant_id: str = "",
    provider_answer: str = "",
) -> OperatorAction:
    """Adds what is done in this transaction to the log."""
    values = _values(operator, action, subject, provider_answer)
    values |= {"merchant_id": merchant_id, "refusal": ""}
    return ACTIONS.read((await connection.execute(_LOG, values)).one())


async def log_refusal(
    connection: AsyncConnection,
    operator: Operator,
    action: str,
    subject: str,
    *,
    refusal: str,
    provider_answer: str,
) -> bool:
    """Adds an attempt that was refused; False where the hour's most are there already."""
    values = _values(operator, action, subject, provider_answer)
    values |= {"merchant_id": "", "refusal": refusal, "most": REFUSALS_MAX}
    return (await connection.execute(_LOG_REFUSAL, values)).first() is not None


def _values(
    operator: Operator, action: str, subject: str, provider_answer: str
) -> dict[str, object]:
    return {
        "id": new_id(),
        "operator": operator.name,
        "action": action,
        "subject": subject,
        "note": operator.note,
        "credential_id": operator.credential_id,
        "address": operator.address,
        "request_id": operator.request_id,
        "provider_answer": provider_answer,
    }
