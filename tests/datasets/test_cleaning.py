"""Cleaning: a row becomes a record in the stored form, or every fault of it is named. It never raises."""

from contextlib import suppress
from datetime import date
from typing import Any, get_args

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import REASONS, CleanRow, Contract, DeliveryRefused, Fault, RowCleaner, load_catalogue
from datasets.amounts import UncleanError
from datasets.catalogue import CONTRACTS
from datasets.cleaning import NULL_WORDS, clean_other_key, clean_text, key_value, parse_date
from datasets.contract import KeyKind, contract_from

USCC = "91350100M000100Y43"
DAY = date(2026, 11, 22)
CONTRACTS_BY_ID = load_catalogue().contracts
_KEY_KINDS: tuple[KeyKind, ...] = get_args(KeyKind)
REGISTRATION, TAX = CONTRACTS_BY_ID["registration"], CONTRACTS_BY_ID["tax"]


def clean(contract: Contract, **cells: str) -> CleanRow | list[Fault]:
    return RowCleaner(contract, list(cells), DAY).clean(list(cells.values()))


def registered(**cells: str) -> CleanRow | list[Fault]:
    return clean(
        REGISTRATION, **{"统一社会信用代码": USCC, "企业名称": "某公司", "注册日期": "2018-01-06", **cells}
    )


def value(field: str, **cells: str) -> Any:
    row = registered(**cells)
    assert isinstance(row, CleanRow), row
    return row.body[field]


def reasons(row: CleanRow | list[Fault]) -> list[tuple[str, str | None]]:
    assert isinstance(row, list), row
    return [(fault.reason, fault.field) for fault in row]


def test_a_row_of_the_real_files_becomes_a_record() -> None:
    header = [
        "企业名称",
        "统一社会信用代码",
        "注册日期",
        "企业类型",
        "注册资金",
        "经营范围",
        "所在省份",
        "地区",
    ]
    cells = [
        "南通土产集团有限公司",
        USCC,
        "1993-01-01",
        "N/A",
        "1,036.2000(万元人民币)",
        "日用杂品。",
        "江苏",
        "南通",
    ]
    row = RowCleaner(REGISTRATION, header, DAY).clean(cells)
    assert isinstance(row, CleanRow)
    assert (row.uscc, row.part, row.as_of) == (USCC, "", DAY)
    assert list(row.body) == [field.name for field in REGISTRATION.fields]
    assert {name: found for name, found in row.body.items() if found is not None} == {
        "name": "南通土产集团有限公司",
        "registration_date": "1993-01-01",
        "province": "江苏",
        "city": "南通",
        "business_scope": "日用杂品。",
        "capital_fen": 1_036_200_000,
        "capital_currency": "CNY",
    }


