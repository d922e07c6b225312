"""Each operators' action is an entry of a chain: its hash is over the hash before it and all that
the action says. The database itself adds the entry when a transaction commits, so that whoever
writes an action has it chained, and nobody but the owner can add another."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

APPLICATION_ROLE = "caravel_app"
# Its holder adds the next entry; any number that is no other lock's in this database.
LOCK = 7251990002


def upgrade() -> None:
    """Applies the change."""
    op.create_table(
        "operator_action_chain",
        sa.Column("sequence", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("action_id", sa.Uuid(), nullable=False),
        sa.Column("previous_sha256", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="operator_action_chain_pkey"),
        sa.UniqueConstraint("action_id", name="operator_action_chain_action_id_key"),
    )
    _create_functions()
    # Nothing is added between the entries of what is there and the first one by the trigger.
    op.execute("LOCK TABLE operator_actions IN SHARE ROW EXCLUSIVE MODE")
    op.execute(
        """
        DO $$ DECLARE action operator_actions; BEGIN
            FOR action IN SELECT * FROM operator_actions ORDER BY acted_at, id LOOP
                PERFORM chain_action(action);
            END LOOP;
        END $$
        """
    )
    op.execute(
        "CREATE CONSTRAINT TRIGGER operator_actions_chained AFTER INSERT ON operator_actions "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chain_operator_action()"
    )
    op.execute(
        "CREATE TRIGGER operator_action_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE "
        "ON operator_action_chain FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
    )
    op.execute(
        f"""
        DO $$ BEGIN
            IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{APPLICATION_ROLE}') THEN
                GRANT SELECT ON operator_action_chain TO {APPLICATION_ROLE};
            END IF;
        END $$
        """
    )


def downgrade() -> None:
    """Takes the change back."""
    op.execute("DROP TRIGGER operator_actions_chained ON operator_actions")
    op.execute("DROP FUNCTION chain_operator_action()")
    op.execute("DROP FUNCTION chain_action(operator_actions)")
    op.drop_table("operator_action_chain")


def _create_functions() -> None:
    # Each text with its length in bytes before it, so that no two actions have the same words.
    op.execute(
        f"""
        CREATE FUNCTION chain_action(action operator_actions) RETURNS void LANGUAGE plpgsql AS $$
        DECLARE
            last operator_action_chain;
            words text;
        BEGIN
            -- Held to the end of the transaction: the entries of two never cross.
            PERFORM pg_advisory_xact_lock({LOCK});
            SELECT * INTO last FROM operator_action_chain ORDER BY sequence DESC LIMIT 1;
            SELECT string_agg(octet_length(f.value) || ':' || f.value || ',', '' ORDER BY f.number)
              INTO words
              FROM unnest(ARRAY[
                   coalesce(last.sha256, ''), (coalesce(last.sequence, 0) + 1)::text,
                   action.merchant_id, action.id::text, action.operator, action.action,
                   action.subject, action.note, extract(epoch FROM action.acted_at)::text,
                   action.credential_id, action.address, action.request_id, action.refusal,
                   action.provider_answer]) WITH ORDINALITY AS f(value, number);
            INSERT INTO operator_action_chain
            VALUES (coalesce(last.sequence, 0) + 1, action.id, coalesce(last.sha256, ''),
                    encode(sha256(convert_to(words, 'UTF8')), 'hex'));
        END $$
        """
    )
    # By the owner's rights, because the application has none to add an entry itself.
    op.execute(
        """
        CREATE FUNCTION chain_operator_action() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = public, pg_temp AS $$
        BEGIN
            PERFORM chain_action(NEW);
            RETURN NULL;
        END $$
        """
    )
    op.execute("REVOKE EXECUTE ON FUNCTION chain_action(operator_actions) FROM PUBLIC")
