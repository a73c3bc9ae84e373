"""What the other data owners deliver about the synthetic province, each in its own column layout.

An enterprise is the same in all of them: who sells little uses little power, who runs short of money stops paying
contributions, lets bills lie and gets a bad grade. Each owner knows it by what real owners know it by: the USCC,
the old organisation code, the tax number, or only the name. A few rows of each file are dirty, and counted.

As in the province, nothing can be real: user numbers begin with 000, running numbers of patents and certificates
with 99, which no register has reached.
"""

import calendar
import csv
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from sandbox.codes import USCC_ALPHABET
from sandbox.province import HEROINE_NAME, Course, course_of, generate, trade_of

Row = tuple[str, ...]
RowsOf = Callable[[Course, random.Random], Iterator[Row]]

_KWH_PRICE: Final = 0.72  # 元
_PENSION_SHARE: Final = 0.16
_DAY_IN_MONTH: Final = 28
_NO_END: Final = "9999-9-9"


@dataclass(frozen=True)
class Delivery:
    """One data set as its owner hands it over. ``keys`` name the enterprise, ``day`` the time: dirt falls on them."""

    dataset: str
    header: tuple[str, ...]
    rows: RowsOf
    keys: tuple[str, ...]
    day: str


def write(out: Path, *, count: int, seed: int, months: list[date], dirty: int) -> dict[str, int]:
    """Write DATASET.csv for every delivery and deliveries.json, the account of their rows; answer rows by data set.

    The same province as `sandbox.province.write` with the same ``count``, ``seed`` and ``months``; ``dirty`` rows
    of each kind in every file.
    """
    out.mkdir(parents=True, exist_ok=True)
    courses = [course_of(enterprise, months, seed) for enterprise in generate(count + 1, seed)]
    *known, stranger = courses
    accounts: dict[str, dict[str, int]] = {}
    for delivery in DELIVERIES:
        rows = [row for course in known for row in _rows(delivery, course, seed)]
        dirt = _soil(rows, delivery, stranger, dirty, seed)
        accounts[delivery.dataset] = {"rows": len(rows), **dirt}
        with (out / f"{delivery.dataset}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(delivery.header)
            writer.writerows(rows)
    (out / "deliveries.json").write_text(json.dumps(accounts, indent=1) + "\n", encoding="utf-8")
    return {dataset: account["rows"] for dataset, account in accounts.items()}


def _rows(delivery: Delivery, course: Course, seed: int) -> Iterator[Row]:
    return delivery.rows(course, random.Random(f"{seed}/{delivery.dataset}/{course.enterprise.uscc}"))


_DIRT: Final = ("unknown_enterprise", "impossible_day", "repeated_row")


def _soil(rows: list[Row], delivery: Delivery, stranger: Course, dirty: int, seed: int) -> dict[str, int]:
    """Add ``dirty`` rows of each kind; answer how many were added of each. No good row is touched."""
    dice = random.Random(f"{seed}/{delivery.dataset}/dirt")
    keys = [delivery.header.index(name) for name in delivery.keys]
    day = delivery.header.index(delivery.day)
    good = tuple(rows)
    if not good:
        return dict.fromkeys(_DIRT, 0)
    for _ in range(dirty):
        for kind in _DIRT:
            row = list(dice.choice(good))
            if kind == "unknown_enterprise":
                for key in keys:
                    row[key] = _unknown(row[key], stranger)
            elif kind == "impossible_day":
                row[day] = "202613" if len(row[day]) == len("202613") else "2026-02-30"
            rows.insert(dice.randint(1, len(rows)), tuple(row))
    return dict.fromkeys(_DIRT, dirty)


def _unknown(key: str, stranger: Course) -> str:
    """A key of the same kind that leads nowhere: a code that cannot be right, or somebody outside the province."""
    enterprise = stranger.enterprise
    if not key:
        return key
    if len(key) == len(enterprise.uscc) and key.isascii():
        return key[:-1] + USCC_ALPHABET[(USCC_ALPHABET.index(key[-1].upper()) + 1) % len(USCC_ALPHABET)]
    return _organisation_code(enterprise.uscc) if key.isascii() else enterprise.name


# --- what an enterprise is, as its owners see it
# ------------------------------------------------------------------


def _organisation_code(uscc: str) -> str:
    return uscc[8:17]


def _heads(course: Course, month: date) -> int:
    """Employees: what the sales of the trade need, following the business, fewer when money is short."""
    usual = course.enterprise.monthly_sales * float(trade_of(course.enterprise)["heads"]) / 100
    sales = list(course.sales.values())
    trend = course.sales[month] / (sum(sales) / len(sales))
    short = 0.75 if course.is_short(month) else 1.0
    return max(2, round(usual * (0.8 + 0.2 * trend) * short))


def _last_year(course: Course) -> int:
    """The last year that is over where the months end."""
    last = max(course.sales)
    return last.year if last.month == 12 else last.year - 1


def _end(month: date) -> date:
    return month.replace(day=calendar.monthrange(month.year, month.month)[1])


def _day_before(course: Course, dice: random.Random, days: int) -> date:
    """Some day of the last ``days`` before the months end, not before the enterprise was registered."""
    last = _end(max(course.sales))
    return max(last - timedelta(days=dice.randrange(days)), course.enterprise.registered)


def _is_heroine(course: Course) -> bool:
    return course.enterprise.name == HEROINE_NAME


def _researches(course: Course) -> bool:
    """Whether it has patents and titles at all: the same answer for every owner."""
    chance = random.Random(f"research/{course.enterprise.uscc}").random()
    return _is_heroine(course) or chance < trade_of(course.enterprise)["research"]


# --- taxes and contributions
# --------------------------------------------------------------------------------------


def _tax_credit_grades(course: Course, dice: random.Random) -> Iterator[Row]:
    enterprise, last = course.enterprise, _last_year(course)
    for year in range(last - 2, last + 1):
        if enterprise.registered.year < year and enterprise.tax_habit != "none":
            grade = _grade(course, year, dice)
            low, high = {"A": (90, 99), "B": (70, 89), "M": (70, 89), "C": (40, 69), "D": (11, 39)}[grade]
            score = "" if grade == "M" else str(dice.randint(low, high))
            yield enterprise.uscc, str(year), f"{grade}级" if dice.random() < 0.3 else grade, score


def _grade(course: Course, year: int, dice: random.Random) -> str:
    enterprise = course.enterprise
    if _is_heroine(course):
        return "A"
    if enterprise.status != "存续":
        return "D"
    if year - enterprise.registered.year < 3:
        return "M"
    if enterprise.tax_habit == "arrears":
        return dice.choice("CD") if year == _last_year(course) else "B"
    if enterprise.tax_habit == "gaps":
        return dice.choices("BC", (3, 1))[0]
    return dice.choices("AB", (2, 3))[0]


def _social_insurance(course: Course, dice: random.Random) -> Iterator[Row]:
    for month in filter(course.declares, course.sales):
        heads = _heads(course, month)
        others = str(max(1, heads - dice.randint(0, 1)))
        counts = (str(heads), str(heads), others, others, str(heads), others)
        yield course.enterprise.uscc, f"{month:%Y%m}", *counts


def _pension_payments(course: Course, dice: random.Random) -> Iterator[Row]:
    """Paid in the month after, by tax number: for old enterprises now and then still the number of before 2015."""
    enterprise = course.enterprise
    old_number = enterprise.registered < date(2015, 10, 1) and dice.random() < 0.1
    number = (
        enterprise.uscc[2:8] + _organisation_code(enterprise.uscc) if old_number else enterprise.uscc.lower()
    )
    wage = dice.uniform(4_800, 9_500)
    for month in filter(course.declares, list(course.sales)[:-1]):
        if course.is_short(month) and dice.random() < 0.7:
            continue
        paid = _heads(course, month) * wage * _PENSION_SHARE
        on = _end(month) + timedelta(days=dice.randint(5, 15))
        span = (month.isoformat(), _end(month).isoformat())
        yield number, enterprise.name, "10201", "单位缴纳", *span, f"{paid:.2f}", f"{on:%Y%m%d}"


def _housing_fund(course: Course, dice: random.Random) -> Iterator[Row]:
    """By the old organisation code; small employers often have no account."""
    enterprise = course.enterprise
    largest = max(_heads(course, month) for month in course.sales)
    if not _is_heroine(course) and (largest < 5 or dice.random() < 0.3):
        return
    share, per_head = dice.uniform(0.6, 0.95), dice.choice((600, 800, 1_000, 1_200, 1_600))
    account = f"000{dice.randrange(10**9):09d}"
    code = _organisation_code(enterprise.uscc)
    for month in filter(course.declares, course.sales):
        if course.is_short(month) and dice.random() < 0.5:
            continue
        heads = max(1, round(_heads(course, month) * share))
        day = month.replace(day=dice.randint(10, _DAY_IN_MONTH))
        yield f"{code[:8]}-{code[8]}", account, day.isoformat(), str(heads), f"{heads * per_head:.2f}"


# --- the enterprise's own report to the register
# ------------------------------------------------------------------


def _annual_reports(course: Course, dice: random.Random) -> Iterator[Row]:
    """In 万元, by year; who is short of money has lived on debt and made a loss in the end."""
    enterprise, last = course.enterprise, _last_year(course)
    if enterprise.tax_habit == "none" or enterprise.status != "存续":
        return
    turnover, indebted = dice.uniform(0.6, 1.8), dice.uniform(0.2, 0.55)
    for year in range(last - 2, last + 1):
        if enterprise.registered.year >= year:
            continue
        short = course.short_of_money_from is not None and year == last
        revenue = enterprise.monthly_sales * 12 * dice.uniform(0.92, 1.08)
        profit = -0.03 * revenue if short else revenue * enterprise.profit_share
        assets = revenue / turnover
        debt = assets * (dice.uniform(0.75, 0.95) if short else indebted)
        amounts = (
            assets, debt, assets - debt, revenue, revenue * 0.96, profit, min(profit, profit * 0.75),
            revenue * enterprise.vat_burden,
        )  # fmt: skip
        heads = str(_heads(course, next(iter(course.sales))))
        shown = "是" if dice.random() < 0.2 else "否"
        yield enterprise.uscc, str(year), *(f"{amount:.6f}" for amount in amounts), heads, shown, shown


# --- utilities
# ----------------------------------------------------------------------------------------------------


def _water(course: Course, dice: random.Random) -> Iterator[Row]:
    """Read every other month, while the enterprise exists; little is used where nothing is sold."""
    account, kind = f"000{dice.randrange(10**9):09d}", dice.choice(("工业用水", "经营服务用水", "非居民"))
    reading = dice.randrange(1_000, 90_000)
    for month in list(course.sales)[1::2]:
        if not _is_connected(course, month):
            continue
        use = round(_heads(course, month) * dice.uniform(4, 7) * (1 if course.declares(month) else 0.1))
        reading += use
        late = f"{use * 0.02:.2f}" if course.is_short(month) else "0"
        day = month.replace(day=dice.randint(3, _DAY_IN_MONTH))
        read_on = f"{day.year}-{day.month}-{day.day} 0:00:00"
        yield course.enterprise.uscc, account, kind, read_on, str(reading), str(use), late


def _power(course: Course, dice: random.Random) -> Iterator[Row]:
    enterprise = course.enterprise
    intensity = trade_of(enterprise)["power"] * dice.uniform(0.8, 1.2)
    account = f"000{dice.randrange(10**10):010d}"
    for month, sales in course.sales.items():
        if not _is_connected(course, month):
            continue
        running = sales if course.declares(month) else enterprise.monthly_sales * 0.04
        kwh = running * intensity * dice.uniform(0.95, 1.05)
        bill = kwh * _KWH_PRICE
        owed = f"{bill:.2f}" if course.is_short(month) and dice.random() < 0.6 else "0"
        yield enterprise.uscc, account, f"{month:%Y-%m}", f"{kwh:.1f}", f"{bill:.2f}", owed


def _is_connected(course: Course, month: date) -> bool:
    """Whoever has left the register is cut off; whoever merely declares nothing is not."""
    enterprise = course.enterprise
    return month >= enterprise.registered and (enterprise.status == "存续" or course.declares(month))


# --- offences
# -----------------------------------------------------------------------------------------------------

_OFFENCES: Final = (
    ("未按规定公示企业信息", "市场监督管理局", (0.1, 0.5)),
    ("违反安全生产管理规定", "应急管理局", (1.0, 10.0)),
    ("未批先建、未验先投", "生态环境局", (2.0, 20.0)),
    ("产品标识不符合规定", "市场监督管理局", (0.2, 3.0)),
    ("未按规定进行消防安全检查", "消防救援支队", (0.5, 3.0)),
)


def _penalties(course: Course, dice: random.Random) -> Iterator[Row]:
    """In the layout of 2021. Where the authority left out the code, the name must do."""
    enterprise = course.enterprise
    likely = {"steady": 0.03, "gaps": 0.12, "arrears": 0.2, "none": 0.1}[enterprise.tax_habit]
    if _is_heroine(course) or dice.random() >= likely:
        return
    for number in range(1, dice.randint(1, 3) + 1):
        offence, authority, (low, high) = dice.choice(_OFFENCES)
        day = _day_before(course, dice, 4 * 365)
        fine = f"{dice.uniform(low, high):.2f}"
        document = f"苏演罚〔{day.year}〕{enterprise.uscc[10:16]}-{number}号"
        code = "" if dice.random() < 0.2 else enterprise.uscc
        yield (
            enterprise.name, "法人及非法人组织", code, document, offence, offence, "有关法律法规", "罚款",
            f"罚款人民币{fine}万元", fine, "0", day.isoformat(), _NO_END, _years_later(day, 3).isoformat(),
            f"{enterprise.city}市{authority}",
        )  # fmt: skip


def _abnormal_operations(course: Course, dice: random.Random) -> Iterator[Row]:
    """By name. Who is alive puts it right within months; who has given up stays on the list."""
    enterprise = course.enterprise
    gone = enterprise.tax_habit == "none" or enterprise.status != "存续"
    likely = 0.6 if gone else {"gaps": 0.1, "arrears": 0.08}.get(enterprise.tax_habit, 0.02)
    if _is_heroine(course) or dice.random() >= likely:
        return
    listed = _day_before(course, dice, 3 * 365)
    reason = "通过登记的住所或者经营场所无法联系" if gone else "未依照规定期限公示年度报告"
    authority = f"{enterprise.city}市市场监督管理局"
    removed = listed + timedelta(days=dice.randint(10, 150))
    if gone or removed > _end(max(course.sales)):
        yield enterprise.name, listed.isoformat(), reason, authority, "", "暂无", ""
    else:
        yield (
            enterprise.name, listed.isoformat(), reason, authority,
            removed.isoformat(), "补报年度报告并公示", authority,
        )  # fmt: skip


# --- technology
# ---------------------------------------------------------------------------------------------------

_INVENTIONS: Final = (
    "夹具",
    "检测装置",
    "自动送料机构",
    "节能控制方法",
    "包装结构",
    "数据处理方法",
    "除尘装置",
)
_PATENT_WEIGHTS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_PATENT_KINDS: Final = {"发明专利": "1", "实用新型": "2", "外观设计": "3"}


def _patents(course: Course, dice: random.Random) -> Iterator[Row]:
    enterprise = course.enterprise
    if not _researches(course):
        return
    for number in range(1, dice.randint(1, 12) + 1):
        kind = dice.choices(tuple(_PATENT_KINDS), (2, 6, 1))[0]
        applied = _day_before(course, dice, 8 * 365)
        granted = applied + timedelta(days=dice.randint(180, 900))
        is_granted = granted <= _end(max(course.sales))
        code = _patent_number(applied.year, _PATENT_KINDS[kind], int(enterprise.uscc, 36) + number)
        title = f"一种{enterprise.trade}用{dice.choice(_INVENTIONS)}"
        yield (
            enterprise.name, code, kind, title, f"{applied:%Y.%m.%d}",
            f"{granted:%Y.%m.%d}" if is_granted else "", "授权" if is_granted else "实质审查",
        )  # fmt: skip


def _patent_number(year: int, kind: str, number: int) -> str:
    body = f"{year}{kind}99{number % 100_000:05d}"
    total = sum(int(digit) * weight for digit, weight in zip(body, _PATENT_WEIGHTS, strict=True))
    return f"ZL{body}.{'0123456789X'[total % 11]}"


def _high_tech(course: Course, dice: random.Random) -> Iterator[Row]:
    enterprise, last = course.enterprise, _last_year(course)
    year = last - dice.randint(0, 2)
    if not _researches(course) or enterprise.registered.year >= year:
        return
    if not _is_heroine(course) and dice.random() < 0.4:
        return
    certificate = f"GR{year}32{99_0000 + int(enterprise.uscc, 36) % 10_000}"
    issued = date(year, dice.randint(10, 12), dice.randint(1, _DAY_IN_MONTH))
    # The register writes the codes of some holders in lower case.
    holder = enterprise.uscc.lower() if dice.random() < 0.3 else enterprise.uscc
    yield (
        enterprise.name, certificate, issued.isoformat(), holder, _years_later(issued, 3).isoformat(),
        "江苏省科学技术厅、江苏省财政厅、国家税务总局江苏省税务局", "高新技术企业认定管理办法",
    )  # fmt: skip


def _years_later(day: date, years: int) -> date:
    return day.replace(year=day.year + years, day=min(day.day, _DAY_IN_MONTH))


DELIVERIES: Final[tuple[Delivery, ...]] = (
    Delivery(
        "tax_credit_grade",
        ("uni_social_crd_cd", "eval_year", "tax_credi_level", "credi_scard"),
        _tax_credit_grades,
        keys=("uni_social_crd_cd",),
        day="eval_year",
    ),
    Delivery(
        "social_insurance",
        ("uni_social_crd_cd", "rece_ym", "mon_insurd_prsons",
         "pens_num", "medic_num", "unemploy_num", "injury_num", "materni_num"),
        _social_insurance,
        keys=("uni_social_crd_cd",),
        day="rece_ym",
    ),
    Delivery(
        "social_insurance_payments",
        ("tax_no", "tax nm", "coll_item", "tax_type", "period_from", "period_to", "paid_amt", "rkrq"),
        _pension_payments,
        keys=("tax_no", "tax nm"),
        day="rkrq",
    ),
    Delivery(
        "housing_fund",
        ("org_id", "prov_fund_acco", "pay_dt", "pay_pers_num", "pay_amt"),
        _housing_fund,
        keys=("org_id",),
        day="pay_dt",
    ),
    Delivery(
        "annual_reports",
        ("uni_social_crd_cd", "annual_year", "asset_zmt", "debt_amt", "owner_equity_toatal", "opt_income_total",
         "main_busi_income", "profit_total", "net_profit", "tax_total", "employee_num", "pub_asset_zmt",
         "pub_opt_income_total"),
        _annual_reports,
        keys=("uni_social_crd_cd",),
        day="annual_year",
    ),
    Delivery(
        "water",
        ("uni_social_crd_cd", "yhh", "user_nature", "meter_read_dt", "period_copy", "water_consum", "overdue_amt"),
        _water,
        keys=("uni_social_crd_cd",),
        day="meter_read_dt",
    ),
    Delivery(
        "power",
        ("统一社会信用代码", "用电户号", "电费年月", "用电量（千瓦时）", "应收电费（元）", "欠费金额（元）"),
        _power,
        keys=("统一社会信用代码",),
        day="电费年月",
    ),
    Delivery(
        "penalties",
        ("CF_XDR_MC", "CF_XDR_LB", "CF_XDR_SHXYM", "CF_WSH", "CF_WFXW", "CF_SY", "CF_YJ", "CF_CFLB", "CF_NR",
         "CF_NR_FK", "CF_NR_WFFF", "CF_JDRQ", "CF_YXQ", "CF_GSJZQ", "CF_CFJG"),
        _penalties,
        keys=("CF_XDR_MC", "CF_XDR_SHXYM"),
        day="CF_JDRQ",
    ),
    Delivery(
        "abnormal_operations",
        ("comp_nm", "inclu_dt", "inclu_reason", "decorg_cn", "remove_dt", "remexcpres_cn", "redecorg_cn"),
        _abnormal_operations,
        keys=("comp_nm",),
        day="inclu_dt",
    ),
    Delivery(
        "patents",
        ("专利权人", "专利号", "ZLLX", "FMMC", "申请日", "授权公告日", "法律状态"),
        _patents,
        keys=("专利权人",),
        day="申请日",
    ),
    Delivery(
        "high_tech",
        ("comp_nm", "high_tech_doc", "issue_dt", "hold_cert_cd", "有效期至", "award_cert", "cogn_basis"),
        _high_tech,
        keys=("comp_nm", "hold_cert_cd"),
        day="issue_dt",
    ),
)  # fmt: skip
