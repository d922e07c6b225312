"""Passwords and keys of one sandbox: random, made once, readable by their owner only. They open
nothing but this mesh's own PostgreSQL and its stand-in providers."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from deploy.local.problem import Problem

# The secrets of an existing database, which nobody could make a second time.
_ITS_OWN = ("instance", "owner_password", "application_password")


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The secrets by which the processes of one mesh prove who they are."""

    # Names this generation of the folder; the database says which one it belongs to.
    instance: str
    owner_password: str
    application_password: str
    stripe_api_key: str
    stripe_webhook_secret: str
    flutterwave_api_key: str
    flutterwave_webhook_secret: str
    local_wallet_api_key: str
    local_wallet_webhook_secret: str
    paystack_api_key: str


def load_or_make(path: Path) -> Credentials:
    """The credentials in the file, which is made where it is missing. Raises Problem."""
    if not path.exists():
        _write(path, _make())
    try:
        known = json.loads(path.read_text())
        # A sandbox may be older than some of the providers; never than its database.
        made = {name: new for name, new in asdict(_make()).items() if name not in _ITS_OWN}
        credentials = Credentials(**{**made, **known})
    except (ValueError, TypeError):
        raise Problem(
            f"{path} is damaged; start over with --fresh, which deletes the sandbox's payments"
        ) from None
    if asdict(credentials) != known:
        _write(path, credentials)
    return credentials


def _make() -> Credentials:
    return Credentials(
        instance=secrets.token_hex(8),
        owner_password=secrets.token_hex(24),
        application_password=secrets.token_hex(24),
        stripe_api_key=f"sk_test_{secrets.token_hex(24)}",
        stripe_webhook_secret=f"whsec_{secrets.token_hex(24)}",
        flutterwave_api_key=f"FLWSECK_TEST-{secrets.token_hex(24)}-X",
        flutterwave_webhook_secret=secrets.token_hex(24),
        local_wallet_api_key=f"wallet_test_{secrets.token_hex(24)}",
        # Standard Webhooks: the secret is base64 behind its prefix.
        local_wallet_webhook_secret=f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}",
        paystack_api_key=f"sk_test_{secrets.token_hex(20)}",
    )


def _write(path: Path, credentials: Credentials) -> None:
    # Put in place whole: half a file would lock us out of our own database.
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(credentials), file, indent=2)
    unfinished.replace(path)
