"""Rules: what nobody named stays inside, and no cell is decided twice."""

import copy
import tomllib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest

from datasets import ContractError, Mode, SharingClass, load_rule_set
from datasets.catalogue import RULES
from datasets.sharing import Cell, rule_set_from

FILE = "2026-11.toml"
Change = Callable[[dict[str, Any]], object]


def rules() -> dict[str, Any]:
    return copy.deepcopy(tomllib.loads((RULES / FILE).read_text("utf-8")))


def rule(**changes: object) -> dict[str, Any]:
    return {
        "id": "extra",
        "participants": ["platform"],
        "purposes": ["credit_review"],
        "sharing_classes": ["consented"],
        "levels": [1],
        "views": ["raw"],
        "because": "试",
        "because_en": "try",
        **changes,
    }


def test_the_real_rules_load() -> None:
    found = load_rule_set(RULES / FILE)
    assert found.id == "2026-11"
    assert {"credit_review", "post_loan", "marketing"} <= set(found.purposes)
    assert found.purposes["credit_review"].title == "授信审批"


def test_everything_is_denied_until_a_rule_names_it() -> None:
    empty = rule_set_from(rules() | {"rules": []}, file=FILE)
    cells = product(
        [*empty.participants, "stranger"],
        [*empty.purposes, "curiosity"],
        get_args(SharingClass),
        get_args(Mode),
        range(1, 6),
    )
    assert all(empty.rule_for(Cell(*cell)) is None for cell in cells)


def test_a_rule_decides_its_cells_and_no_other() -> None:
    one = rule_set_from(rules() | {"rules": [rule(levels=[2, 3])]}, file=FILE)
    cell = Cell("platform", "credit_review", "consented", "collected", 2)
    found = one.rule_for(cell)
    assert found is not None
    assert found.id == "extra"
    for other in (
        cell._replace(level=1),
        cell._replace(level=4),
        cell._replace(participant_class="bank"),
        cell._replace(purpose="post_loan"),
        cell._replace(sharing_class="open"),
        cell._replace(mode="live"),
    ):
        assert one.rule_for(other) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r["rules"].append(rule(participants=["bank"])), "rule credit-review-register decides already"),
        (lambda r: r["rules"].append(rule(id="marketing-nothing")), "used twice"),
        (lambda r: r["rules"].append(rule(purposes=["gossip"])), "gossip"),
        (lambda r: r["rules"].append(rule(participants=["neighbour"])), "neighbour"),
        (lambda r: r["rules"].append(rule(levels=[6])), "levels are 1 to 5"),
        (lambda r: r["rules"].append(rule(levels=[])), "empty list"),
        (lambda r: r["rules"].append(rule(views=["naked"])), "naked"),
        (lambda r: r["rules"].append(rule(sharing_classes=["withheld"])), "never leaves"),
        (lambda r: r["rules"].append(rule(colour="red")), "colour"),
        (lambda r: r.update(id="2026-12"), "named after its id"),
        (lambda r: r.pop("purposes"), "purposes"),
    ],
)  # fmt: skip
def test_a_contradiction_is_refused_with_file_and_reason(change: Change, said: str) -> None:
    data = rules()
    change(data)
    with pytest.raises(ContractError, match=FILE) as refusal:
        rule_set_from(data, file=FILE)
    assert said in str(refusal.value)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text("id = ", "utf-8")
    with pytest.raises(ContractError, match=FILE):
        load_rule_set(path)
