"""One made-up enterprise on 22 November 2026, small enough to reckon by hand, and what each indicator says of it."""

from typing import Any

MONTHS = [f"{year}-{month:02d}" for year in (2026, 2025, 2024) for month in range(12, 0, -1)][2:27]
"""2026-10 back to 2024-10"""

YUAN = 100


def by_months(last_3: Any, last_12: Any, before: Any) -> list[Any]:
    """A value for each of MONTHS: the last three, the nine before them, and the rest."""
    return [last_3] * 3 + [last_12] * 9 + [before] * 13


def monthly(**columns: list[Any]) -> list[dict[str, Any]]:
    rows = zip(*columns.values(), strict=True)
    return [
        {"period": month} | dict(zip(columns, values, strict=True))
        for month, values in zip(MONTHS, rows, strict=True)
    ]


WITHOUT_AUGUST = {"2026-08"}

RECORDS: dict[str, list[dict[str, Any]]] = {
    "registration": [
        {
            "registration_date": "2018-11-23", "approval_date": "2025-01-22", "term_to": "2038-11-22",
            "status": "存续", "industry_code": "C3484", "employees": 48,
        }
    ],
    "registration_changes": [
        {"changed_on": "2026-05-05", "item": "注册资本"},
        {"changed_on": "2026-01-01", "item": "法定代表人"},
        {"changed_on": "2024-02-02", "item": "法定代表人（负责人）变更"},
    ],
    "shareholders": [
        {"shareholder_name": "甲", "subscribed_fen": 600, "paid_fen": 600, "share_percent": "60"},
        {"shareholder_name": "乙", "subscribed_fen": 400, "paid_fen": 150, "share_percent": "40"},
        {"shareholder_name": "丙", "subscribed_fen": 100, "paid_fen": None, "share_percent": None},
    ],
    "abnormal_operations": [
        {"listed_on": "2026-09-01", "reason": "未年报", "removed_on": None},
        {"listed_on": "2026-02-01", "reason": "地址", "removed_on": "2026-03-01"},
        {"listed_on": "2024-02-01", "reason": "未年报", "removed_on": "2024-06-01"},
        {"listed_on": "2020-02-01", "reason": "未年报", "removed_on": "2020-06-01"},
    ],
    "serious_dishonesty": [{"listed_on": "2021-01-01", "reason": "虚开", "removed_on": "2024-01-01"}],
    "penalties": [
        {"decision_date": "2026-08-22", "document_number": "1", "fine_fen": 2000 * YUAN, "confiscated_fen": 500 * YUAN,
         "status": None, "licence_action": None},
        {"decision_date": "2026-08-21", "document_number": "2", "fine_fen": 9000 * YUAN, "confiscated_fen": None,
         "status": "撤销", "licence_action": "暂扣排污许可证"},
        {"decision_date": "2024-05-01", "document_number": "3", "fine_fen": 3000 * YUAN, "confiscated_fen": None,
         "status": "正常", "licence_action": "暂扣卫生许可证"},
    ],
    "dishonest_debtors": [{"filed_on": "2024-01-10", "case_number": "1"}, {"filed_on": "2019-01-10", "case_number": "0"}],
    "judgments": [
        {"filed_on": "2026-07-30", "case_number": "2", "fulfilled_on": None, "unfulfilled_fen": 70_000 * YUAN},
        {"filed_on": "2023-12-01", "case_number": "1", "fulfilled_on": "2024-02-01", "unfulfilled_fen": 0},
    ],
    "tax": monthly(
        vat_paid_fen=by_months(24_000 * YUAN, 20_000 * YUAN, 16_000 * YUAN),
        vat_payable_fen=by_months(30_000 * YUAN, 20_000 * YUAN, 16_000 * YUAN),
        cit_paid_fen=by_months(6_000 * YUAN, 5_000 * YUAN, 0),
        cit_payable_fen=by_months(8_000 * YUAN, 5_000 * YUAN, 0),
        sales_fen=by_months(600_000 * YUAN, 500_000 * YUAN, 400_000 * YUAN),
        exempt_sales_fen=by_months(150_000 * YUAN, 0, 0),
    ),
    "tax_credit_grade": [
        {"year": 2025, "grade": "B"}, {"year": 2024, "grade": "A"},
        {"year": 2023, "grade": "A"}, {"year": 2019, "grade": "C"},
    ],
    "tax_arrears": [
        {"tax_type": "增值税", "balance_fen": 12_345 * YUAN},
        {"tax_type": "城建税", "balance_fen": 655 * YUAN},
        {"tax_type": "印花税", "balance_fen": 0},
    ],
    "tax_inspections": [
        {"decided_on": "2025-03-03", "document_number": "2", "assessed_fen": 4_000 * YUAN, "fine_fen": 2_000 * YUAN},
        {"decided_on": "2020-03-03", "document_number": "1", "assessed_fen": 9_000 * YUAN, "fine_fen": None},
    ],
    "social_insurance": monthly(
        insured_count=by_months(50, 40, 32), pension_count=by_months(49, 38, 32)
    ),
    "social_insurance_payments": [
        {"paid_on": "2026-10-15", "insurance": "养老", "levy_item": "单位", "paid_fen": 60_000 * YUAN},
        {"paid_on": "2026-10-14", "insurance": "医疗", "levy_item": "单位", "paid_fen": 20_000 * YUAN},
        {"paid_on": "2026-06-15", "insurance": "养老", "levy_item": "单位", "paid_fen": 60_000 * YUAN},
        {"paid_on": "2025-11-22", "insurance": "养老", "levy_item": "单位", "paid_fen": 55_000 * YUAN},
    ],
    "housing_fund": [
        row for row in monthly(
            account=["一"] * 25, paid_fen=by_months(48_000 * YUAN, 36_000 * YUAN, 30_000 * YUAN),
            people_count=by_months(40, 36, 30),
        ) if row["period"] not in WITHOUT_AUGUST
    ],
    "water": [
        {"read_on": "2026-10-05", "account": "一", "consumption_m3": "110.5", "late_fee_fen": 12 * YUAN},
        {"read_on": "2026-08-05", "account": "一", "consumption_m3": "99.5", "late_fee_fen": None},
        {"read_on": "2026-06-05", "account": "二", "consumption_m3": "40", "late_fee_fen": 3 * YUAN},
        {"read_on": "2026-06-05", "account": "一", "consumption_m3": "50", "late_fee_fen": 5 * YUAN},
        {"read_on": "2025-10-05", "account": "一", "consumption_m3": "120", "late_fee_fen": None},
        {"read_on": "2025-08-05", "account": "一", "consumption_m3": "80", "late_fee_fen": None},
    ],
    "water_arrears": [
        {"period": "2026-07", "account": "一", "bill_number": "2", "arrears_terms": 1, "arrears_fen": 80 * YUAN},
        {"period": "2026-07", "account": "二", "bill_number": "3", "arrears_terms": 2, "arrears_fen": 150 * YUAN},
        {"period": "2026-02", "account": "一", "bill_number": "1", "arrears_terms": 1, "arrears_fen": 40 * YUAN},
    ],
    "power": monthly(
        account=["一"] * 25, consumption_kwh=by_months("12000.5", "10000", "8000"),
        arrears_fen=[0, 0, 900 * YUAN, *[None] * 22], misuse=[False] * 13 + [True] + [None] * 11,
    ),
    "gas": [
        {"read_on": "2026-10-20", "bill_number": "4", "consumption_m3": "300"},
        {"read_on": "2026-08-20", "bill_number": "3", "consumption_m3": "200"},
        {"read_on": "2025-10-20", "bill_number": "2", "consumption_m3": "250"},
    ],
    "customs_trade": monthly(
        export_fen=by_months(100_000 * YUAN, 0, 60_000 * YUAN), import_fen=by_months(0, 0, 0)
    ),
    "annual_reports": [
        {"year": 2025, "liabilities_fen": 300, "total_assets_fen": 800, "net_profit_fen": 40, "owner_equity_fen": 500,
         "revenue_fen": 1000, "tax_total_fen": 45},
        {"year": 2024, "liabilities_fen": 300, "total_assets_fen": 1000, "net_profit_fen": 1, "owner_equity_fen": 700,
         "revenue_fen": 800, "tax_total_fen": 40},
        {"year": 2023, "liabilities_fen": 300, "total_assets_fen": 900, "net_profit_fen": -5, "owner_equity_fen": 600,
         "revenue_fen": 700, "tax_total_fen": 30},
    ],
    "guarantees": [
        {"period_from": "2025-01-01", "creditor": "甲", "debtor": "乙", "period_to": "2027-01-01",
         "amount_fen": 900_000 * YUAN},
        {"period_from": "2024-01-01", "creditor": "甲", "debtor": "丙", "period_to": None,
         "amount_fen": 100_000 * YUAN},
        {"period_from": "2020-01-01", "creditor": "甲", "debtor": "丙", "period_to": "2024-01-01",
         "amount_fen": 500_000 * YUAN},
    ],
    "real_estate_mortgages": [
        {"proof_number": "2", "unit_number": "一", "discharged_on": None, "secured_fen": 5_000_000 * YUAN},
        {"proof_number": "1", "unit_number": "一", "discharged_on": "2022-01-01", "secured_fen": 3_000_000 * YUAN},
    ],
    "patents": [
        {"patent_number": "4", "patent_kind": "发明", "granted_on": "2025-05-05", "legal_status": "有效"},
        {"patent_number": "3", "patent_kind": "实用新型", "granted_on": "2024-05-05", "legal_status": "有效"},
        {"patent_number": "2", "patent_kind": "实用新型", "granted_on": "2019-05-05", "legal_status": "失效"},
        {"patent_number": "1", "patent_kind": "外观设计", "granted_on": None, "legal_status": "审查中"},
    ],
    "high_tech": [
        {"issued_on": "2024-12-06", "certificate_number": "2", "valid_until": "2027-12-05"},
        {"issued_on": "2021-11-30", "certificate_number": "1", "valid_until": "2024-11-29"},
    ],
    "science_smes": [{"year": 2026}, {"year": 2025}, {"year": 2024}, {"year": 2021}],
    "rd_spending": [
        {"year": 2025, "rd_spending_fen": 590}, {"year": 2024, "rd_spending_fen": 500},
        {"year": 2021, "rd_spending_fen": 1},
    ],
    "qualifications": [
        {"certificate_number": "3", "status": None, "valid_until": None},
        {"certificate_number": "2", "status": "有效", "valid_until": "2026-11-22"},
        {"certificate_number": "1", "status": "有效", "valid_until": "2026-11-21"},
        {"certificate_number": "0", "status": "撤销", "valid_until": "2029-01-01"},
    ],
    "honours": [
        {"awarded_on": "2025-01-01", "honour": "甲", "rank": "省级", "valid_to": None},
        {"awarded_on": "2024-01-01", "honour": "乙", "rank": "市级", "valid_to": None},
        {"awarded_on": "2019-01-01", "honour": "丙", "rank": "国家级", "valid_to": "2022-01-01"},
    ],
    "policy_support": [
        {"granted_on": "2025-06-30", "project": "稳岗", "amount_fen": 12_000 * YUAN},
        {"granted_on": "2023-11-23", "project": "贴息", "amount_fen": 8_000 * YUAN},
        {"granted_on": "2023-11-22", "project": "贴息", "amount_fen": 1_000 * YUAN},
    ],
}  # fmt: skip

