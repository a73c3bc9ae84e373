"""Probes: what banks have asked to be verified, so that a figure cannot be guessed step by step."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS: list[str] = []


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
