"""Amounts as sources write them, to integer fen: ``1,036.2000(万元人民币)``, ``200(万)``, ``101.5万人民币``.

One hundredth of the currency's main unit is called a fen here for every currency. What cannot be read without
guessing is refused with a reason: a wrong amount is worse than none.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from core.identifiers import HALF_WIDTH
from datasets.contract import UNIT_IN_TEXT, UNITS

FEN_MAX = 2**53 - 1
"""Above this a JSON number is no longer exact for every reader."""


class UncleanError(Exception):
    """A value that cannot be taken; ``hint`` tells the owner of the data in Chinese what to do."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class Amount(NamedTuple):
    """``currency`` is None where the text names none."""

    fen: int
    currency: str | None


_AMOUNT = re.compile(
    r"""¥?\s*
    (?P<number>[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?)
    (?P<exponent>[eE][+-]?[0-9]+)?
    \s*(?P<unit>[^0-9.,+-][^0-9]*)?""",
    re.VERBOSE,
)

_SCALES = {"": 100, "百": 10_000, "千": 100_000, "万": 1_000_000, "百万": 100_000_000, "亿": 10_000_000_000}

_CURRENCIES = {
    "人民币": "CNY", "RMB": "CNY", "CNY": "CNY", "美元": "USD", "美金": "USD", "USD": "USD", "欧元": "EUR", "EUR": "EUR",
    "日元": "JPY", "日圆": "JPY", "JPY": "JPY", "港元": "HKD", "港币": "HKD", "HKD": "HKD", "英镑": "GBP", "GBP": "GBP",
    "澳元": "AUD", "澳大利亚元": "AUD", "加元": "CAD", "加拿大元": "CAD", "新加坡元": "SGD", "韩元": "KRW", "韩圆": "KRW",
    "瑞士法郎": "CHF", "新台币": "TWD", "台币": "TWD", "澳门元": "MOP", "德国马克": "DEM", "法国法郎": "FRF",
    "意大利里拉": "ITL", "荷兰盾": "NLG", "瑞典克朗": "SEK",
}  # fmt: skip

_UNIT = re.compile(
    rf"(百万|百|千|万|亿|)(?:元|圆|)({'|'.join(sorted(_CURRENCIES, key=len, reverse=True))}|)(?:元|圆|)整?"
)
_UNIT_CURRENCY_FIRST = re.compile(
    rf"({'|'.join(sorted(_CURRENCIES, key=len, reverse=True))})(百万|百|千|万|亿|)(?:元|圆|)整?"
)


_TEXT_MAX = 60
_PROSE_MAX = 500
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DIGIT = re.compile(r"[0-9]")


def parse_amount(text: str, unit: str) -> Amount:
    """``unit`` is the column's: one of `UNITS`, or `UNIT_IN_TEXT` where each cell must name its own.

    A unit in the text wins over the column's. Fractions of a fen are rounded half up (sources carry
    floating-point dust). A sentence is read where it names exactly one amount: 罚款2000元. Raises `UncleanError`.
    """
    if len(text) > _TEXT_MAX:
        if len(text) <= _PROSE_MAX and (amount := _amount_in_prose(text)) is not None:
            return amount
        raise UncleanError("amount_unreadable", f"金额“{shown(text)}”太长，无法识别，请只填数字")
    if unit != UNIT_IN_TEXT and _PLAIN_NUMBER.fullmatch(text):
        return Amount(_fen(text, UNITS[unit]), None)
    return _parse_long_form(text, unit)


def _fen(number: str, fen_per_unit: int) -> int:
    """Exactly, in whole numbers, half a fen rounded away from zero. Raises `UncleanError` beyond `FEN_MAX`."""
    whole, _, fraction = number.partition(".")
    numerator, denominator = abs(int(whole + fraction)) * fen_per_unit, 10 ** len(fraction)
    fen: int = (2 * numerator + denominator) // (2 * denominator)
    if fen > FEN_MAX:
        raise UncleanError("amount_unreadable", "金额大得不可能，请核对单位")
    return -fen if number[0] == "-" else fen


