"""Probes: what banks have asked to be verified, so that a figure cannot be guessed step by step."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = [
    # One row per statement. Neither what was stated nor what came out is here.
    """
    CREATE TABLE probes (
        probe_id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at              timestamptz NOT NULL,
        participant_id  text        NOT NULL,
        idempotency_key text        NOT NULL,
        number          smallint    NOT NULL CHECK (number >= 0),
        question_digest bytea       NOT NULL CHECK (length(question_digest) = 32),
        uscc            text        NOT NULL CHECK (length(uscc) = 18),
        dataset         text        NOT NULL,
        field           text        NOT NULL,
        part            text        NOT NULL,
        kind            text        NOT NULL CHECK (kind IN ('exact', 'tolerance', 'at_least', 'member', 'belongs')),
        cost            smallint    NOT NULL CHECK (cost > 0),
        guess           boolean     NOT NULL,
        month           date        NOT NULL CHECK (month = date_trunc('month', at AT TIME ZONE 'Asia/Shanghai'))
    )
    """,
    "CREATE INDEX probes_of_question ON probes (participant_id, idempotency_key)",
    "CREATE INDEX probes_of_field ON probes (uscc, dataset, field, month)",
    "CREATE INDEX probes_guessing ON probes (uscc, dataset, field, part, at) WHERE guess",
    # In plpgsql and volatile: each of its statements looks with a snapshot of its own, so what is counted behind
    # the lock is what everybody before has committed, and what earlier claims of this very batch have spent.
    """
    CREATE FUNCTION spend_probes(
        lock bigint, asker text, enterprise text, asked_dataset text, asked_key text, digest bytea,
        asked_at timestamptz, asked_month date, asked jsonb,
        retry_hours integer, guesses_counted_days integer, guesses_own_max integer, guesses_all_max integer
    ) RETURNS text
    LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(lock);
        -- A retry is about the same records; asked again when a newer one came, it is about another figure.
        IF NOT EXISTS (
            SELECT FROM jsonb_to_recordset(asked) AS a(number smallint, part text)
            WHERE NOT EXISTS (
                SELECT FROM probes p
                WHERE p.participant_id = asker AND p.idempotency_key = asked_key AND p.question_digest = digest
                  AND p.uscc = enterprise AND p.dataset = asked_dataset AND p.number = a.number AND p.part = a.part
                  AND p.at > asked_at - make_interval(hours => retry_hours)
            )
        ) THEN
            RETURN NULL;
        END IF;
        IF EXISTS (
            SELECT FROM (
                SELECT field, sum(cost) AS cost, min(own_max) AS own_max, min(all_max) AS all_max
                FROM jsonb_to_recordset(asked) AS a(field text, cost integer, own_max integer, all_max integer)
                GROUP BY field
            ) a CROSS JOIN LATERAL (
                SELECT coalesce(sum(p.cost) FILTER (WHERE p.participant_id = asker), 0) AS own,
                    coalesce(sum(p.cost), 0) AS everyone
                FROM probes p
                WHERE p.uscc = enterprise AND p.dataset = asked_dataset AND p.field = a.field
                  AND p.month = asked_month
            ) spent
            WHERE spent.own + a.cost > a.own_max OR spent.everyone + a.cost > a.all_max
        ) OR EXISTS (
            SELECT FROM (
                SELECT field, part, count(*) AS guesses
                FROM jsonb_to_recordset(asked) AS a(field text, part text, guess boolean)
                WHERE guess GROUP BY field, part
            ) a CROSS JOIN LATERAL (
                SELECT count(*) FILTER (WHERE p.participant_id = asker) AS own, count(*) AS everyone
                FROM probes p
                WHERE p.uscc = enterprise AND p.dataset = asked_dataset AND p.field = a.field AND p.part = a.part
                  AND p.guess AND p.at > asked_at - make_interval(days => guesses_counted_days)
            ) made
            WHERE made.own + a.guesses > guesses_own_max OR made.everyone + a.guesses > guesses_all_max
        ) THEN
            RETURN 'verification_budget_spent';
        END IF;
        INSERT INTO probes (at, participant_id, idempotency_key, number, question_digest, uscc, dataset, field, part,
            kind, cost, guess, month)
        SELECT asked_at, asker, asked_key, number, digest, enterprise, asked_dataset, field, part, kind, cost, guess,
            asked_month
        FROM jsonb_to_recordset(asked)
            AS a(number smallint, field text, part text, kind text, cost smallint, guess boolean);
        RETURN NULL;
    END $$
    """,
    "REVOKE ALL ON FUNCTION spend_probes FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION spend_probes TO hub_app",
    "GRANT SELECT, INSERT ON probes TO hub_app",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
