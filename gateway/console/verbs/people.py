"""The verbs on merchants and keys."""

from gateway.console.fields import Field
from gateway.console.verbs.model import NOTE, Verb

MERCHANT_ID = Field("merchant_id", "Merchant", is_required=True)
KEY_ID = Field("key_id", "Key", is_required=True)
ADDRESSES = Field(
    "allowed_addresses", "Addresses", "lines", "One address or network a line. None: every address."
)
EXPIRES_AT = Field("expires_at", "Ends", "instant", "In UTC. Empty: it has no end of its own.")

PEOPLE_VERBS = (
    Verb(
        "create-operator-key",
        "Make a key",
        "The key is shown once. It ends no later than your own credential.",
        (
            Field("operator", "Operator", hint="The name in the audit trail.", is_required=True),
            Field("name", "Name of the key", hint="For example laptop.", is_required=True),
            Field(
                "roles",
                "Roles",
                "several",
                is_required=True,
                options=("viewer", "operator", "approver", "auditor", "admin"),
            ),
            ADDRESSES,
            EXPIRES_AT,
        ),
        call="CreateOperatorKey",
        back="/operator-keys",
    ),
    Verb(
        "roll-operator-key",
        "Roll",
        "Another key takes its place, and is shown once.",
        (
            Field(
                "overlap_hours",
                "Overlap in hours",
                "number",
                "The old key serves so long, 0 to 72. With 0 it is revoked at once.",
                is_required=True,
                usual="1",
            ),
        ),
        call="RollOperatorKey",
        subject=(KEY_ID,),
        back="/operator-keys",
        only_when={"status": ("ACTIVE",)},
    ),
    Verb(
        "revoke-operator-key",
        "Revoke",
        "Within a second the key is refused everywhere.",
        call="RevokeOperatorKey",
        subject=(KEY_ID,),
        back="/operator-keys",
        only_when={"status": ("ACTIVE",)},
        is_final=True,
    ),
    Verb(
        "create-merchant",
        "Create a merchant",
        "It has no key yet.",
        (Field("name", "Name", hint="For example Acme Ltd.", is_required=True),),
        call="CreateMerchant",
        back="/merchants",
        is_keyed=True,
    ),
    Verb(
        "disable-merchant",
        "Disable",
        "Within a second all its keys and tokens are refused. Its payments go on to their ends.",
        (NOTE,),
        call="DisableMerchant",
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants",
        only_when={"status": ("ENABLED",)},
    ),
    Verb(
        "enable-merchant",
        "Enable",
        "Within a second its keys and tokens serve again.",
        (NOTE,),
        call="EnableMerchant",
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants",
        only_when={"status": ("DISABLED",)},
    ),
    Verb(
        "create-merchant-key",
        "Make the first key",
        "The key has all scopes of a merchant, and is shown once.",
        (Field("name", "Name of the key", is_required=True), ADDRESSES, EXPIRES_AT),
        call="CreateMerchantKey",
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants/{merchant_id}/keys",
    ),
    Verb(
        "revoke-merchant-key",
        "Revoke",
        "Within a second the key is refused everywhere.",
        (NOTE,),
        call="RevokeMerchantKey",
        subject=(MERCHANT_ID, KEY_ID),
        back="/merchants/{merchant_id}/keys",
        only_when={"status": ("ACTIVE",)},
        is_final=True,
    ),
    Verb(
        "revoke-merchant-keys",
        "Revoke all keys",
        "Within a second each active key of the merchant is refused everywhere.",
        (NOTE,),
        call="RevokeMerchantKeys",
        fixed={"all": True},
        subject=(MERCHANT_ID,),
        shows="GetMerchant",
        back="/merchants/{merchant_id}/keys",
        is_final=True,
    ),
)
