"""Every verb that two people can agree on, by every pair of credentials: it is done where two
people have them, and the use case and the table's own check agree about that in each case. One verb
meets every pair here and the others a few; with `--long` all of them."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.payments.base.convert import decode_answer, encode_payment
from services.payments.engine.decisions.corrections import Corrected
from services.payments.model.answer import Answer, Outcome
from services.payments.model.attempt import Step
from services.payments.model.operator import Operator, operator_of
from services.payments.model.payment import Payment
from services.payments.model.principal import CredentialKind, Principal
from services.payments.operators.agreed_verbs import AgreedVerb, agreed_verbs
from services.payments.operators.domain import Action
from services.payments.operators.pausing import RESUME
from services.payments.operators.policy import USUAL, PaymentVerb
from services.payments.operators.ports import OperatorTransaction
from services.payments.operators.proposal import ApproverIsProposer, Draft, Proposal, party_of
from services.payments.operators.proposing import Proposing
from services.payments.operators.store.opening import open_stores
from services.payments.operators.trail import Trail
from services.payments.operators.verbs.acting import Acting
from services.payments.operators.verbs.table import payment_verbs
from services.payments.webhooks_out.convert import encode_event
from services.shared.corridors import load_corridors
from services.shared.ids import new_id
from services.shared.recipients import Recipient, Wallet, as_row
from tests.fakes import AlwaysCorridors, FixedRates, ScriptedProviders
from tests.poison import rows, run
from tests.wire.payments.conftest import AS_NEW, CORRIDORS
from tests.wire.payments.operators.calls import (
    REFUSED,
    WRITTEN_OFF,
    refused_payout,
    unknown_payout,
    with_suspense,
)

# The person behind each credential: keys, one of them after a roll, the sandbox's call without any,
# and tokens of two issuers, of which one bears a key's name.
CREDENTIALS = (
    ("ada", CredentialKind.OPERATOR_KEY, "opk_01k4000000e008000000000001", "ada"),
    ("ada", CredentialKind.OPERATOR_KEY, "opk_01k4000000e008000000000003", "ada"),
    ("ada", CredentialKind.OPERATOR_KEY, "opk_01k4000000e008000000000004", "Ada"),
    ("ada", CredentialKind.SANDBOX, "", "ada"),
    ("ada", CredentialKind.OPERATOR_TOKEN, "https://idp.example#1", "ADA"),
    ("grace", CredentialKind.OPERATOR_KEY, "opk_01k4000000e008000000000002", "grace"),
    ("kim", CredentialKind.OPERATOR_TOKEN, "https://idp.example#2", "kim"),
    ("kim", CredentialKind.OPERATOR_TOKEN, "https://idp.example#2", "kim of finance"),
    ("lee", CredentialKind.OPERATOR_TOKEN, "https://other.example#2", "lee"),
)
# Two credentials of one person, and two people.
FEW = (CREDENTIALS[0], CREDENTIALS[4], CREDENTIALS[5])


def operator(kind: CredentialKind, credential_id: str, name: str) -> Operator:
    principal = Principal(
        kind=kind,
        merchant_id=None,
        scopes=frozenset(),
        credential_id=credential_id,
        name=name,
    )
    return operator_of(principal)


class SameRoute:
    """Corrects every recipient to the one that is given."""

    async def corrected(self, payment: Payment, given: Recipient) -> Corrected:
        return Corrected(recipient=given, check=None, route=payment.route)


class Wrapped:
    """The verbs, over a real database."""

    def __init__(self, engine: AsyncEngine) -> None:
        stores = open_stores(engine, encode_event, decode_answer)
        providers = ScriptedProviders()
        providers.look_up_answers[Step.PAYOUT] = Answer(outcome=Outcome.FAILED, failure=REFUSED)
        corridors = AlwaysCorridors(load_corridors(CORRIDORS, live=False))
        bounds = USUAL.rate_override
        trail = Trail(stores.operations)
        on_payments = payment_verbs(providers, random.random, corridors, SameRoute())
        acting = Acting(stores.operations, on_payments, USUAL, trail, encode_payment)
        self.verbs: dict[Action, AgreedVerb] = dict(
            agreed_verbs(acting, corridors=corridors, rates=FixedRates(), bounds=bounds)
        )
        self.proposing = Proposing(stores, self.verbs, trail, USUAL.proposals, AS_NEW.refuse)


def draft(verb: Action, target: str) -> Draft:
    arguments: Mapping[Action, Mapping[str, Any]] = {
        Action.RATE_OVERRIDE: {
            "ends_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat(),
            "markup_basis_points": 10,
            "rate": None,
            "starts_at": None,
        },
        Action.RELEASE_HOLD: {"honour_locked_rate": False},
        Action.RESOLVE_ATTEMPT: {
            "evidence": "line 12",
            "moved": None,
            "outcome": Outcome.FAILED,
            "provider_reference": "",
            "provider_unreachable": False,
        },
        Action.FORCE_PAYOUT: {"provider": "local_wallet"},
        Action.REFUND_PAYMENT: {"amount_minor": None, "ends_payout": False, "reason": ""},
        Action.CORRECT_PAYMENT: {"recipient": as_row(Wallet(wallet_id="other"))},
        Action.ADJUST_PAYMENT: WRITTEN_OFF,
    }
    given = arguments.get(verb, {})
    return Draft(verb=verb, target=target, arguments=given, reason="of the matrix")


async def database_takes(engine: AsyncEngine, proposal: Proposal, by: Operator) -> bool:
    """Whether the table takes the decision, whoever writes it; undone again."""
    party = party_of(by)
    refused = """
        UPDATE proposals SET state = 'REFUSED', decided_at = now(), approver = :name,
               approver_credential = :credential, approver_person = :person WHERE id = :id
    """
    values = {"name": party.name, "credential": party.credential, "person": party.person}
    async with engine.connect() as connection:
        try:
            await connection.execute(text(refused), {"id": proposal.id, **values})
        except DBAPIError:
            return False
        await connection.rollback()
    return True


VERBS = (Action.RATE_OVERRIDE, Action.ACCEPT_DATABASE, *RESUME.values(), *get_args(PaymentVerb))
ON_HOLD = (Action.RELEASE_HOLD, Action.RESOLVE_ATTEMPT)


PAUSED = """
    INSERT INTO pauses (id, kind, name, under_way, reason, paused_by, starts_at)
    VALUES (:id, :kind, 'us-ng', 'FINISH', 'of the matrix', 'ada', now())
