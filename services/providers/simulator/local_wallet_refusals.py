"""The words of the wallet where it does not take a payout, and where one fails: each refusal that
can be asked for by its number."""

NETWORK_DOWN = ("network_down", "The network could not pay it out.")
UNREACHABLE = ("recipient_unreachable", "The recipient's wallet cannot be reached.")
NO_BALANCE = (422, "insufficient_balance", "the balance does not suffice for this payout")
UNAUTHENTICATED = (401, "unauthenticated", "the key is not known")
# HTTP status, code, message. Rows are only ever added at the end: their numbers are used.
REFUSALS = (
    (422, "recipient_unknown", "no wallet has this account"),
    (422, "recipient_closed", "the wallet is closed"),
    (422, "recipient_blocked", "the wallet is blocked"),
    (422, "recipient_name_mismatch", "the wallet belongs to another name"),
    (422, "recipient_unreachable", "the wallet cannot be reached"),
    (422, "recipient_limit_exceeded", "the wallet may hold no more"),
    (422, "recipient_invalid", "recipient must have an account"),
    NO_BALANCE,
    (422, "limit_exceeded", "the daily limit is used up"),
    (422, "payouts_unavailable", "payouts are switched off for this account"),
    (422, "amount_invalid", "amount_minor must be a positive integer"),
    (422, "currency_unsupported", "currency must be an ISO 4217 code"),
    (400, "reference_invalid", "reference must be 1 to 80 plain characters"),
    (400, "body_invalid", "the body must be a JSON object"),
    UNAUTHENTICATED,
    (403, "forbidden", "the key may not pay out"),
)
# The cause of a payout that fails: code and message.
FAILURES = (
    ("recipient_unknown", "No wallet has this account."),
    ("recipient_closed", "The wallet is closed."),
    ("recipient_blocked", "The wallet is blocked."),
    ("recipient_name_mismatch", "The wallet belongs to another name."),
    UNREACHABLE,
    ("recipient_limit_exceeded", "The wallet may hold no more."),
    ("limit_exceeded", "The daily limit is used up."),
    NETWORK_DOWN,
)