@lru_cache(maxsize=16_384)
def _parse_long_form(text: str, unit: str) -> Amount:
    match = _AMOUNT.fullmatch(text.translate(HALF_WIDTH).replace("￥", "¥").strip())
    if match is None or not _DIGIT.search(match["number"]):
        if (amount := _amount_in_prose(text)) is not None:
            return amount
        raise UncleanError("amount_unreadable", f"金额“{shown(text)}”无法识别，请只填数字，例如 1036.20")
    if match["exponent"]:
        raise UncleanError(
            "amount_scientific_notation",
            "金额成了科学计数法（多半是表格软件所致），可能已丢位，请改为普通数字",
        )
    fen_per_unit, currency = _unit_and_currency(match["unit"], unit)
    return Amount(_fen(match["number"].replace(",", ""), fen_per_unit), currency)


def _unit_and_currency(in_text: str | None, of_column: str) -> tuple[int, str | None]:
    if in_text is None:
        if of_column == UNIT_IN_TEXT:
            raise UncleanError(
                "ambiguous_unit", "金额没有写单位，分不清是元还是万元，请写成例如 200万元人民币"
            )
        return UNITS[of_column], None
    unit = in_text.strip().strip("()").replace(" ", "").upper()
    if "/" in unit:
        raise UncleanError("ambiguous_unit", f"单位“{shown(unit)}”有两种读法，请只写一种，例如 万元人民币")
    if match := _UNIT.fullmatch(unit):
        scale, currency = match.groups()
    elif match := _UNIT_CURRENCY_FIRST.fullmatch(unit):
        currency, scale = match.groups()
    else:
        raise UncleanError("unknown_unit", f"不认识的金额单位“{shown(unit)}”，请用 元 或 万元，外币写明币种")
    return _SCALES[scale], _CURRENCIES[currency] if currency else None


_AMOUNT_IN_PROSE = re.compile(
    rf"""(?<![0-9.,+-])
    (?P<number>[0-9]{{1,3}}(?:,[0-9]{{3}})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?)
    \s*(?P<unit>(?:百万|百|千|万|亿)?
        (?:(?:元|圆)(?:{"|".join(sorted(_CURRENCIES, key=len, reverse=True))})?
        |{"|".join(sorted(_CURRENCIES, key=len, reverse=True))}))""",
    re.VERBOSE,
)
# What makes an amount in a sentence uncertain: ranges, bounds, rates, sums, waivers, a second amount in words.
_UNCERTAIN = re.compile(
    r"以上|以下|以内|不足|不超|超过|逾|大约|(?<!违)约(?!定)|余元|多元|左右|至|到|[0-9万千元]\s*[-~～—－]"
    r"|每|倍|%|％|/|合计|共计|分别|各|免|减|不予"
    r"|[零〇一二三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟萬]{1,20}[元圆]"
    rf"|{'|'.join(word for word, code in _CURRENCIES.items() if code != 'CNY')}"
)
_FIGURE_WITH_SCALE = re.compile(r"[0-9]\s*(?:百万|百|千|万|亿)")


def _amount_in_prose(text: str) -> Amount | None:
    """The one amount that a sentence names; None if it names none. Raises `UncleanError` for several or unsure.

    Other figures in it (a year, an article of law) have no unit of money and are left alone.
    """
    half_width = text.translate(HALF_WIDTH)
    found = list(_AMOUNT_IN_PROSE.finditer(half_width))
    if not found:
        return None
    rest = _AMOUNT_IN_PROSE.sub(" ", half_width)
    if len(found) > 1 or _UNCERTAIN.search(rest) or _FIGURE_WITH_SCALE.search(rest):
        hint = f"“{shown(text)}”里的金额不止一个，或带有范围、比例等说法，请在金额列只填一个数"
        raise UncleanError("several_amounts", hint)
    fen_per_unit, currency = _unit_and_currency(found[0]["unit"], "元")
    return Amount(_fen(found[0]["number"].replace(",", ""), fen_per_unit), currency)


def shown(text: str) -> str:
    """A few characters of a source's text for a hint: printable, short."""
    short = text if len(text) <= 30 else text[:30] + "…"
    return "".join(character if character.isprintable() else "□" for character in short)
