"""The contract's own options as tables, made once when a process starts: how each reason of a
refusal reaches its caller, and which principal may make each call. The gateway reads the same
options from the descriptor set."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from caravel.common.v1 import error_reason_pb2, options_pb2
from google.protobuf import descriptor_pool

# Full name of the enum of all reasons.
REASONS: str = error_reason_pb2.ErrorReason.DESCRIPTOR.full_name


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """How a refusal reaches its caller: the number of its gRPC code, and after how many seconds the
    call may be repeated; None where waiting changes nothing."""

    grpc_code: int
    retry_after_seconds: int | None


class PrincipalKind(StrEnum):
    """The kinds of principal that may make a call, as Access.Principal of the contract has them."""

    MERCHANT = "MERCHANT"
    OPERATOR = "OPERATOR"
    PROVIDER_EVENT = "PROVIDER_EVENT"
    SERVICE = "SERVICE"
    ANYONE = "ANYONE"


# A principal from outside the mesh makes its calls by way of this service alone; an operator by way
# of the console too, which brings the operator's own credential and address.
THROUGH_GATEWAY = frozenset({"gateway"})
CONSOLE = "console"
THROUGH_CONSOLE = THROUGH_GATEWAY | {CONSOLE}


@dataclass(frozen=True, kw_only=True)
class Access:
    """The kind of principal that may make a call, and the scopes that its credential needs."""

    principal: PrincipalKind
    scopes: frozenset[str]
    # The services whose certificates may make the call.
    services: frozenset[str] = THROUGH_GATEWAY
    # Others that do as well in the place of the scopes; empty where there are none.
    or_scopes: frozenset[str] = frozenset()
    # Whether it may be made while the database is older than what has happened, though it does not
    # only read.
    on_older_database: bool = False

    def needed_of(self, granted: frozenset[str]) -> frozenset[str]:
        """The scopes that a credential with these needs: the others where it has those."""
        return self.or_scopes if self.or_scopes and self.or_scopes <= granted else self.scopes


def _refusals() -> Mapping[str, Refusal]:
    found = {}
    for value in error_reason_pb2.ErrorReason.DESCRIPTOR.values:
        stated = value.GetOptions().Extensions[options_pb2.refusal]
        if value.number:
            found[value.name] = Refusal(
                grpc_code=stated.grpc_code, retry_after_seconds=stated.retry_after_seconds or None
            )
    return found


# Every reason of the contract, by its name.
REFUSALS = _refusals()


def access_by_method(service: str) -> Mapping[str, Access]:
    """The access of each call of a service, given by its full name, by the call's path, for example
    "/caravel.fees.v1.FeeService/CalculateFees".

    Raises KeyError where there is no such service, ValueError where a call has no access option.
    """
    found: Any = descriptor_pool.Default().FindServiceByName(service)
    return {f"/{service}/{method.name}": _access(method) for method in found.methods}


@cache
def scopes_of(principal: PrincipalKind) -> frozenset[str]:
    """The names of all scopes that the credentials of a kind of principal may have."""
    return frozenset(
        _scope_name(value.number)
        for value in options_pb2.Scope.DESCRIPTOR.values
        if options_pb2.Access.Principal.Name(
            value.GetOptions().Extensions[options_pb2.scope_principal]
        )
        == principal
    )


def _access(method: Any) -> Access:
    stated = method.GetOptions().Extensions[options_pb2.access]
    principal = PrincipalKind(options_pb2.Access.Principal.Name(stated.principal))
    return Access(
        principal=principal,
        scopes=frozenset(_scope_name(scope) for scope in stated.scopes),
        services=_services(principal, stated.services),
        or_scopes=frozenset(_scope_name(scope) for scope in stated.or_scopes),
        on_older_database=stated.on_older_database,
    )


def _services(principal: PrincipalKind, stated: Iterable[str]) -> frozenset[str]:
    if principal is PrincipalKind.SERVICE:
        return frozenset(stated)
    return THROUGH_CONSOLE if principal is PrincipalKind.OPERATOR else THROUGH_GATEWAY


def _scope_name(scope: int) -> str:
    value = options_pb2.Scope.DESCRIPTOR.values_by_number[scope]
    return str(value.GetOptions().Extensions[options_pb2.scope_name])
