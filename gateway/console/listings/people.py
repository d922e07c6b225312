"""The lists of operators' actions, of merchants and of keys."""

from gateway.console.fields import Field
from gateway.console.listings.model import MERCHANT, OF_MERCHANT, Listing
from gateway.console.tables import Column

ACTIONS = Listing(
    "/actions",
    "Audit trail",
    "The actions of operators, also those that were refused, the latest first.",
    "ListOperatorActions",
    "actions",
    (
        Column("Time", "acted_at", "instant"),
        Column("Operator", "operator"),
        Column("Action", "action"),
        Column("Subject", "subject", "code"),
        Column("Refusal", "refusal", "word", absent="done"),
        Column("Note", "note", "long"),
        Column("Provider's answer", "provider_answer"),
        Column("Credential", "credential_id", "code", is_extra=True),
        Column("Address", "address"),
        Column("Request", "request_id", "code", is_extra=True),
        OF_MERCHANT,
    ),
    filters=(
        Field("operator", "Operator"),
        Field("action", "Action"),
        Field("subject", "Subject"),
        Field("acted_after", "From", "instant"),
        Field("acted_before", "Before", "instant"),
        MERCHANT,
    ),
)
_KEY = (
    Column("Status", "status", "state"),
    Column("Scopes", "scopes", "list"),
    Column("Addresses", "allowed_addresses", "list", absent="every one"),
    Column("Created", "created_at", "age"),
    Column("Created by", "created_by", "code", is_extra=True),
    Column("Last used", "last_used_at", "age", absent="never"),
    Column("Ends", "expires_at", "left", absent="no end"),
    Column("Rolled to", "rolled_to", "code"),
    Column("Leaked at", "leak_place"),
)
OPERATOR_KEYS = Listing(
    "/operator-keys",
    "Keys of operators",
    "The newest first, those that have ended too.",
    "ListOperatorKeys",
    "keys",
    (
        Column("Key", "key_id", "code"),
        Column("Operator", "operator"),
        Column("Name", "name"),
        *_KEY,
    ),
    row_verbs=("roll-operator-key", "revoke-operator-key"),
    page_verbs=("create-operator-key",),
)
ENDPOINTS = Listing(
    "/endpoints",
    "Endpoints",
    "Of all merchants, the newest first. A payment's page has each of its deliveries.",
    "ListMerchantEndpoints",
    "endpoints",
    (
        Column("Endpoint", "endpoint_id", "code"),
        OF_MERCHANT,
        Column("URL", "url", "word"),
        Column("Waiting", "waiting", "number"),
        Column("Failing", "failing", "number"),
        Column("Next try", "next_try_at", "left"),
        Column("Last error", "last_error", "long"),
        Column("Set aside", "set_aside", "number"),
        Column("Created", "created_at", "age", is_extra=True),
        Column("Disabled", "disabled_at", "age"),
        Column("Why", "disabled_reason"),
    ),
    filters=(MERCHANT,),
    row_verbs=("replay-endpoint",),
)
MERCHANTS = Listing(
    "/merchants",
    "Merchants",
    "The newest first, disabled ones too.",
    "ListMerchants",
    "merchants",
    (
        Column("Merchant", "merchant_id", "code", link="/merchants/{merchant_id}/keys"),
        Column("Name", "name"),
        Column("Status", "status", "state"),
        Column("Created", "created_at", "age"),
        Column("Disabled", "disabled_at", "age", absent="no"),
    ),
    row_verbs=("disable-merchant", "enable-merchant"),
    page_verbs=("create-merchant",),
)
MERCHANT_KEYS = Listing(
    "/merchants/{merchant_id}/keys",
    "Keys of a merchant",
    "The newest first, those that have ended too.",
    "ListMerchantKeys",
    "keys",
    (Column("Key", "key_id", "code"), Column("Name", "name"), *_KEY),
    row_verbs=("revoke-merchant-key",),
    page_verbs=("create-merchant-key", "revoke-merchant-keys"),
)
