"""A second signature on consents."""

from alembic import op

revision = "0017"
down_revision = "0016"

STATEMENTS: list[str] = []


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
