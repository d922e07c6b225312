"""A recipient has a kind. A row from before gets the kind under which its offramp is sent the same
as before, so that a key which may have left goes out unchanged. A sandbox's payment that named
nobody gets the test account that its offramp used; elsewhere such a payment stays without one, and
is refused as before. A row that is not of the old form is left alone."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

APPLICATION_ROLE = "caravel_app"

# The networks of mobile money: offramp, currency, the offramp's code, our word.
NETWORKS = """(VALUES
    ('flutterwave', 'GHS', 'MTN', 'MTN'),
    ('flutterwave', 'GHS', 'TIGO', 'AIRTELTIGO'),
    ('flutterwave', 'GHS', 'VODAFONE', 'TELECEL'),
    ('flutterwave', 'KES', 'MPS', 'MPESA'),
    ('paystack', 'GHS', 'ATL', 'AIRTELTIGO'),
    ('paystack', 'GHS', 'MTN', 'MTN'),
    ('paystack', 'GHS', 'VOD', 'TELECEL'),
    ('paystack', 'KES', 'MPESA', 'MPESA')
) AS networks (offramp, currency, code, operator)"""
# The test accounts of before; of Flutterwave the last line is of every other currency.
TESTS = """(VALUES
    ('flutterwave', 'GHS', '233500000000', 'MTN'),
    ('flutterwave', 'KES', '254700000000', 'MPS'),
    ('paystack', 'GHS', '0551234987', 'MTN'),
    ('paystack', 'KES', '0710000000', 'MPESA'),
    ('paystack', 'NGN', '0000000000', '057'),
    ('paystack', 'ZAR', '0000000000', '632005'),
    ('flutterwave', '', '0690000031', '044'),
    ('local_wallet', '', 'test-wallet', '')
) AS tests (offramp, currency, account, bank)"""


def upgrade() -> None:
    """Applies the change."""
    # The default is for processes of the version before, while they still create payments.
    op.add_column(
        "payments",
        sa.Column(
            "recipient_is_example", sa.Boolean(), nullable=False, server_default=sa.text("false")
        ),
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT UPDATE (recipient_is_example) ON payments TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )
    _give_kinds("payments", "id", "offramp", "destination_currency")
    # Payouts that were sent before a correction keep their recipient, and it has a kind too.
    op.execute("ALTER TABLE attempts DISABLE TRIGGER attempts_recipient_stands")
    _give_kinds("attempts", "payment_id, step, number", "provider", "currency")
    op.execute("ALTER TABLE attempts ENABLE TRIGGER attempts_recipient_stands")


def downgrade() -> None:
    """Takes the change back; a field that the old form has no place for is lost."""
    _take_kinds("payments", "offramp", "destination_currency")
    op.execute("ALTER TABLE attempts DISABLE TRIGGER attempts_recipient_stands")
    _take_kinds("attempts", "provider", "currency")
    op.execute("ALTER TABLE attempts ENABLE TRIGGER attempts_recipient_stands")
    op.drop_column("payments", "recipient_is_example")


def _give_kinds(table: str, key: str, offramp: str, currency: str) -> None:
    """Gives a kind to each recipient of the old form in a table, by the offramp of its row."""
    keys = ["merchant_id", *key.split(", ")]
    same = " AND ".join(f"{table}.{name} = sent.{name}" for name in keys)
    listed = ", ".join(f"old.{name}" for name in keys)
    example = "recipient_is_example = sent.is_example," if table == "payments" else ""
    op.execute(
        f"""
        WITH old AS (
            SELECT {", ".join(keys)}, {offramp} AS offramp, {currency} AS currency,
                   recipient->>'account' AS account, recipient->>'bank_code' AS bank,
                   recipient->>'name' AS name,
                   merchant_id = 'sandbox' AND recipient->>'account' = ''
                       AND recipient->>'bank_code' = '' AND recipient->>'name' = '' AS is_example
              FROM {table}
             WHERE jsonb_exists_all(recipient, ARRAY['account', 'bank_code', 'name'])
        ), sent AS (
            SELECT {listed}, old.offramp, old.currency, old.is_example,
                   coalesce(test.account, old.account) AS account,
                   coalesce(test.bank, old.bank) AS bank,
                   CASE WHEN old.is_example THEN 'Test Recipient' ELSE old.name END AS name
              FROM old
              LEFT JOIN LATERAL (
                   SELECT tests.account, tests.bank FROM {TESTS}
                    WHERE old.is_example AND tests.offramp = old.offramp
                      AND tests.currency IN (old.currency, '')
                    ORDER BY tests.currency DESC LIMIT 1
                   ) AS test ON true
        )
        UPDATE {table}
           SET {example}
               recipient = CASE
                   WHEN networks.operator IS NOT NULL THEN jsonb_build_object(
                       'kind', 'mobile_money', 'holder_name', sent.name,
                       'phone_number', sent.account, 'operator', networks.operator)
                   WHEN sent.offramp = 'local_wallet' AND sent.bank <> '' THEN jsonb_build_object(
                       'kind', 'mobile_money', 'holder_name', sent.name,
                       'phone_number', sent.account, 'operator', sent.bank)
                   WHEN sent.offramp = 'local_wallet' THEN jsonb_build_object(
                       'kind', 'wallet', 'holder_name', sent.name, 'wallet_id', sent.account)
                   ELSE jsonb_build_object(
                       'kind', 'bank_account', 'holder_name', sent.name,
                       'account_number', sent.account, 'bank_code', sent.bank)
               END
          FROM sent
          LEFT JOIN {NETWORKS}
            ON networks.offramp = sent.offramp AND networks.currency = sent.currency
           AND networks.code = sent.bank
         WHERE {same}
        """
    )


def _take_kinds(table: str, offramp: str, currency: str) -> None:
    op.execute(
        f"""
        UPDATE {table}
           SET recipient = jsonb_build_object(
               'account', coalesce(recipient->>'account_number', recipient->>'iban',
                                   recipient->>'clabe', recipient->>'phone_number',
                                   recipient->>'wallet_id', ''),
               'bank_code', coalesce(
                   (SELECT networks.code FROM {NETWORKS}
                     WHERE networks.offramp = {table}.{offramp}
                       AND networks.currency = {table}.{currency}
                       AND networks.operator = recipient->>'operator'),
                   recipient->>'operator', recipient->>'bank_code', recipient->>'branch_code',
                   recipient->>'ifsc', recipient->>'bic', recipient->>'sort_code', ''),
               'name', coalesce(recipient->>'holder_name', ''))
         WHERE jsonb_exists(recipient, 'kind')
        """
    )
