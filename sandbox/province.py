"""A synthetic Jiangsu province: enterprises with registrations and monthly taxes, the same for the same seed.

None of it can be real:
- organisation codes begin with MY, which none of the 12,604 real codes read for this did (they begin with
  digits, MA and a few other pairs);
- citizen ids carry 320000, the province itself, which no id is issued for, and birth dates of the year 1900;
- telephone numbers begin with 000 and cannot be dialled.
Names are put together by chance and mean nobody.
"""

import csv
import json
import math
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from sandbox.codes import USCC_ALPHABET, citizen_check, organisation_check, uscc_check

REGISTRATION_HEADER: Final = (
    "企业名称", "统一社会信用代码", "注册日期", "企业类型", "注册资金", "经营范围", "所在省份", "地区",
    "法定代表人", "法定代表人证件号", "联系电话", "住所", "登记状态",
)  # fmt: skip
TAX_HEADER: Final = ("统一社会信用代码", "RKYF", "ZZSYNSE", "ZZSSJJE", "SDSYNSE", "SDSSJJE", "sale_inco")
HEROINE_NAME: Final = "苏州枢易精密零件有限公司"
HEROINE_SIGNATORY: Final = "沈知禾"

_CAPITALS: Final = (10, 50, 50, 100, 100, 200, 300, 500, 500, 800, 1000, 1000, 2000, 5000)  # 万元
_KINDS: Final = (
    "有限责任公司(自然人投资或控股)",
    "有限责任公司(自然人独资)",
    "有限责任公司",
    "股份有限公司(非上市)",
)
_STATUSES: Final = ("存续", "注销", "吊销，未注销")
# How much of an average month is sold in January … December: the Spring Festival dip and the year-end push.
_SEASON: Final = (0.92, 0.62, 1.05, 1.02, 1.04, 1.03, 0.97, 0.96, 1.06, 1.02, 1.08, 1.23)
_QUARTERLY_TAX_MONTHS: Final = (1, 4, 7, 10)
_SERIES: Final = 31**6  # organisation codes MY + 6 characters
_STRIDE: Final = 611_953_007  # no multiple of 31, so every enterprise of a province gets its own code


@dataclass(frozen=True)
class Enterprise:
    """One synthetic enterprise: its registration and the temper of its business."""

    uscc: str
    name: str
    registered: date
    kind: str
    capital: int  # 万元
    trade: str
    scope: str
    city: str
    signatory_name: str
    signatory_id: str
    telephone: str
    address: str
    status: str
    monthly_sales: float  # 万元 in an average month
    vat_burden: float
    profit_share: float
    tax_habit: str  # steady | gaps | arrears | none


@dataclass(frozen=True)
class TaxMonth:
    """What one enterprise owed and paid in one month, in 万元; `sales` is 元."""

    uscc: str
    month: date
    vat_payable: float
    vat_paid: float
    cit_payable: float
    cit_paid: float
    sales: float

    def row(self) -> tuple[str, ...]:
        return (
            self.uscc,
            f"{self.month:%Y%m}",
            f"{self.vat_payable:.4f}",
            f"{self.vat_paid:.4f}",
            f"{self.cit_payable:.2f}",
            f"{self.cit_paid:.2f}",
            f"{self.sales:.2f}",
        )


def make_uscc(district: str, number: int) -> str:
    """A valid enterprise USCC of a six-digit district; its organisation code is MY + `number` in base 31."""
    characters = []
    for _ in range(6):
        number, digit = divmod(number, 31)
        characters.append(USCC_ALPHABET[digit])
    organisation = "MY" + "".join(reversed(characters))
    body = f"91{district}{organisation}{organisation_check(organisation)}"
    return body + uscc_check(body)


def make_citizen_id(number: int) -> str:
    """A well-formed id that belongs to nobody: district 320000, born in 1900."""
    sequence, day = divmod(number, 365)
    birth = date(1900, 1, 1) + timedelta(days=day)
    body = f"320000{birth:%Y%m%d}{sequence % 1000:03d}"
    return body + citizen_check(body)


def generate(count: int, seed: int) -> Iterator[Enterprise]:
    """`count` enterprises, the heroine first. Enterprise n is the same in a small and in a large province."""
    offset = random.Random(f"{seed}/codes").randrange(_SERIES)
    names: set[str] = set()
    for number in range(count):
        dice = random.Random(f"{seed}/{number}")
        code = (offset + number * _STRIDE) % _SERIES
        yield _heroine(code, number, dice) if number == 0 else _enterprise(code, number, dice, names)


@dataclass(frozen=True)
class Course:
    """How the business of an enterprise went: what the deliveries of all owners agree on.

    ``sales`` in 万元 for every month, also for those in which nothing was declared (``silent``);
    ``short_of_money_from``: the month from which not all is paid.
    """

    enterprise: Enterprise
    sales: dict[date, float]
    silent: frozenset[date]
    short_of_money_from: date | None

    def is_short(self, month: date) -> bool:
        return self.short_of_money_from is not None and month >= self.short_of_money_from

    def declares(self, month: date) -> bool:
        return month not in self.silent and month >= self.enterprise.registered


