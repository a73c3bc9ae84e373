"""A contract says what a data set is; one that contradicts itself stops the start and says where."""

import copy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datasets import Catalogue, ContractError, load_catalogue, load_contract
from datasets.catalogue import CONTRACTS, RULES, check_examples
from datasets.contract import VIEWS_OF_LEVEL, contract_from, normalised_header

Change = Callable[[dict[str, Any]], object]


def tax() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads((CONTRACTS / "tax.toml").read_text("utf-8")))


def registration() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads((CONTRACTS / "registration.toml").read_text("utf-8")))


def test_the_real_contracts_load(catalogue: Catalogue) -> None:
    assert set(catalogue.contracts) == {path.stem for path in CONTRACTS.glob("*.toml")}
    assert catalogue.contracts["tax"].records_max == 24
    assert catalogue.contracts["tax"].part == ("period",)
    assert catalogue.contracts["registration"].part == ()


def test_no_field_may_be_shown_in_more_ways_than_its_level_permits(catalogue: Catalogue) -> None:
    for contract in catalogue.contracts.values():
        for field in contract.fields:
            assert set(field.views) <= VIEWS_OF_LEVEL[field.level], f"{contract.id}.{field.name}"
    assert "raw" not in VIEWS_OF_LEVEL[5]


CONTRADICTIONS: list[tuple[str, Change, str | None, str]] = [
    ("unknown key", lambda c: c.update(colour="red"), None, "colour"),
    ("missing key", lambda c: c.pop("owner"), None, "owner"),
    ("wrong type", lambda c: c.update(version="one"), None, "version"),
    ("other file name", lambda c: c.update(id="taxes"), None, "named after its id"),
    ("bad id", lambda c: c.update(id="Tax!"), None, "identifier"),
    ("unknown sharing class", lambda c: c.update(sharing_class="secret"), None, "secret"),
    ("unknown mode", lambda c: c.update(modes=["pigeon"]), None, "pigeon"),
    ("no mode", lambda c: c.update(modes=[]), None, "modes is empty"),
    ("other key", lambda c: c.update(key="name"), None, "key must be 'uscc'"),
    ("part names no field", lambda c: c.update(part=["month"]), None, "part names no field"),
    (
        "part is not required",
        lambda c: c["fields"]["period"].update(required=False),
        None,
        "must be required",
    ),
    ("as_of needs a part", lambda c: c.update(part=[], records_max=1), None, "needs a part"),
    ("too many records", lambda c: c.update(records_max=5000), None, "records_max"),
    ("negative price", lambda c: c.update(price_fen=-1), None, "price_fen"),
    ("no fields", lambda c: c.update(fields={}), None, "no [fields"),
    ("field is no table", lambda c: c["fields"].update(sales_fen=3), "sales_fen", "not a table"),
    ("bad field name", lambda c: c["fields"].update({"Sales": {}}), "Sales", "identifier"),
    ("keyword as field name", lambda c: c["fields"].update({"class": {}}), "class", "identifier"),
    ("misspelt field key", lambda c: c["fields"]["sales_fen"].update(lvl=3), "sales_fen", "lvl"),
    ("unknown type", lambda c: c["fields"]["period"].update(type="moon"), "period", "moon"),
    ("level out of range", lambda c: c["fields"]["sales_fen"].update(level=6), "sales_fen", "level must be"),
    (
        "level 4 raw",
        lambda c: c["fields"]["sales_fen"].update(views=["raw"]),
        "sales_fen",
        "never permits raw",
    ),
    ("view named twice", lambda c: c["fields"]["period"].update(views=["raw", "raw"]), "period", "twice"),
    ("banded without band", lambda c: c["fields"]["sales_fen"].pop("band"), "sales_fen", "names no band"),
    ("unknown band", lambda c: c["fields"]["sales_fen"].update(band="x"), "sales_fen", "not defined"),
    (
        "band never used",
        lambda c: c["fields"]["sales_fen"].update(views=["verify"]),
        "sales_fen",
        "may not be banded",
    ),
    (
        "falling edges",
        lambda c: c["bands"]["monthly_amount"].update(edges=[5, 3]),
        "vat_payable_fen",
        "rising",
    ),
    ("money without _fen", lambda c: c["fields"].update(sales=c["fields"].pop("sales_fen")), "sales", "_fen"),
    ("money without unit", lambda c: c["fields"]["sales_fen"].update(unit=""), "sales_fen", "unit 元"),
    (
        "source without unit",
        lambda c: c["fields"]["sales_fen"].update(sources=["sale_inco"]),
        "sales_fen",
        "state its unit",
    ),
    (
        "source with unknown unit",
        lambda c: c["fields"]["sales_fen"].update(sources=[{"name": "s", "unit": "斤"}]),
        "sales_fen",
        "unknown unit",
    ),
    (
        "quantity in another unit than its own or ten thousands of it",
        lambda c: c["fields"].update(
            power_kwh={
                "title": "用电量",
                "title_en": "Electricity",
                "type": "decimal",
                "unit": "千瓦时",
                "level": 3,
                "views": ["raw"],
                "example": "1",
                "sources": [{"name": "p", "unit": "万千瓦时"}, {"name": "q", "unit": "亿千瓦时"}],
            }
        ),
        "power_kwh",
        "unknown unit",
    ),
    (
        "source used twice",
        lambda c: c["fields"]["sales_fen"]["sources"].append({"name": "zzsynse", "unit": "元"}),
        "sales_fen",
        "already means",
    ),
    (
        "limits crossed",
        lambda c: c["fields"]["sales_fen"].update(minimum=5, maximum=1),
        "sales_fen",
        "above maximum",
    ),
    ("limits on a month", lambda c: c["fields"]["period"].update(minimum=5), "period", "for numbers"),
    (
        "earliest on money",
        lambda c: c["fields"]["sales_fen"].update(not_future=True),
        "sales_fen",
        "for dates",
    ),
    (
        "mask on money",
        lambda c: c["fields"]["cit_paid_fen"].update(mask="phone", views=["masked", "banded"]),
        "cit_paid_fen",
        "cannot be masked",
    ),
    ("currency on text", lambda c: c["fields"]["period"].update(currency_field="x"), "period", "for money"),
    (
        "currency field missing",
        lambda c: c["fields"]["sales_fen"].update(currency_field="x", currency_default="CNY"),
        "sales_fen",
        "not a code field",
    ),
]

