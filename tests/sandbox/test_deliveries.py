"""What the other owners deliver about the province: one truth in eleven layouts, nobody real, dirt counted exactly."""

import csv
import json
import re
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import pytest

from sandbox import deliveries, province

MONTHS = province.months_until(date(2026, 11, 22), 24)
COUNT, SEED, DIRTY = 400, 7, 2
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("province")
    deliveries.write(out, count=COUNT, seed=SEED, months=MONTHS, dirty=0)
    return out


@pytest.fixture(scope="module")
def courses() -> dict[str, province.Course]:
    """By USCC, the heroine first."""
    made = (province.course_of(one, MONTHS, SEED) for one in province.generate(COUNT, SEED))
    return {course.enterprise.uscc: course for course in made}


def read(folder: Path, dataset: str) -> Rows:
    with (folder / f"{dataset}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def by(column: str, rows: Rows) -> dict[str, Rows]:
    grouped: dict[str, Rows] = defaultdict(list)
    for row in rows:
        grouped[row[column].upper()].append(row)
    return grouped


def test_every_row_is_about_an_enterprise_of_the_province(
    written: Path, courses: dict[str, province.Course]
) -> None:
    names = {course.enterprise.name for course in courses.values()}
    codes = set(courses) | {code[8:17] for code in courses} | {code[2:17] for code in courses}
    for delivery in deliveries.DELIVERIES:
        for row in read(written, delivery.dataset):
            keys = [row[column] for column in delivery.keys if row[column]]
            assert keys
            assert all(key in names or key.upper().replace("-", "") in codes for key in keys), row


def test_owners_know_an_enterprise_by_different_keys(written: Path) -> None:
    assert "uni_social_crd_cd" not in read(written, "housing_fund")[0]
    assert all(re.fullmatch(r"MY\w{6}-[0-9X]", row["org_id"]) for row in read(written, "housing_fund"))
    assert {len(row["tax_no"]) for row in read(written, "social_insurance_payments")} == {15, 18}
    assert {row["CF_XDR_SHXYM"] == "" for row in read(written, "penalties")} == {True, False}
    assert "统一社会信用代码" not in read(written, "abnormal_operations")[0]


def test_the_heroine_has_all_that_a_bank_hopes_for(
    written: Path, courses: dict[str, province.Course]
) -> None:
    uscc, name = next(iter(courses)), province.HEROINE_NAME
    grades = by("uni_social_crd_cd", read(written, "tax_credit_grade"))[uscc]
    assert [(row["eval_year"], row["tax_credi_level"][0]) for row in grades] == [
        ("2023", "A"),
        ("2024", "A"),
        ("2025", "A"),
    ]
    assert len(by("uni_social_crd_cd", read(written, "social_insurance"))[uscc]) == 24
    assert len(by("tax nm", read(written, "social_insurance_payments"))[name]) == 23
    assert len(by("org_id", read(written, "housing_fund"))[f"{uscc[8:16]}-{uscc[16]}"]) == 24
    assert by("专利权人", read(written, "patents"))[name]
    assert by("comp_nm", read(written, "high_tech"))[name]
    assert name not in by("CF_XDR_MC", read(written, "penalties"))
    assert name not in by("comp_nm", read(written, "abnormal_operations"))


def test_who_declares_nothing_insures_nobody_and_uses_little_power(
    written: Path, courses: dict[str, province.Course]
) -> None:
    insured = {(row["uni_social_crd_cd"], row["rece_ym"]) for row in read(written, "social_insurance")}
    power = {
        (row["统一社会信用代码"], row["电费年月"]): float(row["用电量（千瓦时）"])
        for row in read(written, "power")
    }
    compared = 0
    for uscc, course in courses.items():
        assert {f"{month:%Y%m}" for month in course.sales if course.declares(month)} == {
            month for code, month in insured if code == uscc
        }
        used = {month: power.get((uscc, f"{month:%Y-%m}")) for month in course.sales}
        running = [kwh for month, kwh in used.items() if kwh is not None and course.declares(month)]
        for month in course.silent & {month for month, kwh in used.items() if kwh is not None}:
            if running:
                compared += 1
                assert (used[month] or 0) < min(running) / 2
    assert compared > 20


def test_who_is_short_of_money_falls_behind_everywhere(
    written: Path, courses: dict[str, province.Course]
) -> None:
    short = {uscc for uscc, course in courses.items() if course.enterprise.tax_habit == "arrears"}
    owing = {row["统一社会信用代码"] for row in read(written, "power") if float(row["欠费金额（元）"]) > 0}
    late = {row["uni_social_crd_cd"] for row in read(written, "water") if float(row["overdue_amt"]) > 0}
    assert owing
    assert late
    assert owing | late <= short
    grades = by("uni_social_crd_cd", read(written, "tax_credit_grade"))
    latest = {uscc: rows[-1]["tax_credi_level"][0] for uscc, rows in grades.items()}
    old_enough = {uscc for uscc in short if courses[uscc].enterprise.registered.year < 2020}
    in_business = {uscc for uscc in old_enough if courses[uscc].enterprise.status == "存续"}
    assert in_business
    assert {latest[uscc] for uscc in in_business} <= {"C", "D"}


def test_annual_reports_balance_and_show_who_lost_money(
    written: Path, courses: dict[str, province.Course]
) -> None:
    losers = set()
    for row in read(written, "annual_reports"):
        assets, debt, equity = (
            float(row[column]) for column in ("asset_zmt", "debt_amt", "owner_equity_toatal")
        )
        assert assets == pytest.approx(debt + equity)
        assert float(row["main_busi_income"]) <= float(row["opt_income_total"])
        if float(row["profit_total"]) < 0:
            losers.add(row["uni_social_crd_cd"])
    assert losers
    assert all(courses[uscc].enterprise.tax_habit == "arrears" for uscc in losers)


def test_head_counts_move_slowly(written: Path) -> None:
    for rows in by("uni_social_crd_cd", read(written, "social_insurance")).values():
        counts = [int(row["mon_insurd_prsons"]) for row in rows]
        assert min(counts) >= 2
        assert max(counts) <= 2 * min(counts) + 2


def test_no_number_can_be_real(written: Path) -> None:
    accounts = [
        *(row["用电户号"] for row in read(written, "power")),
        *(row["yhh"] for row in read(written, "water")),
        *(row["prov_fund_acco"] for row in read(written, "housing_fund")),
    ]
    assert all(account.startswith("000") for account in accounts)
    patents = [row["专利号"] for row in read(written, "patents")]
    assert all(re.fullmatch(r"ZL20\d{2}[123]99\d{5}\.[0-9X]", number) for number in patents)
    certificates = [row["high_tech_doc"] for row in read(written, "high_tech")]
    assert all(re.fullmatch(r"GR20\d{2}3299\d{4}", number) for number in certificates)


def test_nothing_happens_after_the_months_are_over_except_the_ends_of_terms(written: Path) -> None:
    for dataset, column in (
        ("penalties", "CF_JDRQ"),
        ("abnormal_operations", "inclu_dt"),
        ("abnormal_operations", "remove_dt"),
        ("high_tech", "issue_dt"),
    ):
        days = {row[column] for row in read(written, dataset) if row[column]}
        assert days
        assert max(days) <= "2026-10-31"


def test_dirty_rows_are_added_to_the_good_ones_and_counted(written: Path, tmp_path: Path) -> None:
    rows = deliveries.write(tmp_path, count=COUNT, seed=SEED, months=MONTHS, dirty=DIRTY)
    accounts = json.loads((tmp_path / "deliveries.json").read_text(encoding="utf-8"))
    for delivery in deliveries.DELIVERIES:
        good = Counter(tuple(row.values()) for row in read(written, delivery.dataset))
        all_rows = Counter(tuple(row.values()) for row in read(tmp_path, delivery.dataset))
        account = accounts[delivery.dataset]
        assert good <= all_rows
        assert account == {
            "rows": rows[delivery.dataset],
            "unknown_enterprise": DIRTY,
            "impossible_day": DIRTY,
            "repeated_row": DIRTY,
        }
        assert account["rows"] == good.total() + 3 * DIRTY == all_rows.total()
        assert sum(times for row, times in (all_rows - good).items() if row in good) == DIRTY


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        deliveries.write(tmp_path / name, count=60, seed=seed, months=MONTHS, dirty=1)
    for file in [f"{delivery.dataset}.csv" for delivery in deliveries.DELIVERIES]:
        one = (tmp_path / "one" / file).read_bytes()
        assert one == (tmp_path / "same" / file).read_bytes()
        assert one != (tmp_path / "other" / file).read_bytes()
