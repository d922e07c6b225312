"""`python -m services.payments.verify`: recomputes what must be true of the database, prints what
is not, and explains what lies on the accounts. Ends with 1 on any violation and changes nothing."""

import asyncio
import os
import sys

from services.payments.assembly import run_verify
from services.payments.config import AuditSettings
from services.shared.errors import CannotStart, Unavailable


def main() -> int:
    """Prints all of it. Raises CannotStart or Unavailable where it cannot be found out."""
    words, holds = asyncio.run(run_verify(AuditSettings.load(os.environ)))
    sys.stdout.write(f"{words}\n")
    return 0 if holds else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, Unavailable) as error:
        sys.exit(f"cannot verify: {error}")