def test_a_month_of_tax_becomes_a_record_in_fen() -> None:
    row = clean(
        TAX,
        统一社会信用代码=USCC.lower(),
        RKYF="202602",
        ZZSYNSE="2.365",
        ZZSSJJE="2.3651",
        SDSYNSE="-0.0001",
        SDSSJJE="暂无",
        sale_inco="526800.55",
    )
    assert row == CleanRow(
        USCC,  # type: ignore[arg-type]
        "2026-02",
        {
            "period": "2026-02",
            "vat_payable_fen": 2_365_000,
            "vat_paid_fen": 2_365_100,
            "cit_payable_fen": -100,
            "cit_paid_fen": None,
            "sales_fen": 52_680_055,
            "exempt_sales_fen": None,
            "tax_total_fen": None,
        },
        date(2026, 2, 28),
    )


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2018-01-06", "2018-01-06"),
        ("2017-7-7 0:00:00", "2017-07-07"),
        ("2017-07-07T00:00:00.000", "2017-07-07"),
        ("20190930", "2019-09-30"),
        ("2022.07.16", "2022-07-16"),
        ("2022/7/16", "2022-07-16"),
        ("2022年7月16日", "2022-07-16"),
        ("２０２２－０７－１６", "2022-07-16"),
        (" 2022-07-16 ", "2022-07-16"),
    ],
)
def test_dates_are_read_in_every_form_seen(written: str, stored: str) -> None:
    assert value("registration_date", 注册日期=written) == stored


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("9999-9-9", "sentinel_date"),
        ("9999-12-31", "sentinel_date"),
        ("2099-12-31", "sentinel_date"),
        ("1900-01-01", "sentinel_date"),
        ("1899-12-31", "sentinel_date"),
        ("N/A", "required_missing"),
        ("2018-13-01", "date_impossible"),
        ("2019-02-29", "date_impossible"),
        ("06/01/2018", "date_unreadable"),
        ("2018-01.06", "date_unreadable"),
        ("43106", "date_unreadable"),
        ("2026-11-23", "in_future"),
        ("1066-10-14", "too_early"),
        ("二〇一八年", "date_unreadable"),
        ("2" * 50, "date_unreadable"),
    ],
)
def test_a_date_that_is_none_is_a_fault_where_one_is_required(written: str, reason: str) -> None:
    assert reasons(registered(注册日期=written)) == [(reason, "registration_date")]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("202011", "2020-11"),
        ("2020-11", "2020-11"),
        ("2020.1", "2020-01"),
        ("2020年1月", "2020-01"),
        ("20200930", "2020-09"),
    ],
)
def test_months_are_read_in_every_form_seen(written: str, stored: str) -> None:
    row = clean(TAX, uscc=USCC, RKYF=written)
    assert isinstance(row, CleanRow)
    assert row.part == row.body["period"] == stored


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("202013", "date_impossible"),
        ("202612", "in_future"),
        ("199312", "too_early"),
        ("99990909", "sentinel_date"),
        ("November", "date_unreadable"),
    ],
)
def test_a_month_that_is_none_is_a_fault(written: str, reason: str) -> None:
    assert reasons(clean(TAX, uscc=USCC, RKYF=written)) == [(reason, "period")]


@pytest.mark.parametrize("word", sorted(NULL_WORDS))
def test_null_words_are_nothing(word: str) -> None:
    for written in (word, f" {word} "):
        assert value("enterprise_type", 企业类型=written) is None
        assert value("capital_fen", 注册资金=written) is None
        assert value("capital_currency", 注册资金=written) is None
        assert value("status", 登记状态=written) is None


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("320300400002113", "old_registration_number"),
        ("3203004000021", "old_registration_number"),
        ("320300400002", "old_registration_number"),
        ("企合苏总字第000123", "old_registration_number"),
        ("企独苏宁总字第000123号", "old_registration_number"),
        ("55138508-2", "organisation_code"),
        ("551385082", "organisation_code"),
        ("913302******531452", "masked_uscc"),
        ("9.13302E+17", "uscc_scientific_notation"),
        ("91350100M000100Y4", "uscc_length"),
        ("91350100M000100Y4Z", "uscc_alphabet"),
        ("91330203674737245A", "uscc_check_digit"),
        ("N/A", "key_missing"),
        ("", "key_missing"),
    ],
)
def test_what_stands_in_place_of_the_code_is_named(written: str, reason: str) -> None:
    assert reasons(registered(统一社会信用代码=written)) == [(reason, "uscc")]


def test_all_faults_of_a_row_are_told_the_keys_first() -> None:
    row = registered(
        统一社会信用代码="12", 企业名称="", 注册资金="60(元/万元)", 登记状态="睡着了", 联系电话="call me"
    )
    assert reasons(row) == [
        ("uscc_length", "uscc"),
        ("required_missing", "name"),
        ("not_in_code_list", "status"),
        ("pattern_mismatch", "contact_phone"),
        ("ambiguous_unit", "capital_fen"),
    ]


@pytest.mark.parametrize(
    ("written", "stored"), [("存续", "存续"), ("开业", "存续"), ("k", "存续"), ("DA", "吊销"), ("Ｚ", "歇业")]
)
def test_codes_are_translated_to_the_contracts_words(written: str, stored: str) -> None:
    assert value("status", 登记状态=written) == stored


