"""The three kinds of deployment. Each process is set to one, and none is assumed; the settings of
each service refuse what its kind does not allow."""

from enum import StrEnum


class Deployment(StrEnum):
    """Where a process runs, and whether real money can move there."""

    # The simulator alone, on this machine; calls may come without a key.
    SANDBOX = "sandbox"
    # Calls need a key; the providers' test keys.
    STAGING = "staging"
    # Real money.
    LIVE = "live"
