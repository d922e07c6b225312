"""The text after an audit of everything: each invariant, the balance of each account with its
causes, and the payments and dead letters that wait."""

from collections.abc import Iterator, Sequence

from services.payments.audit.checks import PostgresAudit
from services.payments.audit.report import Accounts, Balance, Finding, Report, Suspended
from services.shared.money import EXPONENTS

# Wide enough for the longest account and a hundred million of the smallest currency.
ACCOUNT_WIDTH, PAYMENTS_WIDTH, AMOUNT_WIDTH = 56, 10, 24
# So many payments are shown below an account of suspense; the others in one line.
SUSPENDED_SHOWN = 50
AGES = (("d", 86_400), ("h", 3600), ("min", 60))


def render(report: Report, accounts: Accounts) -> str:
    """The report as text for a person; the result stands last."""
    blocks = [
        "\n".join(_invariant(finding) for finding in report.findings),
        "\n".join(_accounts(report.balances, accounts)),
        "\n".join(_people(report)),
        _trail(report),
        _result(report),
    ]
    return "\n\n".join(block for block in blocks if block)


def _invariant(finding: Finding) -> str:
    if not finding.violations:
        return f"  ✓ {finding.invariant}"
    examples = "".join(f"\n      {example}" for example in finding.examples)
    return f"  ✗ {finding.invariant}: {finding.violations}{examples}"


def _accounts(balances: Sequence[Balance], accounts: Accounts) -> Iterator[str]:
    """Each account's balance; below those at providers, their causes, and below those of suspense,
    their payments."""
    if balances:
        yield _line("account, debits less credits", "payments", "balance")
    for balance in balances:
        yield _line(balance.account, "", _amount(balance.balance_minor, balance.currency))
        for flow in accounts.flows:
            if (flow.account, flow.currency) == (balance.account, balance.currency):
                amount = _amount(flow.amount_minor, flow.currency)
                yield _line(f"    {flow.cause}", f"{flow.payments:,}", amount)
        yield from _suspended([one for one in accounts.suspended if one.account == balance.account])


def _suspended(lines: Sequence[Suspended]) -> Iterator[str]:
    for one in lines[:SUSPENDED_SHOWN]:
        amount = _amount(one.amount_minor, one.currency)
        yield _line(f"    {one.transaction_id} {one.reason}", "", amount)
    rest = lines[SUSPENDED_SHOWN:]
    if rest:
        amount = _amount(sum(one.amount_minor for one in rest), rest[0].currency)
        yield _line("    and smaller ones", f"{len(rest):,}", amount)


def _line(name: str, payments: str, amount: str) -> str:
    return f"  {name:<{ACCOUNT_WIDTH}}{payments:>{PAYMENTS_WIDTH}}{amount:>{AMOUNT_WIDTH}}"


def _amount(minor: int, currency: str) -> str:
    # In minor units where nobody knows the currency, which must not end a report about it.
    places = EXPONENTS.get(currency, 0)
    whole, part = divmod(abs(minor), 10**places)
    digits = f".{part:0{places}}" if places else ""
    return f"{'-' if minor < 0 else ''}{whole:,}{digits} {currency}"


def _people(report: Report) -> Iterator[str]:
    """The payments that wait for a person or a merchant, and the dead letters."""
    for held in report.held:
        yield f"  {held.payments} held: {held.reason}, the oldest for {_age(held.oldest_seconds)}"
    for one in report.waiting:
        oldest = _age(one.oldest_seconds)
        late = f", {one.past_deadline} past the deadline" if one.past_deadline else ""
        yield f"  {one.payments} wait: {one.waiting}, the oldest for {oldest}{late}"
    for kind, letters in report.set_aside.items():
        if letters:
            yield f"  {letters} set aside: {kind}"
    for count in report.overdue:
        where = f"{count.state} {count.provider}".rstrip()
        yield f"  {count.payments} overdue: {where} in {count.corridor_id}, for {count.age} or more"
    backlog = report.backlog
    if backlog.payments:
        yield f"  {backlog.payments} due, the oldest for {_age(backlog.oldest_seconds)}"


def _trail(report: Report) -> str:
    head = report.trail
    return f"  {head.sequence:,} operators' actions, the last {head.sha256}" if head else ""


def _age(seconds: float) -> str:
    for unit, size in AGES:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _result(report: Report) -> str:
    if report.broken:
        return f"  {len(report.broken)} of {len(report.findings)} do not hold."
    return f"  All hold. {len(report.findings)} invariants, each over all payments."


async def verify(audit: PostgresAudit) -> tuple[str, bool]:
    """All of it as a person reads it, and whether everything holds. Raises Unavailable."""
    report, accounts = await audit.report(), await audit.accounts()
    return render(report, accounts), not report.broken
