"""How persons prove who they are beyond the log-in."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS = [
    """
    CREATE TABLE transfer_proofs (
        proof_id uuid PRIMARY KEY,
        uscc text NOT NULL CHECK (length(uscc) = 18),
        subject text NOT NULL,
        person_name text NOT NULL,
        account_tail text NOT NULL CHECK (account_tail ~ '^[0-9]{4}$'),
        amount_digest bytea NOT NULL CHECK (length(amount_digest) = 32),
        ordered_at timestamptz NOT NULL,
        tries smallint NOT NULL CHECK (tries BETWEEN 0 AND 3),
        returned_at timestamptz,
        proven_at timestamptz CHECK (proven_at - ordered_at < interval '72 hours'),
        CHECK (proven_at IS NULL OR (returned_at IS NULL AND tries < 3))
    )
    """,
    "CREATE INDEX transfer_proofs_of_enterprise ON transfer_proofs (uscc, ordered_at)",
    "GRANT SELECT, INSERT, UPDATE (tries, returned_at, proven_at) ON transfer_proofs TO hub_app",
    # Approvals from before say nothing: then the government log-in was the only way.
    "ALTER TABLE consent_approvals ADD COLUMN proven_by text",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