def test_a_currency_may_stand_in_a_column_of_its_own() -> None:
    assert value("capital_currency", reg_capt="50.000000", capt_kind="人民币") == "CNY"
    assert value("capital_currency", reg_capt="50", capt_kind="840") == "USD"
    assert value("capital_currency", reg_capt="50") == "CNY"
    assert value("capital_currency", 注册资金="280(万美元)", capt_kind="美元") == "USD"
    assert value("capital_currency", reg_capt="", capt_kind="美元") is None
    conflict = registered(注册资金="280(万美元)", capt_kind="人民币")
    assert reasons(conflict) == [("currency_conflict", "capital_fen")]


def test_a_foreign_currency_is_a_fault_where_only_yuan_makes_sense() -> None:
    assert reasons(clean(TAX, uscc=USCC, RKYF="202610", sale_inco="5万美元")) == [
        ("unexpected_currency", "sales_fen")
    ]


def test_an_amount_beyond_belief_is_a_fault() -> None:
    assert reasons(registered(注册资金="-1万元")) == [("below_minimum", "capital_fen")]
    assert reasons(registered(注册资金="200000亿元")) == [("above_maximum", "capital_fen")]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("ＡＢＣ１２３公司", "ABC123公司"),
        ("苏州（示例）有限公司；", "苏州（示例）有限公司；"),
        ("两 行\n的名称", "两 行 的名称"),
        ("零\u200b宽\ufeff字", "零宽字"),
        ("\u202e倒着写", "倒着写"),
        ("全角　空格", "全角 空格"),
    ],
)
def test_text_is_kept_as_certified_but_for_width_and_invisible_characters(written: str, stored: str) -> None:
    assert value("name", 企业名称=written) == stored


def test_broken_characters_are_a_fault() -> None:
    assert reasons(registered(企业名称="某\ufffd公司")) == [("undecodable", "name")]
    assert reasons(registered(企业名称="某\udc80公司")) == [("undecodable", "name")]


def test_too_much_text_is_a_fault() -> None:
    assert reasons(registered(企业名称="司" * 201)) == [("too_long", "name")]


@pytest.mark.parametrize("cells", [[USCC, "a"], [USCC, "a", "2018-01-06", "x"], [], [""]])
def test_a_row_of_another_width_is_a_fault(cells: list[str]) -> None:
    row = RowCleaner(REGISTRATION, ["uscc", "name", "registration_date"], DAY).clean(cells)
    assert reasons(row) == [("wrong_column_count", None)]


def test_a_row_of_nothing_is_called_so() -> None:
    row = RowCleaner(REGISTRATION, ["uscc", "name", "registration_date"], DAY).clean(["", " ", "　"])
    assert reasons(row) == [("empty_row", None)]


# --- the header ---


def test_columns_are_known_under_all_their_names_and_the_rest_is_told() -> None:
    header = ["\ufeffUNISCID", " q y m c", "Est_Dt", "备注", "", "zczb"]
    cleaner = RowCleaner(REGISTRATION, header, DAY)
    assert cleaner.ignored_columns == ("备注", "")
    row = cleaner.clean([USCC, "某公司", "20180106", "x", "", "50"])
    assert isinstance(row, CleanRow)
    assert (row.body["name"], row.body["capital_fen"]) == ("某公司", 50_000_000)


@pytest.mark.parametrize(
    ("header", "reason", "said"),
    [
        (["企业名称", "注册日期"], "missing_key_column", "统一社会信用代码"),
        ([""], "missing_key_column", "（空）"),
        (["uscc;name;registration_date"], "missing_key_column", "分隔符"),
        (["uscc", "注册日期"], "missing_required_column", "企业名称"),
        (["uscc", "name", "name", "注册日期"], "duplicate_header", "name"),
        (["uscc", "统一社会信用代码", "name", "注册日期"], "duplicate_header", "多列"),
        (["uscc", "name", "企业名称", "注册日期"], "duplicate_header", "只留一列"),
    ],
)
def test_a_header_that_will_not_do_refuses_the_file(header: list[str], reason: str, said: str) -> None:
    with pytest.raises(DeliveryRefused) as refusal:
        RowCleaner(REGISTRATION, header, DAY)
    assert refusal.value.reason == reason
    assert said in str(refusal.value)


