"""Tables of this room: records (versioned by content), intakes (exact accounts), quarantined rows.

The migration creates them with more than SQLAlchemy can say: one partition of `records` per data set, each
with its own index, and rights by column. Keep the two in step; `tests/datasets/test_models.py` compares them.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

records = sa.Table(
    "records",
    metadata,
    sa.Column(
        "record_id", sa.BigInteger, nullable=False, server_default=sa.text("nextval('records_record_id_seq')")
    ),
    sa.Column("dataset", sa.Text(collation="C"), nullable=False),
    sa.Column("uscc", sa.Text(collation="C"), nullable=False),
    sa.Column("part", sa.Text(collation="C"), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("intake_id", sa.BigInteger, nullable=False),
    sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("superseded_at", sa.DateTime(timezone=True)),
    sa.PrimaryKeyConstraint("dataset", "record_id"),
    sa.CheckConstraint("superseded_at >= recorded_at", name="records_superseded_later"),
    postgresql_partition_by="LIST (dataset)",
)
"""One row per version of a record. The current one has no ``superseded_at``; only that column ever changes."""

intakes = sa.Table(
    "intakes",
    metadata,
    sa.Column("intake_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("dataset", sa.Text(collation="C"), nullable=False),
    sa.Column("contract_version", sa.Integer, nullable=False),
    sa.Column("file_name", sa.Text, nullable=False),
    sa.Column("file_digest", sa.LargeBinary, nullable=False),
    sa.Column("as_of", sa.Date, nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("finished_at", sa.DateTime(timezone=True)),
    sa.Column("received", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("accepted", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("duplicate", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("superseded", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("quarantined", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint(
        "received = accepted + duplicate + superseded + quarantined", name="intakes_nothing_lost"
    ),
    sa.Index("intakes_by_dataset", "dataset", "intake_id"),
)
"""One row per file taken in. The counters move in the transaction that stores the rows they count."""

quarantined_rows = sa.Table(
    "quarantined_rows",
    metadata,
    sa.Column("intake_id", sa.BigInteger, sa.ForeignKey("intakes.intake_id"), nullable=False),
    sa.Column("line_number", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("field", sa.Text),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("original", sa.Text, nullable=False),
    sa.Column("quarantined_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.PrimaryKeyConstraint("intake_id", "line_number"),
)
"""疑问数据: what could not be taken, as it came, with the first reason and hints for all faults of the row."""
