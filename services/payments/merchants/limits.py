"""The limits of merchants: for each a token bucket of reads, and others of writes, in the memory of
this replica. Every answer of a limited call says how much is left, in the header fields of a draft
of the IETF (draft-ietf-httpapi-ratelimit-headers). The gateway has the limits of addresses."""

import math
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from throttled import RateLimiterType, Throttled, rate_limiter
from throttled.store import MemoryStore

from services.payments.model.principal import MerchantId
from services.shared.contract import Access
from services.shared.deployment import Deployment
from services.shared.errors import CannotStart, Overloaded
from services.shared.grpc_calls import answer_metadata_var
from services.shared.toml_files import read_model

# Keys have a bucket of their own, so that a busy merchant can revoke one; so have calls that lack a
# scope, so that a key that may not write does not use up the writes of one that may.
READS, WRITES, KEYS, REFUSED = "reads", "writes", "keys", "refused"
# The groups whose limit is that of writes.
OF_WRITES = (WRITES, KEYS, REFUSED)
# Buckets beyond these are forgotten, the longest unused first; a forgotten one is full again.
BUCKETS_MAX = 65_536


class RateLimitExceeded(Overloaded):
    """The merchant has made as many calls of this kind as it may now; repeat it later."""

    reason = "RATE_LIMIT_EXCEEDED"


class LimitsError(CannotStart):
    """The file of limits is wrong; the message names the key."""


class Limit(BaseModel):
    """So many calls in so many seconds, evenly; and as many at once, after a pause as long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    calls: int = Field(ge=1, le=10_000_000)
    seconds: int = Field(ge=1, le=3600)


class Limited(BaseModel):
    """The limits of one merchant."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads: Limit
    writes: Limit


class Others(BaseModel):
    """The limits of a merchant that has others than most."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads: Limit | None = None
    writes: Limit | None = None


# A hundred calls a second, of each kind. A sandbox has limits too, so that its answers are those of
# any deployment; so high that neither the benchmark nor the chaos runs meet them.
DEFAULTS: Mapping[Deployment, Limited] = {
    deployment: Limited(reads=Limit(calls=calls, seconds=10), writes=Limit(calls=calls, seconds=10))
    for deployment, calls in (
        (Deployment.SANDBOX, 200_000),
        (Deployment.STAGING, 1_000),
        (Deployment.LIVE, 1_000),
    )
}
MerchantName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]


class LimitsFile(BaseModel):
    """The file of limits: `[reads]` and `[writes]` for all, `[merchants.<id>.writes]` for one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reads: Limit | None = None
    writes: Limit | None = None
    merchants: Mapping[MerchantName, Others] = {}


def load_limits(path: Path | None, deployment: Deployment) -> "Limits":
    """The limits of a deployment, with those of the file. Raises LimitsError."""
    usual = DEFAULTS[deployment]
    if path is None:
        return Limits(usual)
    file = read_model(path, LimitsFile, LimitsError)
    usual = _with(usual, file)
    return Limits(usual, {name: _with(usual, own) for name, own in file.merchants.items()})


def _with(usual: Limited, own: LimitsFile | Others) -> Limited:
    return Limited(reads=own.reads or usual.reads, writes=own.writes or usual.writes)


class Limits:
    """Counts the calls of each merchant."""

    def __init__(self, usual: Limited, others: Mapping[str, Limited] | None = None) -> None:
        self._store = MemoryStore(options={"MAX_SIZE": BUCKETS_MAX})
        self._usual = self._buckets(usual)
        self._others = {name: self._buckets(own) for name, own in (others or {}).items()}

    def take(self, merchant_id: MerchantId, access: Access, *, may: bool = True) -> None:
        """Counts one call, and has its answer say what is left; `may` says whether its credential
        has the scopes. Raises RateLimitExceeded."""
        buckets = self._others.get(merchant_id, self._usual)
        buckets[_group(access.scopes) if may else REFUSED].take(merchant_id)

    def _buckets(self, limited: Limited) -> "Mapping[str, _Buckets]":
        return {
            READS: _Buckets(READS, limited.reads, self._store),
            **{group: _Buckets(group, limited.writes, self._store) for group in OF_WRITES},
        }


class _Buckets:
    """The buckets of one group of calls and one limit, by merchant."""

    def __init__(self, group: str, limit: Limit, store: MemoryStore) -> None:
        self._group = group
        self._policy = ("ratelimit-policy", f'"{group}";q={limit.calls};w={limit.seconds}')
        quota = rate_limiter.per_duration(timedelta(seconds=limit.seconds), limit.calls)
        # GCRA is the token bucket by the time at which it is full: exact in fractions of a second.
        self._throttled = Throttled(using=RateLimiterType.GCRA.value, quota=quota, store=store)

    def take(self, merchant_id: str) -> None:
        """Takes one call out of the merchant's bucket. Raises RateLimitExceeded."""
        result = self._throttled.limit(f"{self._group}:{merchant_id}")
        state = result.state
        left = f'"{self._group}";r={state.remaining};t={math.ceil(state.reset_after)}'
        answer_metadata_var.set((self._policy, ("ratelimit", left)))
        if result.limited:
            refusal = RateLimitExceeded(limit=self._group)
            refusal.retry_after_seconds = max(1, math.ceil(state.retry_after))
            raise refusal


@cache
def _group(scopes: frozenset[str]) -> str:
    """A call that needs only scopes of reading is a read."""
    if any(scope.startswith("keys:") for scope in scopes):
        return KEYS
    return READS if scopes and all(scope.endswith(":read") for scope in scopes) else WRITES
