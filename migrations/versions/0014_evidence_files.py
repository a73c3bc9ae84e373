"""Signed forms that city platforms hand in for the consents they stand for, and what two operators said of each."""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS = [
    "ALTER TABLE consents ADD COLUMN through text REFERENCES participants CHECK (through <> participant_id)",
    """
    CREATE TABLE signed_forms (
        form_id         uuid        PRIMARY KEY,
        consent_id      uuid        NOT NULL REFERENCES consents,
        handed_in_by    text        NOT NULL REFERENCES participants,
        handed_in_at    timestamptz NOT NULL,
        media_type      text        NOT NULL CHECK (media_type IN ('application/pdf', 'image/jpeg', 'image/png')),
        octets          integer     NOT NULL CHECK (octets BETWEEN 1 AND 8388608),
        pages           smallint    NOT NULL CHECK (pages > 0),
        digest          bytea       NOT NULL CHECK (octet_length(digest) = 32),
        signed_on       date        NOT NULL,
        enterprise_name text        NOT NULL CHECK (enterprise_name <> ''),
        signatory_name  text        NOT NULL CHECK (signatory_name <> ''),
        UNIQUE (consent_id, digest, signed_on, enterprise_name, signatory_name)
    )
    """,
    "CREATE INDEX signed_forms_by_time ON signed_forms (handed_in_at, form_id)",
    "CREATE INDEX signed_forms_by_digest ON signed_forms (digest)",
    # Apart, so that no list ever reads them.
    """
    CREATE TABLE signed_form_files (
        form_id uuid  PRIMARY KEY REFERENCES signed_forms,
        content bytea NOT NULL
    )
    """,
    # They are compressed already.
    "ALTER TABLE signed_form_files ALTER COLUMN content SET STORAGE EXTERNAL",
    # Four eyes: an operator says one thing about a form, once.
    """
    CREATE TABLE signed_form_reviews (
        form_id     uuid        NOT NULL REFERENCES signed_forms,
        operator_id text        NOT NULL REFERENCES operators,
        at          timestamptz NOT NULL,
        because     text        CHECK (because <> ''),
        note        text        NOT NULL,
        PRIMARY KEY (form_id, operator_id)
    )
    """,
    "GRANT SELECT, INSERT ON signed_forms, signed_form_files, signed_form_reviews TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
