"""What the simulated banks and enterprises know of each other: which consents stand, and which no longer do.

A plain object shared by all users: they are cooperative threads of one process (gevent).
"""

import itertools
import json
import os
import random
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

# The bank of the demo; every simulated bank is one of its desks.
CLIENT_ID = "demo-bank"
BANK_NAME = "演示银行"


@dataclass
class Consent:
    consent_id: str
    uscc: str
    approval_url: str
    state: Literal["awaiting", "active", "revoked", "used_up"] = "awaiting"
    """revoked: the enterprise has its answer, so no question begun from now on may get data"""
    revoking: bool = False
    """the enterprise has sent its revocation: from now on data may stop"""


@dataclass
class Market:
    enterprises: list[Mapping[str, Any]]
    consents: list[Consent] = field(default_factory=list)
    staffed: set[str] = field(default_factory=set)
    """USCCs of enterprises whose people are there and answer their inbox themselves"""
    wanting: deque[str] = field(default_factory=deque)
    """those of them that have nothing in their inbox"""

    refused_after_revocation: int = 0

    def __post_init__(self) -> None:
        shuffled = random.sample(self.enterprises, len(self.enterprises))
        self._turn: Iterator[Mapping[str, Any]] = itertools.cycle(shuffled)

    def next_enterprise(self) -> Mapping[str, Any]:
        return next(self._turn)

    def whom_to_ask_for_consent(self) -> str:
        """An enterprise with an empty inbox, else any whose people are there, else any at all."""
        if self.wanting:
            return self.wanting.popleft()
        return random.choice(sorted(self.staffed)) if self.staffed else str(self.next_enterprise()["uscc"])

    def some(self, state: str, uscc: str | None = None) -> Consent | None:
        """Any consent in this state, of this enterprise if one is named."""
        found = [one for one in self.consents if one.state == state and uscc in (None, one.uscc)]
        return random.choice(found) if found else None

    def name_of(self, uscc: str) -> str:
        return next(str(one["name"]) for one in self.enterprises if one["uscc"] == uscc)


def open_market() -> Market:
    """From the list of enterprises that LOAD_ENTERPRISES names; only those whose data are complete."""
    listed = json.loads(Path(os.environ["LOAD_ENTERPRISES"]).read_text())
    return Market([one for one in listed if one["complete"]])
