"""A consent ends at its instant, also for a commit that waited for a lock: the view tells when."""

from alembic import op

revision = "0007"
down_revision = "0006"

STATEMENTS = [
    """
    CREATE OR REPLACE VIEW live_consents AS
    SELECT consent_id, participant_id, uscc, purpose, datasets, uses_max, uses_spent,
        CASE
            WHEN state <> 'active' THEN state
            WHEN now() >= valid_until THEN 'expired'
            WHEN uses_spent >= uses_max THEN 'used_up'
            ELSE 'active'
        END AS standing,
        valid_until
    FROM consents
    """,
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
