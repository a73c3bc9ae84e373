"""The rows of a delivery in JSON Lines: one object a line, its names the columns. Figures stay as they are written."""

import json
from collections.abc import Iterator, Sequence
from itertools import repeat

from datasets.amounts import shown
from datasets.cleaning import COLUMNS_MAX, DeliveryRefused, Fault
from datasets.lines import DeliveredRow, Lines


class JsonFault(Exception):
    """The line holds no flat object; ``args[0]`` is the fault."""

    @property
    def fault(self) -> Fault:
        fault = self.args[0]
        assert isinstance(fault, Fault)
        return fault


class _Object(list[tuple[str, object]]):
    """The pairs of an object as they stand, so that a name used twice is seen."""


def _no_number(word: str) -> str:
    raise ValueError(word)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_Object, parse_float=str, parse_int=str, parse_constant=_no_number, strict=False
)
_WORDS = {None: "", True: "TRUE", False: "FALSE"}


def flat_object(line: str) -> dict[str, str]:
    """The cells of a row by name. Raises `JsonFault`."""
    try:
        found = _DECODER.decode(line)
    except (ValueError, RecursionError):
        raise JsonFault(
            Fault("unreadable_row", None, "这一行不是完整的 JSON 对象；请每行写一个对象")
        ) from None
    if not isinstance(found, _Object):
        raise JsonFault(Fault("unreadable_row", None, "这一行不是 JSON 对象；请每行写一个 {…}"))
    cells: dict[str, str] = {}
    for name, value in found:
        if name in cells:
            hint = f"这一行里“{shown(name)}”出现了两次，请只留一个"
            raise JsonFault(Fault("unreadable_row", None, hint))
        if isinstance(value, list):
            hint = f"“{shown(name)}”里是列表或对象，请每个名称只写一个值"
            raise JsonFault(Fault("nested_value", None, hint))
        cells[name] = value if isinstance(value, str) else _WORDS[value]  # type: ignore[index]
    return cells


class JsonRows(Lines):
    """Every object of the file; blank lines are no rows."""

    def columns(self) -> list[str]:
        """The names used anywhere in the file, in order of first use. Raises `DeliveryRefused`."""
        names: dict[str, None] = {}
        for number, text in self._lines():
            if self._fault_of(number, text):
                continue
            try:
                names |= dict.fromkeys(flat_object(text))
            except JsonFault:
                continue
            if len(names) > COLUMNS_MAX:
                raise DeliveryRefused("too_many_columns", f"各行用到的名称超过 {COLUMNS_MAX} 个，请核对")
        return list(names)

    def rows(self, columns: Sequence[str]) -> Iterator[DeliveredRow]:
        """A name that a row lacks is an empty cell, as null is."""
        for number, text in self._lines():
            if fault := self._fault_of(number, text):
                yield self._faulty(number, text, fault)
                continue
            try:
                cells = list(map(flat_object(text).get, columns, repeat("")))
            except JsonFault as problem:
                yield self._faulty(number, text, problem.fault)
            else:
                yield DeliveredRow(number, cells, text, None, self._bytes_read)

    def _lines(self) -> Iterator[tuple[int, str]]:
        while self._at < len(self._texts) or self._load(self._at):
            self._at += 1
            text = self._texts[self._at - 1]
            if text and not text.isspace():
                yield self._first + self._at - 1, text
