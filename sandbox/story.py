"""The whole story over HTTP: a bank asks, an enterprise consents, data flows, is charged once, consent ends.

The bank's side goes through the demo bank's process, the enterprise's side through a plain browser. Every
step checks what it sees and ends the story with a clear sentence if it is not as promised. Repeatable.
"""

import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx
import orjson

from sandbox.browser import Browser, Page, PageError

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
NOBODYS_CONSENT: Final = "00000000-0000-0000-0000-000000000000"
BANK_NAME: Final = "演示银行"
# A word that the Chinese title of each data set contains, whatever its full title is.
DATASETS: Final = {"registration": "登记", "tax": "纳税", "indicators": "指标"}
VIEWS: Final = frozenset({"raw", "masked", "banded"})
REVOKED: Final = "consent-revoked"
POLL_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 10.0
AUDIENCE_PAUSE_SECONDS: Final = 0.4
SAMPLE_FIELDS: Final = 6


class StoryError(Exception):
    """A step did not go as promised; the message says what was seen instead."""


@dataclass(frozen=True)
class Reply:
    """An answer of the demo bank, which is the hub's answer passed on."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> dict[str, Any]:
        try:
            content = orjson.loads(self.body)
        except ValueError as error:
            raise StoryError(f"答复不是 JSON（状态码 {self.status}）") from error
        if not isinstance(content, dict):
            raise StoryError("答复不是 JSON 对象")
        return content


@dataclass
class Story:
    """The stage: addresses, the two people, and what they have learned so far."""

    hub: str
    login: str
    bank: httpx.Client
    browser: Browser
    enterprise: dict[str, Any]
    stranger: dict[str, Any]
    consent_id: str = ""
    approval_url: str = ""
    first_key: str = ""
    first_answer: bytes = b""
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    refusal: dict[str, Any] = field(default_factory=dict)
    disclosed_before: int = 0
    charged_before: int = 0
    first_day: str = ""

    # -- the bank knocks -------------------------------------------------------------------------------------

    def obtain_token(self) -> str:
        seen = self._ok(self._get("/connection"))
        _expect(seen["token_type"] == "DPoP", f"令牌类型应为 DPoP，实为 {seen['token_type']}")
        _expect(0 < seen["expires_in"] <= 300, f"令牌应在 300 秒内失效，实为 {seen['expires_in']}")
        return f"{seen['token_type']}，{seen['expires_in']} 秒内有效"

    def ask_without_consent(self) -> str:
        problem = self._refused(self._ask("tax", consent_id=NOBODYS_CONSENT), {403, 404})
        return f"{problem['status']} {problem['title']}"

    def note_usage(self) -> str:
        self.first_day = (datetime.now(SHANGHAI).date() - timedelta(days=1)).isoformat()
        self.disclosed_before, self.charged_before = self._usage()
        return f"此前已提供 {self.disclosed_before} 次"

    def file_request(self) -> str:
        filed = self._ok(
            self._post(
                "/consent-requests",
                {
                    "uscc": self.enterprise["uscc"],
                    "datasets": list(DATASETS),
                    "purpose": "credit_review",
                    "term_days": 90,
                    "uses_max": 20,
                    "retention_days": 365,
                    "message": "流动资金贷款审查",
                },
            )
        )
        _expect(filed["state"] == "awaiting", f"新申请应为 awaiting，实为 {filed['state']}")
        self.consent_id, self.approval_url = filed["consent_id"], filed["approval_url"]
        return f"等待 {self.enterprise['name']} 答复"

    # -- the enterprise answers ------------------------------------------------------------------------------

    def log_in(self) -> str:
        """From the portal to the government log-in, find one's own enterprise there, and back."""
        page = self.browser.open(f"{self.hub}/portal/login")
        _expect(page.url.startswith(self.login), f"应转到政务服务网登录页，实到 {page.path}")
        page = self.browser.submit(page, page.form_to("/log-in"), q=self.enterprise["name"])
        form = page.form_to("/log-in")
        uscc = self.enterprise["uscc"]
        mine = next((button for button in form.buttons if button.get("value") == uscc), None)
        _expect(mine is not None, "登录页上找不到本企业")
        page = self.browser.submit(page, form, mine)
        _expect(page.url.startswith(self.hub), f"登录后应回到信易枢纽，实到 {page.url.partition('?')[0]}")
        return f"法定代表人 {self.enterprise['signatory_name']}"

    def read_inbox(self) -> str:
        page = self.browser.open(f"{self.hub}/portal/requests")
        _expect(BANK_NAME in page.text, f"收件箱里没有“{BANK_NAME}”")
        _expect(any(self.consent_id in link for link in page.links), "收件箱里没有通往这份申请的链接")
        page = self._request_page()
        for word in (BANK_NAME, *DATASETS.values()):
            _expect(word in page.text, f"申请页面上没有“{word}”")
        return "看到银行名称与所申请的信息项目"

    def approve(self) -> str:
        self._press("approve")
        return "企业点了“同意”"

    # -- the bank asks ---------------------------------------------------------------------------------------

    def see_active(self) -> str:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            seen = self._ok(self._get(f"/consent-requests/{self.consent_id}"))
            if seen["state"] == "active":
                return f"有效期至 {seen.get('valid_until')}"
            _expect(time.monotonic() < deadline, f"授权仍为 {seen['state']}")
            time.sleep(POLL_SECONDS)

    def ask_registration(self) -> str:
        self.first_key = str(uuid.uuid4())
        reply = self._ask("registration", idempotency_key=self.first_key)
        self.first_answer = reply.body
        return self._keep("registration", self._ok(reply))

    def ask_tax(self) -> str:
        sample = self._keep("tax", self._ok(self._ask("tax")))
        seen = {view for answer in self.answers.values() for view in answer["views"].values()}
        _expect(seen >= VIEWS, f"应有原值、脱敏、区间三种呈现方式，只见 {'、'.join(sorted(seen))}")
        return sample

    def ask_indicators(self) -> str:
        """Figures made of many data sets, one read; not the records behind them."""
        answer = self._ok(self._ask("indicators"))
        self._keep("indicators", answer)
        figures = answer["records"][0]
        told = sum(value is not None for value in figures.values())
        drawn_on = [one for one in answer["inputs"] if one["records"]]
        _expect(len(figures) >= 80, f"应有 80 项以上指标，只有 {len(figures)} 项")
        _expect(len(drawn_on) >= 2, "指标应由多项数据算出")
        records = sum(one["records"] for one in drawn_on)
        return f"{len(figures)} 项指标，{told} 项有值，由 {len(drawn_on)} 项数据的 {records} 条记录算出"

    def verify_statement(self) -> str:
        """The bank states what the owner told it; the hub says yes or no, never a figure."""
        statements = [{"field": "sales_fen", "kind": "at_least", "value": 100_000}]
        reply = self._ask("tax", statements=statements)
        answer = self._ok(reply)
        [verdict] = answer["verdicts"]
        _expect(verdict["result"] in ("match", "mismatch"), f"应答一致或不一致，却是 {verdict['result']}")
        _expect("records" not in answer, "核验的答复里竟有数据")
        self.answers["verification"] = answer
        return f"最近一月销售收入至少 1000 元：{'一致' if verdict['result'] == 'match' else '不一致'}"

    def ask_again(self) -> str:
        reply = self._ask("registration", idempotency_key=self.first_key)
        again = self._ok(reply)
        _expect(reply.body == self.first_answer, "重试的答复与第一次不同")
        _expect(
            again["disclosure_id"] == self.answers["registration"]["disclosure_id"],
            "重试得到了另一个提供编号",
        )
        return f"{len(reply.body)} 字节完全相同，提供编号不变"

    def reuse_key(self) -> str:
        reply = self._ask("registration", uscc=self.stranger["uscc"], idempotency_key=self.first_key)
        problem = self._refused(reply, {409, 422})
        return f"{problem['status']} {problem['title']}"

    def compare_usage(self) -> str:
        disclosed, charged = self._usage()
        moved = disclosed - self.disclosed_before
        _expect(moved == len(self.answers), f"用量应增加 {len(self.answers)} 次，实增 {moved} 次")
        expected = sum(answer["charged_fen"] for answer in self.answers.values())
        cost = charged - self.charged_before
        _expect(cost == expected, f"费用应增加 {expected} 分，实增 {cost} 分")
        return f"{moved} 次提供、{cost / 100:.2f} 元；重试与被拒没有计费"

    # -- the enterprise looks and ends it --------------------------------------------------------------------

    def read_disclosures(self) -> str:
        page = self.browser.open(f"{self.hub}/portal/disclosures")
        _expect(BANK_NAME in page.text, f"“谁看了我的数据”里没有“{BANK_NAME}”")
        for dataset, answer in self.answers.items():
            _expect(answer["disclosure_id"] in page.html, f"“谁看了我的数据”里没有 {dataset} 的那次提供")
        return f"{len(self.answers)} 次提供都在"

    def revoke(self) -> str:
        self._press("revoke")
        return "企业点了“撤回授权”"

    def hear_of_revocation(self) -> str:
        """By webhook: the bank has checked both signatures before it took the notice."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            heard = _reply(self.bank.get("/notices"))
            told = [
                one for one in orjson.loads(heard.body) if one["data"].get("consent_id") == self.consent_id
            ]
            if any(one["type"] == "consent.revoked" for one in told):
                return "、".join(one["type"] for one in told)
            _expect(time.monotonic() < deadline, "银行没有收到撤回的通知")
            time.sleep(POLL_SECONDS)

    def ask_after_revocation(self) -> str:
        reply = self._ask("tax")
        self.refusal = self._refused(reply, {403})
        _expect(self.refusal["type"].endswith(REVOKED), f"应为 {REVOKED}，实为 {self.refusal['type']}")
        return f"{self.refusal['status']} {self.refusal['title']}"

    def read_refusal(self) -> str:
        page = self.browser.open(f"{self.hub}/portal/disclosures")
        _expect("拒绝" in page.text, "“谁看了我的数据”里没有被拒绝的那次查询")
        decision = self.refusal.get("decision_id")
        _expect(decision is None or decision in page.html, "页面上找不到这次拒绝的决定编号")
        return "被拒绝的查询也在"

    def leave_open(self) -> str:
        """One more consent, this time not taken back: for people who want to ask by hand."""
        self.file_request()
        self.approve()
        return self.see_active()

    # -- small moves -----------------------------------------------------------------------------------------

    def _get(self, path: str, **query: str) -> Reply:
        return _reply(self.bank.get(path, params=query))

    def _post(self, path: str, body: dict[str, Any]) -> Reply:
        return _reply(self.bank.post(path, json=body))

    def _ask(self, dataset: str, **more: Any) -> Reply:
        body = {"uscc": self.enterprise["uscc"], "dataset": dataset, "consent_id": self.consent_id, **more}
        return self._post("/ask", body)

    def _ok(self, reply: Reply) -> dict[str, Any]:
        content = reply.json()
        problem = f"{content.get('type', '')} {content.get('title', '')} {content.get('detail', '')}"
        _expect(200 <= reply.status < 300, f"状态码 {reply.status}：{problem}")
        return content

    def _refused(self, reply: Reply, statuses: set[int]) -> dict[str, Any]:
        _expect(reply.status in statuses, f"应被拒绝（{sorted(statuses)}），状态码却是 {reply.status}")
        _expect(reply.content_type.startswith("application/problem+json"), "拒绝应是 problem+json")
        problem = reply.json()
        _expect("records" not in problem, "拒绝的答复里竟有数据")
        _expect(problem.get("type") and problem.get("title"), "拒绝没有说明原因")
        return problem

    def _usage(self) -> tuple[int, int]:
        today = datetime.now(SHANGHAI).date().isoformat()
        total = self._ok(self._get("/usage", **{"from": self.first_day, "to": today}))["total"]
        return total["disclosed"], total["charged_fen"]

    def _keep(self, dataset: str, answer: dict[str, Any]) -> str:
        """Check an answer, keep it, and make a short sample of it."""
        _expect(answer["dataset"] == dataset and answer["found"] is True, "没有查到记录")
        _expect(bool(answer["records"]), "答复里没有记录")
        unnamed = set(answer["records"][0]) - set(answer["views"])
        _expect(not unnamed, f"这些数据项没有说明呈现方式：{'、'.join(sorted(unnamed))}")
        self.answers[dataset] = answer
        return f"{len(answer['records'])} 条记录，截至 {answer['as_of']}"

    def _request_page(self) -> Page:
        return self.browser.open(self.approval_url)

    def _press(self, what: str) -> None:
        """Press the button of the form that goes to …/approve or …/revoke on the request's page."""
        page = self._request_page()
        form = page.form_to(f"/portal/requests/{self.consent_id}/{what}")
        _expect(form.method == "post" and form.has("csrf"), f"{what} 表单应是带 csrf 的 POST")
        self.browser.submit(page, form, form.buttons[0] if form.buttons else None)


