"""The words of Flutterwave where it does not take a transfer, and where one fails: each refusal
that can be asked for by its number."""

ADMITTED = "DISBURSE FAILED: "
NO_FUNDS = f"{ADMITTED}Insufficient funds in customer wallet"
BAD_ACCOUNT = f"{ADMITTED}Invalid account number"
# Flutterwave publishes no words for it; these are ours.
REVERSED = f"{ADMITTED}Transaction reversed"
PAID = "Transaction was successful"

# HTTP status and message. Rows are only ever added at the end: their numbers are used.
REFUSALS = (
    (400, "account_number is required"),
    (400, "Account number is not valid"),
    (400, "Invalid account number"),
    (400, "Account resolve failed"),
    (400, "Sorry, recipient account could not be validated. Please try again"),
    (400, "account_bank is required"),
    (400, "destination_branch_code is required"),
    (400, "Invalid bank code"),
    (400, "Unknown bank code"),
    (400, "Bank code is not valid"),
    (400, "beneficiary_name is required"),
    (400, "Beneficiary name must not be empty"),
    (400, "Insufficient funds in customer wallet"),
    (400, "Sorry, you have insufficient balance"),
    (400, "Transfer limit exceeded"),
    (400, "You have exceeded your daily limit for this product"),
    (400, "Please enable IP Whitelisting to access this service"),
    (400, "Transfers are disabled for this account"),
    (400, "amount must be a positive number"),
    (400, "Invalid transfer amount. Minimum is 100"),
    (400, "currency is required"),
    (400, "debit_currency is required"),
    (400, "This currency is not supported"),
    (400, "reference is invalid"),
    (401, "Authorization required"),
    (401, "Invalid authorization key"),
    (401, "merchant secret key required"),
)
# The cause of a transfer that fails, as its complete_message has it behind "DISBURSE FAILED:".
FAILURES = tuple(
    f"{ADMITTED}{cause}"
    for cause in (
        "Invalid account",
        "Invalid account number",
        "Account resolve failed. Please confirm account details",
        "Dormant Account",
        "Account closed",
        "Do not honor",
        "Do not honour",
        "Fraud",
        "Security violation",
        "Account name mismatch",
        "Unknown Bank Code",
        "beneficiary_name is required",
        "Beneficiary account limit exceeded",
        "Beneficiary Bank not available",
        "Insufficient funds",
        "Insufficient funds in customer wallet",
        "Insufficient funds in customer balance",
        "No sufficient funds",
        "Transfer limit Exceeded",
        "Exceeds withdrawal frequency",
        "You can only spend EUR 100.00 at once",
        "You have exceeded your daily limit for this product",
        "You have exceeded your daily frequency for this product",
        "Transaction not permitted to sender",
        "Transaction not permitted on channel",
        "Invalid Amount",
        "Invalid transfer amount. Minimum is 100",
        "Transfer failed. Please contact support",
    )
)
