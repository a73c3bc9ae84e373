"""How persons prove who they are beyond the log-in."""

from alembic import op

revision = "0012"
down_revision = "0011"

STATEMENTS: list[str] = []


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
