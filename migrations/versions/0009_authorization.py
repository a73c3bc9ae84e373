"""Clients that redirect: registered addresses, refresh tokens bound to a consent."""

from alembic import op

revision = "0009"
down_revision = "0008"

STATEMENTS = [
    """
    ALTER TABLE clients
        ADD COLUMN redirect_uris text[] NOT NULL DEFAULT '{}',
        ADD COLUMN notification_url text
    """,
    """
    CREATE TABLE refresh_tokens (
        token_digest bytea PRIMARY KEY CHECK (length(token_digest) = 32),
        origin_digest bytea NOT NULL UNIQUE CHECK (length(origin_digest) = 32),
        client_id text NOT NULL REFERENCES clients,
        consent_id uuid NOT NULL REFERENCES consents,
        issued_at timestamptz NOT NULL,
        ended_at timestamptz
    )
    """,
    "GRANT SELECT, INSERT, UPDATE (ended_at) ON refresh_tokens TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
