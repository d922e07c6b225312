"""The faults by name, as one table: at which steps each acts, what its parameter means, and the
words and amounts that ask for it. control knows which are on, and where."""

import re
from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """The step of a provider at which a fault strikes."""

    # A request that comes first and moves nothing: for a recipient.
    PREPARE = "prepare"
    SEND = "send"
    CANCEL = "cancel"
    LOOK_UP = "look_up"
    # A look-up by a search or a list, where what is new may not be found yet.
    LIST = "list"
    # A list of all operations since a time, which asks about none by its key.
    LIST_ALL = "list_all"
    SETTLE = "settle"
    EVENT = "event"


class Mode(Enum):
    """One way to misbehave; the value is its name everywhere."""

    ACCEPT_THEN_HANG = "accept_then_hang"
    DROP_BEFORE_ACCEPT = "drop_before_accept"
    ERROR_BEFORE = "500_before"
    ERROR_AFTER = "500_after"
    ERROR_CACHED = "cache_500"
    KEY_TTL = "key_ttl"
    KEY_MISMATCH = "key_mismatch_error"
    LATE_EFFECT = "late_effect"
    AMNESIA = "amnesia"
    RATE_LIMIT = "rate_limit"
    BROWNOUT = "brownout"
    NO_BALANCE = "no_balance"
    REFUSED = "refused"

    SLOW_LOOK_UP = "slow_lookup"
    LOOK_UP_LAG = "lookup_lag"
    LIST_LAG = "eventual_list"
    WEBHOOK_ONLY = "webhook_only"

    AMOUNT_PLUS = "amount+1"
    AMOUNT_MINUS = "amount-1"
    CURRENCY_SWAP = "currency_swap"
    NET_OF_FEE = "net_of_fee"
    UNKNOWN_STATUS = "unknown_status"
    EXTRA_FIELDS = "extra_fields"
    HUGE_BODY = "huge_body"
    INVALID_UTF8 = "invalid_utf8"

    DUPLICATE_WEBHOOK = "duplicate_webhook"
    REORDER = "reorder"
    WEBHOOK_FIRST = "webhook_before_response"
    NO_WEBHOOK = "no_webhook"
    BAD_SIGNATURE = "bad_signature"
    OLD_TIMESTAMP = "old_timestamp"
    FUTURE_TIMESTAMP = "future_timestamp"

    HOLD = "hold"
    PAYOUT_FAILS = "payout_fails"
    RECIPIENT_REFUSED = "recipient_refused"
    FAILS_AS = "fails_as"
    LATE_FAIL = "late_fail"
    LATE_SUCCESS = "late_success"
    FLAPPING = "flapping"
    REFUND_FAILS = "refund_fails"
    PAYER_AUTHENTICATES = "payer_authenticates"
    PAYER_FAILS = "payer_fails"
    DISPUTE = "dispute"


@dataclass(frozen=True)
class Spec:
    """Where a mode acts, and its one parameter: the name says the unit."""

    steps: frozenset[Step]
    parameter: str = ""
    default: int = 0


# How many requests of a step about one key a fault strikes before it lets the next one through.
TIMES = "times"

_REQUESTS = (Step.SEND, Step.CANCEL)
_QUESTIONS = (Step.LOOK_UP, Step.LIST)
_READS = (*_QUESTIONS, Step.LIST_ALL)
_ANSWERS = (Step.SEND, Step.CANCEL, *_READS)
_STATED = (Step.SEND, Step.CANCEL, *_QUESTIONS, Step.EVENT)


def _at(*steps: Step, **parameter: int) -> Spec:
    [(name, default)] = parameter.items() or [("", 0)]
    return Spec(frozenset(steps), name, default)


