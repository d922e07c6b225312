"""The principal of a call: the one who acts, as its credential says. Only merchants/authoriser
makes principals and merchants' ids; a store method that takes a MerchantId cannot be given an
id from anywhere else."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import NewType

MerchantId = NewType("MerchantId", str)


class CredentialKind(StrEnum):
    """The kinds of credential that a principal is made of."""

    MERCHANT_KEY = "MERCHANT_KEY"
    MERCHANT_TOKEN = "MERCHANT_TOKEN"  # noqa: S105 - a kind, not a token
    OPERATOR_KEY = "OPERATOR_KEY"
    OPERATOR_TOKEN = "OPERATOR_TOKEN"  # noqa: S105 - a kind, not a token
    # The command line of a machine that reaches the database.
    COMMAND = "COMMAND"
    # A sandbox's own merchant or operator, who needs no credential.
    SANDBOX = "SANDBOX"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """The one who acts in a call."""

    kind: CredentialKind
    # None for an operator.
    merchant_id: MerchantId | None
    # Names as the contract has them, for example "payments:read".
    scopes: frozenset[str]
    # The end and the addresses of its key, where it has any: no key that it makes goes further.
    expires_at: datetime | None = None
    addresses: tuple[IPv4Network | IPv6Network, ...] = ()
    # Public id of the key, or issuer and subject of a token; empty in a sandbox without either.
    credential_id: str = ""
    # The name that the audit trail and the history show for an operator.
    name: str = ""
    # The client's address, as the gateway saw it; empty where the gateway did not say.
    address: str = ""
    request_id: str = ""
