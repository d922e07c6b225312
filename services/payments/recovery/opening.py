"""The comparison beside a process, for as long as it runs; and the work on a recovery with its
calls, put together over a database and the providers."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.payments.engine.decisions.decider import Decider
from services.payments.mesh.channels import opened_operation_lists
from services.payments.mesh.ports import OperationLists, Providers
from services.payments.operators.accepting import Accepting
from services.payments.operators.policy import Policy
from services.payments.operators.ports import Operations
from services.payments.operators.trail import Trail
from services.payments.recovery.course import OwnStanding, Recoveries
from services.payments.recovery.ports import Marks
from services.payments.recovery.rebuilding import Rebuilding
from services.payments.recovery.recovering import Recovering
from services.payments.recovery.running import Running
from services.payments.recovery.servicer import RecoveryServicer
from services.payments.recovery.standing import Standing
from services.payments.recovery.store.lost import PostgresLostPayments
from services.payments.recovery.store.marks import PostgresMarks
from services.payments.recovery.store.rebuilt import PostgresRebuiltPayments
from services.payments.recovery.store.recoveries import PostgresRecoveries
from services.payments.webhooks_out.convert import encode_event
from services.shared.beside import beside
from services.shared.identity import Identity


@dataclass(frozen=True, kw_only=True)
class Recoverable:
    """The recovery of the database, as the calls of the service need it."""

    recoveries: Recoveries
    standing: OwnStanding
    # For the work on recoveries: there is one now.
    wake: Callable[[], None]


@asynccontextmanager
async def compared(
    marks: Marks, providers_target: str, identity: Identity, *, grows: bool
) -> AsyncIterator[Standing]:
    """Compared once before the block, and again and again beside it."""
    async with (
        opened_operation_lists(providers_target, identity) as lists,
        _compared(Standing(marks, lists, grows=grows), marks) as standing,
    ):
        yield standing


@asynccontextmanager
async def recovered(
    engine: Any, providers: Providers, providers_target: str, identity: Identity
) -> AsyncIterator[Recoverable]:
    """Compared likewise; and beside the block, recovered once an operator has started that."""
    marks = PostgresMarks(engine)
    async with (
        opened_operation_lists(providers_target, identity) as lists,
        _compared(Standing(marks, lists, grows=False), marks) as standing,
    ):
        work = running(engine, providers, lists)
        async with beside(work.run):
            yield Recoverable(
                recoveries=PostgresRecoveries(engine), standing=standing, wake=work.wake
            )


@asynccontextmanager
async def _compared(standing: Standing, marks: Marks) -> AsyncIterator[Standing]:
    await standing.begin()
    marks.watch(standing.meet, standing.admit)
    async with beside(standing.run):
        yield standing


def open_servicer(
    recoverable: Recoverable, operations: Operations, policy: Policy
) -> RecoveryServicer:
    """The calls of operators."""
    return RecoveryServicer(
        recoverable.recoveries,
        Accepting(operations, policy, Trail(operations)),
        standing=recoverable.standing,
        wake=recoverable.wake,
    )


def running(engine: Any, providers: Providers, lists: OperationLists) -> Running:
    """The work on the recoveries of the database behind an engine."""

    async def recovering() -> Recovering:
        declared = await providers.capabilities()
        return Recovering(
            PostgresMarks(engine),
            lists,
            PostgresLostPayments(engine, encode_event, Decider(declared, random.random)),
            Rebuilding(providers, PostgresRebuiltPayments(engine, encode_event), declared),
            declared,
        )

    return Running(PostgresRecoveries(engine), recovering)