# --- types that no contract uses yet ---


@pytest.fixture(scope="module")
def survey() -> Contract:
    fields = {
        "staff": {"type": "integer", "example": 5, "minimum": 0},
        "share": {"type": "decimal", "example": "12.5", "maximum": 100},
        "listed": {"type": "boolean", "example": True},
    }
    common = {"title": "t", "title_en": "t", "level": 1, "views": ["raw"]}
    base: dict[str, Any] = {name: getattr(REGISTRATION, name) for name in REGISTRATION.__struct_fields__}
    base |= {"id": "survey", "fields": {name: common | table for name, table in fields.items()}}
    return contract_from(base, file="survey.toml")


@pytest.mark.parametrize(
    ("field", "written", "stored"),
    [
        ("staff", "1,234", 1234),
        ("staff", "12.0", 12),
        ("staff", "１２", 12),
        ("share", "12.50", "12.5"),
        ("share", "0.00", "0"),
        ("share", "-3", "-3"),
        ("share", "100", "100"),
        ("listed", "是", True),
        ("listed", "n", False),
        ("listed", "0", False),
    ],
)
def test_numbers_and_flags_are_read(survey: Contract, field: str, written: str, stored: object) -> None:
    row = clean(survey, **{"uscc": USCC, field: written})
    assert isinstance(row, CleanRow)
    assert row.body[field] == stored


@pytest.mark.parametrize(
    ("field", "written", "reason"),
    [
        ("staff", "12.5", "number_unreadable"),
        ("staff", "a dozen", "number_unreadable"),
        ("staff", "-1", "below_minimum"),
        ("share", "12%", "number_unreadable"),
        ("share", "100.1", "above_maximum"),
        ("share", "1" * 60, "number_unreadable"),
        ("listed", "maybe", "boolean_unreadable"),
    ],
)
def test_what_is_no_number_or_flag_is_a_fault(
    survey: Contract, field: str, written: str, reason: str
) -> None:
    assert reasons(clean(survey, **{"uscc": USCC, field: written})) == [(reason, field)]


# --- whatever comes ---

wild = (
    st.text(max_size=60)
    | st.text("0123456789.,-/年月日万元人民币美()（）EeNA*　 \x00\u200b\ufffd", max_size=25)
    | st.sampled_from(
        [USCC, "2018-01-06", "202610", "200(万)", "N/A", "9999-9-9", "存续", "-6.5", "1,036.2000(万元人民币)"]
    )
    | st.text(st.characters(categories=("Cs", "Cc", "Cf", "Co")), max_size=10)
)


@pytest.mark.parametrize("contract", CONTRACTS_BY_ID.values(), ids=list(CONTRACTS_BY_ID))
@given(data=st.data())
def test_any_row_is_a_record_or_has_named_faults(contract: Contract, data: st.DataObject) -> None:
    header = [contract.key, *(data.draw(st.sampled_from(field.aliases)).name for field in contract.fields)]
    cells = data.draw(st.lists(wild, min_size=len(header) - 1, max_size=len(header) + 1))
    if data.draw(st.booleans()):
        cells[0] = USCC
    row = RowCleaner(contract, header, DAY).clean(cells)
    if isinstance(row, CleanRow):
        orjson.dumps(row.body)
        assert list(row.body) == list(contract.field_by_name)
        assert all(row.body[field.name] is not None for field in contract.fields if field.required)
    else:
        assert row
        for fault in row:
            assert fault.reason in REASONS
            assert fault.hint
            (fault.hint + (fault.field or "")).encode()


