"""Made-up deliveries of tax rows."""

from core.identifiers import USCC, uscc_check_character

TAX_HEADER = "统一社会信用代码,RKYF,ZZSYNSE,sale_inco"


def uscc(number: int) -> USCC:
    first17 = f"91320583{number:09d}"
    return USCC(first17 + uscc_check_character(first17))


def tax_row(number: int, month: str = "202610", vat: object = 1, sales: object = 100) -> str:
    """One line of a delivery; ``vat`` in 万元, ``sales`` in 元."""
    return f"{uscc(number)},{month},{vat},{sales}"


def tax_file(*rows: str) -> str:
    return "\n".join([TAX_HEADER, *rows]) + "\n"
