"""Tables of the consent room. ``consent_events``, ``consent_artefacts``, ``consent_approvals``, ``approval_rules``,
``mandate_events``, ``factor_events``, ``operator_events`` and the three of signed forms are append-only by database
right.

The view ``live_consents`` (migrations) is this room's contract with the ledger: one row per consent, whose
``standing`` says how it stands at this instant (``active`` only if approved, in its term and with uses left, also
of this day and month), and whose ``uses_spent`` and ``spent_…`` the ledger moves in the statement that appends a
disclosure.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    Column("redirect_uris", ARRAY(Text), nullable=False, comment="compared exactly"),
    Column("notification_url", Text, comment="where CIBA pings go; null: the client polls"),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("token_digest", LargeBinary, primary_key=True, comment="SHA-256; the token itself is not kept"),
    Column("origin_digest", LargeBinary, nullable=False, comment="SHA-256 of the code that gave it, once"),
    Column("client_id", Text, ForeignKey("clients.client_id"), nullable=False),
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), nullable=False),
    Column("issued_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
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
    Column("uses_max_day", Integer),
    Column("uses_max_month", Integer),
    Column("data_from", Date, comment="first day of the oldest month that may be seen"),
    Column("spent_on", Date, comment="day of the last use, China's time"),
    Column("spent_that_day", Integer, nullable=False, server_default="0"),
    Column("spent_that_month", Integer, nullable=False, server_default="0"),
    Column(
        "supersedes", Uuid, ForeignKey("consents.consent_id"), comment="the consent that it is to replace"
    ),
    Column("asked", JSONB, comment="what the bank had asked for, where the enterprise granted less"),
    Column("reminded_at", DateTime(timezone=True)),
    Column(
        "through",
        Text,
        ForeignKey("participants.participant_id"),
        comment="the platform that may hand in the form which the enterprise signed there",
    ),
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
    Column("event_id", BigInteger, Identity(always=True), nullable=False, comment="in the order of commits"),
    Column("facts", JSONB, nullable=False, server_default="{}"),
)

consent_artefacts = Table(
    "consent_artefacts",
    metadata,
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), primary_key=True),
    Column("jws", Text, nullable=False, comment="RFC 7515 compact, payload RFC 8785 canonical JSON"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the payload"),
    Column("signed_at", DateTime(timezone=True), nullable=False),
    Column("sm2_signature", Text, comment="of the same payload, RFC 7515 appendix F; null: none was made"),
)

backchannel_requests = Table(
    "backchannel_requests",
    metadata,
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), primary_key=True),
    Column("client_id", Text, ForeignKey("clients.client_id"), nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False),
    Column("notification_token", Text, comment="the client's, for its ping; null: no ping is to be sent"),
    Column("ping_attempts", Integer, nullable=False),
    Column("ping_at", DateTime(timezone=True), nullable=False, comment="not before"),
    Column("pinged_at", DateTime(timezone=True)),
)

operators = Table(
    "operators",
    metadata,
    Column("operator_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False, comment="system_admin | security_admin | audit_admin"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
)

operator_events = Table(
    "operator_events",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("operator_id", Text, ForeignKey("operators.operator_id"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("verb", Text, nullable=False),
    Column(
        "about",
        Text,
        nullable=False,
        comment="the rule set, intake or decision; never an enterprise or a secret",
    ),
)

enterprise_people = Table(
    "enterprise_people",
    metadata,
    Column("uscc", Text, primary_key=True),
    Column("subject", Text, primary_key=True, comment="the log-in's opaque identifier of the person"),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False, comment="legal_representative | agent, as the log-in vouched"),
    Column("first_seen_at", DateTime(timezone=True), nullable=False),
    Column("last_seen_at", DateTime(timezone=True), nullable=False),
    Column(
        "news_read_to",
        BigInteger,
        nullable=False,
        server_default="0",
        comment="newest event the person has seen",
    ),
)

mandates = Table(
    "mandates",
    metadata,
    Column("mandate_id", Uuid, primary_key=True),
    Column("uscc", Text, nullable=False),
    Column("agent_subject", Text, nullable=False),
    Column("agent_name", Text, nullable=False),
    Column("purposes", ARRAY(Text), nullable=False),
    Column("datasets", ARRAY(Text), nullable=False),
    Column("term_days_max", Integer, nullable=False, comment="of a consent that the agent approves"),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("valid_until", DateTime(timezone=True), nullable=False),
    Column("appointed_by", Text, nullable=False, comment="subject of the legal representative"),
    Column("appointer_name", Text, nullable=False),
    Column("jws", Text, nullable=False, comment="RFC 7515 compact, payload RFC 8785 canonical JSON"),
    Column("revoked_at", DateTime(timezone=True)),
)

mandate_events = Table(
    "mandate_events",
    metadata,
    Column("event_id", BigInteger, Identity(always=True), primary_key=True),
    Column("mandate_id", Uuid, ForeignKey("mandates.mandate_id"), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("verb", Text, nullable=False, comment="appoint | revoke"),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

consent_approvals = Table(
    "consent_approvals",
    metadata,
    Column("approval_id", BigInteger, Identity(always=True), primary_key=True),
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), nullable=False),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("assurance", Text, nullable=False),
    Column("mandate_id", Uuid, ForeignKey("mandates.mandate_id")),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("proven_by", Text, comment="how the person came: `Signatory.proven_by`"),
    Column(
        "confirmed_by", Text, comment="totp | passkey | fresh_login; null: nothing was needed, or none there"
    ),
)

factors = Table(
    "factors",
    metadata,
    Column("factor_id", Uuid, primary_key=True, comment="of a totp, the secret is derived from it"),
    Column("uscc", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="the log-in's opaque identifier of the person"),
    Column("kind", Text, nullable=False, comment="totp | passkey"),
    Column("name", Text, nullable=False, comment="the person's own word for it"),
    Column("enrolled_at", DateTime(timezone=True), nullable=False),
    Column("used_at", DateTime(timezone=True)),
    Column("removed_at", DateTime(timezone=True)),
    Column("last_step", BigInteger, comment="totp: of the last code that was taken, RFC 6238 §5.2"),
    Column("tries", SmallInteger, nullable=False, server_default="0", comment="totp: wrong codes in a row"),
    Column(
        "held_until", DateTime(timezone=True), comment="totp: no code is taken before, after too many tries"
    ),
    Column("credential_id", LargeBinary, comment="passkey"),
    Column("public_key", LargeBinary, comment="passkey: COSE_Key, RFC 9052 §7"),
    Column("sign_count", BigInteger, comment="passkey: WebAuthn §6.1.1"),
)

factor_events = Table(
    "factor_events",
    metadata,
    Column("event_id", BigInteger, Identity(always=True), primary_key=True),
    Column("factor_id", Uuid, ForeignKey("factors.factor_id"), nullable=False),
    Column("uscc", Text, nullable=False),
    Column("person_name", Text, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("verb", Text, nullable=False, comment="enrol | remove"),
    Column("confirmed_by", Text, nullable=False, comment="totp | passkey | fresh_login | recovery"),
)

approval_rules = Table(
    "approval_rules",
    metadata,
    Column("rule_id", BigInteger, Identity(always=True), primary_key=True),
    Column("uscc", Text, nullable=False),
    Column("purpose", Text, comment="null: every purpose"),
    Column("level_from", SmallInteger, comment="null: data of every level"),
    Column("needed", SmallInteger, nullable=False, comment="1 to 5 persons"),
    Column("set_by", Text, nullable=False),
    Column("set_at", DateTime(timezone=True), nullable=False),
)

transfer_proofs = Table(
    "transfer_proofs",
    metadata,
    Column(
        "proof_id", Uuid, primary_key=True, comment="also the number of the order at the transfer service"
    ),
    Column("uscc", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="whose assurance it raises"),
    Column("person_name", Text, nullable=False),
    Column("account_tail", Text, nullable=False, comment="last four digits; the account is not kept"),
    Column("amount_digest", LargeBinary, nullable=False, comment="HMAC-SHA-256 of number and amount"),
    Column("ordered_at", DateTime(timezone=True), nullable=False),
    Column("tries", SmallInteger, nullable=False, comment="wrong amounts, 3 at most"),
    Column("returned_at", DateTime(timezone=True), comment="the bank did not take it"),
    Column("proven_at", DateTime(timezone=True)),
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("participant_id", Text, ForeignKey("participants.participant_id"), primary_key=True),
    Column("url", Text, nullable=False),
    Column("secret_number", Integer, nullable=False, comment="which secret signs; none is stored"),
    Column("renewed_at", DateTime(timezone=True), comment="for a day after it the secret before signs too"),
    Column("opened_at", DateTime(timezone=True), nullable=False),
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_because", Text, comment="operator | gone"),
)

notices = Table(
    "notices",
    metadata,
    Column("event_id", BigInteger, ForeignKey("consent_events.event_id"), primary_key=True),
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), nullable=False),
    Column("participant_id", Text, ForeignKey("participants.participant_id"), nullable=False),
    Column("state", Text, nullable=False, comment="kept | waiting | delivered | given_up"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("due_at", DateTime(timezone=True), nullable=False, comment="not to be tried before"),
    Column("claimed_until", DateTime(timezone=True), comment="a worker is sending it"),
    Column("attempts", Integer, nullable=False),
    Column("fault", Text, comment="what the last attempt met, a stable word"),
    Column("settled_at", DateTime(timezone=True)),
    Column("handled_at", DateTime(timezone=True), comment="a person saw to it"),
    Column("handled_by", Text),
)

consent_steps = Table(
    "consent_steps",
    metadata,
    Column("consent_id", Uuid, primary_key=True, comment="no foreign key: see the migration"),
    Column(
        "step",
        Text,
        primary_key=True,
        comment="shown | opened | logged_in | read | less | challenged | confirmed",
    ),
    Column("at", DateTime(timezone=True), nullable=False, comment="for the first time"),
)

signed_forms = Table(
    "signed_forms",
    metadata,
    Column("form_id", Uuid, primary_key=True),
    Column("consent_id", Uuid, ForeignKey("consents.consent_id"), nullable=False),
    Column("handed_in_by", Text, ForeignKey("participants.participant_id"), nullable=False),
    Column("handed_in_at", DateTime(timezone=True), nullable=False),
    Column("media_type", Text, nullable=False, comment="by its content, not by what was said"),
    Column("octets", Integer, nullable=False),
    Column("pages", SmallInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the file"),
    Column(
        "signed_on",
        Date,
        nullable=False,
        comment="as who handed it in read it from the form; so the next two",
    ),
    Column("enterprise_name", Text, nullable=False),
    Column("signatory_name", Text, nullable=False),
)

signed_form_files = Table(
    "signed_form_files",
    metadata,
    Column("form_id", Uuid, ForeignKey("signed_forms.form_id"), primary_key=True),
    Column("content", LargeBinary, nullable=False, comment="PDF, JPEG or PNG, as it came"),
)

signed_form_reviews = Table(
    "signed_form_reviews",
    metadata,
    Column("form_id", Uuid, ForeignKey("signed_forms.form_id"), primary_key=True),
    Column("operator_id", Text, ForeignKey("operators.operator_id"), primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("because", Text, comment="why it was sent back, a stable word; null: it is as it should be"),
    Column("note", Text, nullable=False),
)
