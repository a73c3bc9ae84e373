"""Cleaning: one row as its owner delivered it → one record in the stored form, or every fault that it has.

Driven by the contract alone. Pure: the day of delivery is an argument, nothing is read or written. A row is
never repaired by guessing; a fault names a reason, the field and, in Chinese, what its owner can do about it.
"""

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Context, Decimal
from functools import lru_cache
from typing import NamedTuple, TypeVar

from core.clock import china_day
from core.errors import InvalidInput
from core.identifiers import HALF_WIDTH, USCC, InvalidUSCC, organisation_code_is_valid, parse_uscc
from datasets.amounts import UncleanError, parse_amount, shown
from datasets.contract import (
    PART_SEPARATOR,
    Contract,
    Field,
    FieldType,
    KeyKind,
    Source,
    normalised_header,
)

Stored = str | int | bool | None

REASONS: dict[str, str] = {
    "key_missing": "没有统一社会信用代码",
    "old_registration_number": "填的是旧工商注册号",
    "organisation_code": "填的是组织机构代码",
    "masked_uscc": "统一社会信用代码被遮盖",
    "uscc_scientific_notation": "统一社会信用代码成了科学计数法",
    "uscc_length": "统一社会信用代码位数不对",
    "uscc_alphabet": "统一社会信用代码含有不可用字符",
    "uscc_check_digit": "统一社会信用代码校验位不符",
    "masked_key": "企业标识被遮盖",
    "other_key_unreadable": "企业标识无法识别",
    "key_conflict": "企业标识自相矛盾",
    "enterprise_not_found": "登记库中没有这家企业",
    "enterprise_ambiguous": "登记库中不止一家企业相符",
    "required_missing": "必填项为空",
    "undecodable": "含有无法解码的字符",
    "too_long": "内容过长",
    "pattern_mismatch": "格式不符",
    "not_in_code_list": "不在代码表内",
    "scientific_notation": "内容成了科学计数法",
    "formula_text": "以公式形式书写",
    "formula_cell": "单元格是公式",
    "spreadsheet_error": "单元格是错误值",
    "merged_cell": "单元格被合并",
    "nested_value": "一格内有多个值",
    "boolean_unreadable": "是否值无法识别",
    "number_unreadable": "数字无法识别",
    "amount_unreadable": "金额无法识别",
    "amount_scientific_notation": "金额成了科学计数法",
    "ambiguous_unit": "金额单位不明",
    "unknown_unit": "金额单位不认识",
    "several_amounts": "金额不止一个或不确定",
    "unexpected_currency": "币种不应出现",
    "currency_conflict": "币种自相矛盾",
    "below_minimum": "小于允许的最小值",
    "above_maximum": "大于允许的最大值",
    "date_unreadable": "日期无法识别",
    "date_impossible": "日期不存在",
    "sentinel_date": "占位日期",
    "too_early": "日期过早",
    "in_future": "日期在将来",
    "empty_row": "整行为空",
    "wrong_column_count": "列数不对",
    "unreadable_row": "读不出各列",
    "nul_byte": "含有空字符",
    "row_too_long": "单行过长",
    "not_quarantined": "更正文件里的行号没有对应的疑问数据",
    "conflicting_duplicate": "同一文件内主键重复且内容不同",
    "older_than_stored": "比已入库的数据旧",
    "correction_line": "更正行没有原行号",
}
"""Every reason for which a row can be quarantined, and its short name for people."""

NULL_WORDS = frozenset(
    spelling
    for word in ("N/A", "NA", "#N/A", "NULL", "None", "NaN", "nil", "\\N")
    for spelling in (word, word.lower(), word.upper(), word.capitalize())
) | frozenset({"", "暂无", "无", "空", "不详", "未知", "-", "--", "—", "——", "/", "\\"})
"""What sources write where they mean nothing."""


class Fault(NamedTuple):
    """Why a row is quarantined. ``field`` is None when the row as such cannot be read."""

    reason: str
    field: str | None
    hint: str


