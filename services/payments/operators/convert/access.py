"""The operators' requests about merchants and about keys, and the answers."""

import re
from collections.abc import Sequence

from caravel.payments.v1 import merchants_pb2, operator_keys_pb2

from services.payments.base.convert import timestamp
from services.payments.base.paging import read_page_size, read_token, write_token
from services.payments.base.problems import Problems
from services.payments.merchants.convert import (
    MERCHANT_SCOPES,
    read_addresses,
    read_end,
    read_name,
)
from services.payments.merchants.domain import COMMAND, Merchant, Network
from services.payments.merchants.usecases import KeyOrder
from services.payments.model.operator import Operator, operator_of
from services.payments.model.principal import CredentialKind, Principal
from services.payments.model.roles import ROLES, scopes_of_roles
from services.payments.operators.convert.payments import NOTE_MAX
from services.payments.operators.domain import CLOCK
from services.payments.operators.keys import OperatorKeyOrder, ShownKey
from services.shared.errors import field_invalid
from services.shared.ids import Prefix, decode_id, encode_id
from services.shared.text import limited_text

# The name of a key that the command line makes.
FIRST_KEY = "first key"
# Acts where the command line does, and nobody who has a credential.
COMMAND_PRINCIPAL = Principal(
    kind=CredentialKind.COMMAND, merchant_id=None, scopes=frozenset(), name=COMMAND
)
BY_COMMAND = operator_of(COMMAND_PRINCIPAL)
_OPERATOR_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
# The log of actions has them for the command line, for a sandbox's callers, and for the clock.
_NAMES_TAKEN = (COMMAND, "sandbox", CLOCK)
_Noted = (
    merchants_pb2.DisableMerchantRequest
    | merchants_pb2.EnableMerchantRequest
    | merchants_pb2.RevokeMerchantKeyRequest
    | merchants_pb2.RevokeMerchantKeysRequest
)


def read_operator(request: _Noted, principal: Principal) -> Operator:
    """The operator of the credential, with the reason. Raises Invalid."""
    return operator_of(principal, limited_text("note", NOTE_MAX)(request.note))


def read_all(request: merchants_pb2.RevokeMerchantKeysRequest) -> None:
    """Raises Invalid where the request does not say that all are meant."""
    if not request.all:
        raise field_invalid("all", "all must be true: it says that all keys end", "FIELD_REQUIRED")


def command_with(note: str) -> Operator:
    """The command, with the reason. Raises Invalid."""
    return operator_of(COMMAND_PRINCIPAL, limited_text("note", NOTE_MAX)(note))


def command_first_key(name: str = FIRST_KEY) -> KeyOrder:
    """The order of the command for a merchant's first key. Raises Invalid."""
    return KeyOrder(name=read_name(name), scopes=MERCHANT_SCOPES, addresses=(), expires_at=None)


def read_first_key(request: merchants_pb2.CreateMerchantKeyRequest) -> KeyOrder:
    """A validated order for a merchant's first key. Raises Invalid with every wrong field."""
    problems = Problems()
    name = problems.read(read_name, request.name, "")
    addresses: tuple[Network, ...] = problems.read(
        lambda _: read_addresses(request.allowed_addresses), "", ()
    )
    expires_at = problems.read(lambda _: read_end(request), "", None)
    problems.raise_any()
    return KeyOrder(name=name, scopes=MERCHANT_SCOPES, addresses=addresses, expires_at=expires_at)


def read_merchants_request(
    request: merchants_pb2.ListMerchantsRequest,
) -> tuple[str | None, int]:
    """The merchant to list after, and how many. Raises Invalid."""
    before = read_token(request.page_token, _read_place) if request.page_token else None
    return before, read_page_size(request.page_size)


def _read_place(words: list[str]) -> str:
    if decode_id(Prefix.MERCHANT, words[0]) is None:
        raise ValueError
    return words[0]


def write_merchants(
    page: Sequence[Merchant], rest: str | None
) -> merchants_pb2.ListMerchantsResponse:
    """A page of merchants."""
    return merchants_pb2.ListMerchantsResponse(
        merchants=[write_merchant(merchant) for merchant in page],
        next_page_token="" if rest is None else write_token([rest]),
    )