@pytest.mark.parametrize("contract", CONTRACTS_BY_ID.values(), ids=list(CONTRACTS_BY_ID))
@given(data=st.data())
def test_cleaning_what_is_clean_changes_nothing(contract: Contract, data: st.DataObject) -> None:
    readings = {
        "money": st.sampled_from(["12.5万", "-0.01万元", "1,036.2000(万元)", "", "0(万)"]),
        "date": st.sampled_from(["2017-7-7 0:00:00", "20190930"]),
        "month": st.sampled_from(["202011", "2020.1"]),
    }
    cells = [USCC.lower()]
    for field in contract.fields:
        default = st.sampled_from(field.allowed) if field.allowed else st.text(max_size=20)
        cells.append(data.draw(readings.get(field.type, default)))
    cleaner = RowCleaner(contract, [contract.key, *contract.field_by_name], DAY)
    first = cleaner.clean(cells)
    if isinstance(first, CleanRow):
        again = cleaner.clean(
            [first.uscc, *("" if found is None else str(found) for found in first.body.values())]
        )
        assert again == first


@given(st.text(max_size=60))
def test_cleaning_text_twice_is_cleaning_it_once(text: str) -> None:
    with suppress(UncleanError):
        once = clean_text(text)
        assert clean_text(once) == once


# --- who is meant, where there is no code ---


@pytest.fixture(scope="module")
def fund() -> Contract:
    """As a housing fund delivers: by old codes and names."""
    base: dict[str, Any] = {name: getattr(REGISTRATION, name) for name in REGISTRATION.__struct_fields__}
    common = {"title": "t", "title_en": "t", "level": 1, "views": ["raw"]}
    base |= {
        "id": "fund",
        "other_keys": {
            "organisation_code": ("org_id",),
            "taxpayer_number": ("swdjh",),
            "registration_number": ("reg_no",),
            "name": ("unit_name",),
        },
        "fields": {
            "unit": common | {"type": "text", "example": "某", "sources": ["unit_name"]},
            "staff": common | {"type": "integer", "example": 5, "unit": "人"},
        },
    }
    return contract_from(base, file="fund.toml")


@pytest.mark.parametrize(
    ("cells", "known_by"),
    [
        ({"unit_name": " 苏州（示例） 公司"}, (("name", "苏州(示例)公司"),)),
        ({"org_id": "55138508-2"}, (("organisation_code", "551385082"),)),
        ({"org_id": "５５１３８５０８２", "unit_name": "N/A"}, (("organisation_code", "551385082"),)),
        ({"swdjh": "320583551385082"}, (("taxpayer_number", "320583551385082"),)),
        ({"reg_no": "320300400002113"}, (("registration_number", "320300400002113"),)),
        ({"reg_no": "企合苏总字第000123号"}, (("registration_number", "企合苏总字第000123号"),)),
        (
            {"unit_name": "某公司", "org_id": "551385082", "uscc": "暂无"},
            (("organisation_code", "551385082"), ("name", "某公司")),
        ),
    ],
)
def test_a_row_without_a_code_says_by_what_else_its_enterprise_is_known(
    fund: Contract, cells: dict[str, str], known_by: object
) -> None:
    row = clean(fund, **cells)
    assert isinstance(row, CleanRow)
    assert (row.uscc, row.known_by) == (None, known_by)


@pytest.mark.parametrize("column", ["org_id", "swdjh", "reg_no"])
def test_a_code_in_place_of_an_old_number_is_the_code(fund: Contract, column: str) -> None:
    row = clean(fund, **{column: USCC.lower(), "unit_name": "某公司"})
    assert isinstance(row, CleanRow)
    assert (row.uscc, row.known_by) == (USCC, ())


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"unit_name": ""}, "empty_row"),
        ({"unit_name": "", "staff": "5"}, "key_missing"),
        ({"uscc": "N/A", "unit_name": "/"}, "key_missing"),
        ({"unit_name": "张*公司"}, "masked_key"),
        ({"org_id": "551385083"}, "other_key_unreadable"),
        ({"swdjh": "12345"}, "other_key_unreadable"),
        ({"reg_no": "3.203E+14"}, "scientific_notation"),
        ({"org_id": USCC, "swdjh": "91110108551385082Q"}, "key_conflict"),
        ({"uscc": "320300400002113", "unit_name": "某公司"}, "old_registration_number"),
        ({"uscc": "913302******531452", "unit_name": "某公司"}, "masked_uscc"),
        ({"uscc": USCC[:-1] + "9", "unit_name": "某公司"}, "uscc_check_digit"),
    ],
)
def test_a_wrong_key_is_never_replaced_by_another(fund: Contract, cells: dict[str, str], reason: str) -> None:
    assert reasons(clean(fund, **cells))[0][0] == reason


