"""Signed forms that city platforms hand in."""

from alembic import op

revision = "0014"
down_revision = "0013"

STATEMENTS: list[str] = []


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
