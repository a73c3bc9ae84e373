"""Looking into a file from outside, in a process of its own that has nothing to lose (`consent.form_file`)."""

import asyncio
import hashlib
import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consent import form_file
from consent.form_file import FAULTS, SECONDS_MAX
from core.errors import InvalidInput

_PROGRAM = str(Path(form_file.__file__))
PATIENCE_SECONDS = 2 * SECONDS_MAX
"""for the process, which may have to wait for a processor; it ends itself after `SECONDS_MAX` of work"""


@dataclass(frozen=True)
class FormFile:
    """A file that is what its content says: PDF, JPEG or PNG, readable, and without anything that acts."""

    content: bytes = field(repr=False)
    media_type: str
    pages: int
    digest: bytes
    """SHA-256 of the content"""


async def examine_form(content: bytes) -> FormFile:
    """Raises `InvalidInput` with the fault (a word of `FAULTS`) for a file that is not taken."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",  # no environment, no folder of ours on the path
        _PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            said, _ = await process.communicate(content)
    except TimeoutError:
        said = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    verdict: dict[str, Any] = {"fault": "unreadable"}
    if process.returncode == 0 and said:
        verdict = json.loads(said)
    if "fault" in verdict:
        fault = verdict["fault"]
        raise InvalidInput("signed_form_file", fault, errors={"file": f"{fault}: {FAULTS[fault]}"})
    return FormFile(content, verdict["media_type"], verdict["pages"], hashlib.sha256(content).digest())