"""


async def target_of(engine: AsyncEngine, verb: Action) -> str:
    """A new payment, a pause or a finding for which the verb can be done."""
    for kind, resumed in RESUME.items():
        if verb is resumed:
            await run(engine, PAUSED, id=new_id(), kind=kind)
            return "us-ng"
    if verb is Action.RATE_OVERRIDE:
        return "us-ng"
    if verb is Action.ACCEPT_DATABASE:
        await run(engine, "UPDATE database_mark SET finding = 'of the matrix'")
        return "database"
    if verb is Action.ADJUST_PAYMENT:
        return (await with_suspense(engine))[1]
    made = unknown_payout if verb in ON_HOLD else refused_payout
    return (await made(engine))[1]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_is_done_by_two_people_and_by_no_two_credentials_of_one(
    verb: Action, engine: AsyncEngine, *, is_long: bool
) -> None:
    meets_all = is_long or verb is Action.RELEASE_HOLD
    pairs = tuple(product(CREDENTIALS if meets_all else FEW, repeat=2))
    wrapped = Wrapped(engine)
    target = await target_of(engine, verb)
    wrong, done = [], 0
    for one, other in pairs:
        proposer, approver = operator(*one[1:]), operator(*other[1:])
        proposal = await wrapped.proposing.propose(proposer, draft(verb, target))
        takes = await database_takes(engine, proposal, approver)
        try:
            await wrapped.proposing.approve(approver, proposal.proposal_id, proposal.payload_sha256)
            is_done = True
            done += 1
            await run(engine, "UPDATE rate_overrides SET ended_at = now() WHERE ended_at IS NULL")
            target = await target_of(engine, verb)
        except ApproverIsProposer:
            is_done = False
            await wrapped.proposing.withdraw(proposer, proposal.proposal_id)
        if not is_done == takes == (one[0] != other[0]):
            wrong.append((one, other, is_done, takes))

    assert not wrong
    assert done == sum(one[0] != other[0] for one, other in pairs)
    counted = "SELECT count(*) FROM proposals WHERE state = 'APPROVED'"
    assert await rows(engine, counted) == [(done,)]


def test_the_matrix_has_every_verb_of_the_table(engine: AsyncEngine) -> None:
    assert set(Wrapped(engine).verbs) == set(VERBS)


class Killed(BaseException):
    """The process is over."""


class Dies:
    """A verb that is done, in a process that then dies before its commit."""

    def __init__(self, verb: AgreedVerb) -> None:
        self._verb = verb

    async def prepare(self, target: str, arguments: Mapping[str, Any]) -> Any:
        return await self._verb.prepare(target, arguments)

    async def look(
        self,
        transaction: OperatorTransaction,
        target: str,
        arguments: Mapping[str, Any],
        prepared: Any,
    ) -> Any:
        return await self._verb.look(transaction, target, arguments, prepared)

    async def do(
        self,
        transaction: OperatorTransaction,
        proposal: Proposal,
        prepared: Any,
        approver: Operator,
    ) -> None:
        await self._verb.do(transaction, proposal, prepared, approver)
        raise Killed


@pytest.mark.parametrize("verb", VERBS)
async def test_an_approval_that_dies_before_its_commit_has_done_nothing(
    verb: Action, engine: AsyncEngine
) -> None:
    wrapped = Wrapped(engine)
    target = await target_of(engine, verb)
    ada, grace = (operator(*CREDENTIALS[place][1:]) for place in (0, 5))
    proposal = await wrapped.proposing.propose(ada, draft(verb, target))
    whole = wrapped.verbs[verb]
    wrapped.verbs[verb] = Dies(whole)
    seen = """
        SELECT (SELECT count(*) FROM rate_overrides), (SELECT count(*) FROM operator_actions),
               (SELECT hold_reason FROM payments), (SELECT state FROM proposals)
    """
    before = await rows(engine, seen)

    with pytest.raises(Killed):
        await wrapped.proposing.approve(grace, proposal.proposal_id, proposal.payload_sha256)

    assert await rows(engine, seen) == before
    # The next one finds it as it was.
    wrapped.verbs[verb] = whole
    approved = await wrapped.proposing.approve(grace, proposal.proposal_id, proposal.payload_sha256)
    assert replace(approved, approver=None, decided_at=None, state=proposal.state) == proposal
