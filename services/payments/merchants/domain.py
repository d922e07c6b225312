"""Merchants and keys, those of operators too, and the refusals about them. The text of a key is in
key_text; of it only the digest is kept."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from uuid import UUID

from services.payments.model.principal import Principal
from services.shared.errors import (
    Forbidden,
    NotAllowedNow,
    NotAuthenticated,
    NotFound,
    Unavailable,
    field_invalid,
)
from services.shared.ids import Prefix, decode_id, encode_id

KEYS_MAX = 100
# So many may be made in a day (CREDENTIALS_DAY).
KEYS_A_DAY_MAX = 500
ADDRESSES_MAX = 50
OVERLAP_HOURS_MAX = 72
# The maker of a first key, in its `created_by`.
COMMAND = "command"
Network = IPv4Network | IPv6Network


class CredentialsMissing(NotAuthenticated):
    """The call has no credentials; send `authorization: Bearer <api key>`."""

    reason = "CREDENTIALS_MISSING"


class CredentialsAmbiguous(NotAuthenticated):
    """The call has more than one credential; send one, once."""

    reason = "CREDENTIALS_AMBIGUOUS"


class CredentialsUnverifiable(Unavailable):
    """Whether the credential is good cannot be found out now; retry in a moment."""

    reason = "CREDENTIALS_UNVERIFIABLE"


class ApiKeyInvalid(NotAuthenticated):
    """The API key is unknown."""

    reason = "API_KEY_INVALID"


class ApiKeyMistyped(NotAuthenticated):
    """The API key is cut off or mistyped."""

    reason = "API_KEY_MISTYPED"


class ApiKeyOfOtherDeployment(NotAuthenticated):
    """A live deployment takes live keys, and any other takes test keys."""

    reason = "API_KEY_OF_OTHER_DEPLOYMENT"


class ApiKeyExpired(NotAuthenticated):
    """The API key has ended."""

    reason = "API_KEY_EXPIRED"


class ApiKeyRevoked(NotAuthenticated):
    """The API key was revoked."""

    reason = "API_KEY_REVOKED"


class AddressNotAllowed(Forbidden):
    """The API key may not be used from this address."""

    reason = "ADDRESS_NOT_ALLOWED"


class MerchantDisabled(Forbidden):
    """The merchant may make no calls any more."""

    reason = "MERCHANT_DISABLED"


class PrincipalNotAllowed(Forbidden):
    """The call is for another kind of principal."""

    reason = "PRINCIPAL_NOT_ALLOWED"


class ScopeMissing(Forbidden):
    """The credential lacks a scope that is needed."""

    reason = "SCOPE_MISSING"


class MerchantNotFound(NotFound):
    """No merchant has this id."""

    reason = "MERCHANT_NOT_FOUND"


class KeyNotFound(NotFound):
    """No key of this merchant has this id."""

    reason = "KEY_NOT_FOUND"


class KeyNotActive(NotAllowedNow):
    """The key has ended, or was rolled before."""

    reason = "KEY_NOT_ACTIVE"


class KeysExhausted(NotAllowedNow):
    """There are as many active keys as there may be, or as many were made in a day."""

    reason = "KEYS_EXHAUSTED"


class KeyStatus(StrEnum):
    """Whether a key may be used, as the public API shows it."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, kw_only=True)
