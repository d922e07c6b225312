"""The authoriser, put together over the credentials of a deployment."""

from pathlib import Path

from services.payments.merchants.authoriser import Authoriser
from services.payments.merchants.limits import load_limits
from services.payments.merchants.ports import Credentials
from services.payments.merchants.sandbox import SandboxCredentials
from services.payments.merchants.tokens.opening import Tokens
from services.shared.clock import SystemClock
from services.shared.deployment import Deployment


def open_authoriser(
    credentials: Credentials, tokens: Tokens, limits_file: Path | None, deployment: Deployment
) -> Authoriser:
    """The authoriser of every call. A sandbox needs no credential. Raises CannotStart."""
    limits = load_limits(limits_file, deployment)
    if deployment is Deployment.SANDBOX:
        credentials = SandboxCredentials(credentials)
    return Authoriser(credentials, tokens.verifier, limits, SystemClock(), deployment=deployment)
