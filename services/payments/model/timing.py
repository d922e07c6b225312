"""How long everything in payments may take, in this one place: deadlines, lags, intervals and
back-offs, and all that follows from the lease. Whether they fit together is in timing_fit; the
usual times of a payment's states are in progress."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum

from services.shared.corridors import DEADLINE_HOURS, PATIENCE_SECONDS

# --- The settings, where the environment names none.
LEASE_SECONDS = 30
POLL_SECONDS = 1.0
OVERDUE_SECONDS = 120.0
AUDIT_SECONDS = 60.0
EVENTS_SECONDS = 60.0

# --- One send to a provider, and its answer.
# One operation at a provider, and the call that carries a batch of them. A request leaves within
# one call after it was marked as sent, and before its lease ends, or not at all.
OPERATION = timedelta(seconds=10)
CALL = timedelta(seconds=12)
# The clocks of our machines, and a provider's, differ by no more.
CLOCK_SKEW = timedelta(seconds=5)
# Around the longest call a lease has so much more: for the claim before it, the record after it.
LEASE_MARGIN = timedelta(seconds=5)
# A request has arrived so long after it left, or never will: the providers service gives it up when
# it is not acknowledged for ten seconds.
LANDING = timedelta(seconds=13)
LANDED_AFTER = CLOCK_SKEW + LANDING
# From the mark until nothing is on its way any more, by any clock.
UNDER_WAY = CALL + LANDED_AFTER


def follows_within(lease: timedelta) -> timedelta:
    """How long a lease must still last for a payout to follow its collection under it."""
    return lease / 2


def key_usable_for(lifetime: timedelta) -> timedelta:
    """How long sends may begin under a key; the rest of its life is for what is under way then."""
    return lifetime * 4 / 5


# --- Other calls between services, seconds.
WEBHOOK_CALL_SECONDS = 5.0
PRICING_CALL_SECONDS = 3.0
CORRIDORS_CALL_SECONDS = 10.0
# The question whose an account is: at providers, and the call around it. A creation waits for it.
RESOLVING = timedelta(seconds=4)
RESOLVING_CALL_SECONDS = 5.0
# The call for one page of a provider's list of events; the provider has ten seconds of it.
LISTING_CALL_SECONDS = 12.0
# The call about a claim; the provider has ten seconds of it.
CLAIM_CALL_SECONDS = 12.0
# The lease of a worker for a page and its commit; then another one reads it.
LISTING_LEASE_SECONDS = 30.0
# Each reading of a list begins so long before the newest event that was read, because an event may
# appear late in it, and servers of a provider may differ in their clocks.
LISTING_OVERLAP = timedelta(minutes=10)
# Until a service that a start waits for is asked again.
START_RETRY_SECONDS = 0.5
# Between two questions about the declarations of the providers.
DECLARATIONS_SECONDS = 60.0

# --- The comparison of the database with what providers have, seconds. The mark grows so often; a
# process that starts waits no longer than that for the first comparison.
MARK_EVERY_SECONDS = 1.0
COMPARE_EVERY_SECONDS = 60.0
COMPARE_FIRST_SECONDS = 3.0
# It waits so long for the onramps, which may start beside it.
COMPARE_START_SECONDS = 10.0
# A process looks so often whether there is a recovery to work on.
RECOVERY_LOOK_SECONDS = 1.0
# A call that was admitted before another database was found below its process is over so much
# later.
ADMITTED_SECONDS = 15.0
# Lists are read from so long before the last comparison, and clocks may be so far apart.
COMPARE_OVERLAP = timedelta(minutes=10)
COMPARE_SKEW = timedelta(seconds=60)
# Once a restored database is accepted, a success of so long before the last comparison is asked
# about again: a payout may come back weeks after the time that its provider declares. Its payment
# was created no longer before, which leaves room for the deadlines of a merchant.
LOST_RETURNS, LOST_RETURNS_CREATED = timedelta(days=30), timedelta(days=90)
# From one such payment to the next, well below the rate that any provider allows, so that new
# payments are not held up.
DOUBT_EVERY_SECONDS = 0.2
# A person's comparison goes back so far, whatever was compared before.
COMPARE_BACK = timedelta(days=7)
# How often the progress of a recovery is stated to the person who waits for it.
RECOVERY_PROGRESS_SECONDS = 0.5

# --- Credentials, which every replica holds in memory, seconds.
# From one reading of what has changed to the next; where an unknown key waits for it, sooner.
CREDENTIALS_REFRESH_SECONDS = 0.25
CREDENTIALS_PAUSE_SECONDS = 0.05
# Nobody is admitted by anything older: a revocation counts everywhere within a second.
CREDENTIALS_FRESH_SECONDS = 0.8
# How long a call waits for a reading before it is refused.
CREDENTIALS_WAIT_SECONDS = 2.0
CREDENTIALS_STATEMENT_SECONDS = 2
# How often the hours of the last uses are written down.
CREDENTIALS_USES_SECONDS = 10.0
# How often the keys that ended long ago are forgotten.
CREDENTIALS_FORGET_SECONDS = 3600.0
# So many keys, or merchants, may be made within this time, and an ended key is remembered by name
# for as long: each replica holds all of them in memory.
CREDENTIALS_DAY = timedelta(days=1)

# --- Tokens.
# Our own are short, because each one counts as long as its key does, and no longer.
TOKEN_LIFETIME_SECONDS = 600
# One answer with an issuer's keys.
ISSUER_CALL_SECONDS = 5.0

# --- Rows that count for a time, which every replica holds in memory, seconds.
# How long a call waits for a reading that is new enough before it is refused.
HELD_WAIT_SECONDS = 2.0

# --- Overrides of rates and pauses, of these.
# From one reading to the next.
HELD_REFRESH_SECONDS = 0.25
# Nothing is priced by anything older: one counts, and ends, everywhere within a second.
HELD_FRESH_SECONDS = 0.8
# How often an attempt that waits for the end of a pause is looked at.
PAUSE_POLL_SECONDS = 30.0

# --- Versions of the corridor files, of these.
# From one reading to the next.
CORRIDORS_REFRESH_SECONDS = 1.0
# Nothing is priced by anything older. A version counts some seconds after its row, so that whatever
# a reading lacks does not count yet.
CORRIDORS_FRESH_SECONDS = 4.0
# From its row to the moment from which a version counts.
CORRIDORS_EFFECTIVE = timedelta(seconds=5)
# How long a call waits at that moment, where the database's clock is not known well enough.
CORRIDORS_SWITCH_SECONDS = 0.01

# --- Proposals, seconds.
# How often proposals that nobody decided in time are looked for.
PROPOSALS_EXPIRY_SECONDS = 5.0

# --- When to look again.
# An unknown outcome is looked up again after 0.5 s, 1 s, 2 s … and then every minute.
FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=60)
LONGEST_SPREAD = timedelta(seconds=10)
# A provider may ask us to wait so long, and no longer.
RETRY_AFTER_MAX = timedelta(minutes=5)
# An open operation is asked about when it is a quarter older than at the last time.
FIRST_POLL = timedelta(seconds=1)
LONGEST_POLL = timedelta(seconds=60)
# fx is away or has no rate: it is asked again so much later.
RATE_RETRY = timedelta(seconds=5)
# While a payment is on hold for a reason that an outcome may end (ENDED_BY_OUTCOME in the decisions
# names them, and amount_mismatch), its provider is asked so often.
HELD_POLL = timedelta(minutes=5)
# Between two rounds of a route that cannot pay now: 5 s, then half as long again, up to 5 minutes.
FIRST_ROUND, LONGEST_ROUND = timedelta(seconds=5), timedelta(minutes=5)
# How long a payout waits in all for an offramp that can pay, where nothing is on record.
PATIENCE = timedelta(seconds=PATIENCE_SECONDS)
# How long a payment waits for a corrected recipient, where nothing is on record.
CORRECTION = timedelta(hours=DEADLINE_HOURS)
# A step that broke down on our side rests for 2 s, then four times as long, until it is set aside.
FIRST_REST, REST_FACTOR, BREAKDOWNS_MAX = timedelta(seconds=2), 4, 5
# Every payment that is open and not on hold is due again within this time. The list of
# overdue payments looks no further.
LOOKS_AHEAD = timedelta(minutes=10)
# A success whose provider does not say whether it came back is asked about for so long, since the
# first question, and so often; then it stands. Time alone would count while nobody asked.
FINAL_WAIT, FINAL_TRIES = timedelta(days=3), 100
# A provider that has accepted an operation decides within so long, or a person must see to it.
OPEN_AT_MOST: Mapping[str, timedelta] = {
    "collection": timedelta(days=3),
    "payout": timedelta(days=7),
    "refund": timedelta(days=30),
}
# A look-up may lag behind an event of the same provider by so much, also where it has declared
# less.
LOOK_UP_BEHIND_EVENT = timedelta(minutes=2)
# A provider that does not say how a claim stands is asked for so long; then its event counts. The
# payment waits meanwhile, also the outcome of a payout under way.
CLAIM_PATIENCE = timedelta(hours=1)

# --- How often to try.
# An error under a key is believed to be for good when it has come so often.
CACHED_ERRORS = 5
# A doubt that ends after a time without an answer was asked about so often; time alone would count
# while nobody asked.
DOUBTED_TRIES = 10
# A key is sent no more often than that.
SENDS_MAX = 10
# A step gets no more keys than that because errors were cached under those before.
KEYS_MAX = 10
# A status that no document names is asked about so often.
STATUS_TRIES = 5
# The recipient of a payment is corrected so often.
CORRECTIONS_MAX = 10
# A payout that cannot be sent to the last provider of a route is tried so often before it waits.
NOT_SENT_TRIES = 5

# --- A payment's usual times.
# Between two steps: a claim, and a rate of fx.
OURS = timedelta(minutes=1)
# How long a payout may come back, where its provider does not say.
FINAL_AFTER = timedelta(days=30)
# Where neither the corridor nor the provider says how long a step takes.
USUAL_COLLECTION = timedelta(minutes=1)
USUAL_PAYOUT = timedelta(minutes=30)
USUAL_REFUND = timedelta(hours=1)

# --- The pace of batches, seconds from one to the next: in a steady stream each batch holds
# many items, and a single item does not wait.
CREATION_EVERY_SECONDS = 0.04
CLAIM_EVERY_SECONDS = 0.1
RECORD_EVERY_SECONDS = 0.05
RECEIVE_EVERY_SECONDS = 0.1
DELIVER_EVERY_SECONDS = 0.1
# Longest wait for others that come in one burst.
GATHERING_SECONDS = 0.1

# --- Events to merchants.
# The longest wait after each failure; the wait itself is drawn evenly from nothing up to it, so
# that the tries spread over about three days. After the last one the event is set aside.
DELIVERY_WAITS = (
    timedelta(seconds=5),
    timedelta(seconds=15),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    timedelta(hours=24),
    timedelta(hours=40),
    timedelta(hours=60),
)
# One event to one endpoint.
DELIVERY = timedelta(seconds=15)
# How long a connection is kept for the next event: shorter than any usual server keeps its own, so
# that none is closed while it is written to.
DELIVERY_CONNECTION_SECONDS = 1.0
# How long a stop waits for answers; another worker sends an event without one again.
DELIVERY_STOP_SECONDS = 5.0
OUTBOX_MEASURE_SECONDS = 15.0
# An endpoint whose oldest event waits for so long does not keep up.
OUTBOX_LATE_SECONDS = 30.0

# --- The database, seconds.
ALARM_RETRY_SECONDS, ALARM_CONNECT_SECONDS, ALARM_CLOSE_SECONDS = 1.0, 5.0, 2.0
# The server gives up first, so that a busy process of ours is not taken for a slow database.
READINESS_STATEMENT_SECONDS, READINESS_ANSWER_SECONDS, READINESS_IDLE_SECONDS = 2, 3.0, 5
# Most time that one statement of an audit may take: beside the work, and on its own.
AUDIT_STATEMENT_SECONDS, VERIFY_STATEMENT_SECONDS = 120, 3600
# Between two looks at held and overdue payments, and at orphans.
WATCH_SECONDS = 10.0
# Between two looks at the exchange positions, which limit new payments; and between two questions
# for the middles of the market, which only value them.
EXPOSURE_SECONDS, MIDDLES_SECONDS = 5.0, 60.0
# A quote gets its time from a process before it is priced. Beside CLOCK_SKEW there are the call to
# fx and the age of a reading between it and the database's clock.
OVERRIDE_DOUBT = timedelta(seconds=10)
# An unreadable row that was noted is not noted again for so long.
UNREADABLE_NOTED_SECONDS = 60.0
# A transaction that began before an endpoint was there may end so much later.
TRANSACTION_SECONDS = 10

# --- Counts and lists that people look at.
# One count of the scoreboards, and one of the overview, is shown for so long: each takes a part of
# a second.
SCOREBOARD_KEPT, OVERVIEW_KEPT = timedelta(seconds=60), timedelta(seconds=1)
# The newest payments that the overview counts, and those whose attempts it counts by provider.
OVERVIEW_PAYMENTS, OVERVIEW_PROVIDERS = timedelta(hours=24), timedelta(hours=1)
# A search that has taken so long looks no further, and answers with the page so far.
SEARCH_SECONDS = 0.04
# An id is made at another moment than its payment's time, and by another clock.
ID_MARGIN = timedelta(minutes=10)
# A call that waits for changes: from one look to the next, and in all.
CHANGES_LOOK_SECONDS, CHANGES_WAIT_SECONDS = 0.5, 5.0
# An older cursor may have missed changes.
CHANGES_CURSOR_KEPT = timedelta(minutes=5)


def retry_in(inconclusive: int, retry_after: timedelta, spread: float) -> timedelta:
    """When to look up an outcome again that stayed open so often in a row; spread is in [0, 1).

    Not before `retry_after`, for which a provider has asked.
    """
    # Where the time is known payments are only spread beyond it, so that not all come at once.
    longest = LONGEST_SPREAD if retry_after else LONGEST_RETRY
    delay: timedelta = min(FIRST_RETRY * 2 ** min(inconclusive, 10), longest)
    return retry_after + delay * (0.5 + spread / 2)


def poll_in(since: datetime | None, now: datetime) -> timedelta:
    """When to ask again about something that has been open since then."""
    age = now - since if since else FIRST_POLL
    return min(max(age / 4, FIRST_POLL), LONGEST_POLL)


def round_in(rounds: int, patience: timedelta) -> timedelta | None:
    """How long a route rests after so many rounds without success; None where its patience is over.

    Derived from the number of rounds alone, so that a crash neither shortens nor renews it.
    """
    waited, pause = timedelta(0), FIRST_ROUND
    for _ in range(rounds - 1):
        waited += pause
        pause = min(pause * 1.5, LONGEST_ROUND)
    return pause if waited + pause <= patience else None


class Waiting(StrEnum):
    """The person for whom a payment waits."""

    # The merchant, who decides about a returned payout.
    RETURNED = "RETURNED"
    # The merchant, who corrects the recipient or refunds.
    ACTION_REQUIRED = "ACTION_REQUIRED"
    # The merchant, who has refunded a part and decides about the rest.
    PARTLY_REFUNDED = "PARTLY_REFUNDED"
    # Our people.
    ON_HOLD = "ON_HOLD"


# Past its deadline, a payment that waits for its merchant is refunded, or its rest is. Only a
# person ends a hold; past its deadline it raises an alarm. The corridor of a payment states how
# long it waits for a corrected recipient.
DEADLINES: Mapping[Waiting, timedelta] = {
    Waiting.RETURNED: timedelta(days=30),
    Waiting.ACTION_REQUIRED: CORRECTION,
    Waiting.PARTLY_REFUNDED: timedelta(days=30),
    Waiting.ON_HOLD: timedelta(days=3),
}


class End(StrEnum):
    """The end of a wait, at its deadline."""

    # The payer gets the money back, or the rest of it.
    REFUND = "REFUND"
    # It waits on, and an alarm is raised.
    ALARM = "ALARM"


ENDS: Mapping[Waiting, End] = {
    Waiting.RETURNED: End.REFUND,
    Waiting.ACTION_REQUIRED: End.REFUND,
    Waiting.PARTLY_REFUNDED: End.REFUND,
    Waiting.ON_HOLD: End.ALARM,
}
