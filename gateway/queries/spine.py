"""The parts that a question passes on its way (`gateway.queries.answer`); made once in `gateway.hub`."""

from dataclasses import dataclass

from core.clock import Clock
from core.groups import GroupOperation
from datasets import Catalogue, ShelfAsk, ShelfReask, Shelved
from gateway.oauth.bearer import Doorkeeper
from gateway.queries.admission import Admission
from gateway.queries.deliveries import Deliveries
from gateway.queries.live import LiveShelf
from ledger import ConsentLook, Earlier, Entry, ProbeClaim, Remembered


@dataclass
class Spine:
    doorkeeper: Doorkeeper
    admission: Admission
    catalogue: Catalogue
    """replaced as a whole when other rules come into force: read it once per question"""
    shelf: GroupOperation[ShelfAsk, list[Shelved]]
    shelf_again: GroupOperation[ShelfReask, list[Shelved]]
    live: LiveShelf
    deliveries: Deliveries
    look: GroupOperation[ConsentLook, str | None]
    claim_probes: GroupOperation[ProbeClaim, str | None]
    remember: GroupOperation[Entry, Remembered]
    recall: GroupOperation[tuple[str, str], Earlier | None]
    clock: Clock
