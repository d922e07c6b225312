"""A recipient is corrected a stated number of times, counted by the payment's history."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import encode_payment
from services.payments.engine.store.work import PostgresWork
from services.payments.model.payment import PaymentNotCorrectable
from services.payments.model.timing import CORRECTIONS_MAX
from services.payments.orders.checking import Checking
from services.payments.orders.correcting import Correcting, CorrectionOrder
from services.payments.orders.payees import Payees
from services.shared.corridors import load_corridors
from services.shared.deployment import Deployment
from services.shared.recipients import Wallet
from tests.conftest import ROOT
from tests.database.payments.engine.carried import create
from tests.fakes import ScriptedProviders
from tests.poison import rows, run
from tests.pricing import make_routes
from tests.rails import declared_rails

CORRIDORS = load_corridors(ROOT / "deploy" / "corridors", live=False)
PAYEES, ROUTES = (
    Payees(CORRIDORS, deployment=Deployment.LIVE),
    make_routes(CORRIDORS, declared_rails()),
)
NEW = Wallet(holder_name="Asha Example", wallet_id="wallet-3210")
_REFUSED = "UPDATE payments SET state = 'ACTION_REQUIRED', due_at = NULL"


async def _corrected_before(engine: AsyncEngine, times: int) -> None:
    await run(
        engine,
        "INSERT INTO payment_events (merchant_id, payment_id, sequence, to_state, actor, cause, "
        "evidence, trace_id) SELECT merchant_id, id, 100 + n, 'PAYING_OUT', 'merchant', "
        f"'recipient_corrected', '{{}}', trace_id FROM payments, generate_series(1, {times}) AS n",
    )


@pytest.mark.parametrize("times", [CORRECTIONS_MAX - 1, CORRECTIONS_MAX])
async def test_a_recipient_is_corrected_no_more_than_ten_times(
    engine: AsyncEngine, times: int
) -> None:
    payment = await create(engine, recipient=Wallet(holder_name="Asha", wallet_id="wallet-7890"))
    await run(engine, _REFUSED)
    await _corrected_before(engine, times)
    checking = Checking(ScriptedProviders())
    correcting = Correcting(PostgresWork(engine), PAYEES, checking, ROUTES, encode_payment)
    order = CorrectionOrder(
        merchant_id=payment.merchant_id,
        transaction_id=payment.transaction_id,
        idempotency_key="correction",
        fingerprint=b"x",
        recipient=NEW,
    )

    if times < CORRECTIONS_MAX:
        assert not (await correcting.correct(order)).replayed
        return
    with pytest.raises(PaymentNotCorrectable) as refused:
        await correcting.correct(order)

    assert refused.value.metadata == {
        "status": "ACTION_REQUIRED",
        "maximum": str(CORRECTIONS_MAX),
    }
    assert await rows(engine, "SELECT state FROM payments") == [("ACTION_REQUIRED",)]
