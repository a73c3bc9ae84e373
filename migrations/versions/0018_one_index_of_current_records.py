"""One index of the current records of a data set, where those that lie together had two.

The index that holds the records whole is the one that keeps them unique as well: a row that is taken in touches one
page at random, not two, which is most of what a large delivery costs. An index of the table as a whole cannot differ
from partition to partition, so each partition has its own.
"""

from alembic import op

revision = "0018"
down_revision = "0017"

STATEMENTS = [
    # For the owner, at the start, who knows how large the records of a data set can be. An index is made anew only
    # if the answer has changed; meanwhile the data set can be read, and written to afterwards.
    """
    CREATE OR REPLACE FUNCTION keep_records_together(wanted text, together boolean) RETURNS void LANGUAGE plpgsql AS $$
    DECLARE
        partition_name text := 'records_of_' || wanted;
        index_name text := 'current_of_' || wanted;
        former_name text := 'former_of_' || wanted;
        lie_together boolean;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('ensure_record_partition'));
        SELECT indnatts > indnkeyatts INTO lie_together FROM pg_index WHERE indexrelid = to_regclass(index_name);
        IF lie_together = together THEN
            RETURN;
        ELSIF lie_together IS NOT NULL THEN
            EXECUTE format('ALTER INDEX %I RENAME TO %I', index_name, former_name);
        END IF;
        EXECUTE format('CREATE UNIQUE INDEX %I ON %I (dataset, uscc, part) %s WHERE superseded_at IS NULL',
            index_name, partition_name, CASE WHEN together THEN 'INCLUDE (body, record_id, as_of, mark)' END);
        EXECUTE format('DROP INDEX IF EXISTS %I', former_name);
        -- It serves alone where pages are known to be visible to all, so what is delivered is vacuumed soon.
        IF together THEN
            EXECUTE format('ALTER TABLE %I SET (autovacuum_vacuum_insert_scale_factor = 0.01,'
                ' autovacuum_vacuum_insert_threshold = 10000)', partition_name);
        ELSE
            EXECUTE format('ALTER TABLE %I RESET (autovacuum_vacuum_insert_scale_factor,'
                ' autovacuum_vacuum_insert_threshold)', partition_name);
        END IF;
    END $$
    """,
    """
    CREATE OR REPLACE FUNCTION ensure_record_partition(wanted text) RETURNS void LANGUAGE plpgsql AS $$
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
        PERFORM keep_records_together(wanted, false);
    END
    $$
    """,
    "CREATE UNIQUE INDEX records_default_current ON records_default (dataset, uscc, part)"
    " WHERE superseded_at IS NULL",
    # All that takes long before anything that keeps the running gateways from reading.
    r"""
    DO $$
    DECLARE
        stored text[] := ARRAY(
            SELECT substr(relname, length('records_of_') + 1) FROM pg_inherits JOIN pg_class ON oid = inhrelid
            WHERE inhparent = 'records'::regclass AND relname LIKE 'records\_of\_%'
        );
        one text;
    BEGIN
        FOREACH one IN ARRAY stored LOOP
            PERFORM keep_records_together(one, to_regclass('together_' || one) IS NOT NULL);
        END LOOP;
        FOREACH one IN ARRAY stored LOOP
            EXECUTE format('DROP INDEX IF EXISTS %I', 'together_' || one);
        END LOOP;
    END $$
    """,
    "DROP INDEX records_current",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
