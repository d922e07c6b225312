"""The settings of the simulator, beside those of every process and those of each API, which stand
beside it."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from services.shared.env import Deployment, Field, Settings


class Config(Settings):
    """Settings of the simulator. Its port speaks plain HTTP."""

    # Of an API: how a sandbox makes each of its secrets, out of random digits.
    secret_forms: ClassVar[Mapping[str, str]] = {}

    book_file: Path = Field(description="The book: one JSON line per effect, only ever appended.")
    gateway_url: str = Field(
        description="Where webhooks go: <url>/api/webhooks, and <url>/api/webhooks/<provider>."
    )
    settle_seconds: Decimal = Field(
        Decimal("0.5"), ge=0, description="How long a payout takes to end."
    )

    def refusals(self) -> Iterator[str]:
        """Also a live deployment, in which nothing stands in for a provider."""
        yield from super().refusals()
        if self.deployment is Deployment.LIVE:
            yield "the simulator is no part of a live deployment; do not start it there"