class CleanRow(NamedTuple):
    """A record in the stored form; ``body`` has every field of the contract, in its order.

    ``uscc`` is None where the row has none but names its enterprise otherwise: ``known_by`` then has at least one
    kind of key with its `key_value`, to be resolved through the registrations.
    """

    uscc: USCC | None
    part: str
    body: dict[str, Stored]
    as_of: date
    known_by: tuple[tuple[KeyKind, str], ...] = ()


class DeliveryRefused(InvalidInput):
    """The file as a whole cannot be taken; nothing of it was stored. The message (Chinese) says what to do."""


Convert = Callable[[str], Stored]


class RowCleaner:
    """Made once per file from its header; `clean` never raises. Can be pickled, for another process to clean.

    ``present_fields``: those for which the file has a column at all; of the others it says nothing.
    ``ignored_columns``: those that mean nothing to the contract.
    """

    def __init__(self, contract: Contract, header: Sequence[str], delivered: date) -> None:
        """``delivered``: the day for which the owner drew the data. Raises `DeliveryRefused`."""
        columns = _columns_by_header(header)
        self._made_from = (contract, list(header), delivered)
        self._contract = contract
        self._delivered = delivered
        self._width = len(header)
        self._key_column = _key_column(contract, columns)
        self._other_keys = _other_key_columns(contract, columns)
        if self._key_column is None and not self._other_keys:
            raise _missing_key(contract, columns)
        chosen = [(field, *_column_of(field, columns)) for field in contract.fields]
        _refuse_missing_columns(chosen)
        self._empty_body: dict[str, Stored] = dict.fromkeys(contract.field_by_name)
        self._plain: list[tuple[str, int, Convert]] = []
        self._money_with_currency: list[tuple[Field, int, str]] = []
        for field, column, source in chosen:
            if column is None or source is None:
                continue
            if field.currency_field:
                self._money_with_currency.append((field, column, source.unit))
            else:
                self._plain.append((field.name, column, _converter(field, source, delivered)))
        self.present_fields = _present_fields(chosen)
        used = {self._key_column, *self._other_keys.values(), *(column for _, column, _ in chosen)}
        self.ignored_columns = tuple(name for column, name in enumerate(header) if column not in used)
        ordering = contract.field_by_name[contract.part[0]].type if contract.part else "date"
        self._as_of_ordering = _AS_OF_PART.get(ordering, date.fromisoformat)

    def __reduce__(self) -> tuple[type["RowCleaner"], tuple[Contract, list[str], date]]:
        return RowCleaner, self._made_from

    def clean(self, cells: Sequence[str]) -> CleanRow | list[Fault]:
        """The record, or all faults of the row, the key's first."""
        if len(cells) != self._width:
            return [self._wrong_width(cells)]
        faults: list[Fault] = []
        body = self._empty_body.copy()
        who: _Identity = (None, ())
        try:
            who = self._identify(cells)
        except UncleanError as problem:
            if not any(map(str.strip, cells)):
                return [Fault("empty_row", None, "整行没有内容，请删除")]
            faults.append(Fault(problem.reason, self._contract.key, problem.hint))
        for name, column, convert in self._plain:
            try:
                body[name] = convert(cells[column])
            except UncleanError as problem:
                faults.append(Fault(problem.reason, name, problem.hint))
        for field, column, unit in self._money_with_currency:
            try:
                _put_amount(body, field, cells[column], unit)
            except UncleanError as problem:
                faults.append(Fault(problem.reason, field.name, problem.hint))
        return faults or self._finished(who, body)

    def is_row(self, line: str) -> bool:
        """Whether a line is a row by itself: as many cells as the header, at least, and a key in its place."""
        cells = line.split(",")
        if len(cells) < self._width:
            return False
        if self._key_column is None:
            # A name can be anything; that many commas within one cell of a table this wide are not likely.
            return self._width > 2
        try:
            return bool(clean_key(cells[self._key_column]))
        except UncleanError:
            return False

    def _identify(self, cells: Sequence[str]) -> "_Identity":
        """Whose row it is. A code that is written but wrong is never replaced by another key."""
        if self._key_column is not None:
            try:
                return clean_key(cells[self._key_column]), ()
            except UncleanError as problem:
                if problem.reason != "key_missing" or not self._other_keys:
                    raise
        return _identified_otherwise((kind, cells[column]) for kind, column in self._other_keys.items())

    def _finished(self, who: "_Identity", body: dict[str, Stored]) -> CleanRow:
        values = [str(body[name]) for name in self._contract.part]
        as_of = self._as_of_ordering(values[0]) if self._contract.as_of == "part" else self._delivered
        return CleanRow(who[0], PART_SEPARATOR.join(values), body, as_of, who[1])

    def _wrong_width(self, cells: Sequence[str]) -> Fault:
        more = "多半是内容里有逗号而没有加引号" if len(cells) > self._width else "多半是漏了列或行被截断"
        return Fault("wrong_column_count", None, f"应有 {self._width} 列，实有 {len(cells)} 列；{more}")


