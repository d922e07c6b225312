"""How long the engine waits, and how often it tries: every interval of a decision, in one place."""

from datetime import datetime, timedelta

from services.payments.domain.attempt import Answer, Attempt

# An unknown outcome is looked into again after 0.5 s, 1 s, 2 s … and then every minute.
FIRST_RETRY = timedelta(seconds=0.5)
LONGEST_RETRY = timedelta(seconds=60)
LONGEST_SPREAD = timedelta(seconds=10)
# What is open is asked about when it is a quarter older than at the last time.
FIRST_POLL = timedelta(seconds=1)
LONGEST_POLL = timedelta(seconds=60)
# No request is still on its way so long after it was sent: a lease, and all timeouts in it.
SEND_DEADLINE = timedelta(seconds=30)
# fx is away or has no rate: it is asked again so much later.
RATE_RETRY = timedelta(seconds=5)
# While a payment is on hold, its provider is asked so often about an event that may end the hold.
HELD_POLL = timedelta(minutes=5)
# Between two rounds of a route that cannot pay now: 5 s, then half as long again, up to 5 minutes.
FIRST_ROUND, LONGEST_ROUND = timedelta(seconds=5), timedelta(minutes=5)
# Every payment that is open and not on hold is due again within this time. The list of what is
# overdue looks no further.
LOOKS_AHEAD = timedelta(minutes=10)
# A provider's clock may differ from ours by so much.
CLOCK_SKEW = timedelta(seconds=5)

# An error under a key is believed to be for good when it has come so often.
CACHED_ERRORS = 5
# A key is sent no more often than that.
SENDS_MAX = 10
# A step gets no more keys than that because errors were cached under those before.
KEYS_MAX = 10
# A status that no document names is asked about so often.
STATUS_TRIES = 5
# What cannot be sent to the last provider of a route is tried so often before the route waits.
NOT_SENT_TRIES = 5


def retry_in(attempt: Attempt, answer: Answer, spread: float) -> timedelta:
    """When to look again into an outcome that is unknown; spread is in [0, 1)."""
    # Where the time is known payments are only spread beyond it, so that not all come at once.
    longest = LONGEST_SPREAD if answer.retry_after else LONGEST_RETRY
    delay: timedelta = min(FIRST_RETRY * 2 ** min(attempt.inconclusive_count, 10), longest)
    return answer.retry_after + delay * (0.5 + spread / 2)


def poll_in(since: datetime | None, now: datetime) -> timedelta:
    """When to ask again about something that has been open since then."""
    age = now - since if since else FIRST_POLL
    return min(max(age / 4, FIRST_POLL), LONGEST_POLL)


def round_in(rounds: int, patience: timedelta) -> timedelta | None:
    """How long a route rests after so many rounds in vain; None where its patience is over.

    Derived from the number of rounds alone, so that a crash neither shortens nor renews it.
    """
    waited, pause = timedelta(0), FIRST_ROUND
    for _ in range(rounds - 1):
        waited += pause
        pause = min(pause * 1.5, LONGEST_ROUND)
    return pause if waited + pause <= patience else None
