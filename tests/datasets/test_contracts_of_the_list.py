"""The working list of what is shared: every category has its contracts, each takes what its sources deliver, and a
new data set costs one file.
"""

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from core.identifiers import parse_uscc
from datasets import (
    Catalogue,
    CleanRow,
    Contract,
    Field,
    ShelfAsk,
    answer_schema,
    catalogue_json,
    dataset_json,
    ingest,
    load_catalogue,
    read_records,
)
from datasets.amounts import FEN_MAX
from datasets.catalogue import CONTRACTS, RULES
from datasets.cleaning import DeliveryRefused, RowCleaner
from datasets.contract import TEN_THOUSAND, UNIT_IN_TEXT, UNITS, Source
from tests.datasets.conftest import Urls
from tests.datasets.golden import USCC, cleaned

CATEGORIES = (
    "企业登记注册",
    "企业主要人员",
    "行政许可",
    "行政处罚",
    "司法判决及执行",
    "严重失信主体名单",
    "荣誉表彰",
    "政策支持",
    "纳税",
    "社会保险费",
    "住房公积金",
    "进出口",
    "水费",
    "电费",
    "燃气费",
    "不动产",
    "知识产权",
    "科技研发",
    "资质",
    "车辆",
    "信用评价",
    "环境信用",
    "企业自愿填报",
)
"""Of the working list, in its order; it is not the official annex."""