# --- the header
# -------------------------------------------------------------------------------------------------


COLUMNS_MAX = 2_000


def _columns_by_header(header: Sequence[str]) -> dict[str, int]:
    if len(header) > COLUMNS_MAX:
        raise DeliveryRefused("too_many_columns", f"表头有 {len(header)} 列，最多 {COLUMNS_MAX} 列")
    names = [normalised_header(name) for name in header]
    twice = sorted(shown(name) for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise DeliveryRefused("duplicate_header", f"表头有重复的列：{'、'.join(twice)}；请每列只用一个名称")
    return {name: column for column, name in enumerate(names) if name}


def _key_column(contract: Contract, columns: dict[str, int]) -> int | None:
    aliases = {normalised_header(name): None for name in (contract.key, *contract.key_sources)}
    found = [name for name in aliases if name in columns]
    if len(found) > 1:
        raise DeliveryRefused("duplicate_header", f"表头里有多列都是统一社会信用代码：{'、'.join(found)}")
    return columns[found[0]] if found else None


_KEY_TITLES: dict[KeyKind, str] = {
    "organisation_code": "组织机构代码",
    "taxpayer_number": "纳税人识别号",
    "registration_number": "工商注册号",
    "name": "企业名称",
}


def _other_key_columns(contract: Contract, columns: dict[str, int]) -> dict[KeyKind, int]:
    chosen: dict[KeyKind, int] = {}
    for kind, names in contract.other_keys.items():
        found = {columns[name] for name in map(normalised_header, names) if name in columns}
        if len(found) > 1:
            raise DeliveryRefused("duplicate_header", f"表头里有多列都是{_KEY_TITLES[kind]}；请只留一列")
        if found:
            chosen[kind] = found.pop()
    return chosen


def _missing_key(contract: Contract, columns: dict[str, int]) -> DeliveryRefused:
    seen = "、".join(shown(name) for name in list(columns)[:12]) or "（空）"
    otherwise = "".join(
        f"，或{_KEY_TITLES[kind]}列（{'、'.join(names)}）" for kind, names in contract.other_keys.items()
    )
    return DeliveryRefused(
        "missing_key_column",
        f"表头没有统一社会信用代码列（可用列名：{'、'.join(contract.key_sources)}）{otherwise}。"
        f"读到的列：{seen}。请核对首行是否为表头、分隔符是否为英文逗号、编码是否为 UTF-8 或 GB18030",
    )


_Chosen = tuple[Field, int | None, Source | None]


def _present_fields(chosen: Sequence[_Chosen]) -> tuple[str, ...]:
    """An amount brings its currency with it, in its own cell or as the contract's default."""
    present = {field.name for field, column, _ in chosen if column is not None}
    present |= {field.currency_field for field, _, _ in chosen if field.name in present}
    return tuple(field.name for field, _, _ in chosen if field.name in present)


def _column_of(field: Field, columns: dict[str, int]) -> tuple[int | None, Source | None]:
    found = [
        (columns[name], source)
        for source in field.aliases
        if (name := normalised_header(source.name)) in columns
    ]
    if len({column for column, _ in found}) > 1:
        names = "、".join(source.name for _, source in found)
        raise DeliveryRefused("duplicate_header", f"表头里有多列都是“{field.title}”：{names}；请只留一列")
    return found[0] if found else (None, None)


def _refuse_missing_columns(chosen: Sequence[_Chosen]) -> None:
    missing = [field for field, column, _ in chosen if field.required and column is None]
    if missing:
        needs = "；".join(
            f"{field.title}（可用列名：{'、'.join(source.name for source in field.aliases)}）"
            for field in missing
        )
        raise DeliveryRefused("missing_required_column", f"表头缺少必填的列：{needs}")


# --- the key
# ----------------------------------------------------------------------------------------------------

_OLD_REGISTRATION_NUMBER = re.compile(r"[0-9]{12,13}|[0-9]{15}|企[^0-9]{1,10}第?[0-9]+号?")
_ORGANISATION_CODE = re.compile(r"[0-9A-Z]{8}-?[0-9X]")
_SCIENTIFIC = re.compile(r"[0-9.]+E\+?[0-9]+")


def clean_key(cell: str) -> USCC:
    """The USCC in a cell. Raises `UncleanError`, with its own reason for what is plainly something else."""
    try:
        return parse_uscc(cell)
    except InvalidUSCC as error:
        if (inner := _written_as_text(cell)) is not None:
            return clean_key(inner)
        text = cell.translate(HALF_WIDTH).strip().upper()
        if text in NULL_WORDS:
            raise UncleanError("key_missing", "没有填写统一社会信用代码，请补上") from None
        if "*" in text:
            raise UncleanError("masked_uscc", "统一社会信用代码被遮盖，请提供完整的 18 位代码") from None
        if _OLD_REGISTRATION_NUMBER.fullmatch(text):
            hint = f"这是旧工商注册号（{len(text)} 位），不是统一社会信用代码；请换成该企业的 18 位代码后重报"
            raise UncleanError("old_registration_number", hint) from None
        if _ORGANISATION_CODE.fullmatch(text) and organisation_code_is_valid(text):
            hint = "这是 9 位组织机构代码，不是统一社会信用代码；请换成该企业的 18 位代码后重报"
            raise UncleanError("organisation_code", hint) from None
        if _SCIENTIFIC.fullmatch(text):
            hint = "代码成了科学计数法（多半是表格软件所致），已丢位；请把该列设为文本后重新导出"
            raise UncleanError("uscc_scientific_notation", hint) from None
        raise UncleanError(error.reason, str(error)) from None


_Identity = tuple[USCC | None, tuple[tuple[KeyKind, str], ...]]
_OTHER_KEY_FORMS: dict[KeyKind, re.Pattern[str]] = {
    "name": re.compile(r".{2,200}", re.DOTALL),
    "registration_number": re.compile(r"[0-9A-Z]{6,20}|.?企[^0-9]{1,10}第?[0-9]+号?"),
    "organisation_code": _ORGANISATION_CODE,
    "taxpayer_number": re.compile(r"[0-9A-Z]{15,20}"),
}
_BLANKS_OR_HYPHENS = re.compile(r"[\s-]+")


def key_value(kind: KeyKind, text: str) -> str:
    """A key as it is compared, here and in the registrations: half-width, upper case, without blanks; a number
    without hyphens too.
    """
    half_width = text.translate(HALF_WIDTH).upper()
    return (_BLANKS if kind == "name" else _BLANKS_OR_HYPHENS).sub("", half_width)


def clean_other_key(kind: KeyKind, cell: str) -> USCC | str | None:
    """The comparable form, the USCC itself where it stands in place of the number, None for nothing.

    Raises `UncleanError`.
    """
    text = clean_text(_written_as_text(cell) or cell)
    if text in NULL_WORDS or text.upper() in NULL_WORDS:
        return None
    title, value = _KEY_TITLES[kind], key_value(kind, text)
    if "*" in value:
        raise UncleanError("masked_key", f"{title}被遮盖，请提供完整内容或统一社会信用代码")
    if "+" in value and _SCIENTIFIC.fullmatch(value):
        raise UncleanError(
            "scientific_notation", f"{title}成了科学计数法，已丢位；请把该列设为文本后重新导出"
        )
    if kind != "name" and (uscc := _uscc_or_none(value)):
        return uscc
    right = _OTHER_KEY_FORMS[kind].fullmatch(value) is not None
    if not right or (kind == "organisation_code" and not organisation_code_is_valid(value)):
        raise UncleanError(
            "other_key_unreadable", f"{title}“{shown(text)}”不对，请核对，或改填统一社会信用代码"
        )
    return value


def _uscc_or_none(value: str) -> USCC | None:
    try:
        return parse_uscc(value)
    except InvalidUSCC:
        return None


def _identified_otherwise(cells: Iterable[tuple[KeyKind, str]]) -> _Identity:
    found = [(kind, value) for kind, cell in cells if (value := clean_other_key(kind, cell)) is not None]
    if not found:
        raise UncleanError("key_missing", "没有填写统一社会信用代码，也没有其他企业标识，请补上")
    codes = {code for kind, value in found if kind != "name" and (code := _uscc_or_none(value))}
    if len(codes) > 1:
        raise UncleanError("key_conflict", "几列企业标识指向不同的统一社会信用代码，请核对")
    return (codes.pop(), ()) if codes else (None, tuple(found))


# --- one cell → one stored value
# --------------------------------------------------------------------------------


_OFTEN_THE_SAME: frozenset[FieldType] = frozenset({"date", "month", "year", "code", "boolean"})


def _converter(field: Field, source: Source, delivered: date) -> Convert:
    """The reading of one column: null words, then the type's own reading and the field's quality rules."""
    read = _READERS[field.type](field, source, delivered)
    if field.type in _OFTEN_THE_SAME:
        # What is remembered is short: a text that is too long for its type raises, and that is not remembered.
        read = lru_cache(maxsize=4_096)(read)
    title, required = field.title, field.required

    def convert(cell: str) -> Stored:
        text = cell.strip()
        try:
            value = None if text in NULL_WORDS else read(text)
        except UncleanError:
            if (inner := _written_as_text(text)) is None:
                raise
            return convert(inner)
        if value is None and required:
            raise UncleanError("required_missing", f"“{title}”必须填写")
        return value

    return convert


_WRITTEN_AS_TEXT = re.compile(r'="((?:[^"=]|"")*)"')


def _written_as_text(cell: str) -> str | None:
    """What programs write as ``="0123"`` so that a spreadsheet leaves it alone; None for anything else."""
    match = _WRITTEN_AS_TEXT.fullmatch(cell.strip())
    return match[1].replace('""', '"') if match else None


# Control and invisible characters, odd blanks, halves of broken characters, full-width digits and letters, and the
# sign with which formulas begin.
_ODD = re.compile(
    "[=\x00-\x1f\x7f-\xa0\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff\ufff0-\ufffd０-９Ａ-Ｚａ-ｚ\ud800-\udfff]"
)
_BROKEN = re.compile("[\ud800-\udfff\ufffd]")
_INVISIBLE = re.compile(
    "[\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb\x00-\x08\x0e-\x1f\x7f-\x9f]"
)
_BLANKS = re.compile(r"\s+")
_FULL_WIDTH_WORDS = {
    code: code - 0xFEE0
    for first, last in ("０９", "ＡＺ", "ａｚ")
    for code in range(ord(first), ord(last) + 1)
}


def clean_text(text: str) -> str:
    """Digits and letters half-width, nothing invisible; Chinese punctuation stays as certified."""
    if not _ODD.search(text):
        return text.strip()
    if _BROKEN.search(text):
        raise UncleanError("undecodable", "含有无法解码的字符（编码转换时损坏），请用 UTF-8 重新导出")
    visible = _BLANKS.sub(" ", _INVISIBLE.sub("", text.translate(_FULL_WIDTH_WORDS))).strip()
    if visible.startswith("="):
        raise UncleanError("formula_text", "内容以“=”开头，像是公式；公式不会被计算，请改填其值")
    return visible


def _text_reader(field: Field, source: Source, delivered: date) -> Convert:
    pattern = re.compile(field.pattern) if field.pattern else None
    limit, title = field.max_length, field.title

    def read(text: str) -> Stored:
        value = clean_text(text)
        if len(value) > limit:
            raise UncleanError("too_long", f"“{title}”有 {len(value)} 字，最多 {limit} 字")
        if "+" in value and _SCIENTIFIC.fullmatch(value.upper()):
            raise UncleanError(
                "scientific_notation", f"“{title}”成了科学计数法，已丢位；请把该列设为文本后重新导出"
            )
        if pattern is not None and value and not pattern.fullmatch(value := value.upper()):
            raise UncleanError("pattern_mismatch", f"“{title}”格式不符，请核对")
        # What was only invisible characters, or a null word behind them, is nothing.
        return None if value in NULL_WORDS else value

    return read


_CODE_TEXT_MAX = 500


def _code_reader(field: Field, source: Source, delivered: date) -> Convert:
    meaning = {word.casefold(): value for word, value in field.synonyms.items()}
    meaning |= {value.casefold(): value for value in field.allowed}

    def read(text: str) -> Stored:
        word = clean_text(text) if len(text) <= _CODE_TEXT_MAX else text
        value = meaning.get(word.casefold())
        if value is None and word not in NULL_WORDS:
            hint = f"“{field.title}”的值“{shown(word)}”不在代码表内，可用：{'、'.join(field.allowed[:12])}"
            raise UncleanError("not_in_code_list", hint)
        return value

    return read


def _money_reader(field: Field, source: Source, delivered: date) -> Convert:
    def read(text: str) -> Stored:
        amount = parse_amount(text, source.unit)
        if amount.currency not in (None, "CNY"):
            raise UncleanError("unexpected_currency", f"“{field.title}”应为人民币，收到 {amount.currency}")
        return within_limits(field, amount.fen, 100)

    return read


def _put_amount(body: dict[str, Stored], field: Field, cell: str, unit: str) -> None:
    """An amount and its currency, which stands in the same cell, in a column of its own, or nowhere."""
    text = cell.strip()
    text = _written_as_text(text) or text
    if text in NULL_WORDS:
        # A currency without an amount says nothing.
        body[field.currency_field] = None
        if field.required:
            raise UncleanError("required_missing", f"“{field.title}”必须填写")
        return
    amount = parse_amount(text, unit)
    body[field.name] = within_limits(field, amount.fen, 100)
    in_column = body[field.currency_field]
    if in_column is not None and amount.currency is not None and in_column != amount.currency:
        raise UncleanError(
            "currency_conflict", f"金额里写的是 {amount.currency}，币种列写的是 {in_column}，请核对"
        )
    body[field.currency_field] = amount.currency or in_column or field.currency_default


_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,18})(?:\.[0-9]{0,18})?")


