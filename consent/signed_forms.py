"""授权书: a consent that the enterprise signed on a form, which a city platform holds and hands in.

The form stands for one request that waits for an answer, and all the while the enterprise may answer that itself. Two
operators compare the form with the request, each for himself; with the second one's yes the consent begins, and the
form is its evidence. One no sends it back to the platform, which may hand in a better one.

A form proves less than a log-in, so it is good for less: `_must_be_enough`. Every function works inside the caller's
transaction and locks the consent first.
"""

import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

from joserfc.jwk import ECKey
from sqlalchemy import ColumnElement, Select, exists, func, insert, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from consent.approval import approvals_needed, store_artefact
from consent.artefact import Approval, Wording, sentences_of, sign_artefact
from consent.examination import FormFile
from consent.life import Consent, consent_of, find, is_, lock, move, stored_consents, waits
from consent.models import (
    consents,
    participants,
    signed_form_files,
    signed_form_reviews,
    signed_forms,
)
from consent.policies import LEGAL_REPRESENTATIVE, SENSITIVE_LEVEL, next_state
from consent.requests import ANSWER_WITHIN
from core.clock import CHINA, china_day
from core.errors import Conflict, InvalidInput, NotFound, Refused
from core.identifiers import new_id
from core.sm2 import SM2Key

REVIEWERS = 2
"""distinct operators who must find a form good"""
FORMS_MAX = 5
"""handed in for one request"""
SIGNED_WITHIN_DAYS = 90
NAME_CHARACTERS_MAX = 100
NOTE_CHARACTERS_MAX = 200
ASSURANCE = "urn:xinyi:signed-form"
"""stands in the artefact where a log-in's ``acr`` would: no level of assurance at all"""

FormState = Literal["in_review", "accepted", "sent_back", "overtaken"]
"""overtaken: the request was answered, withdrawn or lapsed before two had looked"""

Because = Literal[
    "illegible",
    "not_a_form",
    "enterprise_differs",
    "signatory_differs",
    "signature_missing",
    "terms_differ",
    "date_differs",
    "altered",
    "other",
]
BECAUSES: tuple[Because, ...] = get_args(Because)
"""Why a form is sent back; a note says more."""


class Said(NamedTuple):
    """What the form says, as the platform's clerk read it; the reviewers compare it."""

    signed_on: date
    enterprise_name: str
    signatory_name: str


class Review(NamedTuple):
    """``because`` None: it is as it should be."""

    operator_id: str
    at: datetime
    because: Because | None
    note: str


@dataclass(frozen=True)
class SignedForm:
    form_id: UUID
    consent_id: UUID
    handed_in_by: str
    handed_in_by_name: str
    handed_in_at: datetime
    media_type: str
    octets: int
    pages: int
    digest: bytes
    """SHA-256 of the file"""
    said: Said
    reviews: tuple[Review, ...]
    """the first one first"""

    def state_with(self, consent: Consent, at: datetime) -> FormState:
        if self.no is not None:
            return "sent_back"
        if len(self.reviews) >= REVIEWERS:
            return "accepted"
        return "in_review" if consent.state_at(at) == "awaiting" else "overtaken"

    @property
    def no(self) -> Review | None:
        return next((review for review in self.reviews if review.because), None)

    def reviewed_by(self, operator_id: str) -> bool:
        return operator_id in {review.operator_id for review in self.reviews}


def ends_of_term(said: Said, term_days: int) -> datetime:
    """The term that the enterprise signed begins with the day on which it signed, not when we have read it."""
    return datetime.combine(said.signed_on, time(), CHINA).astimezone(UTC) + timedelta(days=term_days)


# --- handing in -------------------------------------------------------------------------------------------------


def check_said(said: Said, at: datetime) -> Said:
    """With the names as they are compared. Raises `InvalidInput` naming every field that cannot be."""
    clean = said._replace(
        enterprise_name=_clean(said.enterprise_name), signatory_name=_clean(said.signatory_name)
    )
    age_days = (china_day(at) - said.signed_on).days
    faults = {
        "signed_on": None
        if 0 <= age_days <= SIGNED_WITHIN_DAYS
        else f"not in the future, and at most {SIGNED_WITHIN_DAYS} days ago",
        "enterprise_name": _fault_of_name(clean.enterprise_name),
        "signatory_name": _fault_of_name(clean.signatory_name),
    }
    errors = {field: fault for field, fault in faults.items() if fault}
    if errors:
        raise InvalidInput("request_invalid", errors=errors)
    return clean


def _clean(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).split())


