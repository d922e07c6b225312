"""Times that the database can hold and Python cannot."""

# With a day to spare on both sides, for the difference of another time zone.
_FIRST, _LAST = "'0001-01-02 00:00Z'", "'9999-12-30 00:00Z'"


def shown(time: str) -> str:
    """An expression for a time, or for the nearest that can be shown. Lists are sorted and
    continued by this same expression, so that pages follow each other."""
    return f"greatest(least({time}, timestamptz {_LAST}), timestamptz {_FIRST})"


def is_shown(time: str) -> str:
    """A condition: Python can read the time, or there is none."""
    years = f"{time} BETWEEN timestamptz {_FIRST} AND timestamptz {_LAST}"
    return f"({years} OR NOT isfinite({time})) IS NOT FALSE"
