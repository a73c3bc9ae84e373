"""Check digits of Chinese identifiers: GB 32100 (USCC), GB 11714 (organisation code), GB 11643 (citizen id).

Written from the standards on purpose, not taken from the hub: two independent readings test each other.
"""

from typing import Final

USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # 31 characters: no I, O, S, V, Z
_USCC_WEIGHTS: Final = tuple(pow(3, i, 31) for i in range(17))

_ORGANISATION_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ORGANISATION_WEIGHTS: Final = (3, 7, 9, 10, 5, 8, 4, 2)

_CITIZEN_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CITIZEN_CHECKS: Final = "10X98765432"


def uscc_check(body: str) -> str:
    """The 18th character for the first 17 of a USCC. ValueError on a character outside the alphabet."""
    total = sum(
        USCC_ALPHABET.index(character) * weight for character, weight in zip(body, _USCC_WEIGHTS, strict=True)
    )
    return USCC_ALPHABET[-total % 31]


def organisation_check(body: str) -> str:
    """The 9th character for the first 8 of an organisation code."""
    total = sum(
        _ORGANISATION_ALPHABET.index(character) * weight
        for character, weight in zip(body, _ORGANISATION_WEIGHTS, strict=True)
    )
    return "0123456789X"[-total % 11]


def citizen_check(body: str) -> str:
    """The 18th character for the first 17 of a citizen id."""
    total = sum(int(digit) * weight for digit, weight in zip(body, _CITIZEN_WEIGHTS, strict=True))
    return _CITIZEN_CHECKS[total % 11]
