"""Contracts of taxes, contributions, utilities, real estate, technology: the traps in what their owners deliver.

What a good row becomes: test_golden_rows.py.
"""

import pytest

from datasets import Catalogue, DeliveryRefused
from tests.datasets.golden import USCC, cleaned
from tests.datasets.golden_business_records import UNIT_NUMBER

WATER = {"yhh": "1", "meter_read_dt": "2026-10-08", "water_consum": "356"}
MORTGAGE = {"dyrzjh": USCC, "bdcdjzmh": "苏1", "bdcdyh": UNIT_NUMBER}
PATENT = {"专利号": "ZL202110123456.7", "ZLLX": "发明"}


@pytest.mark.parametrize(
    ("dataset", "cells", "field", "reason"),
    [
        pytest.param(
            "tax_credit_grade",
            {"uscc": USCC, "PJND": "2025", "PJDB": "E"},
            "grade",
            "not_in_code_list",
            id="a grade that no rule knows",
        ),
        pytest.param(
            "tax_credit_grade",
            {"uscc": USCC, "PJND": "9999", "PJDB": "A"},
            "year",
            "sentinel_date",
            id="a grade of no year",
        ),
        pytest.param(
            "tax_arrears",
            {"uscc": USCC, "own_tax_type": "增值税", "cumu_own_amt": "1.25E+07"},
            "balance_fen",
            "amount_scientific_notation",
            id="arrears ruined by a spreadsheet",
        ),
        pytest.param(
            "social_insurance",
            {"uscc": USCC, "rece_ym": "202610", "mon_insurd_prsons": "-3"},
            "insured_count",
            "below_minimum",
            id="fewer than no employees",
        ),
        pytest.param(
            "housing_fund",
            {"org_id": "M000100Y5", "prov_fund_acco": "1", "pay_dt": "202610", "pay_amt": "1"},
            "uscc",
            "other_key_unreadable",
            id="an organisation code with a wrong check character",
        ),
        pytest.param(
            "water",
            {"uscc": "913201******10010Y", **WATER},
            "uscc",
            "masked_uscc",
            id="a masked code, not replaced by any other key",
        ),
        pytest.param(
            "water_arrears",
            {"legal_org_nm": "暂无", "count_ym": "202610", "user_id": "1", "bill_no": "1", "amt": "5"},
            "uscc",
            "key_missing",
            id="a debtor without a name",
        ),
        pytest.param(
            "real_estate",
            {"zjh": USCC, "bdcqzh": "苏1", "bdcdyh": UNIT_NUMBER[:-1]},
            "unit_number",
            "pattern_mismatch",
            id="a unit number with a character missing",
        ),
        pytest.param(
            "real_estate_mortgages",
            {**MORTGAGE, "bdbzzqse": "500"},
            "secured_fen",
            "ambiguous_unit",
            id="a claim of 500 of nobody knows what",
        ),
        pytest.param(
            "power_years",
            {"uscc": USCC, "户号": "1", "年份": "2024", "用电量(万千瓦时)": "456200千瓦时"},
            "consumption_kwh",
            "number_unreadable",
            id="kWh in a column of ten thousands of them",
        ),
        pytest.param(
            "patents",
            {"uscc": USCC, **PATENT, "申请日": "2027-01-01"},
            "applied_on",
            "in_future",
            id="a patent applied for tomorrow",
        ),
        pytest.param(
            "high_tech",
            {"uscc": USCC, "high_tech_doc": "高企202432001234", "issue_dt": "20241119"},
            "certificate_number",
            "pattern_mismatch",
            id="a certificate number of another kind",
        ),
        pytest.param(
            "vehicles",
            {"OWNER": "苏州示例物流有限公司", "AUTO_NUM": "无牌", "CPYS": "黄"},
            "plate_number",
            "pattern_mismatch",
            id="a plate that is none",
        ),
    ],
)
def test_what_cannot_be_read_without_guessing_is_named(
    catalogue: Catalogue, dataset: str, cells: dict[str, str], field: str, reason: str
) -> None:
    faults = cleaned(catalogue.contracts[dataset], cells)
    assert isinstance(faults, list), faults
    assert [(fault.field, fault.reason) for fault in faults] == [(field, reason)]


@pytest.mark.parametrize(
    ("dataset", "cells"),
    [
        pytest.param(
            "power",
            {"uscc": USCC, "用电户号": "1", "电费年月": "202610", "用电量": "3.8"},
            id="consumption without a unit: kWh or ten thousand of them",
        ),
        pytest.param(
            "tax_arrears",
            {"uscc": USCC, "own_tax_type": "增值税", "欠税余额": "3.8"},
            id="arrears without a unit: yuan or ten thousand of them",
        ),
        pytest.param(
            "housing_fund",
            {"uscc": USCC, "pay_year": "2025", "unit_acco": "1", "pay_amt": "662400"},
            id="the yearly file given as the monthly one",
        ),
    ],
)
def test_a_file_whose_columns_do_not_say_what_they_mean_is_refused(
    catalogue: Catalogue, dataset: str, cells: dict[str, str]
) -> None:
    with pytest.raises(DeliveryRefused) as refused:
        cleaned(catalogue.contracts[dataset], cells)
    assert refused.value.reason == "missing_required_column"


@pytest.mark.parametrize(
    ("dataset", "field", "shown"),
    [
        ("tax", "tax_total_fen", "banded"),  # less VAT it is the income tax
        ("social_insurance_payments", "paid_fen", "banded"),  # with the head count it tells the wages
        ("housing_fund", "paid_fen", "banded"),
        ("rd_spending", "rd_spending_fen", "banded"),
        ("self_declared", "amount_fen", "banded"),
        ("water", "account", "masked"),  # belongs to an address
        ("power", "account", "masked"),
        ("gas", "meter_number", "masked"),
        ("self_declared", "counterparty", "masked"),  # who the customers are
        ("real_estate", "holder", "masked"),  # may be a person
        ("gas", "address", None),
        ("real_estate", "remarks", None),
    ],
)
def test_trade_secrets_and_user_numbers_never_leave_as_they_are(
    catalogue: Catalogue, dataset: str, field: str, shown: str | None
) -> None:
    view = catalogue.view_for("bank", "credit_review", dataset)
    assert view.fields.get(field) == shown