Step = tuple[str, Callable[[Story], str]]

STEPS: Final[tuple[Step, ...]] = (
    ("银行取得访问令牌（DPoP）", Story.obtain_token),
    ("没有授权就查询：被拒绝", Story.ask_without_consent),
    ("银行记下此刻的用量", Story.note_usage),
    ("银行发出授权申请", Story.file_request),
    ("企业经政务服务网登录", Story.log_in),
    ("企业在收件箱看到申请", Story.read_inbox),
    ("企业同意", Story.approve),
    ("银行看到授权生效", Story.see_active),
    ("银行查询企业登记", Story.ask_registration),
    ("银行查询纳税", Story.ask_tax),
    ("银行查询由明细算出的指标", Story.ask_indicators),
    ("银行核验一个说法：只答是否一致", Story.verify_statement),
    ("同一幂等键重试：同样的答复", Story.ask_again),
    ("同一幂等键换问题：被拒绝", Story.reuse_key),
    ("用量与费用恰好增加这几次", Story.compare_usage),
    ("企业查看“谁看了我的数据”", Story.read_disclosures),
    ("企业撤回授权", Story.revoke),
    ("银行收到经签名的撤回通知", Story.hear_of_revocation),
    ("撤回后再查询：被拒绝，没有数据", Story.ask_after_revocation),
    ("企业也看到这次被拒绝的查询", Story.read_refusal),
)