def course_of(enterprise: Enterprise, months: list[date], seed: int) -> Course:
    """``months``: first days, ascending."""
    dice = random.Random(f"{seed}/course/{enterprise.uscc}")
    growth = dice.uniform(-0.01, 0.015)
    sales = {
        month: _sales(enterprise, month, position, growth, dice) for position, month in enumerate(months)
    }
    silent = frozenset(_missing(enterprise, months, dice))
    short = months[-dice.randint(2, 5) :][0] if enterprise.tax_habit == "arrears" else None
    return Course(enterprise, sales, silent, short)


def tax_months(course: Course, seed: int) -> Iterator[TaxMonth]:
    """The tax rows, taxed on the sales of the month before; gaps and arrears after the enterprise's habit."""
    enterprise = course.enterprise
    dice = random.Random(f"{seed}/tax/{enterprise.uscc}")
    before = next(iter(course.sales.values()))
    quarter = before * 3
    for month, sales in course.sales.items():
        vat = before * enterprise.vat_burden
        cit = quarter * enterprise.profit_share * 0.25 if month.month in _QUARTERLY_TAX_MONTHS else 0.0
        quarter = sales if cit else quarter + sales
        before = sales
        if course.declares(month):
            share = dice.uniform(0.0, 0.8) if course.is_short(month) else 1.0
            yield TaxMonth(enterprise.uscc, month, vat, vat * share, cit, cit * share, sales * 10_000)


