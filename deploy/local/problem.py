"""The one kind of failure that a person at the terminal is told about."""


class Problem(Exception):
    """The command cannot go on; the message is a clear sentence, without a full stop."""