class Merchant:
    """The owner of payments and keys."""

    id: str
    display_name: str
    created_at: datetime
    disabled_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Key:
    """A key without its text; the digest is of that text."""

    id: UUID
    name: str
    digest: bytes = field(repr=False)
    scopes: frozenset[str]
    # Empty where every address may use it.
    addresses: tuple[Network, ...] = ()
    created_at: datetime
    # Public id of the credential that made it, or COMMAND.
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    rolled_to: UUID | None = None
    # Where its text was found, by the report that has revoked it; empty where none has.
    leak_place: str = ""
    last_used_at: datetime | None = None

    def status(self, now: datetime) -> KeyStatus:
        """Whether it may be used at a time."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyStatus.EXPIRED
        return KeyStatus.ACTIVE

    def ended_before(self, moment: datetime) -> bool:
        """Whether it had ended before then."""
        return any(end < moment for end in (self.revoked_at, self.expires_at) if end is not None)

    def check_usable(self, now: datetime) -> None:
        """Raises ApiKeyRevoked, ApiKeyExpired."""
        status = self.status(now)
        if status is KeyStatus.REVOKED:
            raise ApiKeyRevoked(key_id=self.key_id)
        if status is KeyStatus.EXPIRED:
            raise ApiKeyExpired(key_id=self.key_id)

    def check_address(self, address: str) -> None:
        """Raises AddressNotAllowed for an address that is not listed, where addresses are."""
        if not self.addresses:
            return
        try:
            client = ip_address(address)
        except ValueError:
            raise AddressNotAllowed from None
        client = getattr(client, "ipv4_mapped", None) or client
        if not any(client in network for network in self.addresses):
            raise AddressNotAllowed

    @property
    def key_id(self) -> str:
        """The public id: the prefix of the kind of key, and the id in 26 letters and digits."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class MerchantKey(Key):
    """A key by which a merchant's programs call; it reaches that merchant's payments alone."""

    merchant_id: str

    @property
    def key_id(self) -> str:
        """The public id, for example key_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.API_KEY, self.id)


@dataclass(frozen=True, kw_only=True)
class OperatorKey(Key):
    """A key by which one operator calls; the log of actions names that operator."""

    # The name that the audit trail shows.
    operator: str

    @property
    def key_id(self) -> str:
        """The public id, for example opk_01jd8x3v9me7rb5k3n6q2f4h8z."""
        return encode_id(Prefix.OPERATOR_KEY, self.id)


def read_merchant_id(text: str) -> str:
    """The id of a merchant. Raises MerchantNotFound for a text that can be none; the merchant of a
    sandbox, which needs no key, has no such id."""
    if decode_id(Prefix.MERCHANT, text) is None:
        raise MerchantNotFound(merchant_id=text)
    return text


def read_key_id(text: str) -> UUID:
    """The id of a merchant's key. Raises KeyNotFound for any other text."""
    key_id = decode_id(Prefix.API_KEY, text)
    if key_id is None:
        raise KeyNotFound(key_id=text)
    return key_id


def check_bounds(
    expires_at: datetime | None, addresses: Sequence[Network], principal: Principal, now: datetime
) -> None:
    """Raises Invalid as check_future and check_within do."""
    check_future(expires_at, now)
    check_within(expires_at, addresses, principal)


def check_future(expires_at: datetime | None, now: datetime) -> None:
    """Raises Invalid for a new key that would have ended already."""
    if expires_at is not None and expires_at <= now:
        raise field_invalid("expires_at", "expires_at must be in the future")


def check_within(
    expires_at: datetime | None, addresses: Sequence[Network], principal: Principal
) -> None:
    """Raises Invalid for a key that would go on longer than the credential that makes it, or serve
    at more addresses."""
    if principal.expires_at and (expires_at is None or expires_at > principal.expires_at):
        raise field_invalid("expires_at", "expires_at must not be later than your own credential's")
    if not principal.addresses:
        return
    if not addresses or not all(_is_within(one, principal.addresses) for one in addresses):
        words = "allowed_addresses must be within those of your own credential"
        raise field_invalid("allowed_addresses", words)


def _is_within(network: Network, others: Sequence[Network]) -> bool:
    ends = (network.network_address, network.broadcast_address)
    return any(all(end in other for end in ends) for other in others)


def check_granted(wanted: Collection[str], granted: Collection[str]) -> None:
    """Raises ScopeMissing where a scope is wanted that is not granted."""
    if missing := sorted(set(wanted) - set(granted)):
        raise ScopeMissing(scopes=",".join(missing))
