"""The payers that merchants say are present, read from a request."""

import re
from typing import Any

from services.payments.base.problems import Problems, fields_invalid
from services.payments.model.payer import PresentPayer
from services.shared.errors import field_invalid
from services.shared.text import limited_text

# A payer comes back over a line that nobody reads, but for a merchant's own test.
_RETURN_URL = re.compile(
    r"(https://[^/?#@\s]+|http://(localhost|127\.0\.0\.1)(:\d+)?)([/?#]\S*)?", re.ASCII
)
# As the contract numbers them.
_NOT_SAID, _OFF_SESSION, _PRESENT = 0, 1, 2
_return_url = limited_text("return_url", 2000)


def read_payer(request: Any, problems: Problems) -> PresentPayer | None:
    """The payer of a request, with the problems that it has; None off session."""
    return problems.read(lambda url: _read(request.payer, url), request.return_url, None)


def payer_print(payer: PresentPayer | None) -> dict[str, str]:
    """The part of a payer in the fingerprint of a request; empty off session, as before there was
    another way."""
    return {"payer": "PRESENT", "return_url": payer.return_url} if payer else {}


def _read(payer: int, return_url: str) -> PresentPayer | None:
    if payer == _PRESENT:
        url = _return_url(return_url)
        if url and not _RETURN_URL.fullmatch(url):
            raise field_invalid("return_url", "return_url must be a URL of https")
        return PresentPayer(return_url=url)
    if payer not in (_NOT_SAID, _OFF_SESSION):
        raise field_invalid("payer", "payer must be PRESENT or OFF_SESSION")
    if not return_url:
        return None
    words = "return_url needs payer PRESENT"
    raise fields_invalid(("payer", "return_url"), words, "FIELDS_CONTRADICTORY")