SHOWS: Final = {
    "银行查询企业登记": "registration",
    "银行查询纳税": "tax",
    "银行查询由明细算出的指标": "indicators",
}
"""Steps after which the audience is shown a sample of the answer."""

LEFT_OPEN: Final[Step] = ("另留一份有效授权，供您自己试用", Story.leave_open)


@dataclass(frozen=True)
class Played:
    """How one step went."""

    number: int
    title: str
    ok: bool
    seen: str
    milliseconds: float


def play(story: Story, steps: Sequence[Step], tell: Callable[[Played], None], *, pause: float) -> bool:
    """Play step by step, telling each, until the end or the first failure. True if all went as promised."""
    for number, (title, step) in enumerate(steps, start=1):
        started = time.perf_counter()
        try:
            seen, ok = step(story), True
        except (StoryError, PageError) as failure:
            seen, ok = str(failure), False
        except httpx.TransportError as error:
            seen, ok = f"连接中断：{type(error).__name__} {error}", False
        except (KeyError, TypeError) as error:
            seen, ok = f"答复缺少约定的内容：{error}", False
        tell(Played(number, title, ok, seen, (time.perf_counter() - started) * 1000))
        if not ok:
            return False
        time.sleep(pause)
    return True


def cast(enterprises: Path, seed: int | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two different enterprises with complete data: the one of the story and a stranger to it."""
    complete = [one for one in orjson.loads(enterprises.read_bytes()) if one.get("complete", True)]
    if len(complete) < 2:
        raise StoryError("enterprises.json 里数据完整的企业不足两家")
    first, second = random.Random(seed).sample(complete, 2)
    return first, second


def sample_lines(answer: dict[str, Any]) -> list[str]:
    """A few fields of an answer, first one of each view, so that an audience sees raw, masked and banded."""
    record, views = answer["records"][0], answer["views"]
    filled = [name for name, value in record.items() if value is not None]
    first_of_view: dict[str, str] = {}
    for name in filled:
        first_of_view.setdefault(views[name], name)
    chosen = list(dict.fromkeys([*first_of_view.values(), *filled]))[:SAMPLE_FIELDS]
    return [f"{name} = {record[name]}（{views[name]}）" for name in chosen]


def _reply(response: httpx.Response) -> Reply:
    return Reply(response.status_code, response.headers.get("Content-Type", ""), response.content)


def _expect(promise: object, otherwise: str) -> None:
    if not promise:
        raise StoryError(otherwise)
