"""不动产登记机构, played: a register of seizures that answers through the data exchange, and its clerks' desk.

The exchange checks who asks as the national one does: headers ``gjgxjhpt_rid``, ``gjgxjhpt_sid``, ``gjgxjhpt_rtime``
(milliseconds), ``gjgxjhpt_sign`` = Base64(HMAC-SHA256(key, sid + rid + rtime)). At the desk a person enters and lifts
seizures, and may tell the exchange to behave badly. Everything is in memory; about one enterprise in five begins with
a seizure, the same one at every start. No log-in: serve it on the loopback address only.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import orjson
from fastapi import FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from sandbox.pages import new_site, refuse_other_sites, templates
from sandbox.province import HEROINE_NAME

SERVICE: Final = "JS.ZRZY.BDCDJ.CFXX.0001"
REQUESTER: Final = "xinyi-hub"
KEY_FILE: Final = "exchange-key.txt"
CLOCK_SKEW_SECONDS: Final = 300
SLOW_SECONDS: Final = 30.0
SEIZED_SHARE: Final = 0.2
LISTED: Final = 20

Row = dict[str, Any]
Manner = Literal["well", "slow", "failing", "truncated", "not_json", "another_enterprise", "dirty", "endless"]
MANNERS: Final[dict[Manner, str]] = {
    "well": "正常",
    "slow": "迟迟不答",
    "failing": "答 500",
    "truncated": "答到一半断开",
    "not_json": "答一个网页",
    "another_enterprise": "答成别家企业",
    "dirty": "答复里有不合格的行",
    "endless": "答复没完没了",
}
assert set(MANNERS) == set(get_args(Manner))


@dataclass(frozen=True)
class Enterprise:
    uscc: str
    name: str
    city: str


class Refusal(Exception):
    """What the exchange says instead of data; `code` in its own words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class DataOwner:
    """The register and its exchange, without HTTP. `clock` answers Unix seconds, `today` the day in the register."""

    enterprises: dict[str, Enterprise]
    key: bytes
    clock: Callable[[], float] = time.time
    today: Callable[[], date] = date.today
    manner: Manner = "well"
    asked: int = 0
    seizures: dict[str, list[Row]] = field(default_factory=dict)

    def populate(self) -> None:
        """The seizures with which the register begins; the heroine of the demonstrations owes nothing."""
        for enterprise in self.enterprises.values():
            if enterprise.name == HEROINE_NAME:
                continue
            dice = random.Random(f"{enterprise.uscc}/seizures")
            if dice.random() < SEIZED_SHARE:
                begun = self.today() - timedelta(days=dice.randint(20, 900))
                self.enter(enterprise.uscc, kind=dice.choice("1112"), begun=begun, dice=dice)

    def enter(
        self, uscc: str, *, kind: str = "1", begun: date | None = None, dice: random.Random | None = None
    ) -> Row:
        """Enter a seizure. KeyError for an unknown enterprise."""
        enterprise = self.enterprises[uscc]
        dice = dice or random.Random()
        begun = begun or self.today()
        number = dice.randint(1, 9999)
        row: Row = {
            "tyshxydm": uscc,
            "qlr": enterprise.name,
            "bdcdyh": f"{uscc[2:8]}001001GB{dice.randrange(10**5):05d}F{dice.randrange(10**8):08d}",
            "bdcqzh": f"苏（{begun.year - 3}）{enterprise.city}市不动产权第{dice.randrange(10**7):07d}号",
            "zl": f"江苏省{enterprise.city}市沙箱路{dice.randint(1, 399)}号",
            "cflx": kind,
            "cfjg": f"{enterprise.city}市沙箱人民法院",
            "cfwh": f"（{begun.year}）苏{uscc[4:8]}执{number}号",
            "cfqssj": f"{begun.isoformat()} 00:00:00",
            "cfjssj": (begun + timedelta(days=3 * 365)).isoformat(),
            "djsj": begun.isoformat(),
            "mj": round(dice.uniform(80, 9000), 2),
        }
        self.seizures.setdefault(uscc, []).append(row)
        return row

    def lift(self, uscc: str, document: str) -> bool:
        """Take a seizure out of the register; whether there was one."""
        before = self.seizures.get(uscc, [])
        self.seizures[uscc] = [row for row in before if row["cfwh"] != document]
        return len(self.seizures[uscc]) < len(before)

    def search(self, words: str) -> list[Enterprise]:
        """The first enterprises that fit; those with a seizure where nothing is looked for."""
        found = (
            one
            for one in self.enterprises.values()
            if (words in one.name or words.upper() in one.uscc if words else self.seizures.get(one.uscc))
        )
        return [one for one, _ in zip(found, range(LISTED), strict=False)]

    # -- the exchange ----------------------------------------------------------------------------------------

    def answer(self, headers: dict[str, str], parameters: dict[str, Any]) -> list[Row]:
        """All seizures of the enterprise asked about. Raises Refusal."""
        self._check(headers)
        uscc = parameters.get("tyshxydm")
        if not isinstance(uscc, str) or len(uscc) != 18:
            raise Refusal("-1", "缺少参数 tyshxydm")
        self.asked += 1
        return self.seizures.get(uscc, [])

    def spoilt(self, rows: list[Row], uscc: str) -> list[Row]:
        """The rows as a badly kept register would hand them out, where it was told to be one."""
        if self.manner == "another_enterprise":
            stranger = next(one for one in self.enterprises if one != uscc)
            return [{**row, "tyshxydm": stranger} for row in rows] or [{"tyshxydm": stranger, "cfwh": "甲"}]
        if self.manner == "dirty":
            return [*rows, {"tyshxydm": uscc, "bdcdyh": "未知", "cfwh": "", "cfqssj": "去年", "cflx": "9"}]
        return rows

    def _check(self, headers: dict[str, str]) -> None:
        names = ("gjgxjhpt_rid", "gjgxjhpt_sid", "gjgxjhpt_rtime", "gjgxjhpt_sign")
        requester, service, at, signature = (headers.get(name, "") for name in names)
        if requester != REQUESTER or service != SERVICE:
            raise Refusal("E-106", "请求者未获该服务的授权")
        if not at.isdecimal() or abs(int(at) / 1000 - self.clock()) > CLOCK_SKEW_SECONDS:
            raise Refusal("-1", "时间戳无效")
        expected = hmac.digest(self.key, f"{service}{requester}{at}".encode(), hashlib.sha256)
        if not hmac.compare_digest(base64.b64encode(expected), signature.encode()):
            raise Refusal("-1", "签名不符")


