"""The evidence of a consent: canonical JSON (RFC 8785) in a compact JWS (RFC 7515, ES256).

Field names follow ISO/IEC TS 27560. The notice in it is, word for word, what the enterprise read when it
agreed. Anyone can check it offline against the hub's published key set.

A second signature of the same payload, by SM2, lies beside it as a JWS with detached content (RFC 7515
appendix F). Both together are the general JSON form (§7.2.1); the compact form stays one that every library reads.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

import rfc8785
from joserfc import jws
from joserfc.jwk import ECKey

from consent.life import Consent, terms_as_json
from consent.policies import Change, ConsentTerms, difference
from core.clock import china_day
from core.sm2 import ALGORITHM as SM2_ALGORITHM
from core.sm2 import SM2Key

SCHEMA = "xinyi-hub-consent-1"
TYPE = "consent+jws"


@dataclass(frozen=True)
class Wording:
    """Chinese titles of purposes and data sets by id, for the sentences; an id without title stands for itself."""

    purposes: Mapping[str, str]
    datasets: Mapping[str, str]

    def purpose(self, purpose: str) -> str:
        return self.purposes.get(purpose, purpose)

    def listed(self, datasets: Sequence[str]) -> str:
        return "、".join(self.datasets.get(dataset, dataset) for dataset in datasets)


@dataclass(frozen=True)
class Approval:
    """One person's yes. ``mandate_id`` None: as the legal representative. ``confirmed_by``: `consent.factors`."""

    subject: str
    name: str
    role: str
    assurance: str
    mandate_id: UUID | None
    at: datetime
    confirmed_by: str | None = None
    proven_by: str | None = None


@dataclass(frozen=True)
class Artefact:
    jws: str
    digest: bytes
    sm2_signature: str | None = None
    """a JWS with detached content: header and signature with nothing between the dots"""

    def as_json(self) -> str:
        """With all signatures, in the general JSON form (RFC 7515 §7.2.1), ES256 first."""
        header, payload, signature = self.jws.split(".")
        signatures = [{"protected": header, "signature": signature}]
        if self.sm2_signature is not None:
            header, _, signature = self.sm2_signature.split(".")
            signatures.append({"protected": header, "signature": signature})
        return json.dumps({"payload": payload, "signatures": signatures})


def sentences_of(
    consent: Consent,
    wording: Wording,
    *,
    granted: ConsentTerms | None = None,
    replaced: Consent | None = None,
) -> tuple[str, ...]:
    """What the enterprise agrees to, in sentences that its owner understands. Shown on the page and signed.

    ``granted``: less than what is asked. ``replaced``: the running consent that ends when this one begins.
    """
    return tuple(_sentences(consent, wording, granted or consent.terms, replaced))


def digest_of(sentences: Sequence[str]) -> str:
    """By which a form says which sentences were on its page."""
    return hashlib.sha256("\n".join(sentences).encode()).hexdigest()


def _sentences(
    consent: Consent, wording: Wording, terms: ConsentTerms, replaced: Consent | None
) -> Iterator[str]:
    yield f"谁来看：{consent.participant_name}。只有它可以看，它不得转给别人。"
    since = f"只看{_month(terms.data_from)}及以后的数据。" if terms.data_from else ""
    yield f"看什么：{wording.listed(terms.datasets)}。{since}不在此列的数据，它看不到。"
    yield f"做什么用：仅用于{wording.purpose(terms.purpose)}，不得用于其他目的。"
    yield f"看多久：自同意之时起 {terms.term_days} 天，最多 {terms.uses_max} 次{_limits(terms)}。"
    yield f"留多久：它取得的数据最多保存 {terms.retention_days} 天，到期应当删除。"
    if replaced is not None and replaced.valid_from is not None:
        yield (
            f"有变更：本授权取代贵企业 {_day(replaced.valid_from)}同意的授权（编号 {replaced.consent_id}），"
            f"原授权同时失效。{_changes(replaced.terms, terms, wording)}"
        )
    asked = consent.asked or consent.terms
    if terms != asked:
        yield f"少于申请：对方申请的是{_changed_from(asked, terms, wording)}；以贵企业同意的为准。"
    yield "可以反悔：随时可在本平台撤回，撤回后立即停止提供。已经提供的数据不会自动收回。"
    yield "可以不同意：不同意不影响使用本平台的其他服务。"


def _limits(terms: ConsentTerms) -> str:
    day = f"，其中每天最多 {terms.uses_max_day} 次" if terms.uses_max_day else ""
    month = f"，每月最多 {terms.uses_max_month} 次" if terms.uses_max_month else ""
    return day + month


def _changes(old: ConsentTerms, new: ConsentTerms, wording: Wording) -> str:
    said = "；".join(said_of(change, wording) for change in difference(old, new))
    return f"与原授权相比：{said}。" if said else "内容与原授权相同。"


def _changed_from(asked: ConsentTerms, granted: ConsentTerms, wording: Wording) -> str:
    parts = {
        "datasets": wording.listed(asked.datasets),
        "term_days": f"{asked.term_days} 天",
        "uses_max": f"{asked.uses_max} 次",
    }
    return "、".join(parts[change.field] for change in difference(asked, granted))


