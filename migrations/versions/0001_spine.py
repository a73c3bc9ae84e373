"""The spine: participants, consents, records, disclosures, meter, and who may touch what.

The program works as the role ``hub_app``. It may INSERT into and read the append-only tables, and has no right
to UPDATE, DELETE or TRUNCATE them: history is kept by the database, not by good manners.
"""

from alembic import op

revision = "0001"
down_revision = None

ROLE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'hub_app') THEN
        CREATE ROLE hub_app NOLOGIN;
    END IF;
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO hub_app', current_database());
    IF NOT pg_has_role(current_user, 'hub_app', 'MEMBER') THEN
        -- Only an installation with one login for both roles needs this; with two, it need not be allowed.
        BEGIN
            EXECUTE format('GRANT hub_app TO %I', current_user);
        EXCEPTION WHEN insufficient_privilege THEN
            RAISE NOTICE 'role % may not become hub_app: give the program a login of its own', current_user;
        END;
    END IF;
END $$
"""

CONSENT = [
    """
    CREATE TABLE participants (
        participant_id text PRIMARY KEY CHECK (participant_id ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
        name text NOT NULL CHECK (name <> ''),
        participant_class text NOT NULL CHECK (participant_class IN ('bank', 'platform')),
        registered_at timestamptz NOT NULL,
        suspended_at timestamptz
    )
    """,
    """
    CREATE TABLE clients (
        client_id text PRIMARY KEY CHECK (client_id ~ '^[a-z0-9][a-z0-9-]{1,62}$'),
        participant_id text NOT NULL REFERENCES participants,
        jwks text NOT NULL,
        registered_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE enterprises (
        uscc text PRIMARY KEY CHECK (length(uscc) = 18),
        name text NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL
    )
    """,
    # Uses are spent in place: room on the page and no index on the counter keep those updates heap-only.
    """
    CREATE TABLE consents (
        consent_id uuid PRIMARY KEY,
        participant_id text NOT NULL REFERENCES participants,
        uscc text NOT NULL CHECK (length(uscc) = 18),
        purpose text NOT NULL,
        datasets text[] NOT NULL CHECK (cardinality(datasets) > 0),
        term_days integer NOT NULL CHECK (term_days > 0),
        uses_max integer NOT NULL CHECK (uses_max > 0),
        uses_spent integer NOT NULL CHECK (uses_spent BETWEEN 0 AND uses_max),
        retention_days integer NOT NULL CHECK (retention_days > 0),
        message text NOT NULL,
        request_key text,
        state text NOT NULL CHECK (state IN ('draft', 'awaiting', 'partially_approved', 'active', 'paused',
            'revoked', 'expired', 'used_up', 'superseded', 'rejected')),
        requested_at timestamptz NOT NULL,
        answer_by timestamptz NOT NULL,
        valid_from timestamptz,
        valid_until timestamptz,
        CHECK ((valid_from IS NULL) = (valid_until IS NULL)),
        CHECK (state NOT IN ('active', 'paused', 'revoked', 'used_up', 'superseded') OR valid_from IS NOT NULL)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX consents_of_enterprise ON consents (uscc, requested_at DESC, consent_id DESC)",
    "CREATE UNIQUE INDEX consents_by_request_key ON consents (participant_id, request_key)",
    "CREATE INDEX consents_by_end ON consents (valid_until) WHERE state = 'active'",
    "CREATE INDEX consents_unanswered ON consents (answer_by) WHERE state IN ('awaiting', 'partially_approved')",
    """
    CREATE TABLE consent_events (
        consent_id uuid NOT NULL REFERENCES consents,
        number integer NOT NULL CHECK (number > 0),
        at timestamptz NOT NULL,
        verb text NOT NULL,
        from_state text NOT NULL,
        to_state text NOT NULL,
        actor text NOT NULL,
        reason text NOT NULL,
        PRIMARY KEY (consent_id, number)
    )
    """,
    """
    CREATE TABLE consent_artefacts (
        consent_id uuid PRIMARY KEY REFERENCES consents,
        jws text NOT NULL,
        digest bytea NOT NULL CHECK (length(digest) = 32),
        signed_at timestamptz NOT NULL
    )
    """,
    # The contract between consent/ and ledger/. now() and not clock_timestamp(): a volatile column would keep
    # the planner from merging the view into the group statement, and its row locks from being taken in order.
    """
    CREATE VIEW live_consents AS
    SELECT consent_id, participant_id, uscc, purpose, datasets, uses_max, uses_spent,
        CASE
            WHEN state <> 'active' THEN state
            WHEN now() >= valid_until THEN 'expired'
            WHEN uses_spent >= uses_max THEN 'used_up'
            ELSE 'active'
        END AS standing
    FROM consents
    """,
    "COMMENT ON VIEW live_consents IS 'every consent as it stands at this instant; owned by consent/'",
]

LEDGER = [
    """
    CREATE TABLE disclosures (
        decision_id uuid NOT NULL,
        at timestamptz NOT NULL,
        participant_id text NOT NULL,
        uscc text NOT NULL,
        dataset text NOT NULL,
        purpose text NOT NULL,
        mode text NOT NULL,
        consent_id uuid NOT NULL,
        outcome text NOT NULL CHECK (outcome IN ('disclosed', 'nothing_found', 'refused')),
        reason text,
        view_id text NOT NULL,
        record_ids bigint[] NOT NULL,
        price_fen integer NOT NULL CHECK (price_fen >= 0),
        salt bytea NOT NULL,
        answer_digest bytea NOT NULL,
        request_id text NOT NULL,
        PRIMARY KEY (decision_id, at),
        CHECK ((outcome = 'refused') = (reason IS NOT NULL)),
        CHECK ((outcome = 'disclosed') = (cardinality(record_ids) > 0)),
        CHECK (outcome = 'disclosed' OR price_fen = 0)
    ) PARTITION BY RANGE (at)
    """,
    "CREATE INDEX disclosures_of_enterprise ON disclosures (uscc, at DESC, decision_id DESC)",
    "CREATE TABLE disclosures_default PARTITION OF disclosures DEFAULT",
    # Months are China's. The function is the owner's: hub_app may call it, and otherwise has no DDL right. What came
    # before its month had a partition moves in from the default one; attached, not created as a partition, because
    # that would lock out every answer.
    """
    CREATE FUNCTION ensure_disclosure_partitions(months_ahead integer) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    DECLARE
        first timestamp := date_trunc('month', now() AT TIME ZONE 'Asia/Shanghai');
        name text;
        begins timestamptz;
        ends timestamptz;
    BEGIN
        FOR i IN 0..least(greatest(months_ahead, 0), 24) LOOP
            name := 'disclosures_' || to_char(first + make_interval(months => i), 'YYYYMM');
            begins := (first + make_interval(months => i)) AT TIME ZONE 'Asia/Shanghai';
            ends := (first + make_interval(months => i + 1)) AT TIME ZONE 'Asia/Shanghai';
            CONTINUE WHEN to_regclass(name) IS NOT NULL;
            EXECUTE format('CREATE TABLE %I (LIKE disclosures INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
            -- Rows that came while nobody made partitions move to where they belong.
            EXECUTE format('WITH moved AS (DELETE FROM disclosures_default WHERE at >= %L AND at < %L RETURNING *)'
                ' INSERT INTO %I SELECT * FROM moved', begins, ends, name);
            EXECUTE format('ALTER TABLE disclosures ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                name, begins, ends);
        END LOOP;
    END $$
    """,
    "REVOKE ALL ON FUNCTION ensure_disclosure_partitions FROM PUBLIC",
    "SELECT ensure_disclosure_partitions(3)",
    """
    CREATE TABLE answered_questions (
        participant_id text NOT NULL,
        idempotency_key text NOT NULL,
        question_digest bytea NOT NULL,
        decision_id uuid NOT NULL,
        at timestamptz NOT NULL,
        PRIMARY KEY (participant_id, idempotency_key)
    )
    """,
    # plpgsql and volatile, so that it looks with a snapshot of its own: see ledger/remember.py.
    """
    CREATE FUNCTION answered_by_now(participant text, key text) RETURNS boolean
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        RETURN EXISTS (
            SELECT FROM answered_questions WHERE participant_id = participant AND idempotency_key = key
        );
    END $$
    """,
    "CREATE INDEX answered_questions_by_age ON answered_questions USING brin (at)",
    """
    CREATE TABLE usage (
        participant_id text NOT NULL,
        dataset text NOT NULL,
        day date NOT NULL,
        shard smallint NOT NULL,
        disclosed bigint NOT NULL,
        nothing_found bigint NOT NULL,
        refused bigint NOT NULL,
        price_fen bigint NOT NULL,
        PRIMARY KEY (participant_id, dataset, day, shard)
    ) WITH (fillfactor = 50)
    """,
]

DATASETS = [
    "CREATE SEQUENCE records_record_id_seq AS bigint CACHE 32",
    """
    CREATE TABLE records (
        record_id     bigint      NOT NULL DEFAULT nextval('records_record_id_seq'),
        dataset       text        NOT NULL COLLATE "C",
        uscc          text        NOT NULL COLLATE "C",
        part          text        NOT NULL COLLATE "C",
        body          text        NOT NULL,
        digest        bytea       NOT NULL,
        as_of         date        NOT NULL,
        intake_id     bigint      NOT NULL,   -- no foreign key: 10^9 rows, always written with their intake
        recorded_at   timestamptz NOT NULL DEFAULT now(),
        superseded_at timestamptz,
        PRIMARY KEY (dataset, record_id),
        CONSTRAINT records_superseded_later CHECK (superseded_at >= recorded_at)
    ) PARTITION BY LIST (dataset)
    """,
    # One current version per enterprise and part. Read backwards it is also "newest first" for one enterprise.
    "CREATE UNIQUE INDEX records_current ON records (dataset, uscc, part) WHERE superseded_at IS NULL",
    "ALTER SEQUENCE records_record_id_seq OWNED BY records.record_id",
    # Data sets whose partition nobody made yet; ensure_record_partition moves them out.
    "CREATE TABLE records_default PARTITION OF records DEFAULT",
    """
    CREATE FUNCTION ensure_record_partition(wanted text) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        partition_name text := 'records_of_' || wanted;
    BEGIN
        IF wanted !~ '^[a-z][a-z0-9_]{1,40}$' THEN
            RAISE EXCEPTION 'not a data set id: %', wanted;
        END IF;
        PERFORM pg_advisory_xact_lock(hashtext('ensure_record_partition'));
        IF to_regclass(partition_name) IS NOT NULL THEN
            RETURN;
        END IF;
        EXECUTE format('CREATE TABLE %I (LIKE records INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition_name);
        EXECUTE format(
            'WITH moved AS (DELETE FROM records_default WHERE dataset = %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
            wanted, partition_name
        );
        EXECUTE format('ALTER TABLE records ATTACH PARTITION %I FOR VALUES IN (%L)', partition_name, wanted);
    END
    $$
    """,
    """
    CREATE TABLE intakes (
        intake_id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        dataset          text        NOT NULL COLLATE "C",
        contract_version integer     NOT NULL,
        file_name        text        NOT NULL,
        file_digest      bytea       NOT NULL,
        as_of            date        NOT NULL,
        started_at       timestamptz NOT NULL DEFAULT now(),
        finished_at      timestamptz,
        received         bigint      NOT NULL DEFAULT 0,
        accepted         bigint      NOT NULL DEFAULT 0,
        duplicate        bigint      NOT NULL DEFAULT 0,
        superseded       bigint      NOT NULL DEFAULT 0,
        quarantined      bigint      NOT NULL DEFAULT 0,
        CONSTRAINT intakes_nothing_lost CHECK (received = accepted + duplicate + superseded + quarantined)
    )
    """,
    "CREATE INDEX intakes_by_dataset ON intakes (dataset, intake_id)",
    """
    CREATE TABLE quarantined_rows (
        intake_id      bigint      NOT NULL REFERENCES intakes,
        line_number    bigint      NOT NULL,
        reason         text        NOT NULL,
        field          text,
        hint           text        NOT NULL,
        original       text        NOT NULL,
        quarantined_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (intake_id, line_number)
    )
    """,
]

RIGHTS = [
    "GRANT USAGE ON SCHEMA public TO hub_app",
    "GRANT SELECT, INSERT, UPDATE ON participants, clients, enterprises, consents, usage TO hub_app",
    "GRANT SELECT, UPDATE (uses_spent) ON live_consents TO hub_app",
    "GRANT SELECT, INSERT ON consent_events, consent_artefacts, disclosures TO hub_app",
    "GRANT SELECT, INSERT, DELETE ON answered_questions TO hub_app",
    "GRANT EXECUTE ON FUNCTION ensure_disclosure_partitions TO hub_app",
    "GRANT SELECT, INSERT, UPDATE ON intakes TO hub_app",
    "GRANT SELECT, INSERT ON quarantined_rows TO hub_app",
    "GRANT SELECT, INSERT, UPDATE (superseded_at) ON records TO hub_app",
    "GRANT USAGE ON SEQUENCE records_record_id_seq TO hub_app",
    "GRANT SELECT ON alembic_version TO hub_app",
]


def upgrade() -> None:
    for statement in [ROLE, *CONSENT, *LEDGER, *DATASETS, *RIGHTS]:
        op.execute(statement)
