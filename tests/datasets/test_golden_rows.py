"""One realistic row of every source, by its real column names: what is stored of it, to the fen and the day."""

import pytest

from datasets import Catalogue, CleanRow
from datasets.contract import PART_SEPARATOR
from tests.datasets import golden_business_records, golden_public_records
from tests.datasets.golden import USCC, Golden, cleaned

ALL = [*golden_public_records.GOLDEN, *golden_business_records.GOLDEN]


def test_every_data_set_that_takes_deliveries_has_a_golden_row(catalogue: Catalogue) -> None:
    collected = {name for name, contract in catalogue.contracts.items() if "collected" in contract.modes}
    assert collected == {row.dataset for row in ALL}


@pytest.mark.parametrize("row", ALL, ids=lambda row: f"{row.dataset}: {row.source}")
def test_a_row_of_a_real_source_becomes_exactly_this_record(catalogue: Catalogue, row: Golden) -> None:
    contract = catalogue.contracts[row.dataset]
    record = cleaned(contract, row.cells)
    assert isinstance(record, CleanRow), record
    assert {name: value for name, value in record.body.items() if value is not None} == row.stored
    assert list(record.body) == list(contract.field_by_name)
    assert record.part == PART_SEPARATOR.join(str(row.stored[name]) for name in contract.part)
    assert record.as_of == row.as_of
    assert (record.uscc, record.known_by) == ((None, row.known_by) if row.known_by else (USCC, ()))


@pytest.mark.parametrize("kind", ["permits", "penalties"])
def test_a_decision_about_a_natural_person_is_not_taken_in(catalogue: Catalogue, kind: str) -> None:
    """双公示 files still contain them now and then; they have no place among enterprises."""
    row = next(row for row in ALL if row.dataset == kind)
    column = "XK_XDR_LB" if kind == "permits" else "CF_XDR_LB"
    faults = cleaned(catalogue.contracts[kind], {**row.cells, column: "自然人"})
    assert isinstance(faults, list)
    assert [(fault.reason, fault.field) for fault in faults] == [("not_in_code_list", "addressee_kind")]


@pytest.mark.parametrize(
    "column", ["XK_FR_ZJHM", "XK_XDR_ZJHM", "XK_XDR_SFZ", "CF_FR_ZJHM", "CF_XDR_ZJHM", "CF_XDR_SFZ"]
)
def test_identity_numbers_in_published_decisions_are_not_even_stored(
    catalogue: Catalogue, column: str
) -> None:
    kind = "permits" if column.startswith("XK") else "penalties"
    row = next(row for row in ALL if row.dataset == kind)
    record = cleaned(catalogue.contracts[kind], {**row.cells, column: "11010519491231002X"})
    assert isinstance(record, CleanRow)
    assert "11010519491231002X" not in record.body.values()
