"""A second signature on consents; how far the people of an enterprise have read what happened to them."""

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS = [
    "ALTER TABLE consent_artefacts ADD COLUMN sm2_signature text",
    # What was there before is news to nobody.
    "ALTER TABLE enterprise_people ADD COLUMN news_read_to bigint NOT NULL DEFAULT 0 CHECK (news_read_to >= 0)",
    "UPDATE enterprise_people SET news_read_to = (SELECT coalesce(max(event_id), 0) FROM consent_events)",
]


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