NO_RECORDS_OF_ITS_OWN = {"derived"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "contract" in metafunc.fixturenames:
        contracts = [
            contract
            for contract in load_catalogue().contracts.values()
            if not set(contract.modes) & NO_RECORDS_OF_ITS_OWN
        ]
        metafunc.parametrize("contract", contracts, ids=lambda contract: contract.id)


def test_every_category_of_the_list_has_a_data_set(catalogue: Catalogue) -> None:
    assert {contract.category for contract in catalogue.contracts.values()} >= set(CATEGORIES)


def test_there_are_at_least_twenty_six_data_sets(catalogue: Catalogue) -> None:
    with_records = [
        contract
        for contract in catalogue.contracts.values()
        if not set(contract.modes) & NO_RECORDS_OF_ITS_OWN
    ]
    assert len(with_records) >= 26


# --- what each contract promises
# ---------------------------------------------------------------------------------


def test_what_tells_who_a_person_is_never_leaves_as_it_is(contract: Contract) -> None:
    least = {"person_name": 3, "phone": 4, "id_number": 5}
    for field in contract.fields:
        if field.mask in least:
            assert field.level >= least[field.mask], field.name
            assert "raw" not in field.views, field.name


def test_every_figure_has_limits_that_json_can_hold(contract: Contract) -> None:
    for field in contract.fields:
        if field.type == "money":
            assert field.minimum is not None, field.name
            assert field.maximum is not None, field.name
            assert max(-field.minimum, field.maximum) * 100 <= FEN_MAX, field.name


def test_a_credit_review_gets_something_in_every_mode_that_is_offered(
    catalogue: Catalogue, contract: Contract
) -> None:
    for mode in contract.modes:
        assert catalogue.view_for("bank", "credit_review", contract.id, mode).lets_out, mode


def test_marketing_gets_nothing(catalogue: Catalogue, contract: Contract) -> None:
    for mode in contract.modes:
        assert not catalogue.view_for("bank", "marketing", contract.id, mode).lets_out


def test_what_can_be_told_in_one_language_can_be_told_in_the_other(contract: Contract) -> None:
    titled: list[Contract | Field] = [contract, *contract.fields]
    for one in titled:
        assert one.title.strip()
        assert re.search("[A-Za-z]", one.title_en), one.title
        assert not re.search("[\u4e00-\u9fff]", one.title_en), one.title_en


# --- every column name that it knows, in the unit of that column
# ---------------------------------------------------


def layouts(contract: Contract) -> Iterator[dict[str, str]]:
    """Rows with the contract's own examples, under one set of its column names after the other."""
    keys = (contract.key, *contract.key_sources)
    longest = max(len(keys), *(len(field.aliases) for field in contract.fields))
    for number in range(longest):
        cells = {keys[number % len(keys)]: USCC}
        for field in contract.fields:
            source = field.aliases[number % len(field.aliases)]
            cells[source.name] = as_delivered(field, source)
        yield cells


def as_delivered(field: Field, source: Source) -> str:
    """The example as this column would have it: an amount or a quantity in the unit of the column."""
    if isinstance(field.example, bool):
        return "是" if field.example else "否"
    if field.type == "decimal" and source.unit.startswith(TEN_THOUSAND):
        return f"{Decimal(field.example) / 10_000:f}"
    if field.type != "money":
        return str(field.example)
    if source.unit == UNIT_IN_TEXT:
        return f"{Decimal(field.example) / 100:f}元人民币"
    return f"{Decimal(field.example) / UNITS[source.unit]:f}"


def test_every_column_name_it_knows_is_taken_in_its_own_unit(contract: Contract) -> None:
    examples = {field.name: field.example for field in contract.fields}
    for cells in layouts(contract):
        record = RowCleaner(contract, list(cells), date(2100, 1, 1)).clean(list(cells.values()))
        assert isinstance(record, CleanRow), (record, cells)
        assert record.body == examples
        assert record.uscc == USCC


def test_a_field_that_may_be_empty_is_null_when_it_is(contract: Contract) -> None:
    required = {field.name for field in contract.fields if field.required}
    cells = {contract.key: USCC} | {
        field.name: as_delivered(field, field.aliases[0]) if field.required else "暂无"
        for field in contract.fields
    }
    record = cleaned(contract, cells)
    if isinstance(record, list):  # an example of the far future, say
        pytest.fail(f"{contract.id}: {record}")
    assert {name for name, value in record.body.items() if value is not None} == required


def test_a_file_without_what_identifies_the_record_is_refused_and_told_which_column(
    contract: Contract,
) -> None:
    for name in contract.part:
        header = [contract.key, *(other for other in contract.field_by_name if other != name)]
        with pytest.raises(DeliveryRefused, match=contract.field_by_name[name].title) as refusal:
            RowCleaner(contract, header, date(2026, 11, 22))
        assert refusal.value.reason == "missing_required_column"


def test_a_row_without_a_uscc_is_known_by_its_other_keys(contract: Contract) -> None:
    values = {
        "name": "苏州示例精密机械有限公司",
        "registration_number": "320583000123456",
        "organisation_code": "551385082",
        "taxpayer_number": "320583551385082",
    }
    for kind, columns in contract.other_keys.items():
        for column in columns:
            cells = {column: values[kind]} | {
                field.name: as_delivered(field, field.aliases[0])
                for field in contract.fields
                if column not in {source.name for source in field.aliases}
            }
            record = cleaned(contract, cells)
            assert isinstance(record, CleanRow), (column, record)
            assert record.uscc is None
            assert record.known_by == ((kind, values[kind]),)


# --- a new data set is one new file
# ---------------------------------------------------------------------------------

CHARGING = """
id = "charging_piles"
version = 1
title = "充电设施"
title_en = "Charging piles"
category = "车辆"
owner = "省能源局"
description = "企业运营的充电设施每月的充电量。"
sharing_class = "consented"
modes = ["collected"]
key = "uscc"
key_sources = ["统一社会信用代码"]
part = ["month", "station"]
records_max = 24
period = "month"
refresh_days = 31
retention_months = 36
price_fen = 5
as_of = "part"

[fields.month]
title = "统计月份"
title_en = "Month"
type = "month"
level = 2
views = ["raw"]
required = true
sources = ["统计月份"]
example = "2026-10"

[fields.station]
title = "场站编号"
title_en = "Station"
type = "text"
level = 2
views = ["raw"]
required = true
max_length = 40
sources = ["场站编号"]
example = "KS-001"

[fields.energy_kwh]
title = "充电量"
title_en = "Energy"
type = "integer"
unit = "千瓦时"
level = 4
views = ["banded"]
band = "energy"
minimum = 0
maximum = 1_000_000_000
sources = ["充电量（千瓦时）"]
example = 1200

[bands.energy]
unit = "千瓦时"
edges = [1_000, 10_000, 100_000]
"""


@pytest.fixture
def catalogue_with_one_more(tmp_path: Path) -> Catalogue:
    """The real contracts and one file more; not a line of the program is different."""
    folder = tmp_path / "contracts"
    folder.mkdir()
    for path in CONTRACTS.glob("*.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "charging_piles.toml").write_text(CHARGING, "utf-8")
    return load_catalogue(folder, RULES)


def test_the_new_data_set_is_in_the_catalogue_with_the_schema_of_its_answers(
    catalogue: Catalogue, catalogue_with_one_more: Catalogue
) -> None:
    before = {one["id"] for one in catalogue_json(catalogue)["datasets"]}
    after = {one["id"]: one for one in catalogue_json(catalogue_with_one_more)["datasets"]}
    assert set(after) - before == {"charging_piles"}
    assert [field["name"] for field in after["charging_piles"]["fields"]] == [
        "month",
        "station",
        "energy_kwh",
    ]
    answers = {
        (answer["participant_class"], answer["purpose"]): answer
        for answer in dataset_json(catalogue_with_one_more, "charging_piles")["answers"]
    }
    assert set(answers) == {("bank", "credit_review"), ("bank", "post_loan")}
    items = answers["bank", "credit_review"]["schema"]["items"]
    assert items["required"] == ["month", "station", "energy_kwh"]
    assert "[1000,10000)" in items["properties"]["energy_kwh"]["enum"]


async def test_the_new_data_set_is_taken_in_and_answered_from(
    catalogue_with_one_more: Catalogue, connection: asyncpg.Connection, database_urls: Urls, tmp_path: Path
) -> None:
    contract = catalogue_with_one_more.contracts["charging_piles"]
    await make_room_for(contract, database_urls.owner)
    path = tmp_path / "charging.csv"
    path.write_text(
        "统一社会信用代码,统计月份,场站编号,充电量（千瓦时）\n"
        f"{USCC},202609,KS-001,900\n"
        f"{USCC},202610,KS-001,1200\n"
        f"{USCC},202610,KS-002,0\n"
        f"{USCC},202610,KS-003,-5\n",
        "utf-8",
    )
    report = await ingest(connection, contract, path)
    assert (report.received, report.accepted, report.quarantined) == (4, 3, 1)
    assert report.reasons == {"below_minimum": 1}

    view = catalogue_with_one_more.view_for("bank", "credit_review", "charging_piles")
    ask = ShelfAsk(parse_uscc(USCC), ((contract.id, contract.records_max),))
    [[shelved]] = await read_records(connection, [ask])
    records = json.loads(view.render(shelved.bodies))
    assert records == [
        {"month": "2026-10", "station": "KS-002", "energy_kwh": "[0,0]"},
        {"month": "2026-10", "station": "KS-001", "energy_kwh": "[1000,10000)"},
        {"month": "2026-09", "station": "KS-001", "energy_kwh": "(0,1000)"},
    ]
    assert (shelved.as_of, shelved.as_of_newest) == (date(2026, 9, 30), date(2026, 10, 31))
    assert all(obeys(answer_schema(view)["items"], record) for record in records)


async def make_room_for(contract: Contract, owner_url: str) -> None:
    """What `migrate` does for every contract that it finds."""
    owner = await asyncpg.connect(owner_url)
    try:
        await owner.execute("SELECT ensure_record_partition($1)", contract.id)
    finally:
        await owner.close()


def obeys(schema: dict[str, Any], record: dict[str, Any]) -> bool:
    """The part of JSON Schema that answers use: exactly these properties, values of the enumeration or type."""
    properties = schema["properties"]
    return set(record) == set(properties) == set(schema["required"]) and all(
        value in properties[name]["enum"] if "enum" in properties[name] else isinstance(value, str)
        for name, value in record.items()
    )
