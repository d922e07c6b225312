"""`python -m services.payments.explain ID`: recomputes each figure of a quote (quo_…) or a payment
(pay_…) from its stored inputs alone, and prints the derivation. Ends with 1 where a figure differs
and changes nothing."""

import asyncio
import os
import sys

from services.payments.audit.explained import explain
from services.payments.base.database import opened_database
from services.payments.config import AdminSettings
from services.shared.errors import CannotStart, DomainError


def main(name: str) -> int:
    """Prints all of it. Raises CannotStart or DomainError where there is nothing to explain."""
    words, agrees = asyncio.run(_explained(AdminSettings.load(os.environ), name))
    sys.stdout.write(f"{words}\n")
    return 0 if agrees else 1


async def _explained(config: AdminSettings, name: str) -> tuple[str, bool]:
    url = config.database_url.get_secret_value
    async with opened_database(url, "caravel-explain", pool_size=1) as engine:
        return await explain(engine, name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("name one quote (quo_…) or one payment (pay_…)")
    try:
        sys.exit(main(sys.argv[1]))
    except (CannotStart, DomainError) as error:
        sys.exit(f"cannot explain: {error}")