def test_a_file_without_any_key_is_refused_and_told_all_that_would_do(fund: Contract) -> None:
    with pytest.raises(DeliveryRefused) as refusal:
        clean(fund, staff="5")
    assert refusal.value.reason == "missing_key_column"
    assert "org_id" in str(refusal.value)


@given(st.text(max_size=40))
def test_whatever_stands_in_place_of_a_key_is_a_key_or_a_named_fault(text: str) -> None:
    for kind in _KEY_KINDS:
        try:
            value = clean_other_key(kind, text)
        except UncleanError as problem:
            assert problem.reason in REASONS  # noqa: PT017 - either outcome is right
        else:
            assert value is None or key_value(kind, value) == value


def test_the_cleaner_says_which_fields_the_file_has() -> None:
    cleaner = RowCleaner(REGISTRATION, ["uscc", "注册资金", "企业名称", "注册日期", "x"], DAY)
    assert cleaner.present_fields == ("name", "registration_date", "capital_fen", "capital_currency")


# --- what spreadsheets leave behind ---


@pytest.mark.parametrize(
    ("field", "written", "stored"),
    [
        ("name", '="某公司"', "某公司"),
        ("name", '="说""好"""', '说"好"'),
        ("registration_date", '="2018-01-06"', "2018-01-06"),
        ("capital_fen", '="200(万)"', 200_000_000),
        ("name", "某=公司", "某=公司"),
    ],
)
def test_a_cell_written_as_text_for_a_spreadsheet_is_that_text(
    field: str, written: str, stored: object
) -> None:
    column = {"name": "企业名称", "registration_date": "注册日期", "capital_fen": "注册资金"}[field]
    assert value(field, **{column: written}) == stored


def test_a_code_written_as_text_for_a_spreadsheet_is_that_code() -> None:
    row = registered(统一社会信用代码=f'="{USCC}"')
    assert isinstance(row, CleanRow)
    assert row.uscc == USCC


@pytest.mark.parametrize("written", ["=1+1", "\u200b=1+1", '="a"&"b"', '="=1"', "=HYPERLINK(1)"])
def test_a_formula_is_not_taken_for_a_text(written: str) -> None:
    assert reasons(registered(企业名称=written)) == [("formula_text", "name")]


def test_a_number_that_lost_its_digits_is_not_taken_for_a_text() -> None:
    assert reasons(registered(住所="1.10105E+17")) == [("scientific_notation", "address")]


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("2018-01-05T16:00:00.000Z", "2018-01-06"),
        ("2018-01-06T00:00:00+08:00", "2018-01-06"),
        ("2018-01-06T07:59+0800", "2018-01-06"),
        ("20180106123000", "2018-01-06"),
    ],
)
def test_an_instant_lies_on_a_day_of_china(written: str, stored: str) -> None:
    assert value("registration_date", 注册日期=written) == stored


@pytest.mark.parametrize("written", ["长期", "0000-00-00", "00000000", "1900-01-00", "9999-9-9"])
def test_no_end_is_no_date(written: str) -> None:
    assert parse_date(written) is None


def test_a_number_may_carry_the_fields_own_unit(fund: Contract) -> None:
    row = clean(fund, uscc=USCC, staff="12人")
    assert isinstance(row, CleanRow)
    assert row.body["staff"] == 12
    assert reasons(clean(fund, uscc=USCC, staff="12户")) == [("number_unreadable", "staff")]


def test_the_contracts_folder_holds_what_the_tests_use() -> None:
    assert {path.stem for path in CONTRACTS.glob("*.toml")} == set(CONTRACTS_BY_ID)
