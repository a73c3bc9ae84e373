"""Tables of this room: records (versioned by content), intakes (exact accounts), quarantined rows, rule sets.

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
    sa.Column("mark", sa.Text),
    sa.PrimaryKeyConstraint("dataset", "record_id"),
    sa.CheckConstraint("superseded_at >= recorded_at", name="records_superseded_later"),
    postgresql_partition_by="LIST (dataset)",
)
"""One row per version of a record. The current one has no ``superseded_at``; only that column ever changes.

``mark``: NULL, ``disputed`` or ``withheld``; another mark is another version with the same body.
"""

record_events = sa.Table(
    "record_events",
    metadata,
    sa.Column("event_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    sa.Column("dataset", sa.Text(collation="C"), nullable=False),
    sa.Column("uscc", sa.Text(collation="C"), nullable=False),
    sa.Column("part", sa.Text(collation="C"), nullable=False),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("mark", sa.Text),
    sa.Column("record_id", sa.BigInteger, nullable=False),
    sa.Column("successor_id", sa.BigInteger),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("record_events_of_record", "dataset", "uscc", "part", "event_id"),
    sa.Index("record_events_by_time", "dataset", "at"),
)
"""Append-only: who marked, unmarked or withdrew which version of a record, and why."""

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
    sa.Column("unchanged", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("superseded", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("quarantined", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("form", sa.Text, nullable=False, server_default="csv"),
    sa.Column("header", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
    sa.Column("recipe", sa.LargeBinary, nullable=False, server_default=""),
    sa.Column("source", sa.Text, nullable=False, server_default="cli"),
    sa.Column("corrects", sa.BigInteger, sa.ForeignKey("intakes.intake_id")),
    sa.Column("withdraws", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("stored_at", sa.DateTime(timezone=True)),
    sa.Column("cells", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("filled", sa.BigInteger, nullable=False, server_default="0"),
    sa.CheckConstraint(
        "received = accepted + unchanged + superseded + quarantined", name="intakes_nothing_lost"
    ),
    sa.CheckConstraint("filled BETWEEN 0 AND cells", name="intakes_filled"),
    sa.Index("intakes_by_dataset", "dataset", "intake_id"),
    sa.Index("intakes_by_file", "dataset", "file_digest", "intake_id"),
    sa.Index("intakes_by_time", "started_at"),
)
"""One row per file taken in. The counters move in the transaction that stores the rows they count.

``recipe``: digest of the contract and of the code that cleaned; ``stored_at``: of the last batch; ``cells`` and
``filled``: fields of the rows taken, and how many of them say something; ``corrects``: the intake whose quarantined
rows this file corrects; ``withdraws``: whether its rows name records to be withdrawn.
"""

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
    sa.Column("corrects_line", sa.BigInteger),
    sa.Column("resolved_by", sa.BigInteger, sa.ForeignKey("intakes.intake_id")),
    sa.PrimaryKeyConstraint("intake_id", "line_number"),
    sa.Index(
        "quarantined_rows_open",
        "intake_id",
        "reason",
        postgresql_where=sa.text("resolved_by IS NULL AND corrects_line IS NULL"),
    ),
)
"""疑问数据: what could not be taken, as it came, with the first reason and hints for all faults of the row.

``corrects_line``: in a correction that did not pass either, the line that it was to correct: the open row is that
one. ``resolved_by``: the intake in which its corrected form passed; NULL while it is open.
"""

enterprise_keys = sa.Table(
    "enterprise_keys",
    metadata,
    sa.Column("uscc", sa.Text(collation="C"), primary_key=True),
    sa.Column("name", sa.Text(collation="C")),
    sa.Column("registration_number", sa.Text(collation="C")),
    sa.Column("taxpayer_number", sa.Text(collation="C")),
    sa.Index("enterprise_keys_by_name", "name"),
)
"""By what else an enterprise is known, in comparable form: a projection of the current registrations."""

contract_versions = sa.Table(
    "contract_versions",
    metadata,
    sa.Column("dataset", sa.Text(collation="C"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("toml", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
)
"""Append-only by database right: the text of every contract that a hub has worked with (`datasets.contract_history`)."""

rule_sets = sa.Table(
    "rule_sets",
    metadata,
    sa.Column("rule_set_id", sa.Text, primary_key=True),
    sa.Column("toml", sa.Text, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("drafted_by", sa.Text, nullable=False),
    sa.Column("drafted_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("approved_by", sa.Text),
    sa.Column("approved_at", sa.DateTime(timezone=True)),
    sa.Column("activated_by", sa.Text),
    sa.Column("activated_at", sa.DateTime(timezone=True)),
    sa.Column("retired_at", sa.DateTime(timezone=True)),
)
"""Sharing rules by version; the text never changes, only how far it has come (`datasets.rule_sets`)."""

rule_set_events = sa.Table(
    "rule_set_events",
    metadata,
    sa.Column("rule_set_id", sa.Text, sa.ForeignKey("rule_sets.rule_set_id"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("verb", sa.Text, nullable=False),
    sa.Column("from_state", sa.Text),
    sa.Column("to_state", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
"""Append-only by database right: who did what with a rule set, and why."""

live_checks = sa.Table(
    "live_checks",
    metadata,
    sa.Column("dataset", sa.Text(collation="C"), primary_key=True),
    sa.Column("uscc", sa.Text(collation="C"), primary_key=True),
    sa.Column("contract_version", sa.Integer),
    sa.Column("checked_at", sa.DateTime(timezone=True)),
    sa.Column("outcome", sa.Text),
    sa.Column("outcome_at", sa.DateTime(timezone=True)),
    sa.Column("answer_digest", sa.LargeBinary),
    sa.Column("asking", sa.BigInteger),
    sa.Column("asking_since", sa.DateTime(timezone=True)),
)
"""When the owner of a live data set last gave a good answer about an enterprise, how the last ask ended, and who
is asking now (`datasets.live_checks`)."""