def months_until(until: date, count: int) -> list[date]:
    """First days of the `count` months before the month of `until`, ascending."""
    last = until.year * 12 + until.month - 1
    return [date(index // 12, index % 12 + 1, 1) for index in range(last - count, last)]


def write(out: Path, *, count: int, seed: int, months: list[date], dirty: int) -> dict[str, Any]:
    """Write registration.csv, tax.csv, enterprises.json and summary.json under `out`; answer the summary."""
    out.mkdir(parents=True, exist_ok=True)
    enterprises = list(generate(count, seed))
    rows_of_tax: list[tuple[str, ...]] = []
    people: list[dict[str, Any]] = []
    for enterprise in enterprises:
        rows = [month.row() for month in tax_months(course_of(enterprise, months, seed), seed)]
        rows_of_tax += rows
        complete = len(rows) == len(months) and enterprise.tax_habit == "steady"
        people.append(_for_log_in(enterprise, complete=complete))
    registrations = [_registration_row(enterprise) for enterprise in enterprises]
    kinds = _soil(registrations, enterprises, dirty, seed)
    _write_csv(out / "registration.csv", REGISTRATION_HEADER, registrations)
    _write_csv(out / "tax.csv", TAX_HEADER, rows_of_tax)
    summary = {
        "seed": seed,
        "enterprises": count,
        "complete_enterprises": sum(person["complete"] for person in people),
        "registration_rows": len(registrations),
        "dirty_rows": kinds,
        "tax_rows": len(rows_of_tax),
        "tax_from": f"{months[0]:%Y%m}",
        "tax_to": f"{months[-1]:%Y%m}",
        "heroine": people[0],
    }
    _write_json(out / "enterprises.json", people)
    _write_json(out / "summary.json", summary)
    return summary


@cache
def _material() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("jiangsu.toml").read_text(encoding="utf-8"))


def trade_of(enterprise: Enterprise) -> dict[str, Any]:
    """What jiangsu.toml says about the enterprise's trade."""
    return _trades()[enterprise.trade]


@cache
def _trades() -> dict[str, dict[str, Any]]:
    return {trade["word"]: trade for trade in _material()["trades"]}


def _enterprise(code: int, number: int, dice: random.Random, names: set[str]) -> Enterprise:
    material = _material()
    city = dice.choice(list(material["cities"]))
    district, district_name = dice.choice(list(material["cities"][city].items()))
    trade = dice.choice(material["trades"])
    kind = dice.choice(_KINDS)
    name = _new_name(city, trade["word"], kind, dice, names)
    low, high = trade["sales"]
    roads = material["words"]["roads"]
    return Enterprise(
        uscc=make_uscc(district, code),
        name=name,
        registered=date(1998, 1, 1) + timedelta(days=dice.randrange(26 * 365)),
        kind=kind,
        capital=dice.choice(_CAPITALS),
        trade=trade["word"],
        scope=trade["scope"],
        city=city,
        signatory_name=_person(dice),
        signatory_id=make_citizen_id(number),
        telephone=f"000{dice.randrange(10**8):08d}",
        address=f"江苏省{city}市{district_name}{dice.choice(roads)}{dice.randint(1, 399)}号",
        status=dice.choices(_STATUSES, (96, 3, 1))[0],
        monthly_sales=math.exp(dice.uniform(math.log(low), math.log(high))),
        vat_burden=trade["vat"] * dice.uniform(0.7, 1.3),
        profit_share=trade["profit"] * dice.uniform(0.4, 1.4),
        tax_habit=dice.choices(("steady", "gaps", "arrears", "none"), (83, 9, 6, 2))[0],
    )


def _heroine(code: int, number: int, dice: random.Random) -> Enterprise:
    """The small manufacturer of every demonstration: complete, steady, nothing owed."""
    return Enterprise(
        uscc=make_uscc("320583", code),
        name=HEROINE_NAME,
        registered=date(2012, 5, 18),
        kind=_KINDS[0],
        capital=500,
        trade=_material()["trades"][0]["word"],
        scope=_material()["trades"][0]["scope"],
        city="苏州",
        signatory_name=HEROINE_SIGNATORY,
        signatory_id=make_citizen_id(number),
        telephone=f"000{dice.randrange(10**8):08d}",
        address="江苏省苏州市昆山市创业路88号",
        status="存续",
        monthly_sales=180.0,
        vat_burden=0.035,
        profit_share=0.07,
        tax_habit="steady",
    )


def _new_name(city: str, trade: str, kind: str, dice: random.Random, taken: set[str]) -> str:
    words = _material()["words"]
    form = "股份有限公司" if kind.startswith("股份") else "有限公司"
    while True:
        brand = dice.choice(words["brand_first"]) + dice.choice(words["brand_second"])
        if dice.random() < 0.35:
            brand += dice.choice(words["brand_second"])
        shape = dice.random()
        if shape < 0.75:
            name = f"{city}{brand}{trade}{form}"
        elif shape < 0.9:
            name = f"{brand}（{city}）{trade}{form}"
        else:
            name = f"江苏{brand}{trade}{form}"
        if name not in taken:
            taken.add(name)
            return name


def _person(dice: random.Random) -> str:
    words = _material()["words"]
    given = "".join(dice.choices(words["given"], k=dice.choice((1, 2, 2, 2))))
    return str(dice.choice(words["surnames"])) + given


def _sales(enterprise: Enterprise, month: date, position: int, growth: float, dice: random.Random) -> float:
    noise = dice.lognormvariate(0.0, 0.12)
    return enterprise.monthly_sales * _SEASON[month.month - 1] * (1 + growth) ** position * noise


def _missing(enterprise: Enterprise, months: list[date], dice: random.Random) -> set[date]:
    if enterprise.tax_habit == "none":
        return set(months)
    if enterprise.status != "存续":
        return set(months[-dice.randint(3, 18) :])
    if enterprise.tax_habit == "gaps":
        start = dice.randrange(len(months))
        return set(months[start : start + dice.randint(1, 4)])
    return set()


def _registration_row(enterprise: Enterprise) -> tuple[str, ...]:
    return (
        enterprise.name,
        enterprise.uscc,
        enterprise.registered.isoformat(),
        enterprise.kind,
        f"{enterprise.capital}万人民币",
        enterprise.scope,
        "江苏",
        enterprise.city,
        enterprise.signatory_name,
        enterprise.signatory_id,
        enterprise.telephone,
        enterprise.address,
        enterprise.status,
    )


def _for_log_in(enterprise: Enterprise, *, complete: bool) -> dict[str, Any]:
    return {
        "uscc": enterprise.uscc,
        "name": enterprise.name,
        "signatory_name": enterprise.signatory_name,
        "city": enterprise.city,
        "complete": complete,
    }


_DIRT: Final = (
    "bad_check_digit",
    "old_15_digit_number",
    "empty_name",
    "capital_not_available",
    "duplicate_row",
)


def _soil(
    rows: list[tuple[str, ...]], enterprises: list[Enterprise], dirty: int, seed: int
) -> dict[str, int]:
    """Put `dirty` dirty rows among the good ones, after traps seen in real files; answer how many of each.

    All but the repeated rows tell of enterprises outside the province, so no good enterprise is touched.
    """
    dice = random.Random(f"{seed}/dirt")
    kinds = dict.fromkeys(_DIRT, 0)
    strangers = list(generate(len(enterprises) + dirty, seed))[len(enterprises) :]
    for number, stranger in enumerate(strangers):
        kind = _DIRT[number % len(_DIRT)]
        kinds[kind] += 1
        row = list(_registration_row(stranger))
        match kind:
            case "bad_check_digit":
                position = USCC_ALPHABET.index(row[1][-1])
                row[1] = row[1][:-1] + USCC_ALPHABET[(position + dice.randint(1, 30)) % 31]
            case "old_15_digit_number":
                row[1] = f"{stranger.uscc[2:8]}{dice.randrange(10**9):09d}"
            case "empty_name":
                row[0] = ""
            case "capital_not_available":
                row[4] = "N/A"
            case _:
                row = list(dice.choice([_registration_row(enterprise) for enterprise in enterprises[:50]]))
        rows.insert(dice.randint(1, len(rows)), tuple(row))
    return kinds


def _write_csv(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
