"""The report as people read it."""

from collections.abc import Sequence
from statistics import median
from typing import Any
from unicodedata import east_asian_width

from loadtests.report import Report, Series

TARGETS = (
    ("registration", "hello", 0.6),
    ("registration_crowd", "hello_crowd", None),
    ("tax", "hello", None),
    ("registration_dpop", "hello", None),
    ("tokens", "hello", 0.15),
    ("registration", "pgbench_registration", 1.0),
    ("tax", "pgbench_tax", 1.0),
)
"""measured, compared with, at least (None: no promise)"""
MEMORY_MB_MAX = 200
CALLS_FOR_MEMORY = 200_000
ALONE = {
    "credentials": "请求头 read headers",
    "who_asks": "1 谁在问 who asks (token known)",
    "question": "  读问题 read question",
    "rule": "3 规则 which rule",
    "cut_and_write": "5 裁剪并写答复 cut, mask, write",
    "entry": "6 备记录 prepare the record",
}
TOGETHER = {"rate": "2 限速 rate (Redis)", "read": "4 取数 read", "remember": "6 记账 remember"}
PROOFS = {
    "token_first_seen": "令牌首见 token verified (ES256)",
    "token_known": "令牌已见 token from the cache",
    "proof": "DPoP 证明 proof verified (ES256)",
}
Row = Sequence[str]


def print_report(report: Report) -> None:
    about = report.machine
    print(
        f"\n测速 Benchmark：{about['processors']} 核，Python {about['python']}，PostgreSQL {about['postgresql']}，"
        f"{about['connections']} 个连接，单工作进程；取各轮中位数 medians of rounds"
    )
    _print_rates(report)
    _print_ratios(report)
    _print_processor(report)
    _print_steps(report.steps)
    _print_round_trips(report.round_trips)
    _print_memory(report)
    _print_books(report)
    for complaint in report.wrong:
        print(f"✗ {complaint}")
    print(
        f"\n用时 {report.seconds:.0f} 秒。{'✗ 有错 something was wrong' if report.wrong else '账目相符 all right'}"
    )


def _print_rates(report: Report) -> None:
    rows: list[Row] = [("", "次/秒 per s", "最低–最高", "p50 ms", "p99 ms", "其他程序占核 others")]
    for series in report.series.values():
        spread = f"{min(series.per_second):,.0f}–{max(series.per_second):,.0f}"
        times = [f"{median(values):.1f}" if values else "" for values in (series.p50_ms, series.p99_ms)]
        strangers = f"{median(series.strangers):.1f}" if series.strangers else ""
        rows.append((series.title, f"{series.rate:,.0f}", spread, *times, strangers))
    _print_table(rows)


def _print_ratios(report: Report) -> None:
    rows = [("比值 ratio", "", "目标 target", "")]
    for measured, compared, target in TARGETS:
        ratio = report.ratio(measured, compared)
        title = f"{report.series[measured].title} ÷ {report.series[compared].title}"
        verdict = "" if target is None else "✓" if ratio >= target else "未达到 missed"
        rows.append((title, f"{ratio:.2f}", "" if target is None else f"≥ {target:g}", verdict))
    _print_table(rows)


def _print_processor(report: Report) -> None:
    rows: list[Row] = [("每次答复的处理器时间 µs per answer", "网关 hub", "PostgreSQL", "Redis")]
    for series in report.series.values():
        if series.processor_us and "hub" in series.processor_us:
            rows.append((series.title, *(_of(series, part) for part in ("hub", "postgresql", "redis"))))
        elif "hello" in series.processor_us:
            rows.append((series.title, _of(series, "hello"), "", ""))
    _print_table(rows)


def _of(series: Series, part: str) -> str:
    return f"{median(series.processor_us[part]):.0f}"


def _print_steps(steps: dict[str, Any]) -> None:
    datasets = list(steps["alone"])
    rows: list[Row] = [("各步 µs per question, alone", *datasets)]
    for name, title in ALONE.items():
        rows.append((title, *(f"{steps['alone'][dataset][name]:.1f}" for dataset in datasets)))
    for name, title in PROOFS.items():
        rows.append((title, f"{steps['proofs'][name]:.1f}"))
    _print_table(rows)
    numbers = list(steps["together"][datasets[0]]["rate"])
    rows = [("各步 µs per question, together", *(f"{number} 问 wall / cpu" for number in numbers))]
    for dataset in datasets:
        for name, title in TOGETHER.items():
            found = steps["together"][dataset][name]
            times = (f"{found[number]['wall']:.0f} / {found[number]['cpu']:.0f}" for number in numbers)
            rows.append((f"{title}, {dataset}", *times))
    _print_table(rows)


def _print_round_trips(counted: dict[str, int]) -> None:
    answers = counted["answers"]
    rows = [("往返 round trips", "批 batches", "每批问数 questions a batch")]
    for name, title in (
        ("rate_batches", "Redis 限速 rate"),
        ("read_batches", "SQL 取数 read"),
        ("remember_batches", "SQL 记账 remember"),
    ):
        rows.append((title, f"{counted[name]:,}", f"{answers / max(1, counted[name]):.1f}"))
    rows.append(("其他 SQL other statements", f"{counted['other_statements']}", ""))
    rows.append(("其他 Redis 命令 other commands", f"{counted['other_commands']}", ""))
    _print_table(rows)


def _print_memory(report: Report) -> None:
    memory = report.memory
    verdict = "✓" if memory["after_mb"] <= MEMORY_MB_MAX else "未达到 missed"
    print(
        f"\n内存 memory：开始 {memory['before_mb']:.0f} MB，{memory['calls']:,.0f} 次后 {memory['after_mb']:.0f} MB"
        f"（目标 ≤ {MEMORY_MB_MAX} MB，{CALLS_FOR_MEMORY:,} 次后）{verdict}"
    )


def _print_books(report: Report) -> None:
    books = report.books
    print(
        f"账目 books：答复 {books['answers']:,} + 断开时在途 {books['unheard']}（≤ {books['unheard_most']}）"
        f"= 提供记录 {books['disclosures']:,} = 计量 {books['metered']:,} = 授权已用 {books['uses_spent']:,}；"
        f"费用 {books['charged_fen']:,} 分 = {books['metered_fen']:,} 分"
    )


def _print_table(rows: Sequence[Row]) -> None:
    columns = max(map(len, rows))
    widths = [max(_width(row[column]) for row in rows if column < len(row)) for column in range(columns)]
    print()
    for row in rows:
        first, *others = row
        cells = [" " * (width - _width(cell)) + cell for cell, width in zip(others, widths[1:], strict=False)]
        print("   ".join([first + " " * (widths[0] - _width(first)), *cells]).rstrip())


def _width(text: str) -> int:
    """Columns on the screen: a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)
