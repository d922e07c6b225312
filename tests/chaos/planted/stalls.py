"""A worker that can be stopped at its most delicate moments: it has claimed, and is about to
mark and send; or it has an answer, and is about to record it. From outside nobody hits these, which
are shorter than a statement; and who was stopped while the database had its question has given up
by the time that it goes on."""

import os
import random
import signal
from collections.abc import Sequence
from typing import Any

from services.payments.engine.decisions.facts import Work
from services.payments.engine.store.work import PostgresWorkTransaction
from services.payments.engine.worker import Worker
from tests.chaos.planted.plant import Patches

# Says: stop yourself the next time that you are about to mark so many payments as sent.
SIGNAL, PAYMENTS_MIN = signal.SIGUSR1, 2


def stop_when_signalled(patches: Patches, recording_share: float) -> None:
    """From now on the signal stops this process at the next such moment."""
    # There are more answers than batches: of those only a share.
    is_armed = False

    def arm(*_: Any) -> None:
        nonlocal is_armed
        is_armed = True

    async def mark_sent(self: PostgresWorkTransaction, work: Sequence[Work]) -> Sequence[Work]:
        nonlocal is_armed
        if is_armed and len(work) >= PAYMENTS_MIN:
            is_armed = False
            os.kill(os.getpid(), signal.SIGSTOP)
        marked: Sequence[Work] = await original(self, work)
        return marked

    async def record(self: Worker, answered: Sequence[Any]) -> Sequence[bool]:
        nonlocal is_armed
        if is_armed and random.random() < recording_share:
            is_armed = False
            os.kill(os.getpid(), signal.SIGSTOP)
        recorded: Sequence[bool] = await original_record(self, answered)
        return recorded

    original = patches.put(PostgresWorkTransaction, "mark_sent", mark_sent)
    original_record = patches.put(Worker, "_record", record)
    signal.signal(SIGNAL, arm)
