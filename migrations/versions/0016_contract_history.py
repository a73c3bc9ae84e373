"""The contracts that older decisions were made under."""

from alembic import op

revision = "0016"
down_revision = "0015"

STATEMENTS: list[str] = []


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
