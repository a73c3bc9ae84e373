"""Requests that are answered on the enterprise's own device (CIBA)."""

from alembic import op

revision = "0010"
down_revision = "0009"

STATEMENTS = [
    """
    CREATE TABLE backchannel_requests (
        consent_id uuid PRIMARY KEY REFERENCES consents,
        client_id text NOT NULL REFERENCES clients,
        requested_at timestamptz NOT NULL,
        notification_token text CHECK (length(notification_token) <= 1024),
        ping_attempts integer NOT NULL,
        ping_at timestamptz NOT NULL,
        pinged_at timestamptz
    )
    """,
    "CREATE INDEX ON backchannel_requests (ping_at) WHERE notification_token IS NOT NULL",
    """
    GRANT SELECT, INSERT, UPDATE (notification_token, ping_attempts, ping_at, pinged_at)
    ON backchannel_requests TO hub_app
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
