"""Tables of the consent room. ``consent_events`` and ``consent_artefacts`` are append-only by database right.

The view ``live_consents`` (migrations) is this room's contract with the ledger: one row per consent, whose
``standing`` says how it stands at this instant (``active`` only if approved, in its term and with uses left),
and whose ``uses_spent`` the ledger moves in the statement that appends a disclosure.
"""

from sqlalchemy import Column, DateTime, ForeignKey, Integer, LargeBinary, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

metadata = MetaData()

participants = Table(
    "participants",
    metadata,
    Column("participant_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("participant_class", Text, nullable=False, comment="bank | platform"),
    Column("registered_at", DateTime(timezone=True), nullable=False),
    Column("suspended_at", DateTime(timezone=True)),
)

clients = Table(
    "clients",
    metadata,
    Column("client_id", Text, primary_key=True),
    Column("participant_id", Text, ForeignKey("participants.participant_id"), nullable=False),
    Column("jwks", Text, nullable=False, comment="RFC 7517 key set, public keys only"),
    Column("registered_at", DateTime(timezone=True), nullable=False),
)

enterprises = Table(
    "enterprises",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
)

consents = Table(
    "consents",
    metadata,
    Column("consent_id", Uuid, primary_key=True),
    Column("participant_id", Text, ForeignKey("participants.participant_id"), nullable=False),
    Column("uscc", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("datasets", ARRAY(Text), nullable=False),
    Column("term_days", Integer, nullable=False),
    Column("uses_max", Integer, nullable=False),
    Column("uses_spent", Integer, nullable=False),
    Column("retention_days", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("request_key", Text, comment="the bank's Idempotency-Key of the request, if it sent one"),
    Column("state", Text, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("answer_by", DateTime(timezone=True), nullable=False),
    Column("valid_from", DateTime(timezone=True)),
    Column("valid_until", DateTime(timezone=True)),
)

consent_events = Table(
    "consent_events",
    metadata,
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), primary_key=True),
    Column("number", Integer, primary_key=True, comment="1, 2, 3 … within the consent"),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("verb", Text, nullable=False),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("actor", Text, nullable=False, comment="participant:…, signatory:… or hub"),
    Column("reason", Text, nullable=False),
)

consent_artefacts = Table(
    "consent_artefacts",
    metadata,
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), primary_key=True),
    Column("jws", Text, nullable=False, comment="RFC 7515 compact, payload RFC 8785 canonical JSON"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the payload"),
    Column("signed_at", DateTime(timezone=True), nullable=False),
)