def build(owner: DataOwner) -> FastAPI:
    """The owner's web site: the exchange for programs, the desk for people."""
    site = new_site("不动产登记（沙箱）")
    _add_exchange(site, owner)
    _add_desk(site, owner)
    return site


def _add_exchange(site: FastAPI, owner: DataOwner) -> None:
    @site.post("/exchange")
    async def exchange(request: Request) -> Response:
        manner = owner.manner
        if manner == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        if manner == "failing":
            return Response("内部错误", 500)
        if manner == "not_json":
            return Response("<html>系统维护中</html>", media_type="text/html")
        try:
            parameters = orjson.loads(await request.body())
            parameters = parameters if isinstance(parameters, dict) else {}
            rows = owner.answer(dict(request.headers), parameters)
        except (Refusal, orjson.JSONDecodeError) as error:
            code, message = (error.code, error.message) if isinstance(error, Refusal) else ("-1", "不是 JSON")
            return Response(orjson.dumps({"code": code, "msg": message}), media_type="application/json")
        rows = owner.spoilt(rows, parameters["tyshxydm"])
        content = orjson.dumps({"code": "0", "msg": "成功", "data": rows})
        if manner == "truncated":
            content = content[: len(content) // 2]
        if manner == "endless":
            content += b" " * (8 * 1024 * 1024)
        return Response(content, media_type="application/json")


def _add_desk(site: FastAPI, owner: DataOwner) -> None:
    def page(request: Request, words: str = "") -> Response:
        shown = {
            "q": words,
            "enterprises": owner.search(words.strip()),
            "seizures": owner.seizures,
            "manners": MANNERS,
            "manner": owner.manner,
            "asked": owner.asked,
            "listed": LISTED,
        }
        return templates.TemplateResponse(request, "register.html", shown)

    @site.get("/")
    def desk(request: Request, q: str = "") -> Response:
        return page(request, q)

    @site.post("/seizures")
    def enter(
        request: Request,
        uscc: Annotated[str, Form()],
        kind: Annotated[Literal["1", "2", "3", "4"], Form()] = "1",
    ) -> Response:
        refuse_other_sites(request)
        if uscc not in owner.enterprises:
            raise HTTPException(404, "没有这家企业")
        owner.enter(uscc, kind=kind)
        return RedirectResponse("/", 303)

    @site.post("/seizures/lift")
    def lift(request: Request, uscc: Annotated[str, Form()], document: Annotated[str, Form()]) -> Response:
        refuse_other_sites(request)
        if not owner.lift(uscc, document):
            raise HTTPException(404, "没有这项查封")
        return RedirectResponse("/", 303)

    @site.post("/manner")
    def behave(request: Request, manner: Annotated[Manner, Form()]) -> Response:
        refuse_other_sites(request)
        owner.manner = manner
        return RedirectResponse("/", 303)


def exchange_key(state: Path) -> bytes:
    """The key that owner and hub share; a new one is made and saved (mode 0600) if there is none yet."""
    path = state / KEY_FILE
    if not path.exists():
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
    return path.read_bytes().strip()


def open_data_owner(enterprises: Path, state: Path) -> FastAPI:
    """The owner as the command line starts it."""
    rows = orjson.loads(enterprises.read_bytes())
    known = {row["uscc"]: Enterprise(row["uscc"], row["name"], row["city"]) for row in rows}
    owner = DataOwner(known, exchange_key(state))
    owner.populate()
    return build(owner)


def setting_for_the_hub(url: str, state: Path) -> str:
    """The value of HUB_OWNERS by which a hub reaches this owner."""
    services = {"real_estate_seizures": SERVICE}
    owner = {
        "url": f"{url}/exchange",
        "requester": REQUESTER,
        "key_file": str(state.resolve() / KEY_FILE),
        "services": services,
    }
    return orjson.dumps({"real_estate_register": owner}).decode()