FIELD_TITLES = {
    "purpose": "用途",
    "datasets": "数据",
    "term_days": "期限",
    "uses_max": "次数",
    "retention_days": "保存期限",
    "uses_max_day": "每天次数",
    "uses_max_month": "每月次数",
    "data_from": "数据起始月份",
}
_DAYS = ("term_days", "retention_days")


def said_of(change: Change, wording: Wording) -> str:
    """One change of an amendment in Chinese words."""
    if change.field == "datasets":
        gone, come = change.before, change.after
        assert isinstance(gone, tuple)
        assert isinstance(come, tuple)
        said = [
            f"{verb}{wording.listed(some)}" for verb, some in (("新增", come), ("不再包括", gone)) if some
        ]
        return "，".join(said)
    before, after = (_value(change.field, value, wording) for value in (change.before, change.after))
    return f"{FIELD_TITLES[change.field]}由{before}变为{after}"


def _value(field: str, value: object, wording: Wording) -> str:
    if value is None:
        return "不限"
    if isinstance(value, date):
        return _month(value)
    if field == "purpose":
        return wording.purpose(str(value))
    return f" {value} {'天' if field in _DAYS else '次'}"


def _month(day: date) -> str:
    return f" {day.year} 年 {day.month} 月"


def _day(at: datetime) -> str:
    day = china_day(at)
    return f"{day.year}年{day.month}月{day.day}日"


def sign_artefact(
    consent: Consent,
    granted: ConsentTerms,
    *,
    sentences: Sequence[str],
    enterprise_name: str,
    approvals: Sequence[Approval],
    mandates: Mapping[UUID, Mapping[str, Any]],
    replaced: Consent | None,
    valid_from: datetime,
    valid_until: datetime,
    key: ECKey,
    second_key: SM2Key | None = None,
    evidence: Mapping[str, Any] | None = None,
) -> Artefact:
    """Sign what was agreed. ``approvals``: every person's yes, the last one completing it; ``mandates`` of agents.

    ``evidence``: on what it rests if not on a log-in (`consent.signed_forms`).
    """
    asked = consent.asked or consent.terms
    record: dict[str, Any] = {
        "schema_version": SCHEMA,
        "record_id": str(consent.consent_id),
        "principal": {"uscc": granted.uscc, "name": enterprise_name},
        "signatory": _person(approvals[-1], mandates),
        "approvals": [_person(one, mandates) | {"at": one.at.isoformat()} for one in approvals],
        "pii_processing": {
            "privacy_notice": list(sentences),
            "language": "zh-CN",
            "purposes": [
                {
                    "purpose": granted.purpose,
                    "lawful_basis": "consent",
                    "pii_information": [{"pii_type": dataset} for dataset in granted.datasets],
                    "recipient_third_parties": [
                        {"participant_id": consent.participant_id, "name": consent.participant_name}
                    ],
                    "validity": {"from": valid_from.isoformat(), "until": valid_until.isoformat()},
                    "uses_max": granted.uses_max,
                    "uses_max_day": granted.uses_max_day,
                    "uses_max_month": granted.uses_max_month,
                    "data_from": granted.data_from.isoformat() if granted.data_from else None,
                    "retention_period_days": granted.retention_days,
                }
            ],
        },
        "asked": None if granted == asked else terms_as_json(asked),
        "supersedes": None if replaced is None else _superseded(replaced, granted),
        "event": {"event_type": "approve", "event_state": "active", "event_time": valid_from.isoformat()},
    }
    if evidence is not None:
        record["evidence"] = dict(evidence)
    return sign(record, TYPE, key, second_key)


def sign(record: Mapping[str, Any], kind: str, key: ECKey, second_key: SM2Key | None = None) -> Artefact:
    """Canonical JSON in a compact JWS; ``kind`` is its ``typ``."""
    payload = rfc8785.dumps(dict(record))
    header = {"alg": "ES256", "kid": key.kid, "typ": kind}
    return Artefact(
        jws.serialize_compact(header, payload, key),
        hashlib.sha256(payload).digest(),
        None if second_key is None else _sm2_signature(payload, kind, second_key),
    )


def _sm2_signature(payload: bytes, kind: str, key: SM2Key) -> str:
    header = _base64url(rfc8785.dumps({"alg": SM2_ALGORITHM, "kid": key.kid, "typ": kind}))
    signature = key.sign(f"{header}.{_base64url(payload)}".encode())
    return f"{header}..{_base64url(signature)}"


def _base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def _person(one: Approval, mandates: Mapping[UUID, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "name": one.name,
        "role": one.role,
        "assurance": one.assurance,
        "confirmed_by": one.confirmed_by,
        "proven_by": one.proven_by,
        "subject": one.subject,
        "mandate": dict(mandates[one.mandate_id]) if one.mandate_id else None,
    }


def _superseded(replaced: Consent, granted: ConsentTerms) -> dict[str, Any]:
    old, new = terms_as_json(replaced.terms), terms_as_json(granted)
    changed = [change.field for change in difference(replaced.terms, granted)]
    return {
        "record_id": str(replaced.consent_id),
        "difference": [{"field": name, "before": old[name], "after": new[name]} for name in changed],
    }
