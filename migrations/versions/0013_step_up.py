"""Second factors of the persons who act for enterprises, and what confirmed each approval."""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS = [
    # No secret: that of an authenticator app is derived from the factor's id (core/master_secret.py).
    """
    CREATE TABLE factors (
        factor_id uuid PRIMARY KEY,
        uscc text NOT NULL CHECK (length(uscc) = 18),
        subject text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('totp', 'passkey')),
        name text NOT NULL CHECK (name <> ''),
        enrolled_at timestamptz NOT NULL,
        used_at timestamptz,
        removed_at timestamptz,
        last_step bigint CHECK ((last_step IS NOT NULL) = (kind = 'totp')),
        tries smallint NOT NULL DEFAULT 0 CHECK (tries >= 0),
        held_until timestamptz,
        credential_id bytea CHECK ((credential_id IS NOT NULL) = (kind = 'passkey')),
        public_key bytea CHECK ((public_key IS NOT NULL) = (kind = 'passkey')),
        sign_count bigint CHECK ((sign_count IS NOT NULL) = (kind = 'passkey'))
    )
    """,
    "CREATE INDEX factors_of_person ON factors (uscc, subject) WHERE removed_at IS NULL",
    "CREATE UNIQUE INDEX factors_one_totp ON factors (uscc, subject) WHERE removed_at IS NULL AND kind = 'totp'",
    "CREATE UNIQUE INDEX factors_credential ON factors (credential_id) WHERE removed_at IS NULL",
    """
    CREATE TABLE factor_events (
        event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        factor_id uuid NOT NULL REFERENCES factors,
        uscc text NOT NULL CHECK (length(uscc) = 18),
        person_name text NOT NULL,
        at timestamptz NOT NULL,
        verb text NOT NULL CHECK (verb IN ('enrol', 'remove')),
        confirmed_by text NOT NULL CHECK (confirmed_by IN ('totp', 'passkey', 'fresh_login', 'recovery'))
    )
    """,
    "CREATE INDEX factor_events_of_enterprise ON factor_events (uscc, event_id)",
    """
    ALTER TABLE consent_approvals ADD COLUMN confirmed_by text
        CHECK (confirmed_by IN ('totp', 'passkey', 'fresh_login'))
    """,
    "GRANT SELECT, INSERT, UPDATE (used_at, removed_at, last_step, tries, held_until, sign_count) ON factors TO hub_app",
    "GRANT SELECT, INSERT ON factor_events TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
