"""Numbers in the documents are those of the code: each phrase here is made from a constant, and
stands in its document in just these words."""

import re
from datetime import timedelta

import pytest

from deploy.local.commands.development import RINGS
from gateway.config import DESCRIPTOR
from gateway.contract import read_contract
from services.fees.usecases import QUERIES_MAX as FEE_QUERIES_MAX
from services.fx.assembly import SURVEY_SECONDS
from services.fx.domain import CLOCK_TOLERANCE, RATE_DIGITS
from services.fx.feed import OBSERVE_SECONDS, RELOAD_SECONDS, RELOAD_SECONDS_MAX, REST
from services.fx.sources.http import REQUEST_SECONDS
from services.fx.usecases import QUERIES_MAX as RATE_QUERIES_MAX
from services.payments.audit.checks import PART_SIZE
from services.payments.config import ServiceSettings, WorkerSettings
from services.payments.model import timing
from services.providers.adapters.kit.retry_after import RETRY_AFTER_SECONDS_MAX
from services.providers.breaker import BreakerPolicy
from services.providers.domain import Capabilities
from services.providers.limits import CONCURRENCY_DEFAULT
from services.providers.simulator.faults.answer_faults import FEE_SHARE
from services.providers.simulator.faults.event_faults import EVENT_FIRST_SECONDS
from services.providers.simulator.faults.modes import Mode
from services.shared.corridors import MID_MAX, MID_MIN
from services.shared.env import Settings
from tests.chaos.planted import prove
from tests.chaos.watch import LIVENESS_SECONDS
from tests.hostile.run import ROUNDS
from tests.house.places import ROOT, at, check
from tests.mutants.__main__ import WANTED

WORDS = {
    0.5: "half a",
    2: "two",
    3: "three",
    5: "five",
    10: "ten",
    16: "sixteen",
    20: "twenty",
    30: "thirty",
}
MINUTE = timedelta(minutes=1)
LIMITS = read_contract(DESCRIPTOR).limits
BREAKER = BreakerPolicy()


def _word(number: float) -> str:
    return WORDS[number]


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def _default(settings: type[Settings], name: str) -> str:
    return f"{settings.model_fields[name].default:g}"


PHRASES = {
    "README.md": (f"has {len(Mode)} faults",),
    "deploy/README.md": (
        f"must agree within {_word(timing.CLOCK_SKEW.seconds)} seconds",
        f"when their leases run out, within {timing.LEASE_SECONDS} seconds",
    ),
    "docs/crashes.md": (f"is set aside after {_word(timing.BREAKDOWNS_MAX)} failures",),
    "docs/holds.md": (
        f"({Capabilities.unknown_hold_after // MINUTE} minutes unless it says otherwise)",
        f"still has nothing {_word(timing.LOOK_UP_BEHIND_EVENT // MINUTE)} minutes after its own",
        f"is still asked every {_word(timing.HELD_POLL // MINUTE)} minutes",
        f"broke down {_word(timing.BREAKDOWNS_MAX)} times in a row",
        f"or {_word(timing.KEYS_MAX)} keys in a row",
    ),
    "docs/metrics.md": (f"the newest {PART_SIZE:,} payments and the next {PART_SIZE:,}",),
    "docs/providers/README.md": (
        f"for {_percent(timing.key_usable_for(MINUTE) / MINUTE)} of this time",
        f"up to {_word(RETRY_AFTER_SECONDS_MAX / 60)} minutes",
    ),
    "gateway/README.md": (
        f"Bodies above {LIMITS.body_max_bytes // 1024} KiB are 413",
        f"headers above {LIMITS.headers_max_kib} KiB",
        f"({LIMITS.message_max_bytes // 1024} KiB)",
    ),
    "services/fees/README.md": (f"a batch of up to {FEE_QUERIES_MAX} payments",),
    "services/fx/README.md": (
        f"a batch of up to {RATE_QUERIES_MAX} queries",
        f"to {RATE_DIGITS.prec} significant digits",
        f"beyond {MID_MIN} to {MID_MAX:,}",
        f"more than {_word(CLOCK_TOLERANCE // MINUTE)} minutes ahead",
        f"within {_word(OBSERVE_SECONDS)} second (then it rests for {_word(REST.seconds)})",
        f"tried again after {_word(RELOAD_SECONDS)} seconds",
        f"up to {RELOAD_SECONDS_MAX:g} seconds",
        f"the time of a request, {REQUEST_SECONDS} seconds",
        f"looked at every {SURVEY_SECONDS:g} seconds",
    ),
    "services/payments/README.md": (
        f"most creations in one commit ({_default(ServiceSettings, 'batch_max')}), "
        f"and waiting ({_default(ServiceSettings, 'waiting_max')})",
        f"in one claim ({_default(WorkerSettings, 'claim_max')}, at most 500), "
        f"and under way ({_default(WorkerSettings, 'under_way_max')})",
        f"counts as forgotten ({timing.OVERDUE_SECONDS:g})",
        f"verifies the database ({timing.AUDIT_SECONDS:g})",
        f"events-whose-webhooks-are-lost) ({timing.EVENTS_SECONDS:g})",
        f"how long a claim lasts ({timing.LEASE_SECONDS}, "
        f"from {2 * timing.OPERATION.seconds} to {timing.LOOKS_AHEAD.seconds})",
        f"how often to look ({timing.POLL_SECONDS:g})",
        f"is sent at most {_word(timing.SENDS_MAX)} times",
    ),
    "services/payments/audit/README.md": (f"every {_word(timing.WATCH_SECONDS)} seconds",),
    "services/payments/webhooks_out/README.md": (
        f"tried {len(timing.DELIVERY_WAITS) + 1} times over about "
        f"{_word(sum(timing.DELIVERY_WAITS, timedelta()).days / 2)} days",
    ),
    "services/providers/README.md": (
        f"{CONCURRENCY_DEFAULT} if not named",
        f"in a row open a breaker; default {BREAKER.faults_in_a_row}",
        f"the last {BREAKER.window} operations; default {BREAKER.fault_percent}",
        f"default {BREAKER.pause_seconds:g}, doubled up to {BREAKER.pause_seconds_max:g} s",
        f"for {_word(BREAKER.reserve_seconds)} seconds only a key that had failed",
        f"until {_word(BREAKER.trials_max)} would be",
        f"until {_word(BREAKER.window)} operations in a row were answered",
    ),
    "services/providers/simulator/README.md": (
        f"the amount less {_percent(float(FEE_SHARE))}",
        f"at most {EVENT_FIRST_SECONDS} seconds",
    ),
    "tests/README.md": (
        f"within {LIVENESS_SECONDS:g} seconds",
        f"at most `--seeds` of them ({prove.SEEDS})",
        f"fails below {_percent(WANTED)}",
        f"in {_word(ROUNDS)} rounds",
    ),
}


@pytest.mark.parametrize("page", PHRASES)
def test_numbers_of_a_page_are_those_of_the_code(page: str) -> None:
    text = " ".join((ROOT / page).read_text().split())
    check(
        at(ROOT / page, 1, f'should say "{phrase}"')
        for phrase in PHRASES[page]
        if phrase not in text
    )


def test_pages_list_every_ring_in_its_order() -> None:
    commands = (ROOT / "CONTRIBUTING.md").read_text()
    table = re.findall(r"^\| `(\w+)` \|", (ROOT / "tests" / "README.md").read_text(), re.MULTILINE)

    assert f"| {', '.join(RINGS)}; all without a name |" in commands
    assert tuple(table[: len(RINGS)]) == RINGS
