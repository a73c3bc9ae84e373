"""Identifiers: the unified social credit code (GB 32100-2015), the organisation code inside it (GB
11714-1997), and time-ordered ids of our own (UUIDv7, RFC 9562 §5.7).

Messages never repeat the code itself: they end up in answers and log lines.
"""

import os
import time
from operator import mul
from typing import NewType
from uuid import UUID

from core.errors import InvalidInput

USCC = NewType("USCC", str)
"""A unified social credit code that passed `parse_uscc`: 18 characters, upper case, check digit right."""

USCC_LENGTH = 18
USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # no I, O, S, V, Z

# The check character has weight 1: a code is right when the weighted sum of all 18 is divisible by 31.
_WEIGHTS = (*(pow(3, power, 31) for power in range(17)), 1)
_NOT_ALLOWED = 255
_VALUES = bytes(
    USCC_ALPHABET.index(chr(byte)) if chr(byte) in USCC_ALPHABET else _NOT_ALLOWED for byte in range(256)
)

_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_ORGANISATION_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

HALF_WIDTH = {full: full - 0xFEE0 for full in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
"""For `str.translate`: full-width ASCII (ＡＢ１２（）) and the ideographic space to their half-width forms."""


class InvalidUSCC(InvalidInput):
    """Not a unified social credit code. ``reason`` is one of ``uscc_empty``, ``uscc_length``,
    ``uscc_alphabet``, ``uscc_check_digit``; the message says what is wrong in Chinese, ``facts["detail_en"]``
    in English.
    """

    def __init__(self, reason: str, message: str, message_en: str = "") -> None:
        super().__init__(reason, message, detail_en=message_en or message)


def parse_uscc(text: str) -> USCC:
    """The code in its one spelling: outer blanks gone, half-width, upper case. Raises `InvalidUSCC`."""
    code = text.upper()
    if not _checks_out(code):
        code = text.translate(HALF_WIDTH).strip().upper()
        if not _checks_out(code):
            raise _what_is_wrong(code)
    return USCC(code)


def _checks_out(code: str) -> bool:
    if len(code) != USCC_LENGTH or not code.isascii():
        return False
    values = code.encode("ascii").translate(_VALUES)
    return _NOT_ALLOWED not in values and sum(map(mul, values, _WEIGHTS)) % 31 == 0


def _what_is_wrong(code: str) -> InvalidUSCC:
    """Called only for a code that is wrong; the first defect found in the order a person would look."""
    if not code:
        return InvalidUSCC(
            "uscc_empty", "没有填写统一社会信用代码", "the unified social credit code is empty"
        )
    if len(code) != USCC_LENGTH:
        return InvalidUSCC(
            "uscc_length",
            f"统一社会信用代码应为 18 位，收到 {len(code)} 位",
            f"a unified social credit code has 18 characters, got {len(code)}",
        )
    for position, character in enumerate(code, start=1):
        if character not in USCC_ALPHABET:
            shown = character if character.isprintable() else f"U+{ord(character):04X}"
            return InvalidUSCC(
                "uscc_alphabet",
                f"统一社会信用代码第 {position} 位的“{shown}”不是可用字符（只用数字和大写字母，不用 I、O、S、V、Z）",
                f"character {position} ({shown}) is not allowed (digits and letters without I, O, S, V, Z)",
            )
    return InvalidUSCC(
        "uscc_check_digit",
        f"统一社会信用代码校验不符：按前 17 位计算，第 18 位应为 {uscc_check_character(code[:17])}，"
        "请核对是否有一位写错",
        f"check character is wrong: the first 17 characters call for {uscc_check_character(code[:17])}",
    )


def uscc_check_character(first17: str) -> str:
    """The 18th character that belongs to 17 given ones, all of `USCC_ALPHABET` (GB 32100-2015 §5.5)."""
    total = sum(
        USCC_ALPHABET.index(character) * weight for character, weight in zip(first17, _WEIGHTS, strict=False)
    )
    return USCC_ALPHABET[-total % 31]


def mask_uscc(uscc: str) -> str:
    """For eyes that need not know all of it: first 6, six stars, last 6 (``913302******531452``)."""
    return f"{uscc[:6]}******{uscc[-6:]}" if len(uscc) == USCC_LENGTH else "*" * len(uscc)


def organisation_code_is_valid(code: str) -> bool:
    """Whether a 9-character organisation code (the 9th to 17th of a USCC; a hyphen is allowed) checks out."""
    code = code.replace("-", "").upper()
    if len(code) != 9 or any(character not in _ORGANISATION_ALPHABET for character in code):
        return False
    values = map(_ORGANISATION_ALPHABET.index, code[:8])
    check = 11 - sum(map(mul, values, _ORGANISATION_WEIGHTS)) % 11
    return code[8] == {10: "X", 11: "0"}.get(check, str(check))


_last_stamp = 0


def new_id() -> UUID:
    """A UUIDv7: 48 bits of milliseconds, 12 bits of their fraction, 62 random bits.

    Ids of one process come in rising order, also within a millisecond and when the clock is set back
    (RFC 9562 §6.2, method 3).
    """
    global _last_stamp
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    stamp = (milliseconds << 12) | (rest * 4096 // 1_000_000)
    if stamp <= _last_stamp:
        stamp = _last_stamp + 1
    _last_stamp = stamp
    random62 = int.from_bytes(os.urandom(8), "big") >> 2
    return UUID(int=(stamp >> 12) << 80 | 0x7000 << 64 | (stamp & 0xFFF) << 64 | 0x8 << 60 | random62)
