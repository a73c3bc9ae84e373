"""The whole life of a consent: amendments, limits, mandates, approvals by several persons."""

from alembic import op

revision = "0008"
down_revision = "0007"

CONSENTS = [
    # spent_that_day and spent_that_month belong to spent_on and its month; on a later day they count as 0.
    """
    ALTER TABLE consents
        ADD COLUMN uses_max_day integer CHECK (uses_max_day > 0),
        ADD COLUMN uses_max_month integer CHECK (uses_max_month > 0),
        ADD COLUMN data_from date CHECK (data_from = date_trunc('month', data_from)),
        ADD COLUMN spent_on date,
        ADD COLUMN spent_that_day integer NOT NULL DEFAULT 0 CHECK (spent_that_day >= 0),
        ADD COLUMN spent_that_month integer NOT NULL DEFAULT 0 CHECK (spent_that_month >= spent_that_day),
        ADD COLUMN supersedes uuid REFERENCES consents CHECK (supersedes <> consent_id),
        ADD COLUMN asked jsonb,
        ADD COLUMN reminded_at timestamptz
    """,
    "DROP INDEX consents_by_end",
    "CREATE INDEX consents_by_end ON consents (valid_until) WHERE state IN ('active', 'paused')",
    "CREATE INDEX consents_awaited ON consents (uscc, answer_by, consent_id)"
    " WHERE state IN ('awaiting', 'partially_approved')",
    # Days and months are China's. A commit that waited for the lock across midnight finds the next day's count and
    # goes on with that: a day never comes back, so >= and not =.
    """
    CREATE OR REPLACE VIEW live_consents AS
    SELECT consent_id, participant_id, uscc, purpose, datasets, uses_max, uses_spent,
        CASE
            WHEN state IN ('active', 'paused') AND now() >= valid_until THEN 'expired'
            WHEN state <> 'active' THEN state
            WHEN uses_spent >= uses_max THEN 'used_up'
            WHEN spent_that_month >= uses_max_month AND date_trunc('month', spent_on::timestamp)
                >= date_trunc('month', now() AT TIME ZONE 'Asia/Shanghai') THEN 'used_up_this_month'
            WHEN spent_that_day >= uses_max_day AND spent_on >= (now() AT TIME ZONE 'Asia/Shanghai')::date
                THEN 'used_up_today'
            ELSE 'active'
        END AS standing,
        valid_until, uses_max_day, uses_max_month, spent_on, spent_that_day, spent_that_month, data_from,
        greatest(spent_on, (now() AT TIME ZONE 'Asia/Shanghai')::date) AS spending_day,
        CASE WHEN spent_on >= (now() AT TIME ZONE 'Asia/Shanghai')::date THEN spent_that_day ELSE 0 END
            AS spent_today,
        CASE WHEN date_trunc('month', spent_on::timestamp) >= date_trunc('month', now() AT TIME ZONE 'Asia/Shanghai')
            THEN spent_that_month ELSE 0 END AS spent_this_month
    FROM consents
    """,
    "GRANT UPDATE (spent_on, spent_that_day, spent_that_month) ON live_consents TO hub_app",
]

EVENTS = [
    # In the order of commits: whoever appends holds a lock until the end of the transaction (consent/life.py).
    """
    ALTER TABLE consent_events
        ADD COLUMN event_id bigint GENERATED ALWAYS AS IDENTITY,
        ADD COLUMN facts jsonb NOT NULL DEFAULT '{}'
    """,
    "CREATE UNIQUE INDEX consent_events_in_order ON consent_events (event_id)",
]

PEOPLE = [
    """
    CREATE TABLE enterprise_people (
        uscc text NOT NULL CHECK (length(uscc) = 18),
        subject text NOT NULL,
        name text NOT NULL,
        role text NOT NULL,
        first_seen_at timestamptz NOT NULL,
        last_seen_at timestamptz NOT NULL,
        PRIMARY KEY (uscc, subject)
    )
    """,
    """
    CREATE TABLE mandates (
        mandate_id uuid PRIMARY KEY,
        uscc text NOT NULL CHECK (length(uscc) = 18),
        agent_subject text NOT NULL CHECK (agent_subject <> appointed_by),
        agent_name text NOT NULL,
        purposes text[] NOT NULL CHECK (cardinality(purposes) > 0),
        datasets text[] NOT NULL CHECK (cardinality(datasets) > 0),
        term_days_max integer NOT NULL CHECK (term_days_max > 0),
        valid_from timestamptz NOT NULL,
        valid_until timestamptz NOT NULL CHECK (valid_until > valid_from),
        appointed_by text NOT NULL,
        appointer_name text NOT NULL,
        jws text NOT NULL,
        revoked_at timestamptz
    )
    """,
    "CREATE INDEX mandates_of_enterprise ON mandates (uscc, agent_subject)",
    """
    CREATE TABLE mandate_events (
        event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        mandate_id uuid NOT NULL REFERENCES mandates,
        at timestamptz NOT NULL,
        verb text NOT NULL CHECK (verb IN ('appoint', 'revoke')),
        actor text NOT NULL,
        reason text NOT NULL
    )
    """,
    "CREATE INDEX mandate_events_of_mandate ON mandate_events (mandate_id)",
    """
    CREATE TABLE consent_approvals (
        approval_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        consent_id uuid NOT NULL REFERENCES consents,
        subject text NOT NULL,
        name text NOT NULL,
        role text NOT NULL,
        assurance text NOT NULL,
        mandate_id uuid REFERENCES mandates,
        at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX consent_approvals_of_consent ON consent_approvals (consent_id)",
    # The newest row of an enterprise for a purpose and level counts; null is all of them.
    """
    CREATE TABLE approval_rules (
        rule_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        uscc text NOT NULL CHECK (length(uscc) = 18),
        purpose text,
        level_from smallint CHECK (level_from BETWEEN 1 AND 5),
        needed smallint NOT NULL CHECK (needed BETWEEN 1 AND 5),
        set_by text NOT NULL,
        set_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX approval_rules_of_enterprise ON approval_rules (uscc)",
    "GRANT SELECT, INSERT, UPDATE ON enterprise_people TO hub_app",
    "GRANT SELECT, INSERT, UPDATE (revoked_at) ON mandates TO hub_app",
    "GRANT SELECT, INSERT ON mandate_events, consent_approvals, approval_rules TO hub_app",
]


def upgrade() -> None:
    for statement in [*CONSENTS, *EVENTS, *PEOPLE]:
        op.execute(statement)
