"""Sharing rules as versioned rule sets: drafted by one person, approved by another, active, retired.

The text of a rule set never changes (no right to update it), its digest is the text's, whoever drafted it has
not approved it, and one at most is active: all four are the database's to keep, not the program's.
"""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = [
    """
    CREATE TABLE rule_sets (
        rule_set_id  text PRIMARY KEY CHECK (rule_set_id ~ '^[a-z0-9][a-z0-9._-]{0,39}$'),
        toml         text        NOT NULL,
        digest       bytea       NOT NULL CONSTRAINT rule_sets_digest_of_text
                                 CHECK (digest = sha256(convert_to(toml, 'UTF8'))),
        state        text        NOT NULL CHECK (state IN ('draft', 'approved', 'active', 'retired')),
        drafted_by   text        NOT NULL CHECK (drafted_by <> ''),
        drafted_at   timestamptz NOT NULL,
        approved_by  text        CHECK (approved_by <> ''),
        approved_at  timestamptz,
        activated_by text        CHECK (activated_by <> ''),
        activated_at timestamptz,
        retired_at   timestamptz,
        CONSTRAINT rule_sets_approved_by_another CHECK (lower(btrim(approved_by)) <> lower(btrim(drafted_by))),
        CONSTRAINT rule_sets_approval_whole CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
        CONSTRAINT rule_sets_activation_whole CHECK ((activated_by IS NULL) = (activated_at IS NULL)),
        CONSTRAINT rule_sets_approved_first CHECK (activated_at IS NULL OR approved_at IS NOT NULL),
        CONSTRAINT rule_sets_as_its_state_says CHECK (CASE state
            WHEN 'draft' THEN approved_at IS NULL AND retired_at IS NULL
            WHEN 'approved' THEN approved_at IS NOT NULL AND activated_at IS NULL AND retired_at IS NULL
            WHEN 'active' THEN activated_at IS NOT NULL AND retired_at IS NULL
            ELSE retired_at IS NOT NULL
        END)
    )
    """,
    "CREATE UNIQUE INDEX rule_sets_one_active ON rule_sets (state) WHERE state = 'active'",
    """
    CREATE TABLE rule_set_events (
        rule_set_id text        NOT NULL REFERENCES rule_sets,
        number      integer     NOT NULL CHECK (number > 0),
        at          timestamptz NOT NULL,
        verb        text        NOT NULL,
        from_state  text,
        to_state    text        NOT NULL,
        actor       text        NOT NULL CHECK (actor <> ''),
        reason      text        NOT NULL,
        PRIMARY KEY (rule_set_id, number)
    )
    """,
    """
    GRANT SELECT, INSERT,
        UPDATE (state, approved_by, approved_at, activated_by, activated_at, retired_at) ON rule_sets TO hub_app
    """,
    "GRANT SELECT, INSERT ON rule_set_events TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
