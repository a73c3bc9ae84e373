"""What banks send and get, apart from the answers to questions (those follow the data set's contract)."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from consent import RETENTION_DAYS, Consent, ConsentTerms
from core.identifiers import USCC
from ledger import Usage

Positive = Annotated[int, Field(ge=1, strict=True)]
DatasetName = Annotated[str, Field(pattern="^[a-z0-9_]{1,64}$")]


class Terms(BaseModel):
    """The terms of a consent as banks write and read them: each field of `consent.ConsentTerms`, explained."""

    uscc: str = Field(description="统一社会信用代码, GB 32100-2015")
    purpose: str = Field(description="one of the purposes in /v1/catalogue")
    datasets: list[DatasetName] = Field(min_length=1, max_length=50)
    term_days: Positive = Field(description="how long the consent is to last, at most 365 days")
    uses_max: Positive = Field(description="how many questions it is to cover, at most 10,000")
    retention_days: Positive = Field(RETENTION_DAYS, description="how long you may keep what you get")
    message: str = Field("", description="one line that the enterprise reads, at most 200 characters")
    uses_max_day: Positive | None = Field(None, description="at most so many of them a day, China's time")
    uses_max_month: Positive | None = Field(None, description="at most so many of them a month")
    data_from: date | None = Field(
        None, description="first day of a month; records that speak for a time before it are not given"
    )


class ConsentRequestIn(Terms):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "uscc": "91350100M000100Y43",
                "purpose": "credit_review",
                "datasets": ["registration", "tax"],
                "term_days": 90,
                "uses_max": 20,
                "retention_days": 365,
                "message": "流动资金贷款申请 2026-1122",
            }
        },
    )

    supersedes: UUID | None = Field(
        None, description="an active or paused consent of yours that this request amends; it ends on approval"
    )
    through: str | None = Field(
        None,
        max_length=100,
        description="id of the city platform that may hand in the form which the enterprise signed there",
    )

    def terms(self, uscc: USCC) -> ConsentTerms:
        given = self.model_dump(include=set(Terms.model_fields))
        return ConsentTerms(**{**given, "uscc": uscc, "datasets": tuple(self.datasets)})


class AskedOut(BaseModel):
    """What you had asked for, where the enterprise granted less."""

    datasets: list[str]
    term_days: int
    uses_max: int


class ConsentRequestOut(Terms):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    consent_id: UUID
    state: str = Field(
        description=(
            "awaiting, partially_approved, active, paused, rejected, revoked, expired, used_up, superseded; "
            "used_up_today and used_up_this_month pass by themselves"
        )
    )
    uses_left: int
    supersedes: UUID | None
    through: str | None
    asked: AskedOut | None = Field(
        description="null when the enterprise granted all of it, or did not answer yet"
    )
    requested_at: datetime
    answer_by: datetime
    valid_from: datetime | None
    valid_until: datetime | None
    approval_url: str = Field(description="where the enterprise answers, after its log-in")

    @classmethod
    def of(cls, consent: Consent, *, at: datetime, public_url: str) -> "ConsentRequestOut":
        return cls(
            **asdict(consent.terms),
            consent_id=consent.consent_id,
            state=consent.standing_at(at),
            uses_left=consent.uses_left,
            supersedes=consent.supersedes,
            through=consent.through,
            asked=_asked(consent),
            requested_at=consent.requested_at,
            answer_by=consent.answer_by,
            valid_from=consent.valid_from,
            valid_until=consent.valid_until,
            approval_url=f"{public_url}/portal/requests/{consent.consent_id}",
        )


def _asked(consent: Consent) -> AskedOut | None:
    if consent.asked is None:
        return None
    return AskedOut(**{name: getattr(consent.asked, name) for name in AskedOut.model_fields})


class UsageLineOut(BaseModel):
    dataset: str
    day: date
    disclosed: int
    nothing_found: int
    refused: int
    charged_fen: int


class UsageOut(BaseModel):
    participant_id: str
    first_day: date
    last_day: date
    lines: list[UsageLineOut]
    total: dict[str, int]

    @classmethod
    def of(cls, usage: Usage) -> "UsageOut":
        lines = [UsageLineOut(**line._asdict()) for line in usage.lines]
        return cls(
            participant_id=usage.participant_id,
            first_day=usage.first_day,
            last_day=usage.last_day,
            lines=lines,
            total=usage.total,
        )


class QuestionIn(BaseModel):
    """The body of a question; parsed on the hot route by `gateway.queries.answer`, shown here for the guide."""

    model_config = ConfigDict(extra="forbid")

    consent_id: UUID
    uscc: str
    purpose: str


class AnswerOut(BaseModel):
    """The answer to a question, as `gateway.queries.answer` writes it; shown here for the guide."""

    decision_id: UUID = Field(description="explains why each field was shown or withheld")
    disclosure_id: UUID | None = Field(
        description="the record of this hand-over; null when nothing was found"
    )
    answered_at: datetime
    dataset: str
    mode: str
    owner: str = Field(description="责任单位")
    as_of: date | None = Field(description="the newest day for which these records speak")
    as_of_oldest: date | None
    found: bool
    views: dict[str, str] = Field(description="field → raw | masked | banded")
    withheld: list[str]
    charged_fen: int
    note: str | None = Field(description="未提供不代表不存在")
    records: list[dict[str, Any]] = Field(
        description="newest first; schema per data set and purpose in /v1/catalogue"
    )


class ProblemOut(BaseModel):
    """RFC 9457 problem document."""

    type: str = Field(description="stable; /problems lists all")
    title: str
    status: int
    detail: str = Field(description="what to do")
    title_en: str
    detail_en: str
    trace_id: str
    decision_id: UUID | None = None
    errors: dict[str, str] | None = Field(None, description="field → what is wrong with it")