def _number(field: Field, text: str, unit: str) -> Decimal:
    """``unit``: the column's, which a cell may repeat behind its figure."""
    half_width = text.translate(HALF_WIDTH).strip()
    if unit:
        half_width = half_width.removesuffix(unit.translate(HALF_WIDTH)).rstrip()
    if len(half_width) > 40 or not _NUMBER.fullmatch(half_width):
        raise UncleanError("number_unreadable", f"“{field.title}”的值“{shown(text)}”不是数字")
    return Decimal(half_width.replace(",", ""))


def _integer_reader(field: Field, source: Source, delivered: date) -> Convert:
    def read(text: str) -> Stored:
        number = _number(field, text, field.unit)
        if number != number.to_integral_value():
            raise UncleanError("number_unreadable", f"“{field.title}”应为整数")
        return within_limits(field, int(number), 1)

    return read


_EXACT = Context(prec=60)


def _decimal_reader(field: Field, source: Source, delivered: date) -> Convert:
    unit, factor = (source.unit, 10_000) if source.unit else (field.unit, 1)

    def read(text: str) -> Stored:
        number = _EXACT.multiply(_number(field, text, unit), factor)
        within_limits(field, number, 1)
        plain = f"{number:f}"
        plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
        return "0" if number == 0 else plain.removeprefix("+")

    return read