def _fault_of_name(name: str) -> str | None:
    good = name.isprintable() and 1 <= len(name) <= NAME_CHARACTERS_MAX
    return None if good else f"1 to {NAME_CHARACTERS_MAX} printable characters"


async def find_involved(tx: AsyncConnection, participant_id: str, consent_id: UUID) -> Consent:
    """A request of the participant's own, or one of a bank that named it as the platform. Raises `NotFound`."""
    mine = or_(consents.c.participant_id == participant_id, consents.c.through == participant_id)
    return await find(tx, stored_consents().where(is_(consent_id), mine))


async def hand_in(
    tx: AsyncConnection,
    platform_id: str,
    consent_id: UUID,
    file: FormFile,
    said: Said,
    *,
    levels: Collection[int],
    at: datetime,
) -> SignedForm:
    """The platform hands in the form. The same file with the same words finds the form that it handed in before.

    ``levels``: of the fields that will leave. Raises `NotFound` for a request that is none of the platform's,
    `Refused` where a form is not enough, `Conflict` where none is waited for.
    """
    await find_involved(tx, platform_id, consent_id)
    consent = await lock(tx, consent_id)
    said = check_said(said, at)
    earlier = await forms_of(tx, consent_id)
    for form in earlier:
        if (form.digest, form.said) == (file.digest, said):
            return form
    _must_wait_for_an_answer(consent, at, "hand_in")
    if any(form.state_with(consent, at) == "in_review" for form in earlier):
        raise Conflict("signed_form_state", "another form of this request is being reviewed")
    if len(earlier) >= FORMS_MAX:
        raise Conflict("signed_form_state", f"{FORMS_MAX} forms were handed in for this request")
    await _must_be_enough(tx, consent, said, levels, at)
    await _must_be_of_this_request_only(tx, consent_id, file.digest)
    form_id = new_id()
    await tx.execute(
        insert(signed_forms).values(
            form_id=form_id,
            consent_id=consent_id,
            handed_in_by=platform_id,
            handed_in_at=at,
            media_type=file.media_type,
            octets=len(file.content),
            pages=file.pages,
            digest=file.digest,
            **said._asdict(),
        )
    )
    await tx.execute(insert(signed_form_files).values(form_id=form_id, content=file.content))
    facts = {"signed_form": str(form_id), "sha256": file.digest.hex()}
    await move(tx, consent, "hand_in", actor=f"participant:{platform_id}", at=at, facts=facts)
    return (await forms_of(tx, consent_id))[0]


def _must_wait_for_an_answer(consent: Consent, at: datetime, verb: Literal["hand_in", "approve"]) -> None:
    """Not even with some of its persons agreed: then the enterprise answers on its own pages already."""
    state = consent.state_at(at)
    next_state(state, verb)
    if state != "awaiting":
        raise Conflict("consent_state", f"a form cannot answer what is {state}", state=state, verb=verb)


async def _must_be_enough(
    tx: AsyncConnection, consent: Consent, said: Said, levels: Collection[int], at: datetime
) -> None:
    """A form says neither who held the pen nor what was read. Raises `Refused`, naming what it cannot carry."""
    terms = consent.terms
    faults = {
        "datasets": max(levels, default=1) >= SENSITIVE_LEVEL
        and f"fields from level {SENSITIVE_LEVEL} on need the log-in of who agrees",
        "supersedes": consent.supersedes is not None
        and "an amendment needs that its difference was read: on the hub's page",
        "approvals": await approvals_needed(tx, terms.uscc, terms.purpose, levels) > 1
        and "the enterprise wants several persons to agree, each by a log-in",
        "signed_on": ends_of_term(said, terms.term_days) <= at
        and "the term counts from the day of the signature, and is over",
    }
    errors = {field: fault for field, fault in faults.items() if fault}
    if errors:
        raise Refused("signed_form_not_enough", "; ".join(map(str, errors.values())), errors=errors)


async def _must_be_of_this_request_only(tx: AsyncConnection, consent_id: UUID, digest: bytes) -> None:
    """One signature, one consent. Two that hand in the same file at once wait for each other."""
    lock_of_file = func.pg_advisory_xact_lock(func.hashtext("signed_form"), func.hashtext(digest.hex()))
    await tx.execute(select(lock_of_file))
    used = select(signed_forms.c.form_id).where(
        signed_forms.c.digest == digest, signed_forms.c.consent_id != consent_id, ~_sent_back()
    )
    if await tx.scalar(used.limit(1)) is not None:
        raise Conflict("signed_form_used", "this file stands for another request")


# --- looking ----------------------------------------------------------------------------------------------------


