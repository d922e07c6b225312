"""The words of Stripe where it does not take a charge: refusals of the request, and declines of the
card, each of which can be asked for by its number."""

from typing import Any

Json = dict[str, Any]

_INVALID = "invalid_request_error"


def _invalid(status: int, code: str, param: str, message: str) -> tuple[int, Json]:
    error = {"type": _INVALID, "message": message}
    named = {"code": code, "param": param}
    return status, {"error": {**error, **{name: text for name, text in named.items() if text}}}


# Status and body. Rows are only ever added at the end: their numbers are used.
REFUSALS = (
    _invalid(400, "amount_too_small", "amount", "Amount must be at least $0.50 usd"),
    _invalid(400, "amount_too_large", "amount", "Amount must be no more than $999,999.99"),
    _invalid(400, "resource_missing", "payment_method", "No such PaymentMethod: 'pm_1'"),
    _invalid(400, "", "currency", "Invalid currency: usx."),
    *(
        _invalid(400, code, "", f"The request was refused: {code}.")
        for code in (
            "invalid_charge_amount",
            "charge_exceeds_source_limit",
            "charge_exceeds_transaction_limit",
            "country_unsupported",
            "parameter_invalid_empty",
            "parameter_invalid_integer",
            "parameter_invalid_string_blank",
            "parameter_invalid_string_empty",
            "parameter_missing",
            "parameter_unknown",
            "parameters_exclusive",
            "payment_intent_invalid_parameter",
            "payment_method_types_no_longer_supported",
            "invalid_characters",
            "expired_payment_method",
            "invalid_card_type",
            "payment_intent_incompatible_payment_method",
            "payment_method_currency_mismatch",
            "payment_method_invalid_parameter",
            "payment_method_not_available",
            "payment_method_restricted",
            "payment_method_unactivated",
            "payment_method_unexpected_state",
            "payment_method_unsupported_type",
            "payment_method_invalid_parameter_testmode",
            "token_already_used",
            "token_in_use",
            "account_invalid",
            "capability_not_active",
            "request_blocked",
            "action_blocked",
            "livemode_mismatch",
            "secret_key_required",
            "testmode_charges_only",
            "tls_version_unsupported",
        )
    ),
    _invalid(401, "", "", "Invalid API Key provided."),
    _invalid(401, "api_key_expired", "", "Expired API Key provided."),
    _invalid(401, "platform_api_key_expired", "", "Expired API Key provided."),
    _invalid(401, "secret_key_required", "", "This API call requires a secret key."),
    _invalid(403, "", "", "The provided key does not have access to this account."),
    _invalid(403, "capability_not_active", "", "The account may not take card payments."),
    _invalid(403, "more_permissions_required", "", "The key lacks a permission."),
    _invalid(403, "request_blocked", "", "The request was blocked."),
)
# The issuer's decline code, beside Stripe's code where that is not "card_declined".
DECLINES = (
    *(
        ("card_declined", code)
        for code in (
            "approve_with_id",
            "authentication_not_handled",
            "authentication_required",
            "call_issuer",
            "card_declined",
            "card_not_supported",
            "card_velocity_exceeded",
            "currency_not_supported",
            "do_not_honor",
            "do_not_try_again",
            "duplicate_transaction",
            "fraudulent",
            "generic_decline",
            "highest_risk_level",
            "insufficient_funds",
            "invalid_account",
            "invalid_amount",
            "invalid_pin",
            "incorrect_pin",
            "issuer_not_available",
            "live_mode_test_card",
            "lost_card",
            "merchant_blacklist",
            "new_account_information_available",
            "no_action_taken",
            "not_permitted",
            "offline_pin_required",
            "online_or_offline_pin_required",
            "pickup_card",
            "pin_try_exceeded",
            "reenter_transaction",
            "restricted_card",
            "revocation_of_all_authorizations",
            "revocation_of_authorization",
            "security_violation",
            "service_not_allowed",
            "stolen_card",
            "stop_payment_order",
            "testmode_decline",
            "transaction_not_allowed",
            "try_again_later",
            "withdrawal_count_limit_exceeded",
        )
    ),
    *(
        (code, code)
        for code in (
            "expired_card",
            "incorrect_cvc",
            "incorrect_number",
            "incorrect_zip",
            "incorrect_address",
            "invalid_cvc",
            "invalid_expiry_month",
            "invalid_expiry_year",
            "invalid_number",
            "processing_error",
        )
    ),
    *(
        (code, "")
        for code in (
            "authentication_failure",
            "card_decline_rate_limit_exceeded",
            "incorrect_postal_code",
            "payment_intent_authentication_failure",
            "payment_method_customer_decline",
            "payment_method_provider_decline",
            "postal_code_invalid",
        )
    ),
    ("card_declined", ""),
)
