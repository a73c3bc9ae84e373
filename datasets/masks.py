"""Masks: what remains visible of a value that identifies a person. As seen in practice: domain notes §4.5."""

import re
from collections.abc import Callable
from typing import Final

_MOBILE = re.compile(r"1[0-9]{10}")


def mask_person_name(name: str) -> str:
    """张三 → 张*, 欧阳小明 → 欧**明; a single character is hidden altogether."""
    if len(name) < 3:
        return name[0] + "*" if len(name) == 2 else "*" * len(name)
    return name[0] + "*" * (len(name) - 2) + name[-1]


def mask_id_number(number: str) -> str:
    """The first 6 of a citizen id (where it was issued), then stars; shorter documents are hidden altogether."""
    return number[:6] + "*" * (len(number) - 6) if len(number) >= 15 else "*" * len(number)


def mask_long_code(code: str) -> str:
    """First 6 and last 6, stars between; nothing when less than a third would stay hidden."""
    return code[:6] + "*" * (len(code) - 12) + code[-6:] if len(code) >= 18 else "*" * len(code)


def mask_phone(number: str) -> str:
    """13812345678 → 138****5678; anything that is not a mobile number is hidden altogether."""
    return f"{number[:3]}****{number[7:]}" if _MOBILE.fullmatch(number) else "*" * len(number)


def mask_account(number: str) -> str:
    """The last 4, the rest stars; a number shorter than 9 is hidden altogether."""
    return "*" * (len(number) - 4) + number[-4:] if len(number) > 8 else "*" * len(number)


MASKS: Final[dict[str, Callable[[str], str]]] = {
    "person_name": mask_person_name,
    "id_number": mask_id_number,
    "long_code": mask_long_code,
    "phone": mask_phone,
    "account": mask_account,
}