async def forms_of(tx: AsyncConnection, consent_id: UUID) -> Sequence[SignedForm]:
    """Every form that was handed in for a request, the newest first."""
    question = _forms().where(signed_forms.c.consent_id == consent_id)
    return await _read(
        tx, question.order_by(signed_forms.c.handed_in_at.desc(), signed_forms.c.form_id.desc())
    )


async def newest_forms(tx: AsyncConnection, consent_ids: Collection[UUID]) -> Mapping[UUID, SignedForm]:
    """Of each of these requests the form that was handed in last, if there is one."""
    found = await _read(
        tx, _forms().where(signed_forms.c.consent_id.in_(consent_ids)).order_by(signed_forms.c.handed_in_at)
    )
    return {form.consent_id: form for form in found}


async def find_form(tx: AsyncConnection, form_id: UUID) -> tuple[SignedForm, Consent]:
    """Raises `NotFound`."""
    found = await _read(tx, _forms().where(signed_forms.c.form_id == form_id))
    if not found:
        raise NotFound("signed_form_unknown", "there is no such form")
    return found[0], await find(tx, stored_consents().where(is_(found[0].consent_id)))


async def file_of_form(tx: AsyncConnection, form_id: UUID) -> bytes:
    """As it was handed in. Raises `NotFound`."""
    content: bytes | None = await tx.scalar(
        select(signed_form_files.c.content).where(signed_form_files.c.form_id == form_id)
    )
    if content is None:
        raise NotFound("signed_form_unknown", "there is no such form")
    return content


Listed = Sequence[tuple[SignedForm, Consent]]


async def forms_to_review(tx: AsyncConnection, *, at: datetime, limit: int) -> Listed:
    """Forms that wait for a reviewer, the one that waits longest first."""
    unanswered = waits(at) & (consents.c.state == "awaiting")
    question = (
        _forms()
        .join(consents, consents.c.consent_id == signed_forms.c.consent_id)
        .where(signed_forms.c.handed_in_at > at - ANSWER_WITHIN, unanswered, ~_sent_back())
        .order_by(signed_forms.c.handed_in_at, signed_forms.c.form_id)
    )
    return await _with_consents(tx, await _read(tx, question.limit(limit)))


async def forms_handed_in(
    tx: AsyncConnection, *, before: tuple[datetime, UUID] | None = None, limit: int
) -> Listed:
    """All of them, the newest first; continued by giving the last one's ``(handed_in_at, form_id)``."""
    place = tuple_(signed_forms.c.handed_in_at, signed_forms.c.form_id)
    question = _forms().order_by(signed_forms.c.handed_in_at.desc(), signed_forms.c.form_id.desc())
    if before is not None:
        question = question.where(place < before)
    return await _with_consents(tx, await _read(tx, question.limit(limit)))


def _sent_back() -> ColumnElement[bool]:
    return exists().where(
        signed_form_reviews.c.form_id == signed_forms.c.form_id, signed_form_reviews.c.because.is_not(None)
    )


def _forms() -> Select[Any]:
    return select(signed_forms, participants.c.name.label("handed_in_by_name")).join(
        participants, participants.c.participant_id == signed_forms.c.handed_in_by
    )


_PLAIN = tuple(name for name in SignedForm.__dataclass_fields__ if name not in ("said", "reviews"))


async def _read(tx: AsyncConnection, question: Select[Any]) -> Sequence[SignedForm]:
    rows = (await tx.execute(question)).mappings().all()
    columns = [signed_form_reviews.c[name] for name in Review._fields]
    said_of_them = await tx.execute(
        select(signed_form_reviews.c.form_id, *columns)
        .where(signed_form_reviews.c.form_id.in_([row["form_id"] for row in rows]))
        .order_by(signed_form_reviews.c.at, signed_form_reviews.c.operator_id)
    )
    reviews: dict[UUID, list[Review]] = {}
    for form_id, *review in said_of_them:
        reviews.setdefault(form_id, []).append(Review(*review))
    return [
        SignedForm(
            **{name: row[name] for name in _PLAIN},
            said=Said(*(row[name] for name in Said._fields)),
            reviews=tuple(reviews.get(row["form_id"], ())),
        )
        for row in rows
    ]


async def _with_consents(tx: AsyncConnection, forms: Sequence[SignedForm]) -> Listed:
    ids = {form.consent_id for form in forms}
    rows = await tx.execute(stored_consents().where(consents.c.consent_id.in_(ids)))
    found = {consent.consent_id: consent for consent in map(consent_of, rows.mappings())}
    return [(form, found[form.consent_id]) for form in forms]


# --- reviewing --------------------------------------------------------------------------------------------------


