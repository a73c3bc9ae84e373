"""Every contract text that a hub has worked with, so that older decisions stay explainable field by field.

A text under its version never changes, and its digest is the text's: both are the database's to keep.
"""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS = [
    """
    CREATE TABLE contract_versions (
        dataset    text COLLATE "C" NOT NULL CHECK (dataset ~ '^[a-z][a-z0-9_]{1,40}$'),
        version    integer          NOT NULL CHECK (version > 0),
        toml       text             NOT NULL,
        digest     bytea            NOT NULL CONSTRAINT contract_versions_digest_of_text
                                    CHECK (digest = sha256(convert_to(toml, 'UTF8'))),
        entered_at timestamptz      NOT NULL,
        PRIMARY KEY (dataset, version)
    )
    """,
    "GRANT SELECT, INSERT ON contract_versions TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
