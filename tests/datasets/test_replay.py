"""Before rules are published: which recorded questions they would have answered otherwise, field by field."""

import tomllib
from collections import Counter
from dataclasses import replace
from itertools import chain
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets import AskedAlike, Catalogue, Mode, NoRule, Replay, RuleSet, ViewKind, compile_view, replay
from datasets.catalogue import RULES
from datasets.sharing import rule_set_from

ASKED = AskedAlike(
    participant_id="my-bank",
    participant_class="bank",
    dataset="tax",
    purpose="credit_review",
    mode="collected",
    view_id="",
    outcome="disclosed",
    reason=None,
    calls=412,
)


def rules(rule_set_id: str = "draft", **changed: dict[str, Any]) -> RuleSet:
    """The rules in force under another id, with some of them changed: rule → what is other, or gone."""
    data = tomllib.loads((RULES / "2026-11.toml").read_text("utf-8")) | {"id": rule_set_id}
    by_id = {name.replace("_", "-"): change for name, change in changed.items()}
    data["rules"] = [rule | by_id.get(rule["id"], {}) for rule in data["rules"]]
    data["rules"] = [rule for rule in data["rules"] if not rule.pop("gone", False)]
    return rule_set_from(data, file=f"{rule_set_id}.toml")


def asked(catalogue: Catalogue, *fields: str, **changes: Any) -> AskedAlike:
    """A question as it was recorded under the rules in force."""
    kind = ASKED._replace(**changes)
    view = catalogue.view_for(kind.participant_class, kind.purpose, kind.dataset, kind.mode, fields or None)
    return kind._replace(view_id=view.view_id)


def brief(replayed: Replay) -> dict[str, tuple[str | None, str | None, int, int]]:
    return {c.field: (c.was, c.becomes, c.calls, c.disclosed) for c in replayed.changes}


def test_the_same_rules_change_nothing(catalogue: Catalogue) -> None:
    replayed = replay(catalogue, rules(), [asked(catalogue)])
    assert (replayed.calls, replayed.unchanged, replayed.changed, replayed.changes) == (412, 412, 0, ())


def test_what_was_banded_and_would_be_withheld_is_named_with_its_calls(catalogue: Catalogue) -> None:
    draft = rules(credit_review_sensitive={"views": []})
    kinds = [asked(catalogue), asked(catalogue, outcome="nothing_found", calls=8)]
    replayed = replay(catalogue, draft, kinds)
    sensitive = {field.name for field in catalogue.contracts["tax"].fields if field.level == 4}
    assert set(brief(replayed)) == sensitive
    assert brief(replayed)["sales_fen"] == ("banded", None, 420, 412)
    [change] = [change for change in replayed.changes if change.field == "sales_fen"]
    assert (change.was_rule, change.becomes_rule) == ("credit-review-sensitive",) * 2
    assert (change.participant_id, change.dataset, change.title) == ("my-bank", "tax", "申报销售收入")
    assert (replayed.changed, replayed.opened, replayed.closed) == (420, 0, 0)


def test_who_would_get_nothing_any_more_is_counted(catalogue: Catalogue) -> None:
    none = {"views": []}
    draft = rules(credit_review_register=none, credit_review_business=none, credit_review_sensitive=none)
    replayed = replay(catalogue, draft, [asked(catalogue)])
    assert (replayed.changed, replayed.closed, replayed.opened) == (412, 412, 0)
    assert {becomes for _, becomes, _, _ in brief(replayed).values()} == {None}


def test_who_was_refused_by_a_rule_and_would_get_something_is_counted(catalogue: Catalogue) -> None:
    draft = rules(marketing_nothing={"views": ["raw"], "levels": [1, 2]})
    kind = asked(catalogue, purpose="marketing", outcome="refused", reason="no_rule")
    replayed = replay(catalogue, draft, [kind])
    assert (replayed.changed, replayed.opened, replayed.closed) == (412, 412, 0)
    assert brief(replayed)["period"] == (None, "raw", 412, 0)


def test_a_refusal_by_the_consent_stays_one(catalogue: Catalogue) -> None:
    draft = rules(credit_review_sensitive={"views": []})
    replayed = replay(catalogue, draft, [asked(catalogue, outcome="refused", reason="consent_expired")])
    assert (replayed.refused_otherwise, replayed.changed, replayed.changes) == (412, 0, ())


def test_only_the_fields_that_were_asked_for_count(catalogue: Catalogue) -> None:
    draft = rules(credit_review_sensitive={"views": []})
    replayed = replay(
        catalogue, draft, [asked(catalogue, "period", "sales_fen"), asked(catalogue, "period", calls=5)]
    )
    assert brief(replayed) == {"sales_fen": ("banded", None, 412, 412)}
    assert (replayed.changed, replayed.unchanged) == (412, 5)


def test_changes_of_two_banks_are_told_apart_and_of_one_added_up(catalogue: Catalogue) -> None:
    draft = rules(credit_review_sensitive={"views": []})
    kinds = [
        asked(catalogue, "sales_fen"),
        asked(catalogue, "sales_fen", "period", calls=3),
        asked(catalogue, "sales_fen", participant_id="other-bank", calls=7),
    ]
    lines = [(change.participant_id, change.calls) for change in replay(catalogue, draft, kinds).changes]
    assert lines == [("my-bank", 415), ("other-bank", 7)]


