"""Records that can be marked, intakes that say more, enterprises found by other keys."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = [
    # NULL for nearly all records. A mark is set by a new version, so no right to update it is needed.
    "ALTER TABLE records ADD COLUMN mark text CHECK (mark IN ('disputed', 'withheld'))",
    """
    CREATE TABLE record_events (
        event_id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dataset      text        NOT NULL COLLATE "C",
        uscc         text        NOT NULL COLLATE "C",
        part         text        NOT NULL COLLATE "C",
        at           timestamptz NOT NULL DEFAULT now(),
        verb         text        NOT NULL CHECK (verb IN ('mark', 'unmark', 'withdraw')),
        mark         text        CHECK (mark IN ('disputed', 'withheld')),
        record_id    bigint      NOT NULL,
        successor_id bigint,
        actor        text        NOT NULL CHECK (actor <> ''),
        reason       text        NOT NULL CHECK (reason <> ''),
        CHECK ((verb = 'mark') = (mark IS NOT NULL)),
        CHECK ((verb = 'withdraw') = (successor_id IS NULL))
    )
    """,
    "CREATE INDEX record_events_of_record ON record_events (dataset, uscc, part, event_id)",
    "CREATE INDEX record_events_by_time ON record_events (dataset, at)",
    # An index that holds small records whole: the months of an enterprise lie beside each other, however many deliveries
    # they came in, and an answer reads two pages and not one for each. It serves where pages are known to be visible
    # to all, so what is delivered is vacuumed soon. For the owner, at the start, who knows how large records can be.
    """
    CREATE FUNCTION keep_records_together(wanted text, together boolean) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        partition_name text := 'records_of_' || wanted;
        index_name text := 'together_' || wanted;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('ensure_record_partition'));
        IF NOT together THEN
            EXECUTE format('DROP INDEX IF EXISTS %I', index_name);
        ELSIF to_regclass(index_name) IS NULL THEN
            EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_insert_scale_factor = 0.01,'
                ' autovacuum_vacuum_insert_threshold = 10000)', partition_name);
            EXECUTE format('CREATE INDEX %I ON %I (dataset, uscc, part) INCLUDE (body, record_id, as_of, mark)'
                ' WHERE superseded_at IS NULL', index_name, partition_name);
        END IF;
    END $$
    """,
    # What an account of a file gained: what it was, how full its rows were, what it corrects.
    "ALTER TABLE intakes RENAME COLUMN duplicate TO unchanged",
    """
    ALTER TABLE intakes
        ADD COLUMN form text NOT NULL DEFAULT 'csv' CHECK (form IN ('csv', 'jsonl', 'xlsx')),
        ADD COLUMN header text[] NOT NULL DEFAULT '{}',
        ADD COLUMN recipe bytea NOT NULL DEFAULT '',
        ADD COLUMN source text NOT NULL DEFAULT 'cli' CHECK (source IN ('cli', 'inbox', 'correction', 'live')),
        ADD COLUMN corrects bigint REFERENCES intakes,
        ADD COLUMN withdraws boolean NOT NULL DEFAULT false,
        ADD COLUMN stored_at timestamptz,
        ADD COLUMN cells bigint NOT NULL DEFAULT 0,
        ADD COLUMN filled bigint NOT NULL DEFAULT 0,
        ADD CONSTRAINT intakes_filled CHECK (filled BETWEEN 0 AND cells)
    """,
    "CREATE INDEX intakes_by_file ON intakes (dataset, file_digest, intake_id)",
    """
    ALTER TABLE quarantined_rows
        ADD COLUMN corrects_line bigint,
        ADD COLUMN resolved_by bigint REFERENCES intakes
    """,
    "GRANT UPDATE (resolved_by) ON quarantined_rows TO hub_app",
    "GRANT SELECT, INSERT ON record_events TO hub_app",
    # A projection of the current registrations: rows change and leave with them. The organisation code is part of
    # the USCC.
    """
    CREATE TABLE enterprise_keys (
        uscc                text PRIMARY KEY COLLATE "C",
        name                text COLLATE "C",
        registration_number text COLLATE "C",
        taxpayer_number     text COLLATE "C"
    )
    """,
    "CREATE INDEX enterprise_keys_by_name ON enterprise_keys (name)",
    "CREATE INDEX enterprise_keys_by_registration_number ON enterprise_keys (registration_number)"
    " WHERE registration_number IS NOT NULL",
    "CREATE INDEX enterprise_keys_by_taxpayer_number ON enterprise_keys (taxpayer_number)"
    " WHERE taxpayer_number IS NOT NULL",
    "CREATE INDEX enterprise_keys_by_organisation_code ON enterprise_keys (substr(uscc, 9, 9))",
    "GRANT SELECT, INSERT, UPDATE, DELETE ON enterprise_keys TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
