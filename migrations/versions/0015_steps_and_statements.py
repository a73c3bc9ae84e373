"""How far a request got, and what a quarter's statement says."""

from alembic import op

revision = "0015"
down_revision = "0014"

STATEMENTS: list[str] = []


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
