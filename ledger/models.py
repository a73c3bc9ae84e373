"""Tables of the ledger. ``disclosures``, ``probes`` and ``availability_checks`` are append-only by database right,
``disclosures`` partitioned by month."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData()

disclosures = Table(
    "disclosures",
    metadata,
    Column(
        "decision_id", Uuid, primary_key=True, comment="also the disclosure's id, when data was disclosed"
    ),
    Column("at", DateTime(timezone=True), primary_key=True),
    Column("participant_id", Text, nullable=False),
    Column("uscc", Text, nullable=False, comment="the enterprise that was asked about"),
    Column("dataset", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("mode", Text, nullable=False),
    Column("consent_id", Uuid, nullable=False, comment="as named by the caller, also when it was no good"),
    Column("outcome", Text, nullable=False, comment="disclosed | nothing_found | refused"),
    Column("reason", Text, comment="of a refusal, a stable word"),
    Column("view_id", Text, nullable=False, comment="which compiled sharing rule cut the answer"),
    Column("record_ids", ARRAY(BigInteger), nullable=False, comment="the exact record versions disclosed"),
    Column("price_fen", Integer, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("answer_digest", LargeBinary, nullable=False, comment="SHA-256 of salt and answer body"),
    Column("request_id", Text, nullable=False),
)

answered_questions = Table(
    "answered_questions",
    metadata,
    Column("participant_id", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("question_digest", LargeBinary, nullable=False),
    Column("decision_id", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("participant_id", Text, primary_key=True),
    Column("dataset", Text, primary_key=True),
    Column("day", Date, primary_key=True, comment="in China's time"),
    Column("shard", SmallInteger, primary_key=True, comment="spreads concurrent commits; summed when read"),
    Column("disclosed", BigInteger, nullable=False),
    Column("nothing_found", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("price_fen", BigInteger, nullable=False),
)

probes = Table(
    "probes",
    metadata,
    Column("probe_id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("participant_id", Text, nullable=False),
    Column("idempotency_key", Text, nullable=False),
    Column("number", SmallInteger, nullable=False, comment="of the statement within its question"),
    Column("question_digest", LargeBinary, nullable=False),
    Column("uscc", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("part", Text, nullable=False, comment="of the record compared, or as stated when there was none"),
    Column("kind", Text, nullable=False, comment="exact | tolerance | at_least | member | belongs"),
    Column("cost", SmallInteger, nullable=False, comment="share of the month's allowance of the field"),
    Column("guess", Boolean, nullable=False, comment="whether it named a figure to the last digit"),
    Column("month", Date, nullable=False, comment="its first day, in China's time"),
)
"""One row per statement that a bank had verified. Append-only; what was stated is not in it."""

availability_checks = Table(
    "availability_checks",
    metadata,
    Column("check_id", Uuid, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("participant_id", Text, nullable=False),
    Column("uscc", Text, nullable=False, comment="the enterprise that was looked for"),
    Column("purpose", Text, nullable=False),
    Column("datasets", ARRAY(Text), nullable=False),
)