EXPECTED: dict[str, Any] = {
    "registered_years": 7, "in_operation": True, "closing_or_closed": False, "regulated_industry": False,
    "months_since_approval": 22, "business_term_left_months": 144, "registered_employees": 48,
    "register_changes_12m": 2, "signatory_changes_36m": 2, "shareholder_count": 3,
    "largest_shareholding_percent": "60.00", "paid_in_rate": "75.00", "abnormal_listings_6m": 1,
    "abnormal_listings_12m": 2, "abnormal_listings_36m": 3, "abnormal_now": True, "months_since_abnormal": 2,
    "serious_dishonesty_now": False, "serious_dishonesty_listings": 1, "penalties_12m": 1, "fines_12m_fen": 250000,
    "penalties_36m": 2, "fines_36m_fen": 550000, "largest_fine_36m_fen": 300000, "licence_actions_36m": True,
    "months_since_penalty": 3, "dishonest_debtor_now": True, "dishonest_debtor_cases_36m": 1,
    "judgments_unfulfilled": 1, "judgments_unfulfilled_fen": 7000000, "judgments_36m": 2, "months_since_judgment": 3,
    "vat_paid_3m_fen": 7200000, "vat_paid_6m_fen": 13200000, "vat_paid_12m_fen": 25200000,
    "vat_paid_24m_fen": 44400000, "vat_paid_mean_12m_fen": 2100000, "vat_paid_max_12m_fen": 2400000,
    "tax_paid_3m": "[70000,100000)", "tax_paid_6m": "[150000,200000)", "tax_paid_12m": "[300000,500000)",
    "tax_paid_24m": "[500000,700000)", "cit_paid_12m": "[50000,70000)", "sales_3m": "[1500000,2000000)",
    "sales_6m": "[3000000,5000000)", "sales_12m": "[5000000,7000000)", "vat_paid_change_3m": "20.00",
    "vat_paid_change_3m_yoy": "50.00", "vat_paid_change_12m": "31.25", "sales_change_3m": "[20,50)",
    "sales_change_3m_yoy": "[50,100)", "sales_change_12m": "[20,50)", "vat_trend_12m": "1.80", "sales_trend_12m": "[0,5)",
    "vat_variation_12m": "8.25", "sales_variation_12m": "(-inf,10)", "sales_largest_month_12m": "[7,10)",
    "tax_burden_12m": "[5,7)", "vat_burden_12m": "[3,5)", "vat_settled_12m": "93.33", "cit_settled_12m": "[70,100)",
    "exempt_sales_share_12m": "[7,10)", "vat_months_12m": 12, "vat_months_24m": 24, "vat_months_consecutive": 24,
    "vat_longest_gap_24m": 0, "tax_months_missing_24m": 0, "months_since_vat": 1, "tax_credit_grade": "B",
    "tax_credit_a_years_36m": 2, "tax_credit_ever_c_or_d": True, "tax_arrears_fen": 1300000, "tax_arrears_types": 2,
    "tax_inspections_36m": 1, "tax_assessed_36m_fen": 600000, "insured_latest": 50, "insured_mean_12m": "42.50",
    "insured_change_12m": "56.25", "insured_trend_12m": "2.22", "insured_months_24m": 24,
    "insured_months_consecutive": 24, "insured_longest_gap_24m": 0, "pension_coverage_12m": "95.88",
    "insurance_paid_12m": "[100000,150000)", "insurance_months_missing_12m": 9, "months_since_insurance_paid": 1,
    "fund_people_latest": 40, "fund_people_mean_12m": "36.73", "fund_paid_12m": "[300000,500000)",
    "fund_paid_per_head_12m": "[1000,1500)", "fund_people_change_12m": None, "fund_months_missing_12m": 1,
    "fund_longest_gap_24m": 1, "months_since_fund": 1, "water_12m": "300.00", "water_change_12m": "50.00",
    "water_late_fees_12m_fen": 2000, "water_arrears_months_12m": 2, "water_arrears_terms": 3,
    "power_12m": "126001.50", "power_change_3m": "20.00", "power_change_3m_yoy": "50.01", "power_trend_12m": "1.80",
    "power_variation_12m": "8.25", "power_longest_gap_24m": 0, "power_arrears_months_12m": 1,
    "power_misuse_24m": True, "gas_12m": "500.00", "gas_change_12m": None, "exports_12m": "[300000,500000)",
    "imports_12m": "[0,0]", "exports_change_12m": "[-65,-50)", "export_months_12m": 3, "debt_ratio": "[30,50)",
    "return_on_equity": "[7,10)", "net_margin": "[3,5)", "tax_over_revenue": "[3,5)", "revenue_change": "[20,50)",
    "asset_change": "[-20,0)", "profitable_years": 2, "guarantees_running": 2,
    "guarantees_running_amount": "[1000000,1500000)", "mortgages_running": 1,
    "mortgages_secured": "[5000000,7000000)", "patents_valid": 2, "inventions_valid": 1, "invention_share": "25.00",
    "patents_granted_36m": 2, "high_tech_now": True, "high_tech_left_months": 12, "years_since_science_sme": 0,
    "science_sme_years_36m": 2, "rd_change": "[0,20)", "rd_years_36m": 2, "qualifications_valid": 2, "honours_36m": 2,
    "honours_provincial": 1, "policy_support_36m_fen": 2000000,
}  # fmt: skip
"""By indicator, reckoned by hand: sums of the figures above, ratios of those sums, whole months between days."""
