"""The synthetic province: valid codes, nobody real, the same for the same seed, dirt counted exactly."""

import csv
import json
import re
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import codes, province

MONTHS = province.months_until(date(2026, 11, 22), 24)

# Copied from the published texts of the standards, not from the sandbox.
GB32100 = "0123456789ABCDEFGHJKLMNPQRTUWXY"
GB32100_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
GB11714_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
GB11643_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def is_valid_uscc(code: str) -> bool:
    if not re.fullmatch(f"[{GB32100}]{{18}}", code):
        return False
    total = sum(GB32100.index(c) * w for c, w in zip(code, GB32100_WEIGHTS, strict=False))
    return GB32100[(31 - total % 31) % 31] == code[17] and is_valid_organisation(code[8:17])


def is_valid_organisation(code: str) -> bool:
    total = sum(int(c, 36) * w for c, w in zip(code, GB11714_WEIGHTS, strict=False))
    check = 11 - total % 11
    return code[8] == {10: "X", 11: "0"}.get(check, str(check))


def is_valid_citizen_id(code: str) -> bool:
    total = sum(int(c) * w for c, w in zip(code, GB11643_WEIGHTS, strict=False))
    return code[17] == "10X98765432"[total % 11]


@pytest.mark.parametrize(
    "code",
    [
        "91350100M000100Y43",
        "91110108551385082Q",
        "9144030071526726XG",
        "9135010026017703XW",
        "91230500MA1B3N1N2M",
    ],
)
def test_the_check_digits_agree_with_published_codes(code: str) -> None:
    assert codes.uscc_check(code[:17]) == code[17]


@pytest.mark.parametrize("code", ["11010519491231002X", "440524188001010014"])
def test_the_citizen_check_digit_agrees_with_the_standard(code: str) -> None:
    assert codes.citizen_check(code[:17]) == code[17]


@given(district=st.from_regex(r"32[01][0-9]{3}", fullmatch=True), number=st.integers(0, 31**6 - 1))
def test_every_made_uscc_is_valid_and_of_the_reserved_series(district: str, number: int) -> None:
    code = province.make_uscc(district, number)
    assert is_valid_uscc(code)
    assert code.startswith(f"91{district}MY")


@given(number=st.integers(0, 10**6))
def test_every_made_citizen_id_is_well_formed_and_nobodys(number: int) -> None:
    code = province.make_citizen_id(number)
    assert is_valid_citizen_id(code)
    assert code.startswith("3200001900")


@given(seed=st.integers(0, 10**6), count=st.integers(1, 40))
def test_no_code_and_no_name_is_given_twice(seed: int, count: int) -> None:
    enterprises = list(province.generate(count, seed))
    assert len({one.uscc for one in enterprises}) == count
    assert len({one.name for one in enterprises}) == count
    assert len({one.signatory_id for one in enterprises}) == count


def test_an_enterprise_is_the_same_in_a_small_and_a_large_province() -> None:
    assert list(province.generate(30, 7)) == list(province.generate(60, 7))[:30]


def test_names_carry_a_place_and_full_width_brackets_only() -> None:
    for one in province.generate(300, 7):
        assert one.city in one.name or one.name.startswith("江苏")
        assert not re.search(r"[()A-Za-z ]", one.name)


def test_the_heroine_is_first_and_complete() -> None:
    heroine = next(province.generate(1, 7))
    rows = list(province.tax_months(province.course_of(heroine, MONTHS, 7), 7))
    assert heroine.name == province.HEROINE_NAME
    assert [row.month for row in rows] == MONTHS
    assert all(row.vat_paid == row.vat_payable and row.cit_paid == row.cit_payable for row in rows)


@pytest.mark.parametrize(
    ("until", "count", "expected"),
    [
        (date(2026, 11, 22), 2, [date(2026, 9, 1), date(2026, 10, 1)]),
        (date(2026, 1, 31), 2, [date(2025, 11, 1), date(2025, 12, 1)]),
    ],
)
def test_months_end_with_the_last_full_one(until: date, count: int, expected: list[date]) -> None:
    assert province.months_until(until, count) == expected


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("province")
    province.write(out, count=400, seed=7, months=MONTHS, dirty=12)
    return out


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_registration_file_begins_like_the_real_ones(written: Path) -> None:
    header = (written / "registration.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header.startswith("企业名称,统一社会信用代码,注册日期,企业类型,注册资金,经营范围,所在省份,地区,")


def test_dirty_rows_are_exactly_those_counted(written: Path) -> None:
    rows = read(written / "registration.csv")
    summary = json.loads((written / "summary.json").read_text(encoding="utf-8"))
    seen: set[tuple[str, ...]] = set()
    found = dict.fromkeys(summary["dirty_rows"], 0)
    for row in rows:
        code = row["统一社会信用代码"]
        found["old_15_digit_number"] += len(code) == 15
        found["bad_check_digit"] += len(code) == 18 and not is_valid_uscc(code)
        found["empty_name"] += row["企业名称"] == ""
        found["capital_not_available"] += row["注册资金"] == "N/A"
        found["duplicate_row"] += tuple(row.values()) in seen
        seen.add(tuple(row.values()))
    assert len(rows) == 400 + 12
    assert found == summary["dirty_rows"]
    assert sum(found.values()) == 12


def test_tax_rows_belong_to_registered_enterprises_and_never_overpay(written: Path) -> None:
    registered = {row["统一社会信用代码"] for row in read(written / "registration.csv")}
    rows = read(written / "tax.csv")
    assert list(rows[0]) == list(province.TAX_HEADER)
    assert len({(row["统一社会信用代码"], row["RKYF"]) for row in rows}) == len(rows)
    for row in rows:
        assert row["统一社会信用代码"] in registered
        assert re.fullmatch(r"20\d{4}", row["RKYF"])
        assert 0 <= float(row["ZZSSJJE"]) <= float(row["ZZSYNSE"])
        assert 0 <= float(row["SDSSJJE"]) <= float(row["SDSYNSE"])
        assert float(row["sale_inco"]) > 0


def test_the_province_has_gaps_arrears_and_enterprises_without_any_tax(written: Path) -> None:
    rows = read(written / "tax.csv")
    per_enterprise: dict[str, int] = {}
    for row in rows:
        per_enterprise[row["统一社会信用代码"]] = per_enterprise.get(row["统一社会信用代码"], 0) + 1
    assert 0 < 400 - len(per_enterprise) < 30
    assert any(count < 24 for count in per_enterprise.values())
    assert any(float(row["ZZSSJJE"]) < float(row["ZZSYNSE"]) for row in rows)


def test_complete_enterprises_have_every_month_paid_in_full(written: Path) -> None:
    people = json.loads((written / "enterprises.json").read_text(encoding="utf-8"))
    assert people[0]["name"] == province.HEROINE_NAME
    complete = {one["uscc"] for one in people if one["complete"]}
    rows = [row for row in read(written / "tax.csv") if row["统一社会信用代码"] in complete]
    assert people[0]["uscc"] in complete
    assert len(rows) == 24 * len(complete)
    assert all(row["ZZSSJJE"] == row["ZZSYNSE"] for row in rows)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        province.write(tmp_path / name, count=50, seed=seed, months=MONTHS, dirty=5)
    for file in ("registration.csv", "tax.csv", "enterprises.json", "summary.json"):
        one = (tmp_path / "one" / file).read_bytes()
        assert one == (tmp_path / "same" / file).read_bytes()
        assert one != (tmp_path / "other" / file).read_bytes()
