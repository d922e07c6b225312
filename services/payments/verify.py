"""`python -m services.payments.verify`: recomputes what must be true of the database, prints what
is not, and explains what lies on the accounts. Ends with 1 on any violation and changes nothing."""

import asyncio
import os
import sys

from services.payments.audit.opening import opened_audit
from services.payments.audit.verify import verify
from services.payments.config import AuditSettings
from services.payments.model.timing import VERIFY_STATEMENT_SECONDS
from services.shared.errors import CannotStart, Unavailable


def main() -> int:
    """Prints all of it. Raises CannotStart or Unavailable where it cannot be found out."""
    words, holds = asyncio.run(_verified(AuditSettings.load(os.environ)))
    sys.stdout.write(f"{words}\n")
    return 0 if holds else 1


async def _verified(config: AuditSettings) -> tuple[str, bool]:
    async with opened_audit(
        config.database_url.get_secret_value,
        "caravel-audit",
        statement_seconds=VERIFY_STATEMENT_SECONDS,
        overdue_seconds=config.overdue_seconds,
    ) as audit:
        return await verify(audit)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (CannotStart, Unavailable) as error:
        sys.exit(f"cannot verify: {error}")