_TRUE = frozenset({"是", "有", "真", "1", "Y", "YES", "TRUE", "T"})
_FALSE = frozenset({"否", "没有", "假", "0", "N", "NO", "FALSE", "F"})


def _boolean_reader(field: Field, source: Source, delivered: date) -> Convert:
    def read(text: str) -> Stored:
        word = text.translate(HALF_WIDTH).strip().upper()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise UncleanError("boolean_unreadable", f"“{field.title}”应填 是 或 否")

    return read


Number = TypeVar("Number", int, Decimal)


def within_limits(field: Field, stored: Number, stored_per_unit: int) -> Number:
    """The number itself. Raises `UncleanError` beyond the contract's minimum or maximum."""
    if field.minimum is not None and stored < field.minimum * stored_per_unit:
        raise UncleanError(
            "below_minimum", f"“{field.title}”小于 {field.minimum}{field.unit}，请核对数值和单位"
        )
    if field.maximum is not None and stored > field.maximum * stored_per_unit:
        raise UncleanError(
            "above_maximum", f"“{field.title}”大于 {field.maximum}{field.unit}，请核对数值和单位"
        )
    return stored


# --- dates
# ------------------------------------------------------------------------------------------------------

_DATE = re.compile(
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日?|([0-9]{2})([0-9]{2})(?:[0-9]{6})?)"
    r"(?:[ T]?[0-9]{1,2}:[0-9]{1,2}(?::[0-9]{1,2}(?:\.[0-9]+)?)?)?"
)
_MONTH = re.compile(r"([0-9]{4})(?:[-/.]?([0-9]{2})|[-/.]([0-9])|年([0-9]{1,2})月)")
_SENTINEL_DATES = frozenset({date(2099, 12, 31), date(1900, 1, 1), date(1899, 12, 31), date(1, 1, 1)})
_SENTINEL_YEAR = 9999
_SENTINEL_WORDS = frozenset({
    "长期", "长期有效", "永久", "永久有效", "无期限", "无固定期限", "0000-00-00", "00000000", "1900-01-00", "1900/1/0",
})  # fmt: skip
"""No end, MySQL's nought, a spreadsheet's nought."""
_WITH_ZONE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
)
_DATE_TEXT_MAX = 40


