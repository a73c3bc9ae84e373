"""What becomes of a clean row: pure, the stored version and the row in, the verdict out.

The first row of a key in a file establishes it. Later ones are compared with it: the same again is unchanged,
anything else contradicts the file itself. So the outcome depends neither on where batches end, nor on how often the
file was taken in before, nor on whether an intake was interrupted.
"""

from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any, Literal, NamedTuple

import orjson

Outcome = Literal["accepted", "unchanged", "superseding", "conflicting_duplicate", "older_than_stored"]


class Current(NamedTuple):
    """The current version of a record. ``delivered``: the day for which the delivery that wrote it was drawn.

    ``established``: by an earlier row of this very file. ``body`` is needed only where the digests differ.
    """

    record_id: int | None
    digest: bytes
    as_of: date
    delivered: date
    mark: str | None
    established: bool
    body: bytes | None = None


class Verdict(NamedTuple):
    """``write``: this body is to become the current version; None where nothing is to be written."""

    outcome: Outcome
    write: bytes | None = None


UNCHANGED = Verdict("unchanged")


def judge(
    current: Current | None,
    body: bytes,
    digest: bytes,
    as_of: date,
    delivered: date,
    absent: AbstractSet[str],
) -> Verdict:
    """``absent``: fields of which the file says nothing, having no column for them; they keep what is stored.

    An unchanged record whose content is now vouched for on a later day becomes a new version all the same, so that
    its `as_of` is renewed while what was answered earlier can still be shown as it was.
    """
    if current is None:
        return Verdict("accepted", body)
    if digest != current.digest:
        assert current.body is not None, "bodies are read where digests differ"
        stored = orjson.loads(current.body)
        merged = merge(stored, orjson.loads(body), absent)
        if any(stored.get(name) != value for name, value in merged.items()):
            if current.established:
                return Verdict("conflicting_duplicate")
            if delivered < current.delivered:
                return Verdict("older_than_stored")
            return Verdict("superseding", orjson.dumps(merged))
        body = current.body
    renewed = as_of > current.as_of and not current.established
    return Verdict("unchanged", body) if renewed else UNCHANGED


def merge(stored: dict[str, Any], new: dict[str, Any], absent: AbstractSet[str]) -> dict[str, Any]:
    """The new body, with the stored values in the fields of which it says nothing."""
    return {name: stored.get(name) if name in absent else value for name, value in new.items()}
