"""The evidence of a consent: canonical JSON (RFC 8785) in a compact JWS (RFC 7515, ES256).

Field names follow ISO/IEC TS 27560. The notice in it is, word for word, what the enterprise read when it
agreed. Anyone can check it offline against the hub's published key set.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import rfc8785
from joserfc import jws
from joserfc.jwk import ECKey

from consent.enterprises import Signatory
from consent.policies import ConsentTerms

SCHEMA = "xinyi-hub-consent-1"
TYPE = "consent+jws"


@dataclass(frozen=True)
class Artefact:
    jws: str
    digest: bytes


def notice(
    terms: ConsentTerms, *, participant_name: str, purpose_title: str, dataset_titles: Sequence[str]
) -> tuple[str, ...]:
    """What the enterprise agrees to, in sentences that its owner understands. Shown on the page and signed."""
    return (
        f"谁来看：{participant_name}。只有它可以看，它不得转给别人。",
        f"看什么：{'、'.join(dataset_titles)}。不在此列的数据，它看不到。",
        f"做什么用：仅用于{purpose_title}，不得用于其他目的。",
        f"看多久：自同意之时起 {terms.term_days} 天，最多 {terms.uses_max} 次。",
        f"留多久：它取得的数据最多保存 {terms.retention_days} 天，到期应当删除。",
        "可以反悔：随时可在本平台撤回，撤回后立即停止提供。已经提供的数据不会自动收回。",
        "可以不同意：不同意不影响使用本平台的其他服务。",
    )


def sign_artefact(
    *,
    consent_id: str,
    terms: ConsentTerms,
    sentences: Sequence[str],
    participant: Mapping[str, str],
    signatory: Signatory,
    valid_from: datetime,
    valid_until: datetime,
    key: ECKey,
) -> Artefact:
    record: dict[str, Any] = {
        "schema_version": SCHEMA,
        "record_id": consent_id,
        "principal": {"uscc": signatory.uscc, "name": signatory.enterprise_name},
        "signatory": {
            "name": signatory.name,
            "role": signatory.role,
            "assurance": signatory.assurance,
            "subject": signatory.subject,
        },
        "pii_processing": {
            "privacy_notice": list(sentences),
            "language": "zh-CN",
            "purposes": [
                {
                    "purpose": terms.purpose,
                    "lawful_basis": "consent",
                    "pii_information": [{"pii_type": dataset} for dataset in terms.datasets],
                    "recipient_third_parties": [dict(participant)],
                    "validity": {"from": valid_from.isoformat(), "until": valid_until.isoformat()},
                    "uses_max": terms.uses_max,
                    "retention_period_days": terms.retention_days,
                }
            ],
        },
        "event": {"event_type": "approve", "event_state": "active", "event_time": valid_from.isoformat()},
    }
    payload = rfc8785.dumps(record)
    header = {"alg": "ES256", "kid": key.kid, "typ": TYPE}
    return Artefact(jws.serialize_compact(header, payload, key), hashlib.sha256(payload).digest())
