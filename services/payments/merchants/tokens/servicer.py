"""The RPCs of tokens: convert, call, convert."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
from caravel.payments.v1 import tokens_pb2, tokens_pb2_grpc

from services.payments.merchants.tokens.form_body import CLIENT_CREDENTIALS, read_token_request
from services.payments.merchants.tokens.issuing import TokenIssuing
from services.payments.model.principal import Principal
from services.payments.model.timing import TOKEN_LIFETIME_SECONDS
from services.shared.grpc_calls import Caller
from services.shared.grpc_server import GrpcServer

Context = grpc.aio.ServicerContext[Any, Any]
# The principal of a merchant's key, given as its text and the call that it comes with.
KeyPrincipal = Callable[[str, Caller], Awaitable[Principal]]
KEPT = (("cache-control", "public, max-age=300"),)
BEARER = "Bearer"


class TokenServicer(tokens_pb2_grpc.TokenServiceServicer):
    """caravel.payments.v1.TokenService."""

    def __init__(self, issuing: TokenIssuing, key_principal: KeyPrincipal) -> None:
        self._issuing = issuing
        self._key_principal = key_principal

    def add_to(self, server: GrpcServer) -> None:
        """Has the server answer this service's calls."""
        server.add(
            tokens_pb2_grpc.add_TokenServiceServicer_to_server,
            self,
            "caravel.payments.v1.TokenService",
        )

    async def IssueToken(  # noqa: N802 - the contract's name
        self, request: tokens_pb2.IssueTokenRequest, context: Context
    ) -> tokens_pb2.AccessToken:
        """See tokens.proto."""
        pairs: Sequence[tuple[str, Any]] = tuple(context.invocation_metadata() or ())
        wanted = read_token_request(request.body.content_type, request.body.data, pairs)
        caller = Caller(pairs=pairs, metadata=dict(pairs))
        issued = await self._issuing.issue(wanted, lambda key: self._key_principal(key, caller))
        return tokens_pb2.AccessToken(
            access_token=issued.token,
            token_type=BEARER,
            expires_in=TOKEN_LIFETIME_SECONDS,
            scope=" ".join(sorted(issued.scopes)),
        )

    async def GetKeySet(  # noqa: N802 - the contract's name
        self, request: tokens_pb2.GetKeySetRequest, context: Context
    ) -> tokens_pb2.KeySet:
        """See tokens.proto."""
        await context.send_initial_metadata(KEPT)
        keys = [tokens_pb2.JsonWebKey(**key) for key in self._issuing.public_keys()]
        return tokens_pb2.KeySet(keys=keys)

    async def GetServerMetadata(  # noqa: N802 - the contract's name
        self, request: tokens_pb2.GetServerMetadataRequest, context: Context
    ) -> tokens_pb2.ServerMetadata:
        """See tokens.proto."""
        await context.send_initial_metadata(KEPT)
        issuer = self._issuing.issuer
        return tokens_pb2.ServerMetadata(
            issuer=issuer,
            token_endpoint=f"{issuer}/oauth/token",
            jwks_uri=f"{issuer}/.well-known/jwks.json",
            grant_types_supported=[CLIENT_CREDENTIALS],
            token_endpoint_auth_methods_supported=["client_secret_basic", "client_secret_post"],
            scopes_supported=sorted(self._issuing.scopes),
        )
