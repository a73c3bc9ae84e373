"""What goes in and out of the decision endpoints. Evaluations are shaped after OpenID AuthZEN 1.0."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from consent import Consent
from datasets import Catalogue, View
from gateway.decisions.judgement import Clause, Evaluation, Verdict, Wish, verdict_of
from gateway.problems import DISGUISED, PROBLEMS, Problem
from ledger import Decision

EVALUATIONS_MAX = 100
CONTRACT_CHANGED = "当时所用的合同或规则版本，本程序已不能识读，逐项说明不能重现；其余内容如记录所示。"

Semantic = Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"]


class FieldDecisionOut(BaseModel):
    """Why one field leaves, or does not: exactly one of ``view`` and ``withheld`` is set."""

    field: str
    title: str
    level: int = Field(description="分级，1 至 5")
    view: str | None = Field(description="raw | masked | banded | derived | verify")
    withheld: str | None = Field(description="no_rule | rule_refuses | field_allows_none | dataset_withheld")
    rule: str | None = Field(description="the rule in the rule set that decided it")
    because: str
    because_en: str

    @classmethod
    def of(cls, view: View) -> "list[FieldDecisionOut]":
        return [cls.model_validate(decision) for decision in view.explain()]


_CONSENT_ID = "019c1f3e-7a54-7c1a-9d0f-6f1f4f7a2b11"
_FIELD: JsonDict = {
    "field": "sales_fen",
    "title": "申报销售收入",
    "level": 4,
    "view": "banded",
    "withheld": None,
    "rule": "credit-review-sensitive",
    "because": "敏感经营信息只给所在区间，联系方式只给遮盖后的内容。",
    "because_en": "Sensitive business data is shown as a band, contact data masked.",
}

# --- explain
# ---------------------------------------------------------------------------------------------------


class ExplainIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"decision_id": "019c1f3e-7a54-7c1a-9d0f-6f1f4f7a2b11"}},
    )

    decision_id: UUID


class ConsentTermsOut(BaseModel):
    purpose: str
    datasets: list[str]
    term_days: int
    uses_max: int
    retention_days: int
    valid_from: datetime | None
    valid_until: datetime | None


class ConsentClauseOut(BaseModel):
    """What the consent had to do with it. ``terms`` null: there is no such consent of yours."""

    consent_id: UUID
    verdict: Verdict = Field(description="allowed: every clause held; not_judged: it was refused before")
    clause: Clause | None = Field(description="the clause that refused")
    because: str
    because_en: str
    terms: ConsentTermsOut | None

    @classmethod
    def of(cls, decision: Decision, consent: Consent | None, reason: str | None) -> "ConsentClauseOut":
        verdict, clause = verdict_of(decision.outcome, reason)
        because, because_en = _why(verdict, reason)
        terms = None
        if consent is not None:
            terms = ConsentTermsOut(
                purpose=consent.terms.purpose,
                datasets=list(consent.terms.datasets),
                term_days=consent.terms.term_days,
                uses_max=consent.terms.uses_max,
                retention_days=consent.terms.retention_days,
                valid_from=consent.valid_from,
                valid_until=consent.valid_until,
            )
        return cls(
            consent_id=decision.consent_id,
            verdict=verdict,
            clause=clause,
            because=because,
            because_en=because_en,
            terms=terms,
        )


def _why(verdict: Verdict, reason: str | None) -> tuple[str, str]:
    if verdict == "allowed":
        return (
            "授权有效：企业、用途、信息项目、期限、次数均相符",
            "The consent held: enterprise, purpose, data set, term and uses",
        )
    if reason == "no_rule":
        return "规则已不允许，未再看授权", "The rules refused it, so the consent was not judged"
    problem = _problem_of(reason or "no_rule")
    return problem.title, problem.title_en


def _problem_of(reason: str) -> Problem:
    return PROBLEMS[DISGUISED.get(reason, reason)]


def _digest_of(catalogue: Catalogue, rule_set_id: str) -> str | None:
    known = (catalogue.rule_set, *catalogue.earlier)
    return next((rule_set.digest for rule_set in known if rule_set.id == rule_set_id), None)


_EXPLANATION: JsonDict = {
    "decision_id": "019c1f3e-9b01-7e02-8a34-0c9f6a1b2c3d",
    "at": "2026-11-22T02:30:00Z",
    "participant_id": "my-bank",
    "dataset": "tax",
    "dataset_title": "纳税信息",
    "purpose": "credit_review",
    "purpose_title": "授信审批",
    "mode": "collected",
    "outcome": "disclosed",
    "reason": None,
    "reason_title": None,
    "reason_title_en": None,
    "charged_fen": 50,
    "view_id": "view-0123456789abcdef0123",
    "rule_set": "2026-11",
    "rule_set_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "contract_version": 2,
    "contract_digest": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
    "consent": {
        "consent_id": _CONSENT_ID,
        "verdict": "allowed",
        "clause": None,
        "because": "授权有效：企业、用途、信息项目、期限、次数均相符",
        "because_en": "The consent held: enterprise, purpose, data set, term and uses",
        "terms": {
            "purpose": "credit_review",
            "datasets": ["registration", "tax"],
            "term_days": 90,
            "uses_max": 20,
            "retention_days": 365,
            "valid_from": "2026-11-01T01:00:00Z",
            "valid_until": "2027-01-30T01:00:00Z",
        },
    },
    "fields": [_FIELD],
    "note": None,
}


class ExplanationOut(BaseModel):
    """Why a question was answered as it was: the rule of each field, and the clause of the consent."""

    model_config = ConfigDict(json_schema_extra={"example": _EXPLANATION})

    decision_id: UUID
    at: datetime
    participant_id: str
    dataset: str
    dataset_title: str | None
    purpose: str
    purpose_title: str | None
    mode: str
    outcome: str = Field(description="disclosed | nothing_found | refused")
    reason: str | None = Field(description="of a refusal; the same word as in /problems")
    reason_title: str | None
    reason_title_en: str | None
    charged_fen: int
    view_id: str = Field(description="the compiled rules that cut the answer")
    rule_set: str | None = Field(description="版本 of the sharing rules")
    rule_set_digest: str | None = Field(description="SHA-256 of its text")
    contract_version: int | None = Field(description="of the data set's contract, as it was then")
    contract_digest: str | None = Field(description="SHA-256 of its text")
    consent: ConsentClauseOut
    fields: list[FieldDecisionOut] | None
    note: str | None

    @classmethod
    def of(
        cls, decision: Decision, consent: Consent | None, catalogue: Catalogue, *, reason: str | None
    ) -> "ExplanationOut":
        """``reason``: of the decision, as whoever reads this may know it (`reason_for_caller`)."""
        view = catalogue.view_by_id(decision.view_id)
        contract = view.contract if view else catalogue.contracts.get(decision.dataset)
        purpose = catalogue.purposes.get(decision.purpose)
        problem = _problem_of(reason) if reason else None
        return cls(
            decision_id=decision.decision_id,
            at=decision.at,
            participant_id=decision.participant_id,
            dataset=decision.dataset,
            dataset_title=contract.title if contract else None,
            purpose=decision.purpose,
            purpose_title=purpose.title if purpose else None,
            mode=decision.mode,
            outcome=decision.outcome,
            reason=reason,
            reason_title=problem.title if problem else None,
            reason_title_en=problem.title_en if problem else None,
            charged_fen=decision.price_fen,
            view_id=decision.view_id,
            rule_set=view.rule_set_id if view else None,
            rule_set_digest=_digest_of(catalogue, view.rule_set_id) if view else None,
            contract_version=view.contract.version if view else None,
            contract_digest=view.contract.digest if view else None,
            consent=ConsentClauseOut.of(decision, consent, reason),
            fields=FieldDecisionOut.of(view) if view else None,
            note=None if view else CONTRACT_CHANGED,
        )


def reason_for_caller(decision: Decision) -> str | None:
    """The recorded reason, without telling whether somebody else's consent exists."""
    return DISGUISED.get(decision.reason, decision.reason) if decision.reason else None