SPECS = {
    Mode.ACCEPT_THEN_HANG: _at(*_REQUESTS, times=1),
    Mode.DROP_BEFORE_ACCEPT: _at(*_REQUESTS, times=1),
    Mode.ERROR_BEFORE: _at(*_REQUESTS, times=1),
    Mode.ERROR_AFTER: _at(*_REQUESTS, times=1),
    Mode.ERROR_CACHED: _at(Step.SEND),
    Mode.KEY_TTL: _at(Step.SEND, seconds=10),
    Mode.KEY_MISMATCH: _at(Step.SEND),
    Mode.LATE_EFFECT: _at(Step.SEND, seconds=5),
    Mode.AMNESIA: _at(Step.SEND, times=1),
    Mode.RATE_LIMIT: _at(*_ANSWERS, times=1),
    Mode.BROWNOUT: _at(*_ANSWERS, times=1),
    Mode.NO_BALANCE: _at(Step.SEND),
    Mode.REFUSED: _at(Step.PREPARE, Step.SEND, row=1),
    Mode.SLOW_LOOK_UP: _at(*_READS, seconds=2),
    Mode.LOOK_UP_LAG: _at(*_QUESTIONS, seconds=5),
    Mode.LIST_LAG: _at(Step.LIST, seconds=5),
    Mode.WEBHOOK_ONLY: _at(*_QUESTIONS),
    Mode.AMOUNT_PLUS: _at(*_STATED),
    Mode.AMOUNT_MINUS: _at(*_STATED),
    Mode.CURRENCY_SWAP: _at(*_STATED),
    Mode.NET_OF_FEE: _at(*_STATED),
    Mode.UNKNOWN_STATUS: _at(*_STATED, Step.LIST_ALL),
    Mode.EXTRA_FIELDS: _at(*_STATED, Step.LIST_ALL),
    Mode.HUGE_BODY: _at(*_ANSWERS, times=1),
    Mode.INVALID_UTF8: _at(*_ANSWERS, times=1),
    Mode.DUPLICATE_WEBHOOK: _at(Step.EVENT, copies=2),
    Mode.REORDER: _at(Step.EVENT, window=2),
    Mode.WEBHOOK_FIRST: _at(Step.SEND),
    Mode.NO_WEBHOOK: _at(Step.EVENT),
    Mode.BAD_SIGNATURE: _at(Step.EVENT),
    Mode.OLD_TIMESTAMP: _at(Step.EVENT, seconds=3600),
    Mode.FUTURE_TIMESTAMP: _at(Step.EVENT, seconds=3600),
    Mode.HOLD: _at(Step.SETTLE),
    Mode.PAYOUT_FAILS: _at(Step.SETTLE),
    Mode.RECIPIENT_REFUSED: _at(Step.SETTLE),
    Mode.FAILS_AS: _at(Step.SETTLE, row=1),
    Mode.LATE_FAIL: _at(Step.SETTLE, seconds=2),
    Mode.LATE_SUCCESS: _at(Step.SETTLE, seconds=2),
    Mode.FLAPPING: _at(Step.SETTLE, seconds=2),
    Mode.REFUND_FAILS: _at(Step.SETTLE, refunds=0),
    Mode.PAYER_AUTHENTICATES: _at(Step.SETTLE, seconds=2),
    Mode.PAYER_FAILS: _at(Step.SETTLE, seconds=2),
    Mode.DISPUTE: _at(Step.SETTLE, seconds=2),
}

# A recipient with this in its name cannot be paid, as Mode.RECIPIENT_REFUSED has it.
REFUSED_NAME = "Refused"
# The amounts of a collection, in minor units, that ask for a mode without a word.
AMOUNTS = {
    66_601: Mode.ACCEPT_THEN_HANG,
    66_602: Mode.DROP_BEFORE_ACCEPT,
    66_603: Mode.ERROR_BEFORE,
    66_604: Mode.ERROR_AFTER,
    66_605: Mode.ERROR_CACHED,
    66_606: Mode.LOOK_UP_LAG,
    66_607: Mode.UNKNOWN_STATUS,
    66_608: Mode.AMOUNT_PLUS,
    66_609: Mode.RATE_LIMIT,
    66_610: Mode.BROWNOUT,
}

_WORD = re.compile(r"sim:([a-z0-9_]+(?:[+-]1)?)(?:@([a-z_]+))?(?:=([0-9]{1,7}))?", re.ASCII)
_NAMES = {mode.value: mode for mode in Mode}


def modes_of(text: str, provider: str) -> dict[Mode, int]:
    """The modes that a merchant's reference asks a provider for, each with its parameter."""
    found = (_WORD.fullmatch(word) for word in text.split())
    return {
        _NAMES[match[1]]: int(match[3]) if match[3] else SPECS[_NAMES[match[1]]].default
        for match in found
        if match and match[1] in _NAMES and match[2] in (None, provider)
    }
