"""When the owner of a live data set was last asked about an enterprise."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = [
    # One row per enterprise that was ever asked about, changed in place: room on the page, no other index.
    """
    CREATE TABLE live_checks (
        dataset          text        NOT NULL COLLATE "C",
        uscc             text        NOT NULL COLLATE "C",
        contract_version integer,
        checked_at       timestamptz,
        outcome          text        CHECK (outcome IN ('records', 'nothing', 'unusable', 'away')),
        outcome_at       timestamptz,
        answer_digest    bytea,
        asking           bigint,
        asking_since     timestamptz,
        PRIMARY KEY (dataset, uscc),
        CONSTRAINT live_checks_asking_whole CHECK ((asking IS NULL) = (asking_since IS NULL)),
        CONSTRAINT live_checks_outcome_whole CHECK ((outcome IS NULL) = (outcome_at IS NULL)),
        CONSTRAINT live_checks_checked_whole CHECK ((checked_at IS NULL) = (contract_version IS NULL))
    ) WITH (fillfactor = 70)
    """,
    "GRANT SELECT, INSERT, UPDATE ON live_checks TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
