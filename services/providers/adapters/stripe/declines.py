"""Why Stripe does not take a charge: the decline codes of card issuers, the codes of refused
requests, and our codes. Both lists are Stripe's published ones, as far as a card payment can meet
them."""

from collections.abc import Mapping

from services.providers.adapters.kit.refusals import (
    AMOUNT_INVALID,
    CURRENCY_UNSUPPORTED,
    REQUEST_INVALID,
)
from services.providers.failures import ACCESS_REFUSED, CREDENTIALS_REFUSED, LIMIT_EXCEEDED

CARD_DECLINED = "card_declined"
CARD_INVALID = "card_invalid"
PAYMENT_METHOD_INVALID = "payment_method_invalid"
PAYMENT_METHOD_UNKNOWN = "payment_method_unknown"
AUTHENTICATION_FAILED = "authentication_failed"
AUTHENTICATION_REQUIRED = "authentication_required"

# A decline is definitive: Stripe keeps it under our key. An issuer's code that is not here, and
# none at all, is "card_declined" as well. By Stripe's rules a payer is not to learn of the reasons
# that it names fraud, loss or theft for; the code is for the merchant.
DECLINES: Mapping[str, str] = {
    "approve_with_id": CARD_DECLINED,
    "authentication_failure": AUTHENTICATION_FAILED,
    "authentication_not_handled": AUTHENTICATION_REQUIRED,
    "authentication_required": AUTHENTICATION_REQUIRED,
    "call_issuer": CARD_DECLINED,
    "card_decline_rate_limit_exceeded": "card_velocity_exceeded",
    "card_declined": CARD_DECLINED,
    "card_not_supported": "card_not_supported",
    "card_velocity_exceeded": "card_velocity_exceeded",
    "currency_not_supported": "card_not_supported",
    "do_not_honor": CARD_DECLINED,
    "do_not_try_again": CARD_DECLINED,
    "duplicate_transaction": "duplicate_transaction",
    "expired_card": "expired_card",
    "fraudulent": "fraudulent",
    "generic_decline": CARD_DECLINED,
    "highest_risk_level": "fraudulent",
    "incorrect_address": CARD_INVALID,
    "incorrect_cvc": "incorrect_cvc",
    "incorrect_number": CARD_INVALID,
    "incorrect_pin": CARD_DECLINED,
    "incorrect_postal_code": CARD_INVALID,
    "incorrect_zip": CARD_INVALID,
    "insufficient_funds": "insufficient_funds",
    "invalid_account": CARD_INVALID,
    "invalid_amount": CARD_DECLINED,
    "invalid_cvc": "incorrect_cvc",
    "invalid_expiry_month": CARD_INVALID,
    "invalid_expiry_year": CARD_INVALID,
    "invalid_number": CARD_INVALID,
    "invalid_pin": CARD_DECLINED,
    "issuer_not_available": "issuer_not_available",
    "live_mode_test_card": PAYMENT_METHOD_UNKNOWN,
    "lost_card": "lost_card",
    "merchant_blacklist": "fraudulent",
    "new_account_information_available": CARD_INVALID,
    "no_action_taken": CARD_DECLINED,
    "not_permitted": "card_not_supported",
    "offline_pin_required": CARD_DECLINED,
    "online_or_offline_pin_required": CARD_DECLINED,
    "payment_intent_authentication_failure": AUTHENTICATION_FAILED,
    "payment_method_customer_decline": CARD_DECLINED,
    "payment_method_provider_decline": CARD_DECLINED,
    "pickup_card": "stolen_card",
    "pin_try_exceeded": CARD_DECLINED,
    "postal_code_invalid": CARD_INVALID,
    "processing_error": "processing_error",
    "reenter_transaction": "processing_error",
    "restricted_card": "card_not_supported",
    "revocation_of_all_authorizations": CARD_DECLINED,
    "revocation_of_authorization": CARD_DECLINED,
    "security_violation": CARD_DECLINED,
    "service_not_allowed": "card_not_supported",
    "stolen_card": "stolen_card",
    "stop_payment_order": CARD_DECLINED,
    "testmode_decline": PAYMENT_METHOD_UNKNOWN,
    "transaction_not_allowed": "card_not_supported",
    "try_again_later": "issuer_not_available",
    "withdrawal_count_limit_exceeded": "card_velocity_exceeded",
}
# The codes of a request that is refused with 400 before anything is begun. A code that stands here
# for one parameter only means something else elsewhere.
REFUSED_CODES: Mapping[str, str] = {
    "amount_too_large": "amount_too_large",
    "amount_too_small": "amount_too_small",
    "invalid_charge_amount": AMOUNT_INVALID,
    "charge_exceeds_source_limit": LIMIT_EXCEEDED,
    "charge_exceeds_transaction_limit": LIMIT_EXCEEDED,
    "country_unsupported": REQUEST_INVALID,
    "parameter_invalid_empty": REQUEST_INVALID,
    "parameter_invalid_integer": REQUEST_INVALID,
    "parameter_invalid_string_blank": REQUEST_INVALID,
    "parameter_invalid_string_empty": REQUEST_INVALID,
    "parameter_missing": REQUEST_INVALID,
    "parameter_unknown": REQUEST_INVALID,
    "parameters_exclusive": REQUEST_INVALID,
    "payment_intent_invalid_parameter": REQUEST_INVALID,
    "payment_method_types_no_longer_supported": REQUEST_INVALID,
    "invalid_characters": REQUEST_INVALID,
    "expired_payment_method": PAYMENT_METHOD_INVALID,
    "invalid_card_type": PAYMENT_METHOD_INVALID,
    "payment_intent_incompatible_payment_method": PAYMENT_METHOD_INVALID,
    "payment_method_currency_mismatch": PAYMENT_METHOD_INVALID,
    "payment_method_invalid_parameter": PAYMENT_METHOD_INVALID,
    "payment_method_not_available": PAYMENT_METHOD_INVALID,
    "payment_method_restricted": PAYMENT_METHOD_INVALID,
    "payment_method_unactivated": PAYMENT_METHOD_INVALID,
    "payment_method_unexpected_state": PAYMENT_METHOD_INVALID,
    "payment_method_unsupported_type": PAYMENT_METHOD_INVALID,
    "payment_method_invalid_parameter_testmode": PAYMENT_METHOD_UNKNOWN,
    "token_already_used": PAYMENT_METHOD_INVALID,
    "token_in_use": PAYMENT_METHOD_INVALID,
    "account_invalid": ACCESS_REFUSED,
    "capability_not_active": ACCESS_REFUSED,
    "request_blocked": ACCESS_REFUSED,
    "action_blocked": ACCESS_REFUSED,
    "livemode_mismatch": CREDENTIALS_REFUSED,
    "secret_key_required": CREDENTIALS_REFUSED,
    "testmode_charges_only": CREDENTIALS_REFUSED,
    "tls_version_unsupported": REQUEST_INVALID,
}
# The same where the code alone says too little: by code and parameter.
REFUSED_PARAMETERS: Mapping[tuple[str, str], str] = {
    ("resource_missing", "payment_method"): PAYMENT_METHOD_UNKNOWN,
    ("", "currency"): CURRENCY_UNSUPPORTED,
}
# Refusals of whoever asks, by HTTP status and code, before the key is looked at: they say nothing
# of an earlier try.
ACCESS_CODES: Mapping[tuple[int, str], str] = {
    (401, ""): CREDENTIALS_REFUSED,
    (401, "api_key_expired"): CREDENTIALS_REFUSED,
    (401, "platform_api_key_expired"): CREDENTIALS_REFUSED,
    (401, "secret_key_required"): CREDENTIALS_REFUSED,
    (403, ""): ACCESS_REFUSED,
    (403, "capability_not_active"): ACCESS_REFUSED,
    (403, "more_permissions_required"): ACCESS_REFUSED,
    (403, "request_blocked"): ACCESS_REFUSED,
}
DEFINITIVE = frozenset(
    {*DECLINES.values(), *REFUSED_CODES.values(), *REFUSED_PARAMETERS.values()}
    | {*ACCESS_CODES.values(), CARD_DECLINED}
)


def decline_code(said: Mapping[str, str]) -> str:
    """Our code of a decline, by the issuer's code or, where it gives none, by Stripe's."""
    for name in ("decline_code", "code"):
        if ours := DECLINES.get(said[name]):
            # "card_declined" is Stripe's own word for any decline: the issuer's says more.
            return ours
    return CARD_DECLINED


def refused_code(code: str, parameter: str) -> str | None:
    """Our code of a request that was refused with 400; None where that proves nothing."""
    return REFUSED_PARAMETERS.get((code, parameter)) or REFUSED_CODES.get(code)
