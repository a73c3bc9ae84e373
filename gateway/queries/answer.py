"""The path of a bank's question, from the door to the answer (design.md §4).

No consent, no data (promise 1): the consent is judged in the statement that records the disclosure.
Remember before telling (promise 2): `hub.remember` returns after the commit, and only then is there a reply.
"""

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
import orjson

from core.clock import Clock
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.groups import GroupOperation
from core.identifiers import USCC, InvalidUSCC, new_id, parse_uscc
from datasets import ABSENCE_NOTE, NOTHING_SHELVED, Catalogue, Mode, ShelfAsk, ShelfReask, Shelved, View
from gateway.oauth.bearer import Caller, Credentials, Doorkeeper
from gateway.queries.admission import Admission, Knock
from ledger import Earlier, Entry, Remembered

MODE: Mode = "collected"
NOT_FOUND_NOTE = f"{ABSENCE_NOTE}：归集库中暂无该企业的此项数据。"
REPEATABLE_STANDINGS = ("active", "used_up")
"""of a consent: the answer to a retry is given again, as its use was spent for this very question"""


class Asked(NamedTuple):
    """One request as it came in."""

    credentials: Credentials
    path: str
    dataset: str
    idempotency_key: str
    body: bytes
    request_id: str


class QuestionBody(msgspec.Struct, forbid_unknown_fields=True):
    consent_id: UUID
    uscc: str
    purpose: str


class Question(NamedTuple):
    consent_id: UUID
    uscc: USCC
    purpose: str
    dataset: str
    idempotency_key: str
    digest: bytes
    """of what is asked, so that a reused idempotency key is noticed"""


@dataclass(frozen=True)
class Spine:
    """The parts that a question passes; made once in `gateway.main`."""

    doorkeeper: Doorkeeper
    admission: Admission
    catalogue: Catalogue
    shelf: GroupOperation[ShelfAsk, Shelved]
    shelf_again: GroupOperation[ShelfReask, Shelved]
    remember: GroupOperation[Entry, Remembered]
    recall: GroupOperation[tuple[str, str], Earlier | None]
    clock: Clock


DECODER = msgspec.json.Decoder(QuestionBody)


async def answer(asked: Asked, hub: Spine) -> bytes:
    """The body of the answer, after it was recorded. Raises `core.errors.HubError`, and then no data leaves."""
    caller = hub.doorkeeper.who_asks(asked.credentials, "POST", asked.path)
    question = read_question(asked, hub.catalogue)
    await hub.admission.admit(Knock(f"rate:{caller.participant_id}:{question.dataset}", caller.replay_key))
    view = hub.catalogue.view_for(caller.participant_class, question.purpose, question.dataset, MODE)
    shelved = await fetch(question, view, hub)
    decision_id, at = new_id(), hub.clock()
    body = write_answer(view, shelved, decision_id, at)
    remembered = await hub.remember.ask(
        entry_of(body, asked, caller, question, view, shelved, decision_id, at)
    )
    if remembered.outcome == "already_answered":
        return await answer_again(caller, question, hub)
    if remembered.reason is not None:
        raise Refused(remembered.reason, decision_id=str(decision_id))
    return body


def read_question(asked: Asked, catalogue: Catalogue) -> Question:
    """Parse what came in. Raises `InvalidInput` or `NotFound` with what to correct."""
    if asked.dataset not in catalogue.contracts:
        raise NotFound("dataset_unknown")
    key = asked.idempotency_key
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInput("idempotency_key_missing")
    try:
        body = DECODER.decode(asked.body)
    except msgspec.ValidationError as error:
        raise InvalidInput("question_invalid", errors={"body": str(error)}) from error
    except msgspec.DecodeError as error:
        raise InvalidInput("malformed_json", errors={"body": str(error)}) from error
    if body.purpose not in catalogue.purposes:
        raise InvalidInput("purpose_unknown")
    try:
        uscc = parse_uscc(body.uscc)
    except InvalidUSCC as error:
        raise InvalidInput("uscc_invalid", errors={"uscc": str(error)}) from error
    asked_for = f"{body.consent_id}|{uscc}|{body.purpose}|{asked.dataset}"
    digest = hashlib.sha256(asked_for.encode()).digest()
    return Question(body.consent_id, uscc, body.purpose, asked.dataset, key, digest)


async def fetch(question: Question, view: View, hub: Spine) -> Shelved:
    """The stored records; none are read for a view that lets nothing out."""
    if not view.lets_out:
        return NOTHING_SHELVED
    return await hub.shelf.ask(ShelfAsk(question.dataset, question.uscc, view.records_max))


def write_answer(view: View, shelved: Shelved, decision_id: UUID, at: datetime) -> bytes:
    """The body of an answer. The same arguments give the same bytes: a retry depends on it."""
    body = {
        "decision_id": decision_id,
        "disclosure_id": decision_id if shelved.found else None,
        "answered_at": at,
        "dataset": view.dataset,
        "mode": view.mode,
        "owner": view.owner,
        "as_of": shelved.as_of_newest,
        "as_of_oldest": shelved.as_of,
        "found": shelved.found,
        "views": view.views_json,
        "withheld": view.withheld_json,
        "charged_fen": view.price_fen if shelved.found else 0,
        "note": None if shelved.found else NOT_FOUND_NOTE,
        "records": orjson.Fragment(view.render(shelved.bodies)),
    }
    return orjson.dumps(body)


def entry_of(
    body: bytes,
    asked: Asked,
    caller: Caller,
    question: Question,
    view: View,
    shelved: Shelved,
    decision_id: UUID,
    at: datetime,
) -> Entry:
    salt = os.urandom(16)
    return Entry(
        decision_id=decision_id,
        at=at,
        participant_id=caller.participant_id,
        uscc=question.uscc,
        dataset=question.dataset,
        purpose=question.purpose,
        mode=view.mode,
        consent_id=question.consent_id,
        idempotency_key=question.idempotency_key,
        question_digest=question.digest,
        forbidden=None if view.lets_out else "no_rule",
        view_id=view.view_id,
        record_ids=f"{{{','.join(map(str, shelved.record_ids))}}}",
        price_fen=view.price_fen,
        salt=salt,
        answer_digest=hashlib.sha256(salt + body).digest(),
        request_id=asked.request_id,
    )


async def answer_again(caller: Caller, question: Question, hub: Spine) -> bytes:
    """The answer that this idempotency key had: same bytes, same disclosure, no second charge (promise 4).

    It is made anew from the record versions that the disclosure names, and compared with its digest. A consent
    revoked since then lets nothing out, not even again (promise 1).
    """
    earlier = await hub.recall.ask((caller.participant_id, question.idempotency_key))
    if earlier is None:
        raise Conflict("answer_not_reproducible")
    if earlier.question_digest != question.digest:
        raise Conflict("idempotency_key_reused")
    facts = {"decision_id": str(earlier.decision_id)}
    if earlier.standing not in REPEATABLE_STANDINGS:
        raise Refused(f"consent_{earlier.standing}", **facts)
    view = hub.catalogue.view_by_id(earlier.view_id)
    if view is None:
        raise Conflict("answer_not_reproducible", **facts)
    shelved = NOTHING_SHELVED
    if earlier.record_ids:
        shelved = await hub.shelf_again.ask(ShelfReask(question.dataset, earlier.record_ids))
    body = write_answer(view, shelved, earlier.decision_id, earlier.at)
    if hashlib.sha256(earlier.salt + body).digest() != earlier.answer_digest:
        raise Conflict("answer_not_reproducible", **facts)
    return body
