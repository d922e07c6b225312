"""The words of Paystack where it does not take a recipient or a transfer, and where a transfer
fails: each refusal that can be asked for by its number. The words are those of its published
list."""

VALIDATION, API, PROCESSOR = "validation_error", "api_error", "processor_error"
UNAUTHORIZED = (401, "invalid_Key", "Invalid key", VALIDATION)
NO_BALANCE = (
    400,
    "insufficient_balance",
    "Your balance is not enough to fulfil this request",
    API,
)
# HTTP status, code, message, type. Rows are only ever added at the end: their numbers are used.
RECIPIENT_REFUSALS = (
    (400, "missing_params", "Account number is required", VALIDATION),
    (400, "missing_params", "account_number is required", VALIDATION),
    (400, "invalid_params", "Account number is invalid", VALIDATION),
    (400, "invalid_params", "Account number should be numeric", VALIDATION),
    (400, "invalid_params", "Account number must be at least 6 digits in length", VALIDATION),
    (
        400,
        "missing_params",
        "Either authorization_code or account_number must be passed.",
        VALIDATION,
    ),
    (400, "invalid_params", "Cannot resolve account", VALIDATION),
    (
        400,
        "invalid_params",
        "Could not resolve account name. Check parameters or try again.",
        VALIDATION,
    ),
    (400, "invalid_params", "Account closed", VALIDATION),
    (400, "invalid_bank_code", "Bank code is invalid", VALIDATION),
    (400, "unknown", "Unknown bank code", VALIDATION),
    (400, "invalid_params", "Bank is invalid", VALIDATION),
    (400, "missing_params", "bank_code is required", VALIDATION),
    (400, "invalid_params", "Type is not available for this currency", VALIDATION),
    UNAUTHORIZED,
    (401, "", "No Authorization Header was found", VALIDATION),
    (401, "", "Format is Authorization Bearer [secret key]", VALIDATION),
    (401, "", "Authentication token expired", VALIDATION),
    (
        401,
        "",
        "Error: You do not have privileges for this action. Kindly contact Admin.",
        VALIDATION,
    ),
)
TRANSFER_REFUSALS = (
    NO_BALANCE,
    (400, "unknown", "Your balance is not enough to fulfill this request", API),
    (400, "transfer_unavailable", "Transfers are not available to you", API),
    (400, "unknown", "You cannot initiate third party payouts as a starter business", API),
    (400, "unknown", "Integration has been deactivated", API),
    (400, "unknown", "System Malfunction", PROCESSOR),
    (
        400,
        "unknown",
        "Sorry, we can't make the transfer to this recipient at the moment",
        PROCESSOR,
    ),
    (400, "unknown", "Account closed", PROCESSOR),
    (400, "invalid_params", "Recipient specified is invalid", VALIDATION),
    (400, "invalid_params", "Invalid amount passed.", VALIDATION),
    (400, "invalid_params", "Invalid Amount Sent", VALIDATION),
    (400, "invalid_params", "Amount must be an integer", VALIDATION),
    (400, "invalid_params", "Currency not supported by merchant", VALIDATION),
    (400, "invalid_params", "Your reference contains illegal special characters", VALIDATION),
    (400, "invalid_params", "Invalid entries found", VALIDATION),
    (404, "recipient_not_found", "Recipient not found", VALIDATION),
    UNAUTHORIZED,
)
# The cause of a transfer that fails, where its bank or processor gives one.
FAILURES = (
    "Account closed",
    "Account number is invalid",
    "Cannot resolve account",
    "Sorry, we can't make the transfer to this recipient at the moment",
    "System Malfunction",
    "The processor is down",
)
