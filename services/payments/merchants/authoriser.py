"""The principal of each call. Every call, by REST or native gRPC alike, is authenticated before its
message is read, and its principal is kept for the servicer; so far that is the sandbox, which
needs no key."""

from contextvars import ContextVar

from services.payments.model.principal import CredentialKind, MerchantId, Principal
from services.shared.contract import Access, PrincipalKind
from services.shared.errors import NotAuthenticated
from services.shared.grpc_calls import Caller
from services.shared.telemetry import request_id_var

SANDBOX_MERCHANT = MerchantId("sandbox")
CREDENTIAL_HEADERS = ("authorization", "x-api-key")

_principal: ContextVar[Principal] = ContextVar("principal")


class ApiKeyInvalid(NotAuthenticated):
    """The API key is unknown."""

    reason = "API_KEY_INVALID"


class CredentialsMissing(NotAuthenticated):
    """The call has no credentials; send `authorization: Bearer <api key>`."""

    reason = "CREDENTIALS_MISSING"


def acting_principal() -> Principal:
    """The principal of the call that is being answered. Raises LookupError outside of a call."""
    return _principal.get()


def acting_merchant() -> MerchantId:
    """The merchant of the call that is being answered.

    Raises LookupError where no merchant makes it; the contract's access option keeps others away.
    """
    merchant_id = _principal.get().merchant_id
    if merchant_id is None:
        raise LookupError("the principal of this call is no merchant")
    return merchant_id


class Authoriser:
    """Refuses a call that may not be made, and makes the principal of any other."""

    def __init__(self, *, sandbox: bool) -> None:
        self._sandbox = sandbox

    async def admit(self, access: Access, caller: Caller) -> None:
        """Authenticates a call by the access that it needs. Raises NotAuthenticated."""
        # A provider signs its event instead.
        if access.principal in (PrincipalKind.PROVIDER_EVENT, PrincipalKind.ANYONE):
            return
        if any(caller.metadata.get(header) for header in CREDENTIAL_HEADERS):
            raise ApiKeyInvalid
        if not self._sandbox:
            raise CredentialsMissing
        _principal.set(
            Principal(
                kind=CredentialKind.SANDBOX,
                merchant_id=SANDBOX_MERCHANT,
                scopes=access.scopes,
                name="sandbox",
                request_id=request_id_var.get(),
            )
        )
