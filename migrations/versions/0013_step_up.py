"""Second factors of persons, and where they are logged in."""

from alembic import op

revision = "0013"
down_revision = "0012"

STATEMENTS: list[str] = []


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
