"""The path of a bank's question, from the door to the answer (design.md §4).

No consent, no data (promise 1): the consent is judged in the statement that records the disclosure.
Remember before telling (promise 2): `hub.remember` returns after the commit, and only then is there a reply.
"""

import hashlib
import os
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec
import orjson

from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.identifiers import InvalidUSCC, new_id, parse_uscc
from datasets import Catalogue, Mode, ShelfReask, Statement, View
from gateway.oauth.bearer import Caller, Credentials
from gateway.queries.admission import Knock
from gateway.queries.gathering import Material, Question, checks_of, gather, nothing_shelved
from gateway.queries.showing import Shown, show
from gateway.queries.spine import Spine
from ledger import Earlier, Entry

REPEATABLE_STANDINGS = ("active", "used_up", "used_up_today", "used_up_this_month")
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
    mode: Mode | None = None
    fields: tuple[str, ...] | None = None
    statements: tuple[Statement, ...] = ()


DECODER = msgspec.json.Decoder(QuestionBody)
FIELDS_MAX = 200


async def answer(asked: Asked, hub: Spine) -> bytes:
    """The body of the answer, after it was recorded. Raises `core.errors.HubError`, and then no data leaves."""
    caller = hub.doorkeeper.who_asks(asked.credentials, "POST", asked.path)
    catalogue = hub.catalogue
    question = read_question(asked, catalogue)
    if caller.grant_id is not None and caller.grant_id != str(question.consent_id):
        raise Refused("consent_outside_token")  # the token was given for one consent and serves no other
    await hub.admission.admit(Knock(f"rate:{caller.participant_id}:{question.dataset}", caller.replay_key))
    view = view_of(question, caller, catalogue)
    if view.contract.live is not None and await earlier_answer(question, caller, hub):
        return await answer_again(caller, question, hub)  # also while the owner is away
    return await tell(asked, caller, question, view, hub)


async def tell(asked: Asked, caller: Caller, question: Question, view: View, hub: Spine) -> bytes:
    """Get it, cut it, remember it; then the body may leave."""
    material = await gather(question, view, caller, hub)
    decision_id, at = new_id(), hub.clock()
    shown = show(view, material, at, hub.deliveries.known_at)
    body = write_answer(view, shown, decision_id, at)
    remembered = await hub.remember.ask(
        entry_of(body, asked, caller, question, view, shown, material.forbidden, decision_id, at)
    )
    if remembered.outcome == "already_answered":
        return await answer_again(caller, question, hub)
    if remembered.data_from is not None and question.since is None:
        # Older than what the consent allows, so nothing was recorded: once more without it.
        return await tell(asked, caller, question._replace(since=remembered.data_from), view, hub)
    if remembered.reason is not None:
        raise Refused(remembered.reason, decision_id=str(decision_id))
    return body


def read_question(asked: Asked, catalogue: Catalogue) -> Question:
    """Parse what came in. Raises `InvalidInput` or `NotFound` with what to correct."""
    contract = catalogue.contracts.get(asked.dataset)
    if contract is None:
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
    if body.fields is not None and not 1 <= len(body.fields) <= FIELDS_MAX:
        raise InvalidInput("fields_invalid", errors={"fields": f"1 to {FIELDS_MAX} names, or leave it out"})
    try:
        uscc = parse_uscc(body.uscc)
    except InvalidUSCC as error:
        raise InvalidInput("uscc_invalid", errors={"uscc": str(error)}) from error
    return Question(
        consent_id=body.consent_id,
        uscc=uscc,
        purpose=body.purpose,
        dataset=asked.dataset,
        mode=body.mode or ("verify" if body.statements else contract.modes[0]),
        fields=body.fields,
        statements=body.statements,
        idempotency_key=key,
        digest=digest_of(body, uscc, asked.dataset),
    )


def digest_of(body: QuestionBody, uscc: str, dataset: str) -> bytes:
    asked_for = f"{body.consent_id}|{uscc}|{body.purpose}|{dataset}".encode()
    if body.mode or body.fields or body.statements:
        asked_for += msgspec.json.encode((body.mode, body.fields, body.statements))
    return hashlib.sha256(asked_for).digest()


def view_of(question: Question, caller: Caller, catalogue: Catalogue) -> View:
    """What the rules let out to this caller: all of it, or the fields that are asked for or stated."""
    view = catalogue.view_for(
        caller.participant_class, question.purpose, question.dataset, question.mode, question.fields
    )
    if not question.statements:
        return view
    stated = {statement.field for statement in question.statements} & view.contract.field_by_name.keys()
    return view.only(sorted(stated)) if stated else view


def write_answer(view: View, shown: Shown, decision_id: UUID, at: datetime) -> bytes:
    """The body of an answer. The same arguments give the same bytes: a retry depends on it."""
    found = shown.found
    body = {
        "decision_id": decision_id,
        "disclosure_id": decision_id if found else None,
        "answered_at": at,
        "dataset": view.dataset,
        "mode": view.mode,
        "owner": view.owner,
        "as_of": shown.as_of,
        "as_of_oldest": shown.as_of_oldest,
        "found": found,
        "views": view.views_json,
        "withheld": view.withheld_json,
        "charged_fen": view.price_fen if found else 0,
        "note": shown.note,
        **shown.parts,
    }
    return orjson.dumps(body)


def entry_of(
    body: bytes,
    asked: Asked,
    caller: Caller,
    question: Question,
    view: View,
    shown: Shown,
    forbidden: str | None,
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
        forbidden=forbidden,
        view_id=view.view_id,
        record_ids=f"{{{','.join(map(str, shown.record_ids))}}}",
        price_fen=view.price_fen,
        salt=salt,
        answer_digest=hashlib.sha256(salt + body).digest(),
        request_id=asked.request_id,
        oldest=shown.as_of_oldest,
    )


async def earlier_answer(question: Question, caller: Caller, hub: Spine) -> Earlier | None:
    return await hub.recall.ask((caller.participant_id, question.idempotency_key))


async def answer_again(caller: Caller, question: Question, hub: Spine) -> bytes:
    """The answer that this idempotency key had: same bytes, same disclosure, no second charge (promise 4).

    It is made anew from the record versions that the disclosure names, and compared with its digest. A consent
    revoked since then lets nothing out, not even again (promise 1), and so does a record withheld since then.
    """
    earlier = await earlier_answer(question, caller, hub)
    if earlier is None:
        raise Conflict("answer_not_reproducible")
    if earlier.question_digest != question.digest:
        raise Conflict("idempotency_key_reused")
    facts = {"decision_id": str(earlier.decision_id)}
    if earlier.standing not in REPEATABLE_STANDINGS:
        raise Refused(f"consent_{earlier.standing}", **facts)
    view = hub.catalogue.view_by_id(earlier.view_id)
    if view is None or not view.answers:
        raise Conflict("answer_not_reproducible", **facts)
    shelved = nothing_shelved(view)
    if earlier.record_ids:
        datasets = [dataset for dataset, _ in view.inputs]
        shelved = await hub.shelf_again.ask(ShelfReask(datasets, earlier.record_ids))
    if any(one.held_back for one in shelved):
        raise Refused("record_withheld", **facts)
    material = Material(shelved, checks_of(question, view))
    shown = show(view, material, earlier.at, hub.deliveries.known_at)
    body = write_answer(view, shown, earlier.decision_id, earlier.at)
    if hashlib.sha256(earlier.salt + body).digest() != earlier.answer_digest:
        raise Conflict("answer_not_reproducible", **facts)
    return body