@lru_cache(maxsize=16_384)
def _parse_short_date(text: str) -> date | None:
    """None for a sentinel: a date that stands for "no date" (9999-9-9, 1900-01-01 …). Raises `UncleanError`."""
    half_width = text.translate(HALF_WIDTH).strip()
    match = _DATE.fullmatch(half_width)
    if match is None:
        if half_width in _SENTINEL_WORDS:
            return None
        if _WITH_ZONE.fullmatch(half_width):
            return _china_day_of(half_width)
        raise UncleanError("date_unreadable", f"日期“{shown(text)}”无法识别，请写成 2018-01-06")
    year, month, day = (int(part) for part in match.group(1, 3, 4, 5, 6, 7, 8) if part is not None)
    if year == _SENTINEL_YEAR or half_width in _SENTINEL_WORDS:
        return None
    try:
        found = date(year, month, day)
    except ValueError:
        raise UncleanError("date_impossible", f"没有“{shown(text)}”这一天，请核对") from None
    return None if found in _SENTINEL_DATES else found


def _china_day_of(moment: str) -> date:
    """An instant that names its zone lies on a day of China's."""
    try:
        return china_day(datetime.fromisoformat(moment))
    except (ValueError, OverflowError):
        raise UncleanError("date_impossible", f"没有“{shown(moment)}”这一刻，请核对") from None


