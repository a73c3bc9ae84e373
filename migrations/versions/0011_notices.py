"""What banks are told of their consents, until they have heard it; and what they looked for before they asked."""

from alembic import op

revision = "0011"
down_revision = "0010"

NOTICES = [
    # The secret that signs is derived from a key file of the hub and its number: nothing here can sign anything.
    """
    CREATE TABLE webhooks (
        participant_id text        PRIMARY KEY REFERENCES participants,
        url            text        NOT NULL CHECK (url ~ '^https?://'),
        secret_number  integer     NOT NULL CHECK (secret_number > 0),
        renewed_at     timestamptz,
        opened_at      timestamptz NOT NULL,
        closed_at      timestamptz,
        closed_because text CHECK (closed_because IN ('operator', 'gone')),
        CHECK ((closed_at IS NULL) = (closed_because IS NULL))
    )
    """,
    # One row per event that a bank is told, written in the transaction of the event: sent, or kept to be polled.
    """
    CREATE TABLE notices (
        event_id       bigint      PRIMARY KEY REFERENCES consent_events (event_id),
        consent_id     uuid        NOT NULL REFERENCES consents,
        participant_id text        NOT NULL REFERENCES participants,
        state          text        NOT NULL CHECK (state IN ('kept', 'waiting', 'delivered', 'given_up')),
        created_at     timestamptz NOT NULL,
        due_at         timestamptz NOT NULL,
        claimed_until  timestamptz,
        attempts       integer     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
        fault          text,
        settled_at     timestamptz,
        handled_at     timestamptz,
        handled_by     text,
        CHECK ((handled_at IS NULL) = (handled_by IS NULL))
    ) WITH (fillfactor = 80)
    """,
    "CREATE INDEX notices_of_participant ON notices (participant_id, event_id)",
    "CREATE INDEX notices_waiting ON notices (participant_id, due_at) WHERE state = 'waiting'",
    "CREATE INDEX notices_waiting_in_order ON notices (consent_id, event_id) WHERE state = 'waiting'",
    "CREATE INDEX notices_unhandled ON notices (event_id) WHERE state = 'given_up' AND handled_at IS NULL",
    "GRANT SELECT, INSERT, UPDATE ON webhooks, notices TO hub_app",
    # What happened before there were notices can be polled too.
    """
    INSERT INTO notices (event_id, consent_id, participant_id, state, created_at, due_at)
    SELECT event_id, consent_id, participant_id, 'kept', at, at
    FROM consent_events JOIN consents USING (consent_id) WHERE verb <> 'submit'
    """,
]

AVAILABILITY = [
    """
    CREATE TABLE availability_checks (
        check_id       uuid        PRIMARY KEY,
        at             timestamptz NOT NULL,
        participant_id text        NOT NULL,
        uscc           text        NOT NULL CHECK (length(uscc) = 18),
        purpose        text        NOT NULL,
        datasets       text[]      NOT NULL CHECK (cardinality(datasets) > 0)
    )
    """,
    "CREATE INDEX availability_checks_of_enterprise ON availability_checks (uscc, at DESC, check_id DESC)",
    "GRANT SELECT, INSERT ON availability_checks TO hub_app",
]


def upgrade() -> None:
    for statement in [*NOTICES, *AVAILABILITY]:
        op.execute(statement)