def write_merchant(merchant: Merchant) -> merchants_pb2.Merchant:
    """A merchant as operators see it."""
    is_disabled = merchant.disabled_at is not None
    return merchants_pb2.Merchant(
        merchant_id=merchant.id,
        name=merchant.display_name,
        status=merchants_pb2.Merchant.DISABLED if is_disabled else merchants_pb2.Merchant.ENABLED,
        created_at=timestamp(merchant.created_at),
        disabled_at=timestamp(merchant.disabled_at) if merchant.disabled_at else None,
    )


def read_key_order(request: operator_keys_pb2.CreateOperatorKeyRequest) -> OperatorKeyOrder:
    """A validated order for an operator's key. Raises Invalid with every field that is wrong."""
    problems = Problems()
    operator = problems.read(read_operator_name, request.operator, "")
    name = problems.read(read_name, request.name, "")
    roles: tuple[str, ...] = problems.read(lambda _: _read_roles(request.roles), "", ())
    addresses: tuple[Network, ...] = problems.read(
        lambda _: read_addresses(request.allowed_addresses), "", ()
    )
    expires_at = problems.read(lambda _: read_end(request), "", None)
    problems.raise_any()
    return OperatorKeyOrder(
        operator=operator,
        name=name,
        scopes=scopes_of_roles(roles),
        addresses=addresses,
        expires_at=expires_at,
    )


def read_command_order(operator: str, roles: Sequence[str]) -> OperatorKeyOrder:
    """The order of the command that makes a key. Raises Invalid."""
    name = read_operator_name(operator)
    scopes = scopes_of_roles(_read_roles(roles))
    return OperatorKeyOrder(operator=name, name=FIRST_KEY, scopes=scopes)


def read_operator_name(text: str) -> str:
    """The name of an operator, in characters of which no two look alike. Raises Invalid."""
    field = "operator"
    if not text:
        raise field_invalid(field, f"{field} is required", "FIELD_REQUIRED")
    if not _OPERATOR_NAME.fullmatch(text) or text in _NAMES_TAKEN:
        words = "a letter or digit, then up to 63 letters, digits and . _ @ + -; not"
        raise field_invalid(field, f"{field} must be {words} {' or '.join(_NAMES_TAKEN)}")
    return text


def _read_roles(names: Sequence[str]) -> tuple[str, ...]:
    """Roles by their names. Raises Invalid."""
    if not names:
        raise field_invalid("roles", "roles is required, at least one", "FIELD_REQUIRED")
    for index, name in enumerate(names):
        if name not in ROLES:
            words = f"each role must be one of {', '.join(sorted(ROLES))}"
            raise field_invalid(f"roles[{index}]", words)
    return tuple(names)


def write_key(shown: ShownKey) -> operator_keys_pb2.OperatorKey:
    """An operator's key as it is listed."""
    key = shown.key
    return operator_keys_pb2.OperatorKey(
        key_id=key.key_id,
        operator=key.operator,
        name=key.name,
        status=operator_keys_pb2.OperatorKey.Status.Value(key.status(shown.now)),
        scopes=sorted(key.scopes),
        allowed_addresses=[str(network) for network in key.addresses],
        created_at=timestamp(key.created_at),
        created_by=key.created_by,
        expires_at=timestamp(key.expires_at) if key.expires_at else None,
        last_used_at=timestamp(key.last_used_at) if key.last_used_at else None,
        revoked_at=timestamp(key.revoked_at) if key.revoked_at else None,
        rolled_to=encode_id(Prefix.OPERATOR_KEY, key.rolled_to) if key.rolled_to else "",
        leak_place=key.leak_place,
    )


def write_new_key(shown: ShownKey) -> operator_keys_pb2.NewOperatorKey:
    """A key with its text, which is shown this once."""
    return operator_keys_pb2.NewOperatorKey(key=write_key(shown), api_key=shown.text)
