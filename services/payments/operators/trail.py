"""Attempts of operators that were refused: each is written to the log of actions, up to a bound for
each credential, so that nobody fills the disk with them. Actions that were done are logged by
usecases."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from prometheus_client import Counter

from services.payments.merchants.authoriser import acting_principal
from services.payments.model.operator import Operator, operator_of
from services.payments.operators.domain import SUBJECT_MAX, Action, ProviderContradicts
from services.payments.operators.ports import Operations
from services.shared.contract import Access, PrincipalKind
from services.shared.errors import (
    Conflict,
    DomainError,
    Forbidden,
    NotAllowedNow,
    NotAuthenticated,
    NotFound,
)
from services.shared.grpc_calls import Caller
from services.shared.grpc_server import Admit
from services.shared.log import get_logger
from services.shared.text import storable

REFUSED: Counter = Counter(
    "caravel_operator_refusals", "Operators' attempts that were refused.", ("reason",)
)
# The refusals that depend on who acts and on the state of things. A request that is not of the
# contract's form was no attempt at anything.
_KEPT = (Conflict, Forbidden, NotAllowedNow, NotAuthenticated, NotFound)


def _is_kept(action: str, refusal: DomainError) -> bool:
    # An approval was a step of its proposal also where its refusal may pass.
    return isinstance(refusal, _KEPT) or action == Action.APPROVE_PROPOSAL


class Trail:
    """Keeps refused attempts."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    @asynccontextmanager
    async def attempt(self, operator: Operator, action: str, subject: str) -> AsyncIterator[None]:
        """Writes a refusal in this block down; the refusal goes on its way."""
        try:
            yield
        except DomainError as refusal:
            if not _is_kept(action, refusal):
                raise
            answer = ""
            if isinstance(refusal, ProviderContradicts):
                answer = refusal.metadata.get("answer", "")
            # A subject that names nothing may be any text.
            named = storable(subject[:SUBJECT_MAX])
            await self.note(operator, action, named, refusal, storable(answer))
            raise

    async def note(
        self, operator: Operator, action: str, subject: str, refusal: DomainError, answer: str = ""
    ) -> None:
        """Writes a refusal down; where the database is away, in the log of the process alone."""
        reason = refusal.error_reason
        REFUSED.labels(reason).inc()
        facts: dict[str, Any] = {"action": action, "subject": subject, "reason": reason}
        facts |= {"credential_id": operator.credential_id, "operator": operator.name}
        try:
            kept = await self._operations.note_refusal(operator, action, subject, reason, answer)
        except DomainError as error:
            get_logger().warning("operator_refused", kept=False, cause=str(error), **facts)
            return
        get_logger().info("operator_refused", kept=kept, **facts)


class KeptAdmission:
    """Admits calls, and keeps the refusals of operators whose credential is genuine: without the
    scope, ended, or from an address that it does not allow."""

    def __init__(self, admit: Admit, trail: Trail) -> None:
        self._admit = admit
        self._trail = trail

    async def admit(self, access: Access, caller: Caller) -> None:
        """Admits a call by the access that it needs. Raises what the admission raises."""
        try:
            await self._admit(access, caller)
        except (Forbidden, NotAuthenticated) as refusal:
            if access.principal is PrincipalKind.OPERATOR and (operator := _known()) is not None:
                await self._trail.note(operator, _action_of(caller.method), "", refusal)
            raise


def _known() -> Operator | None:
    """The operator behind a credential that was refused; None where that is not known."""
    try:
        principal = acting_principal()
    except LookupError:
        return None
    return operator_of(principal) if principal.merchant_id is None else None


def _action_of(method: str) -> str:
    """The name of a call in the form of actions: RELEASE_HOLD for "/…/ReleaseHold"."""
    name = method.rpartition("/")[2]
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