def parse_date(text: str) -> date | None:
    """2018-01-06, 2017-7-7 0:00:00, 20190930, 2022.07.16, 2022年7月16日. None for a sentinel.

    Raises `UncleanError`.
    """
    if len(text) > _DATE_TEXT_MAX:
        raise UncleanError("date_unreadable", f"日期“{shown(text)}”无法识别，请写成 2018-01-06")
    return _parse_short_date(text)


@lru_cache(maxsize=4_096)
def _parse_short_month(text: str) -> date | None:
    half_width = text.translate(HALF_WIDTH).strip()
    match = _MONTH.fullmatch(half_width)
    if match is None:
        if _DATE.fullmatch(half_width):
            found = _parse_short_date(half_width)
            return found and found.replace(day=1)
        raise UncleanError("date_unreadable", f"月份“{shown(text)}”无法识别，请写成 2026-10")
    year, month = (int(part) for part in match.groups() if part is not None)
    if year == _SENTINEL_YEAR:
        return None
    if not (1 <= month <= 12 and year >= 1):
        raise UncleanError("date_impossible", f"没有“{shown(text)}”这个月，请核对")
    return date(year, month, 1)


def parse_month(text: str) -> date | None:
    """202011, 2020-11, 2020年11月, or a day within the month: its first day. Raises `UncleanError`."""
    if len(text) > _DATE_TEXT_MAX:
        raise UncleanError("date_unreadable", f"月份“{shown(text)}”无法识别，请写成 2026-10")
    return _parse_short_month(text)