# --- evaluate
# ---------------------------------------------------------------------------------------------------


class SubjectIn(BaseModel):
    type: str
    id: str


class ActionIn(BaseModel):
    name: str = Field(description="the mode: collected | live | verify | derived")


class ResourceProperties(BaseModel):
    fields: list[str] | None = Field(None, min_length=1, max_length=200, description="absent: all fields")


class ResourceIn(BaseModel):
    type: str
    id: str = Field(description="a data set of /v1/catalogue")
    properties: ResourceProperties = ResourceProperties()


class ContextIn(BaseModel):
    purpose: str
    consent_id: UUID | None = Field(
        None, description="without one the decision is false: no consent, no data"
    )


_SUBJECT: JsonDict = {"type": "participant", "id": "my-bank"}
_CONTEXT: JsonDict = {"purpose": "credit_review", "consent_id": _CONSENT_ID}


class EvaluationIn(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "subject": _SUBJECT,
                "action": {"name": "collected"},
                "resource": {
                    "type": "dataset",
                    "id": "tax",
                    "properties": {"fields": ["period", "sales_fen"]},
                },
                "context": _CONTEXT,
            }
        }
    )

    subject: SubjectIn
    action: ActionIn
    resource: ResourceIn
    context: ContextIn

    def wish(self) -> Wish:
        return Wish(self.resource.id, self.action.name, self.context.purpose, self.resource.properties.fields)


