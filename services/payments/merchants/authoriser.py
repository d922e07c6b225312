"""The merchant of each call. Every call, by REST or native gRPC alike, is authenticated before it
is read, and its merchant is kept for the servicer; so far that is the sandbox, which needs no
key."""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from services.shared.contract import Access, Principal
from services.shared.errors import NotAuthenticated

SANDBOX_MERCHANT = "sandbox"
CREDENTIAL_HEADERS = ("authorization", "x-api-key")

merchant_id_var: ContextVar[str] = ContextVar("merchant_id")


class ApiKeyInvalid(NotAuthenticated):
    """The API key is unknown."""

    reason = "API_KEY_INVALID"


class CredentialsMissing(NotAuthenticated):
    """The call has no credentials; send `authorization: Bearer <api key>`."""

    reason = "CREDENTIALS_MISSING"


class Authenticator:
    """Refuses a call that no merchant stands behind."""

    def __init__(self, *, sandbox: bool) -> None:
        self._sandbox = sandbox

    def admit(self, access: Access, metadata: Mapping[str, Any]) -> None:
        """Authenticates a call by the access that it needs. Raises NotAuthenticated."""
        # A provider signs its event instead.
        if access.principal is Principal.PROVIDER_EVENT:
            return
        if any(metadata.get(header) for header in CREDENTIAL_HEADERS):
            raise ApiKeyInvalid
        if not self._sandbox:
            raise CredentialsMissing
        merchant_id_var.set(SANDBOX_MERCHANT)
