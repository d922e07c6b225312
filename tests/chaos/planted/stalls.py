"""A worker that can be told to stop at its most delicate moment: it has claimed, and is about to
mark and send. From outside nobody hits that moment, which is shorter than a statement; and who was
stopped while the database had its question has given up by the time that it goes on."""

import os
import signal
from collections.abc import Sequence
from typing import Any

from services.payments.steps import Work
from services.payments.store.work import PostgresWorkTransaction
from tests.chaos.planted.plant import Patches

# Says: stop yourself the next time that you are about to mark so many payments as sent.
SIGNAL, PAYMENTS_MIN = signal.SIGUSR1, 2


def stop_when_told(patches: Patches) -> None:
    """From now on the signal stops this process at the next such moment."""
    told = False

    def hear(*_: Any) -> None:
        nonlocal told
        told = True

    async def mark_sent(self: PostgresWorkTransaction, work: Sequence[Work]) -> Sequence[Work]:
        nonlocal told
        if told and len(work) >= PAYMENTS_MIN:
            told = False
            os.kill(os.getpid(), signal.SIGSTOP)
        marked: Sequence[Work] = await original(self, work)
        return marked

    original = patches.put(PostgresWorkTransaction, "mark_sent", mark_sent)
    signal.signal(SIGNAL, hear)