def test_a_question_of_an_older_contract_is_compared_with_the_rules_of_today(catalogue: Catalogue) -> None:
    draft = rules(credit_review_sensitive={"views": []})
    older = ASKED._replace(view_id="view-of-an-older-contract:sales_fen,long_gone")
    replayed = replay(catalogue, draft, [older])
    assert brief(replayed) == {"sales_fen": ("banded", None, 412, 412)}
    assert replayed.approximate == 412


def test_a_question_of_a_contract_that_is_kept_is_compared_by_that_contract(catalogue: Catalogue) -> None:
    """Even if its data set is gone since: only the rules are replayed."""
    rest = {name: contract for name, contract in catalogue.contracts.items() if name != "tax"}
    today = replace(catalogue, contracts=rest).after([catalogue.contracts["tax"]])
    draft = rules(credit_review_sensitive={"views": []})
    replayed = replay(today, draft, [asked(catalogue, "sales_fen")])
    assert brief(replayed) == {"sales_fen": ("banded", None, 412, 412)}
    assert (replayed.approximate, replayed.incomparable) == (0, 0)


@pytest.mark.parametrize("gone", [{"dataset": "gossip"}, {"mode": "live"}, {"purpose": "curiosity"}])
def test_what_the_catalogue_no_longer_has_cannot_be_compared(
    catalogue: Catalogue, gone: dict[str, str]
) -> None:
    replayed = replay(catalogue, rules(), [ASKED._replace(view_id="view-gone", **gone)])
    assert (replayed.calls, replayed.incomparable, replayed.changed) == (412, 412, 0)


def test_what_was_answered_under_earlier_rules_is_compared_with_what_these_said(catalogue: Catalogue) -> None:
    """Not with the rules in force: the question is what the asker would notice."""
    withheld: dict[str, Any] = {"credit_review_sensitive": {"views": []}}
    now = catalogue.under(rules("stricter", **withheld), [catalogue.rule_set])
    replayed = replay(now, rules(**withheld), [asked(catalogue, "sales_fen")])
    assert brief(replayed) == {"sales_fen": ("banded", None, 412, 412)}
    assert replayed.approximate == 0


# --- against the plain way: one question after the other ---

KINDS = st.builds(
    AskedAlike,
    participant_id=st.sampled_from(["my-bank", "other-bank"]),
    participant_class=st.sampled_from(["bank", "platform"]),
    dataset=st.sampled_from(["tax", "registration", "gossip"]),
    purpose=st.sampled_from(["credit_review", "post_loan", "product_matching", "marketing"]),
    mode=st.sampled_from(get_args(Mode)),
    view_id=st.just(""),
    outcome=st.sampled_from(["disclosed", "nothing_found", "refused"]),
    reason=st.sampled_from(["no_rule", "consent_expired"]),
    calls=st.integers(1, 3),
)
VIEWS = st.lists(st.sampled_from(get_args(ViewKind)), unique=True, max_size=3)


@given(kinds=st.lists(KINDS, max_size=12), data=st.data())
def test_the_counts_add_up_and_are_those_of_asking_one_by_one(
    catalogue: Catalogue, kinds: list[AskedAlike], data: st.DataObject
) -> None:
    names = [rule.id.replace("-", "_") for rule in catalogue.rule_set.rules]
    changed = {
        name: {"views": data.draw(VIEWS, name), "gone": data.draw(st.booleans(), name)}
        for name in data.draw(st.lists(st.sampled_from(names), unique=True, max_size=4))
    }
    draft = rules(**changed)
    recorded = [view_id_of(catalogue, kind) for kind in kinds]
    replayed = replay(catalogue, draft, recorded)
    assert replayed.calls == sum(kind.calls for kind in kinds)
    parts = (replayed.unchanged, replayed.changed, replayed.refused_otherwise, replayed.incomparable)
    assert sum(parts) == replayed.calls
    assert one_by_one(catalogue, draft, recorded) == Counter(
        {
            (c.participant_id, c.dataset, c.purpose, c.mode, c.field, c.was, c.becomes): c.calls
            for c in replayed.changes
        }
    )


def view_id_of(catalogue: Catalogue, kind: AskedAlike) -> AskedAlike:
    try:
        return kind._replace(
            view_id=catalogue.view_for(kind.participant_class, kind.purpose, kind.dataset, kind.mode).view_id
        )
    except NoRule:
        return kind._replace(view_id="view-gone")


def one_by_one(
    catalogue: Catalogue, draft: RuleSet, kinds: list[AskedAlike]
) -> Counter[tuple[str | None, ...]]:
    found: Counter[tuple[str | None, ...]] = Counter()
    for kind in chain.from_iterable([kind] * kind.calls for kind in kinds):
        contract = catalogue.contracts.get(kind.dataset)
        by_consent = (kind.outcome, kind.reason) == ("refused", "consent_expired")
        if contract is None or kind.mode not in contract.modes or by_consent:
            continue
        how = (kind.participant_class, kind.purpose, kind.mode)
        was, becomes = (
            compile_view(contract, rule_set, *how).fields for rule_set in (catalogue.rule_set, draft)
        )
        for field in contract.field_by_name:
            if was.get(field) != becomes.get(field):
                line = (kind.participant_id, kind.dataset, kind.purpose, kind.mode, field)
                found[*line, was.get(field), becomes.get(field)] += 1
    return found
