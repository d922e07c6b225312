"""Who is calling. One interceptor authenticates REST and native gRPC alike and puts the merchant
where the servicer finds it; the only merchant so far is the sandbox, which needs no key."""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import grpc

from services.shared.errors import NotAuthenticated

SANDBOX_MERCHANT = "sandbox"
CREDENTIAL_HEADERS = ("authorization", "x-api-key")
# Providers sign what they send instead, and health and reflection belong to nobody.
OPEN_SERVICES = ("/caravel.payments.v1.WebhookService/", "/grpc.")

merchant_id_var: ContextVar[str] = ContextVar("merchant_id")


class ApiKeyInvalid(NotAuthenticated):
    """The API key is unknown."""

    reason = "API_KEY_INVALID"


class CredentialsMissing(NotAuthenticated):
    """The call has no credentials; send `authorization: Bearer <api key>`."""

    reason = "CREDENTIALS_MISSING"


class AuthInterceptor(grpc.aio.ServerInterceptor):
    """Refuses a call that no merchant stands behind."""

    def __init__(self, *, sandbox: bool) -> None:
        self._sandbox = sandbox

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Authenticates every unary call outside OPEN_SERVICES."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(OPEN_SERVICES):
            return handler

        async def authenticated(request: Any, context: Any) -> Any:
            merchant_id_var.set(self._authenticate(dict(context.invocation_metadata() or ())))
            return await handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(
            authenticated, handler.request_deserializer, handler.response_serializer
        )

    def _authenticate(self, metadata: dict[str, Any]) -> str:
        if any(metadata.get(header) for header in CREDENTIAL_HEADERS):
            raise ApiKeyInvalid
        if not self._sandbox:
            raise CredentialsMissing
        return SANDBOX_MERCHANT
