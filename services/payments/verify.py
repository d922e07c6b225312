"""`python -m services.payments.verify`: recomputes what must be true of the database and prints
what is not, as a table. Ends with 1 on any violation and changes nothing."""

import asyncio
import os
import sys
from collections.abc import Sequence

from services.payments.assembly import assemble_audit
from services.payments.config import AuditSettings
from services.payments.store.audit import Finding
from services.shared.errors import CannotStart, Unavailable


def render(findings: Sequence[Finding]) -> str:
    """The table as a person reads it, one invariant a line."""
    lines = [f"  {'✗' if f.violations else '✓'} {f.invariant}{_where(f)}" for f in findings]
    broken = sum(1 for finding in findings if finding.violations)
    verdict = f"{broken} of {len(findings)} do not hold." if broken else "All hold."
    return "\n".join([*lines, "", f"  {verdict}"])


def _where(finding: Finding) -> str:
    if not finding.violations:
        return ""
    return f": {finding.violations} ({', '.join(finding.examples)})"


async def _verify() -> int:
    async with assemble_audit(AuditSettings.load(os.environ)) as audit:
        findings = await audit.findings()
    sys.stdout.write(f"{render(findings)}\n")
    return 1 if any(finding.violations for finding in findings) else 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(_verify()))
    except (CannotStart, Unavailable) as error:
        sys.exit(f"cannot verify: {error}")
