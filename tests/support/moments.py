"""Instants in the parameters of tests: those are made at collection, minutes before a test runs."""

import time
from collections.abc import Mapping
from typing import Any


class FromNow(int):
    """So many seconds after the moment at which it is used (`used_now`)."""


def used_now(claims: Mapping[str, Any]) -> dict[str, Any]:
    now = int(time.time())
    return {name: now + int(value) if isinstance(value, FromNow) else value for name, value in claims.items()}
