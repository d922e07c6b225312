"""The limits of merchants: a bucket for each and for each group of calls, and answers that say what
is left."""

from pathlib import Path

import pytest

from services.payments.merchants.limits import (
    DEFAULTS,
    Limit,
    Limited,
    Limits,
    LimitsError,
    RateLimitExceeded,
    load_limits,
)
from services.payments.model.principal import MerchantId
from services.shared.contract import Access, PrincipalKind
from services.shared.deployment import Deployment
from services.shared.grpc_calls import answer_metadata_var
from tests.polling import until

ACME, OTHER = MerchantId("mer_acme"), MerchantId("mer_other")


def access(*scopes: str) -> Access:
    return Access(principal=PrincipalKind.MERCHANT, scopes=frozenset(scopes))


READ, WRITE = access("payments:read"), access("payments:write")
HOUR = 3600


def make_limits(reads: int = 3, writes: int = 2, seconds: int = HOUR) -> Limits:
    return Limits(
        Limited(
            reads=Limit(calls=reads, seconds=seconds), writes=Limit(calls=writes, seconds=seconds)
        )
    )


def taken(limits: Limits, merchant: MerchantId, kind: Access, most: int = 100) -> int:
    """How many calls pass before the first that does not."""
    for number in range(most):
        try:
            limits.take(merchant, kind)
        except RateLimitExceeded:
            return number
    return most


def test_a_merchant_takes_as_many_calls_as_its_limit_and_no_more() -> None:
    limits = make_limits()

    assert taken(limits, ACME, WRITE) == 2


def test_reads_and_writes_and_merchants_are_counted_apart() -> None:
    limits = make_limits()
    taken(limits, ACME, WRITE)

    assert taken(limits, ACME, READ) == 3
    assert taken(limits, OTHER, WRITE) == 2
    assert taken(limits, OTHER, READ) == 3


def test_a_busy_merchant_still_revokes_a_key() -> None:
    limits = make_limits()
    taken(limits, ACME, WRITE)

    assert taken(limits, ACME, access("keys:manage")) == 2


def test_calls_that_lack_a_scope_use_up_nobodys_writes() -> None:
    limits = make_limits()
    for _ in range(2):
        limits.take(ACME, WRITE, may=False)
    with pytest.raises(RateLimitExceeded):
        limits.take(ACME, WRITE, may=False)

    assert taken(limits, ACME, WRITE) == 2


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        (READ, "reads"),
        (WRITE, "writes"),
        (access("quotes:write"), "writes"),
        (access("webhooks:manage"), "writes"),
        (access("keys:manage"), "keys"),
        (access("payments:read", "payments:write"), "writes"),
        (access(), "writes"),
    ],
)
def test_a_call_belongs_to_a_group_by_its_scopes(kind: Access, group: str) -> None:
    make_limits().take(ACME, kind)

    assert dict(answer_metadata_var.get())["ratelimit"].startswith(f'"{group}";')


def test_each_answer_says_the_policy_and_what_is_left() -> None:
    limits = make_limits(writes=2, seconds=10)
    said = []
    for _ in range(2):
        limits.take(ACME, WRITE)
        said.append(dict(answer_metadata_var.get()))

    assert said == [
        {"ratelimit-policy": '"writes";q=2;w=10', "ratelimit": '"writes";r=1;t=5'},
        {"ratelimit-policy": '"writes";q=2;w=10', "ratelimit": '"writes";r=0;t=10'},
    ]


def test_a_refusal_says_when_to_repeat() -> None:
    limits = make_limits(writes=2, seconds=10)
    taken(limits, ACME, WRITE)

    with pytest.raises(RateLimitExceeded) as refused:
        limits.take(ACME, WRITE)

    assert refused.value.metadata == {"limit": "writes"}
    assert refused.value.retry_after_seconds == 5
    assert dict(answer_metadata_var.get())["ratelimit"] == '"writes";r=0;t=10'


async def test_a_bucket_fills_again() -> None:
    limits = make_limits(writes=200, seconds=1)
    assert taken(limits, ACME, WRITE, most=10_000) < 10_000

    async def look() -> int:
        return taken(limits, ACME, WRITE, most=1)

    assert await until(look, bool) == 1


def test_a_refused_call_takes_nothing() -> None:
    limits = make_limits(writes=2, seconds=10)
    for _ in range(1000):
        taken(limits, ACME, WRITE, most=3)

    assert dict(answer_metadata_var.get())["ratelimit"] == '"writes";r=0;t=10'


def test_a_sandbox_has_limits_that_no_test_meets_and_others_a_hundred_a_second() -> None:
    assert DEFAULTS[Deployment.SANDBOX].writes.calls == 200_000
    for deployment in (Deployment.STAGING, Deployment.LIVE):
        limit = DEFAULTS[deployment].reads
        assert limit.calls / limit.seconds == 100


FILE = """
writes = { calls = 5, seconds = 60 }
[merchants.mer_acme]
writes = { calls = 7, seconds = 60 }
[merchants.mer_other.reads]
calls = 1
seconds = 60
"""


def test_a_file_changes_the_limits_of_all_and_of_one(tmp_path: Path) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(FILE)
    limits = load_limits(path, Deployment.LIVE)

    assert taken(limits, ACME, WRITE) == 7
    assert taken(limits, OTHER, WRITE) == 5
    assert taken(limits, OTHER, READ) == 1
    assert taken(limits, MerchantId("mer_third"), WRITE) == 5


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("writes = 5", "writes"),
        ("writes = { calls = 0, seconds = 1 }", "writes.calls"),
        ("writes = { calls = 1, seconds = 0 }", "writes.seconds"),
        ("writes = { calls = 1 }", "writes.seconds: Field required"),
        ("deletes = { calls = 1, seconds = 1 }", "deletes: Extra inputs"),
        ("[merchants.'A B']", "merchants"),
        ("[merchants.mer_1]\nall = 1", "merchants.mer_1.all"),
        ("writes = ", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "limits.toml"
    path.write_text(text)

    with pytest.raises(LimitsError, match=r"limits\.toml") as refused:
        load_limits(path, Deployment.LIVE)

    assert problem in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LimitsError, match="FileNotFoundError"):
        load_limits(tmp_path / "none.toml", Deployment.LIVE)