async def find_form_good(
    tx: AsyncConnection,
    form_id: UUID,
    operator_id: str,
    *,
    wording: Wording,
    levels: Collection[int],
    key: ECKey,
    second_key: SM2Key | None = None,
    at: datetime,
) -> Consent:
    """One operator finds the form good; with the second one the consent begins and its artefact is signed.

    Raises `Conflict` for who has reviewed it already or for what no longer waits, `Refused` where a form is not enough.
    """
    form, consent = await _lock_to_review(tx, form_id, operator_id, at)
    await _must_be_enough(tx, consent, form.said, levels, at)
    form = await _note_review(tx, form, Review(operator_id, at, None, ""))
    if len(form.reviews) == REVIEWERS:
        await _begin(tx, consent, form, wording, (key, second_key), at)
    return await find(tx, stored_consents().where(is_(consent.consent_id)))


async def send_form_back(
    tx: AsyncConnection, form_id: UUID, operator_id: str, *, because: Because, note: str, at: datetime
) -> None:
    """One operator finds that the form will not do; the request goes on waiting. Raises `Conflict`."""
    form, consent = await _lock_to_review(tx, form_id, operator_id, at)
    await _note_review(tx, form, Review(operator_id, at, because, note))
    facts = {"signed_form": str(form_id), "because": because}
    await move(tx, consent, "send_back", actor=f"operator:{operator_id}", at=at, reason=note, facts=facts)


async def _lock_to_review(
    tx: AsyncConnection, form_id: UUID, operator_id: str, at: datetime
) -> tuple[SignedForm, Consent]:
    form, _ = await find_form(tx, form_id)
    consent = await lock(tx, form.consent_id)
    form, _ = await find_form(tx, form_id)  # again, behind the lock
    if form.reviewed_by(operator_id):
        raise Conflict("signed_form_state", "another operator has to look at it: you have", twice=True)
    if form.state_with(consent, at) != "in_review":
        raise Conflict("signed_form_state", "it is not to be reviewed any more")
    _must_wait_for_an_answer(consent, at, "approve")
    return form, consent


async def _note_review(tx: AsyncConnection, form: SignedForm, review: Review) -> SignedForm:
    await tx.execute(insert(signed_form_reviews).values(form_id=form.form_id, **review._asdict()))
    return (await find_form(tx, form.form_id))[0]


async def _begin(
    tx: AsyncConnection,
    consent: Consent,
    form: SignedForm,
    wording: Wording,
    keys: tuple[ECKey, SM2Key | None],
    at: datetime,
) -> None:
    """The second good word: the artefact says on what the consent rests, the term ends as the form says."""
    valid_until = ends_of_term(form.said, consent.terms.term_days)
    signatory = Approval(
        subject=f"signed-form:{form.form_id}",
        name=form.said.signatory_name,
        role=LEGAL_REPRESENTATIVE,
        assurance=ASSURANCE,
        mandate_id=None,
        at=at,
    )
    artefact = sign_artefact(
        consent,
        consent.terms,
        sentences=(*sentences_of(consent, wording), _sentence(form)),
        enterprise_name=form.said.enterprise_name,
        approvals=[signatory],
        mandates={},
        replaced=None,
        valid_from=at,
        valid_until=valid_until,
        key=keys[0],
        second_key=keys[1],
        evidence=_evidence(form),
    )
    await move(
        tx,
        consent,
        "approve",
        actor=f"operator:{form.reviews[-1].operator_id}",
        at=at,
        facts={"signed_form": str(form.form_id), "sha256": form.digest.hex()},
        valid_from=at,
        valid_until=valid_until,
    )
    await store_artefact(tx, consent.consent_id, artefact, at)


def _sentence(form: SignedForm) -> str:
    day = form.said.signed_on
    return (
        f"凭什么：依据贵企业{day.year}年{day.month}月{day.day}日签署的授权书，由{form.handed_in_by_name}提交，"
        f"经本平台 {len(form.reviews)} 名审核员分别核对；上述期限自签署之日起算。"
    )


def _evidence(form: SignedForm) -> dict[str, Any]:
    """What the artefact tells of the form: enough to find and to check the file, and who vouched for it."""
    return {
        "kind": "signed_form",
        "sha256": form.digest.hex(),
        "media_type": form.media_type,
        "octets": form.octets,
        "pages": form.pages,
        "signed_on": form.said.signed_on.isoformat(),
        "handed_in_by": {"participant_id": form.handed_in_by, "name": form.handed_in_by_name},
        "handed_in_at": form.handed_in_at.isoformat(),
        "reviewed_by": [
            {"operator_id": review.operator_id, "at": review.at.isoformat()} for review in form.reviews
        ],
    }