class PartialEvaluationIn(BaseModel):
    """One of several; what it leaves out is taken from the top of the request."""

    subject: SubjectIn | None = None
    action: ActionIn | None = None
    resource: ResourceIn | None = None
    context: ContextIn | None = None


class OptionsIn(BaseModel):
    evaluations_semantic: Semantic = "execute_all"


class EvaluationsIn(PartialEvaluationIn):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "subject": _SUBJECT,
                "action": {"name": "collected"},
                "context": _CONTEXT,
                "evaluations": [
                    {"resource": {"type": "dataset", "id": "registration"}},
                    {"resource": {"type": "dataset", "id": "tax"}},
                ],
                "options": {"evaluations_semantic": "execute_all"},
            }
        }
    )

    evaluations: Annotated[list[PartialEvaluationIn], Field(max_length=EVALUATIONS_MAX)] = []
    options: OptionsIn = OptionsIn()


class EvaluationContextOut(BaseModel):
    """A dry run: nothing was read, recorded or charged."""

    reason: str | None = Field(description="the same word as in /problems; null for a yes")
    reason_user: dict[str, str] | None = Field(description="language-status → in short")
    reason_admin: dict[str, str] | None = Field(description="language → what to do")
    rule_set: str
    contract_version: int | None
    view_id: str | None
    price_fen: int | None = Field(description="what an answer with records would cost")
    fields: list[FieldDecisionOut] | None = Field(description="null: the rules know no such question")


class EvaluationOut(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "decision": False,
                "context": {
                    "reason": "consent_expired",
                    "reason_user": {"zh-403": "授权已到期", "en-403": "The consent has expired"},
                    "reason_admin": {"zh": "请重新发起授权申请。", "en": "File a new consent request."},
                    "rule_set": "2026-11",
                    "contract_version": 1,
                    "view_id": "view-0123456789abcdef0123",
                    "price_fen": 50,
                    "fields": [_FIELD],
                },
            }
        }
    )

    decision: bool
    context: EvaluationContextOut

    @classmethod
    def of(cls, evaluation: Evaluation, rule_set: str) -> "EvaluationOut":
        reason, view = evaluation
        problem: Problem | None = PROBLEMS[reason] if reason else None
        return cls(
            decision=problem is None,
            context=EvaluationContextOut(
                reason=reason,
                reason_user=_in_short(problem) if problem else None,
                reason_admin={"zh": problem.advice, "en": problem.advice_en} if problem else None,
                rule_set=rule_set,
                contract_version=view.contract.version if view else None,
                view_id=view.view_id if view else None,
                price_fen=view.price_fen if view else None,
                fields=FieldDecisionOut.of(view) if view else None,
            ),
        )


def _in_short(problem: Problem) -> dict[str, str]:
    return {f"zh-{problem.status}": problem.title, f"en-{problem.status}": problem.title_en}


class EvaluationsOut(BaseModel):
    evaluations: list[EvaluationOut]
