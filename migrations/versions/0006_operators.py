"""Operators of the console, and what they did: three roles that cannot do each other's work."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = [
    # An id and its role are for ever: who takes up other work gets another id, and the history stays true.
    """
    CREATE TABLE operators (
        operator_id text        PRIMARY KEY CHECK (operator_id ~ '^[a-z0-9][a-z0-9-]{1,39}$'),
        name        text        NOT NULL CHECK (btrim(name) <> ''),
        role        text        NOT NULL CHECK (role IN ('system_admin', 'security_admin', 'audit_admin')),
        created_at  timestamptz NOT NULL,
        closed_at   timestamptz CHECK (closed_at >= created_at)
    )
    """,
    """
    CREATE TABLE operator_events (
        number      bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        operator_id text        NOT NULL REFERENCES operators,
        at          timestamptz NOT NULL,
        verb        text        NOT NULL CHECK (verb <> ''),
        about       text        NOT NULL
    )
    """,
    "CREATE INDEX operator_events_of_operator ON operator_events (operator_id, number)",
    "GRANT SELECT, INSERT, UPDATE (closed_at) ON operators TO hub_app",
    "GRANT SELECT, INSERT ON operator_events TO hub_app",
    # What is open in quarantine is counted whenever the quality page is looked at.
    "CREATE INDEX quarantined_rows_open ON quarantined_rows (intake_id, reason)"
    " WHERE resolved_by IS NULL AND corrects_line IS NULL",
    "CREATE INDEX intakes_by_time ON intakes (started_at)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
