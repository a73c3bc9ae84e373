"""How far a request got on its way to an answer."""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS = [
    # Written behind the pages. No foreign key: its lock on the consent would meet whoever is answering it; consents
    # are never deleted, and what is written is joined with them (consent/steps.py).
    """
    CREATE TABLE consent_steps (
        consent_id uuid        NOT NULL,
        step       text        NOT NULL
            CHECK (step IN ('shown', 'opened', 'logged_in', 'read', 'less', 'challenged', 'confirmed')),
        at         timestamptz NOT NULL,
        PRIMARY KEY (consent_id, step)
    )
    """,
    "GRANT SELECT, INSERT ON consent_steps TO hub_app",
    # Requests of a period, for the operators' funnel.
    "CREATE INDEX consents_by_request ON consents (requested_at)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
