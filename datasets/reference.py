"""The reference of all data sets in words, made from the contracts: `docs/datasets.md` is this and nothing else."""

import re
from collections import defaultdict
from collections.abc import Iterator

from datasets.catalogue import VIEW_TITLES, Catalogue
from datasets.contract import Contract, Field
from datasets.indicators import describe
from datasets.views import View

MODES = {
    "collected": "物理归集 collected",
    "live": "接口调用 live",
    "verify": "数据核验 verify",
    "derived": "计算指标 derived",
}
SHARING_CLASSES = {"open": "无条件 open", "consented": "有条件 consented", "withheld": "不共享 withheld"}
PERIODS = {"event": "发生时", "day": "日", "month": "月", "quarter": "季", "year": "年"}

_HEAD = """\
# 信息项目参考 Data set reference

由 `datasets/contracts/` 和 `datasets/rules/` 生成（`make reference`），请勿手改；CI 会核对是否过期。
Made from the contracts and the sharing rules by `make reference`; CI refuses it when it is stale.

级别按 JR/T 0197-2020；金额一律以整数分存储和提供，字段名以 `_fen` 结尾。呈现方式：raw 原样、masked 遮盖、banded 区间、
derived 计算结果、verify 只答是否一致。规则版本 Rules in force: **{rules}**。
"""


def reference_text(catalogue: Catalogue) -> str:
    """The whole document as Markdown. Pure: the same contracts and rules give the same text."""
    by_category: defaultdict[str, list[Contract]] = defaultdict(list)
    for contract in catalogue.contracts.values():
        by_category[contract.category].append(contract)
    parts = [_HEAD.format(rules=catalogue.rule_set.id), "\n".join(_overview(by_category))]
    for contracts in by_category.values():
        parts += ["\n".join(_chapter(catalogue, contract)) for contract in contracts]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _overview(by_category: dict[str, list[Contract]]) -> Iterator[str]:
    yield "| 类别 Category | 信息项目 Data set | 责任单位 Owner | 共享方式 Modes | 周期 | 更新承诺 | 价格/次 |"
    yield "|---|---|---|---|---|---|---|"
    for category, contracts in by_category.items():
        for contract in contracts:
            yield _row(
                category,
                f"[{contract.title}](#{_anchor(_heading(contract))}) {contract.title_en}",
                contract.owner,
                "、".join(MODES[mode] for mode in contract.modes),
                PERIODS[contract.period],
                f"{contract.refresh_days} 天",
                f"{contract.price_fen / 100:.2f} 元",
            )


def _chapter(catalogue: Catalogue, contract: Contract) -> Iterator[str]:
    yield f"## {_heading(contract)}"
    yield ""
    yield contract.description
    yield ""
    part = "、".join(contract.field_by_name[name].title for name in contract.part)
    yield (
        f"{contract.owner} · 共享属性：{SHARING_CLASSES[contract.sharing_class]} · 版本 {contract.version} · "
        f"保存 {contract.retention_months} 个月 · "
        + (f"按{part}最多 {contract.records_max} 条" if part else "每家企业一条")
        + ("" if contract.existence_is_news else " · 授权前可知有无")
    )
    yield ""
    yield "| 数据项 | 名称 Name | 类型 | 级别 | 谁能看到什么 Who sees what | 来源列名 Source columns，指标为计算方法 |"
    yield "|---|---|---|---|---|---|"
    views = catalogue.views_on(contract.id)
    for field in contract.fields:
        yield _row(
            f"`{field.name}`",
            "<br>".join(filter(None, (field.title, field.title_en, field.description))),
            _type(field),
            str(field.level),
            _shown(catalogue, views, field),
            _origin(catalogue, contract, field),
        )


def _origin(catalogue: Catalogue, contract: Contract, field: Field) -> str:
    """The columns under which it is delivered; of an indicator, from what it is computed."""
    if field.compute is None:
        return "、".join(f"`{source.name}`" + _unit(source.unit) for source in field.aliases[1:]) or "—"
    told = describe(contract, field, catalogue.contracts)
    inputs = "；".join(
        f"{one['title']}（{'、'.join(f'`{name}`' for name in one['fields']) or '记录'}）"
        for one in told["inputs"]
    )
    return "<br>".join(filter(None, (inputs, told["kind_title"], told["window"], told["null_means"])))


def _heading(contract: Contract) -> str:
    return f"{contract.title} {contract.title_en} · `{contract.id}`"


def _anchor(heading: str) -> str:
    """As the usual viewers of Markdown make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _type(field: Field) -> str:
    return f"{field.type}（{field.unit}）" if field.unit else field.type


def _unit(unit: str) -> str:
    return f"（{'单位写在格内' if unit == 'in_text' else unit}）" if unit else ""


def _shown(catalogue: Catalogue, views: list[View], field: Field) -> str:
    """By participant class and purpose; the same for several is said once."""
    shown: defaultdict[str, list[str]] = defaultdict(list)
    for view in views:
        if kind := view.fields.get(field.name):
            asker = catalogue.participant_classes[view.participant_class].title
            shown[f"{asker}·{catalogue.purposes[view.purpose].title}"].append(VIEW_TITLES[kind][0])
    return (
        "<br>".join(f"{who}：{'、'.join(dict.fromkeys(kinds))}" for who, kinds in shown.items()) or "不提供"
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
