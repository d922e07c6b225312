"""Passwords and keys of one sandbox: random, made once, readable by their owner only. They open
nothing but this mesh's own PostgreSQL and its stand-in providers."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy import ROOT
from deploy.local.process.terminal import Problem

# The secrets of an existing database, which nobody could make a second time.
_ITS_OWN = ("instance", "owner_password", "application_password")


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The secrets by which the processes of one mesh prove who they are."""

    # Names this generation of the folder; the database says which one it belongs to.
    instance: str
    owner_password: str
    application_password: str
    # The values that each provider of the simulator and its adapter share, by the simulator's
    # names.
    stand_ins: Mapping[str, str]


def load_or_make(path: Path) -> Credentials:
    """The credentials in the file, which is made where it is missing. Raises Problem."""
    if not path.exists():
        _write(path, _make())
    try:
        known = json.loads(path.read_text())
        own = {name: known.pop(name) for name in _ITS_OWN}
        # A sandbox may be older than some of the providers; never than its database.
        complete = all(f"{provider}_api_key" in known for provider in _providers())
        stand_ins = known if complete else {**_stand_ins(), **known}
        credentials = Credentials(**own, stand_ins=stand_ins)
    except (ValueError, TypeError, KeyError):
        raise Problem(
            f"{path} is damaged; start over with --fresh, which deletes the sandbox's payments"
        ) from None
    if not complete:
        _write(path, credentials)
    return credentials


def _make() -> Credentials:
    return Credentials(
        instance=secrets.token_hex(8),
        owner_password=secrets.token_hex(24),
        application_password=secrets.token_hex(24),
        stand_ins=_stand_ins(),
    )


def _providers() -> list[str]:
    """The providers that the simulator stands in for, by its files."""
    files = (ROOT / "services" / "providers" / "simulator").glob("*_api.py")
    return sorted(file.stem.removesuffix("_api") for file in files)


def _stand_ins() -> dict[str, str]:
    # The simulator is a second of work to import, which a sandbox does once.
    from services.providers.simulator.catalogue import APIS  # noqa: PLC0415

    return {
        name: form.format(
            hex=secrets.token_hex(24),
            base64=base64.b64encode(secrets.token_bytes(24)).decode(),
            rsa=_rsa_pair() if "{rsa}" in form else "",
        )
        for api in APIS.values()
        for name, form in api.settings.secret_forms.items()
    }


def _rsa_pair() -> str:
    """A new key pair, base64 of its PKCS #8 DER form: it signs, and its public half verifies."""
    # Likewise.
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

    pair = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    written = pair.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return base64.b64encode(written).decode()


def _write(path: Path, credentials: Credentials) -> None:
    # Put in place whole: half a file would lock us out of our own database.
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        own = {name: getattr(credentials, name) for name in _ITS_OWN}
        json.dump({**own, **credentials.stand_ins}, file, indent=2)
    unfinished.replace(path)