REGISTRATION_CONTRADICTIONS: list[tuple[str, Change, str | None, str]] = [
    (
        "key among the fields",
        lambda c: c["fields"].update(uscc=c["fields"]["name"]),
        None,
        "not among the fields",
    ),
    ("several records, no part", lambda c: c.update(records_max=3), None, "records_max must be 1"),
    (
        "level 5 raw",
        lambda c: c["fields"]["signatory_id_number"].update(views=["raw"]),
        "signatory_id_number",
        "never permits raw",
    ),
    (
        "masked without mask",
        lambda c: c["fields"]["contact_phone"].pop("mask"),
        "contact_phone",
        "names no mask",
    ),
    ("unknown mask", lambda c: c["fields"]["contact_phone"].update(mask="veil"), "contact_phone", "'veil'"),
    ("mask never used", lambda c: c["fields"]["name"].update(mask="phone"), "name", "may not be masked"),
    (
        "text banded",
        lambda c: c["fields"]["name"].update(views=["banded"], band="capital"),
        "name",
        "cannot be banded",
    ),
    (
        "broken pattern",
        lambda c: c["fields"]["contact_phone"].update(pattern="("),
        "contact_phone",
        "regular expression",
    ),
    (
        "code without values",
        lambda c: c["fields"]["status"].update(allowed=[], synonyms={}),
        "status",
        "allowed values",
    ),
    (
        "synonym to nowhere",
        lambda c: c["fields"]["status"]["synonyms"].update(ok="好"),
        "status",
        "not allowed",
    ),
    ("values on a text", lambda c: c["fields"]["name"].update(allowed=["x"]), "name", "for codes"),
    (
        "half a currency",
        lambda c: c["fields"]["capital_fen"].pop("currency_default"),
        "capital_fen",
        "go together",
    ),
    (
        "currency not allowed",
        lambda c: c["fields"]["capital_fen"].update(currency_default="XAU"),
        "capital_fen",
        "not an allowed",
    ),
    ("length of nothing", lambda c: c["fields"]["name"].update(max_length=0), "name", "max_length"),
    (
        "key is a field's source",
        lambda c: c["fields"]["name"]["sources"].append("uniscid"),
        "name",
        "already means",
    ),
]


@pytest.mark.parametrize(
    ("make", "change", "field", "said", "file"),
    [
        *(
            pytest.param(tax, change, field, said, "tax.toml", id=name)
            for name, change, field, said in CONTRADICTIONS
        ),
        *(
            pytest.param(registration, change, field, said, "registration.toml", id=name)
            for name, change, field, said in REGISTRATION_CONTRADICTIONS
        ),
    ],
)
def test_a_contradiction_is_refused_with_file_field_and_reason(
    make: Callable[[], dict[str, Any]], change: Change, field: str | None, said: str, file: str
) -> None:
    data = make()
    change(data)
    with pytest.raises(ContractError) as refusal:
        contract_from(data, file=file)
    assert said in str(refusal.value)
    assert refusal.value.facts == {"file": file, "field": field}
    assert str(refusal.value).startswith(file)


@pytest.mark.parametrize(
    ("field", "example", "said"),
    [
        ("period", "202610", "stored as '2026-10'"),
        ("period", "1066-01", "too_early"),
        ("period", "soon", "date_unreadable"),
        ("sales_fen", 10**17, "amount_unreadable"),
        ("sales_fen", 10**15, "above_maximum"),
        ("sales_fen", "12.5万", "stored as 12500000"),
    ],
)
def test_an_example_that_breaks_its_own_rules_is_refused(field: str, example: object, said: str) -> None:
    data = tax()
    data["fields"][field]["example"] = example
    with pytest.raises(ContractError, match=said) as refusal:
        check_examples(contract_from(data, file="tax.toml"))
    assert refusal.value.facts["field"] == field


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tax.toml"
    path.write_bytes("id = 'tax'\nowner = '税务".encode("gb18030"))
    with pytest.raises(ContractError, match=r"tax\.toml"):
        load_contract(path)


def test_a_folder_without_contracts_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="no file"):
        load_catalogue(tmp_path, RULES)


@pytest.mark.parametrize(
    "header", ["tax nm", " TAX_NM ".replace("_", ""), "\ufeffTaxNm", "ｔａｘｎｍ", "tax\tnm"]
)
def test_column_names_are_compared_without_blanks_bom_case_and_width(header: str) -> None:
    assert normalised_header(header) == "taxnm"