def _date_reader(field: Field, source: Source, delivered: date) -> Convert:
    def read(text: str) -> Stored:
        found = _checked_day(field, parse_date(text), delivered)
        return found.isoformat() if found else None

    return read


def _month_reader(field: Field, source: Source, delivered: date) -> Convert:
    def read(text: str) -> Stored:
        found = _checked_day(field, parse_month(text), delivered)
        return found.isoformat()[:7] if found else None

    return read


_YEAR = re.compile(r"([0-9]{4})(?:\.0+|年度?)?")


def _year_reader(field: Field, source: Source, delivered: date) -> Convert:
    def read(text: str) -> Stored:
        match = _YEAR.fullmatch(text.translate(HALF_WIDTH).strip())
        if match is None or match[1] == "0000":
            raise UncleanError("date_unreadable", f"年份“{shown(text)}”无法识别，请写成 2026")
        year = int(match[1])
        found = None if year == _SENTINEL_YEAR else date(year, 1, 1)
        return year if _checked_day(field, found, delivered) else None

    return read


def _checked_day(field: Field, day: date | None, delivered: date) -> date | None:
    if day is None:
        if field.required:
            raise UncleanError("sentinel_date", f"“{field.title}”必须填写，不能用占位日期")
        return None
    if field.earliest is not None and day < field.earliest:
        raise UncleanError("too_early", f"“{field.title}”早于 {field.earliest}，请核对年份")
    if field.not_future and day > delivered:
        raise UncleanError("in_future", f"“{field.title}”晚于数据日期 {delivered}，请核对")
    return day


@lru_cache(maxsize=4_096)
def _end_of_month(part: str) -> date:
    year, month = int(part[:4]), int(part[5:7])
    return date(year, month, monthrange(year, month)[1])


def _end_of_year(year: str) -> date:
    return date(int(year), 12, 31)


_AS_OF_PART: dict[FieldType, Callable[[str], date]] = {"month": _end_of_month, "year": _end_of_year}


_READERS: dict[FieldType, Callable[[Field, Source, date], Convert]] = {
    "text": _text_reader,
    "code": _code_reader,
    "date": _date_reader,
    "month": _month_reader,
    "year": _year_reader,
    "money": _money_reader,
    "integer": _integer_reader,
    "decimal": _decimal_reader,
    "boolean": _boolean_reader,
}
