"""The policy: the verbs that need two people, from which amount, and the bounds of overrides. It is
a file that is read at start; without one, the usual policy counts, as deploy/policy.toml has it."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.payments.operators.domain import Action
from services.shared.errors import CannotStart, Invalid, NotAllowedNow
from services.shared.money import SOURCE_CURRENCY, Money, parse_amount
from services.shared.toml_files import read_model

# The verbs on a payment.
PaymentVerb = Literal[
    Action.RELEASE_HOLD,
    Action.RESOLVE_ATTEMPT,
    Action.FORCE_PAYOUT,
    Action.REFUND_PAYMENT,
    Action.CORRECT_PAYMENT,
    Action.ADJUST_PAYMENT,
]
# TOML's true is no whole number.
Whole = Annotated[int, Field(strict=True)]


class PolicyError(CannotStart):
    """The policy file is wrong; the message names the key."""


class ApprovalRequired(NotAllowedNow):
    """The policy asks for two people: propose the verb, and another operator approves it."""

    reason = "APPROVAL_REQUIRED"


def _usd(text: str) -> str:
    try:
        parse_amount(text, SOURCE_CURRENCY, field="from_usd")
    except Invalid as error:
        raise ValueError(str(error)) from None
    return text


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Demand(_Section):
    """Two people are needed for a verb."""

    # Only about a payment of at least so much; absent, always.
    from_usd: Annotated[str, AfterValidator(_usd)] | None = None

    def covers(self, amount: Money) -> bool:
        """Whether it counts for a payment of this amount."""
        if self.from_usd is None:
            return True
        return amount >= parse_amount(self.from_usd, SOURCE_CURRENCY, field="from_usd")


class Always(_Section):
    """Two people are needed for a verb that is about no payment."""


class SecondPerson(_Section):
    """The verbs that need two people."""

    # It cannot be left out.
    RATE_OVERRIDE: Always
    RELEASE_HOLD: Demand | None = None
    RESOLVE_ATTEMPT: Demand | None = None
    RESUME_PROVIDER: Always | None = None
    RESUME_CORRIDOR: Always | None = None
    ACCEPT_DATABASE: Always | None = None
    FORCE_PAYOUT: Demand | None = None
    REFUND_PAYMENT: Demand | None = None
    CORRECT_PAYMENT: Demand | None = None

    def demand(self, verb: PaymentVerb) -> Demand | None:
        """The demand for a verb on a payment; None where one person is enough."""
        demands: Mapping[PaymentVerb, Demand | None] = {
            Action.RELEASE_HOLD: self.RELEASE_HOLD,
            Action.RESOLVE_ATTEMPT: self.RESOLVE_ATTEMPT,
            Action.FORCE_PAYOUT: self.FORCE_PAYOUT,
            Action.REFUND_PAYMENT: self.REFUND_PAYMENT,
            Action.CORRECT_PAYMENT: self.CORRECT_PAYMENT,
            # No policy leaves it to one person.
            Action.ADJUST_PAYMENT: Demand(),
        }
        return demands[verb]


class Lifetimes(_Section):
    """How long a proposal may be approved."""

    lifetime_hours: Whole = Field(default=24, ge=1, le=720)
    maximum_hours: Whole = Field(default=168, ge=1, le=720)


class OverrideBounds(_Section):
    """How far from the market an override may be, and how long it lasts at most."""

    maximum_deviation_basis_points: Whole = Field(default=300, ge=1, le=1000)
    maximum_hours: Whole = Field(default=24, ge=1, le=168)

    @property
    def longest(self) -> timedelta:
        """The longest time of an override, and until its begin."""
        return timedelta(hours=self.maximum_hours)


class PauseBounds(_Section):
    """How long payments wait for the end of a pause at most."""

    maximum_wait_hours: Whole = Field(default=24, ge=1, le=168)

    @property
    def longest_wait(self) -> timedelta:
        """The bound as a length of time."""
        return timedelta(hours=self.maximum_wait_hours)


class Policy(_Section):
    """The policy of a deployment."""

    second_person: SecondPerson = SecondPerson(
        RATE_OVERRIDE=Always(),
        ACCEPT_DATABASE=Always(),
        FORCE_PAYOUT=Demand(),
        CORRECT_PAYMENT=Demand(),
    )
    proposals: Lifetimes = Lifetimes()
    rate_override: OverrideBounds = OverrideBounds()
    pauses: PauseBounds = PauseBounds()

    def needs_second_person(self, verbs: Sequence[PaymentVerb], amount: Money) -> bool:
        """Whether one person is not enough for a payment of this amount, by the demand for any of
        these verbs, whose work is done together."""
        demands = (self.second_person.demand(verb) for verb in verbs)
        return any(demand is not None and demand.covers(amount) for demand in demands)

    def asks_two(self, verb: Action) -> bool:
        """Whether one person is not enough for a verb that is about no payment."""
        demands = {
            Action.ACCEPT_DATABASE: self.second_person.ACCEPT_DATABASE,
            Action.RESUME_PROVIDER: self.second_person.RESUME_PROVIDER,
            Action.RESUME_CORRIDOR: self.second_person.RESUME_CORRIDOR,
        }
        return demands[verb] is not None

    def refuse_alone(self, verb: Action) -> None:
        """Raises ApprovalRequired where one person is not enough for it."""
        if self.asks_two(verb):
            raise ApprovalRequired(verb=verb)


USUAL = Policy()


def load_policy(path: Path | None) -> Policy:
    """The policy of the file; the usual one without a file. Raises PolicyError."""
    if path is None:
        return USUAL
    policy = read_model(path, Policy, PolicyError)
    if policy.proposals.lifetime_hours > policy.proposals.maximum_hours:
        raise PolicyError(f"{path.name}: proposals.lifetime_hours is above maximum_hours")
    return policy
