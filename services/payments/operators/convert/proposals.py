"""The operators' requests about proposals and overrides, and the answers."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from caravel.payments.v1 import proposals_pb2

from services.payments.base.convert import timestamp
from services.payments.base.instants import read_instant
from services.payments.base.problems import Problems, fields_invalid
from services.payments.model.operator import Operator, operator_of
from services.payments.model.principal import Principal
from services.payments.operators.accepting import DATABASE
from services.payments.operators.convert.payments import (
    NOTE_MAX,
    required_text,
)
from services.payments.operators.convert.verbs import read_verb
from services.payments.operators.domain import Action
from services.payments.operators.overriding import AgreedOverride, OverrideOrder, order_of
from services.payments.operators.proposal import Draft, Proposal, ProposalState
from services.shared.errors import field_invalid
from services.shared.money import format_rate, parse_rate
from services.shared.text import limited_text

CORRIDOR_MAX = 64
# Far above the most that any policy allows.
MARGIN_MAX = 10_000
_SHA256_DIGITS = 64
_Noted = (
    proposals_pb2.RefuseProposalRequest
    | proposals_pb2.WithdrawProposalRequest
    | proposals_pb2.EndRateOverrideRequest
)


def read_operator(request: _Noted, principal: Principal) -> Operator:
    """The operator of the credential, with the reason. Raises Invalid."""
    return operator_of(principal, limited_text("note", NOTE_MAX)(request.note))


def read_draft(request: proposals_pb2.CreateProposalRequest, principal: Principal) -> Draft:
    """A verb as it is proposed. Raises Invalid with every wrong field."""
    problems = Problems()
    reason = problems.read(required_text("reason", NOTE_MAX), request.reason, "")
    expires_at = problems.read(lambda _: _read_expiry(request), "", None)
    draft = problems.read(lambda _: _read_verb(request, principal), "", None)
    problems.raise_any()
    if draft is None:
        raise field_invalid("verb", "one verb is required", "FIELD_REQUIRED")
    verb, target, arguments = draft
    return Draft(
        verb=verb,
        target=target,
        arguments=arguments,
        reason=reason,
        expires_at=expires_at,
        useless_at=order_of(target, arguments).ends_at if verb is Action.RATE_OVERRIDE else None,
    )


def read_sha256(request: proposals_pb2.ApproveProposalRequest) -> str:
    """The payload that was read, by its name. Raises Invalid."""
    field, text = "payload_sha256", request.payload_sha256
    if not text:
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    if len(text) != _SHA256_DIGITS or not set(text) <= set("0123456789abcdef"):
        raise field_invalid(field, f"{field} must be {_SHA256_DIGITS} hexadecimal digits")
    return text


def read_state(request: proposals_pb2.ListProposalsRequest) -> ProposalState | None:
    """The state to list alone; None for all. Raises Invalid."""
    try:
        name = proposals_pb2.Proposal.State.Name(request.state)
        return ProposalState(name) if request.state else None
    except ValueError:
        words = f"state must be one of {', '.join(ProposalState)}"
        raise field_invalid("state", words) from None


def write_proposal(proposal: Proposal) -> proposals_pb2.Proposal:
    """A proposal as it is shown."""
    return proposals_pb2.Proposal(
        proposal_id=proposal.proposal_id,
        verb=proposal.verb,
        target=proposal.target,
        payload=proposal.payload,
        payload_sha256=proposal.payload_sha256,
        reason=proposal.reason,
        state=proposals_pb2.Proposal.State.Value(proposal.state),
        proposed_by=proposal.proposer.name,
        created_at=timestamp(proposal.created_at),
        expires_at=timestamp(proposal.expires_at),
        decided_by=proposal.approver.name if proposal.approver else "",
        decided_at=timestamp(proposal.decided_at) if proposal.decided_at else None,
        note=proposal.note,
        failure=proposal.failure,
        merchant_id=proposal.merchant_id,
    )


def write_override(override: AgreedOverride, now: datetime) -> proposals_pb2.AgreedOverride:
    """An override as it is shown."""
    return proposals_pb2.AgreedOverride(
        override_id=override.override_id,
        corridor_id=override.corridor_id,
        rate="" if override.rate is None else format_rate(override.rate),
        markup_basis_points=override.markup_basis_points,
        starts_at=timestamp(override.starts_at),
        ends_at=timestamp(override.ends_at),
        maximum_deviation_basis_points=override.maximum_deviation_basis_points,
        proposal_id=override.shown_proposal_id,
        proposed_by=override.proposed_by,
        approved_by=override.approved_by,
        reason=override.reason,
        ended_at=timestamp(override.ended_at) if override.ended_at else None,
        ended_by=override.ended_by,
        in_force=override.is_in_force(now),
    )


_Verb = tuple[Action, str, Mapping[str, Any]]


def _read_verb(request: proposals_pb2.CreateProposalRequest, principal: Principal) -> _Verb | None:
    which = request.WhichOneof("verb")
    if which == "rate_override":
        order = _read_override(request.rate_override)
        return Action.RATE_OVERRIDE, order.corridor_id, order.arguments
    if which == "resume_provider":
        _refuse_note(request.resume_provider.reason)
        name = request.resume_provider.provider
        return Action.RESUME_PROVIDER, required_text("provider", CORRIDOR_MAX)(name), {}
    if which == "resume_corridor":
        _refuse_note(request.resume_corridor.reason)
        name = request.resume_corridor.corridor_id
        return Action.RESUME_CORRIDOR, required_text("corridor_id", CORRIDOR_MAX)(name), {}
    if which == "accept_database":
        _refuse_note(request.accept_database.reason)
        return Action.ACCEPT_DATABASE, DATABASE, {}
    if which is None:
        return None
    verb = getattr(request, which)
    _refuse_note(verb.note)
    asked, _ = read_verb(verb, principal)
    return asked.action, asked.target, asked.arguments


def _refuse_note(note: str) -> None:
    if note:
        words = "the reason of a proposal stands in reason, and note stays empty"
        raise fields_invalid(("note", "reason"), words, "FIELDS_CONTRADICTORY")


def _read_override(order: proposals_pb2.RateOverrideOrder) -> OverrideOrder:
    problems = Problems()
    corridor_id = problems.read(required_text("corridor_id", CORRIDOR_MAX), order.corridor_id, "")
    rate = problems.read(_read_rate, order.rate, None)
    margin = problems.read(lambda _: _read_margin(order), "", None)
    starts_at = problems.read(lambda _: _read_start(order), "", None)
    ends_at = problems.read(lambda _: _read_end(order), "", None)
    if bool(order.rate) == order.HasField("markup_basis_points"):
        words = "give exactly one of rate and markup_basis_points"
        reason = "FIELDS_CONTRADICTORY" if order.rate else "FIELD_REQUIRED"
        problems.add(fields_invalid(("rate", "markup_basis_points"), words, reason))
    problems.raise_any()
    assert ends_at is not None  # noqa: S101 - else a problem was raised
    if starts_at is not None and starts_at >= ends_at:
        words = "starts_at must be before ends_at"
        raise fields_invalid(("starts_at", "ends_at"), words, "FIELDS_CONTRADICTORY")
    return OverrideOrder(
        corridor_id=corridor_id,
        rate=rate,
        markup_basis_points=margin,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def _read_rate(text: str) -> Decimal | None:
    return parse_rate(text, field="rate") if text else None


def _read_margin(order: proposals_pb2.RateOverrideOrder) -> int | None:
    if not order.HasField("markup_basis_points"):
        return None
    if not 0 <= order.markup_basis_points <= MARGIN_MAX:
        field = "markup_basis_points"
        raise field_invalid(field, f"{field} must be 0 to {MARGIN_MAX}")
    return order.markup_basis_points


def _read_start(order: proposals_pb2.RateOverrideOrder) -> datetime | None:
    return read_instant(order.starts_at, "starts_at") if order.HasField("starts_at") else None


def _read_end(order: proposals_pb2.RateOverrideOrder) -> datetime | None:
    if not order.HasField("ends_at"):
        raise field_invalid("ends_at", "ends_at is required", "FIELD_REQUIRED")
    return read_instant(order.ends_at, "ends_at")


def _read_expiry(request: proposals_pb2.CreateProposalRequest) -> datetime | None:
    if not request.HasField("expires_at"):
        return None
    return read_instant(request.expires_at, "expires_at")
