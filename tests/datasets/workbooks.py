"""Made-up workbooks, part by part, so that a test can break any of them."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape, quoteattr

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
KINDS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"

DATE, YEAR, MONTH, TIME = 1, 2, 3, 4
"""Styles of a cell, as the fourth part of its XML."""
_STYLES = f"""<styleSheet xmlns="{MAIN}"><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy&quot;年&quot;"/>
<numFmt numFmtId="165" formatCode="yyyy\\-mm"/><numFmt numFmtId="166" formatCode="[Red]0.00_ ;mm:ss"/></numFmts>
<cellStyleXfs count="1"><xf numFmtId="14"/></cellStyleXfs>
<cellXfs count="5"><xf numFmtId="0"/><xf numFmtId="14"/>
<xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/></cellXfs>
<dxfs><dxf><numFmt numFmtId="0" formatCode="yyyy"/></dxf></dxfs></styleSheet>"""


def text(value: str) -> str:
    """Attributes and content of a cell with a text of its own."""
    return f' t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is>'


def number(value: object, style: int = 0) -> str:
    return f' s="{style}"><v>{value}</v>'


def formula(value: str) -> str:
    return f"><f>{escape(value)}</f><v>1</v>"


Cell = str | int | float


def sheet(rows: Sequence[Sequence[Cell | None]], *, merged: Sequence[str] = (), first_row: int = 1) -> str:
    """A cell is text, a number, XML from the functions above (it begins with a blank or ``>``), or None."""
    lines = []
    for at, row in enumerate(rows, start=first_row):
        cells = "".join(
            f'<c r="{column_name(column)}{at}"{_inner(cell)}</c>'
            for column, cell in enumerate(row)
            if cell is not None
        )
        lines.append(f'<row r="{at}">{cells}</row>')
    merges = "".join(f"<mergeCell ref={quoteattr(area)}/>" for area in merged)
    after = f"<mergeCells>{merges}</mergeCells>" if merged else ""
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}</sheetData>{after}</worksheet>'


def _inner(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell if cell.startswith((" t=", " s=", "><")) else text(cell)
    return number(cell)


def column_name(column: int) -> str:
    name = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(65 + letter) + name
    return name


def workbook(
    *sheets: str,
    shared: Sequence[str] | None = None,
    hidden: Sequence[int] = (),
    since_1904: bool = False,
    parts: Mapping[str, str | bytes | None] | None = None,
) -> bytes:
    """The sheets as a file. ``parts`` replaces parts by their name, or leaves one out (None)."""
    names = [f"sheet{at}.xml" for at in range(1, len(sheets) + 1)]
    listed = "".join(
        f'<sheet name="S{at}" sheetId="{at}" r:id="rId{at}"{" state=" + quoteattr("hidden") if at in hidden else ""}/>'
        for at in range(1, len(sheets) + 1)
    )
    relations = "".join(
        f'<Relationship Id="rId{at}" Type="{KINDS}/worksheet" Target="worksheets/{name}"/>'
        for at, name in enumerate(names, start=1)
    )
    strings = None
    if shared is not None:
        relations += f'<Relationship Id="rId90" Type="{KINDS}/sharedStrings" Target="sharedStrings.xml"/>'
        strings = f'<sst xmlns="{MAIN}">{"".join(f"<si>{item}</si>" for item in shared)}</sst>'
    relations += f'<Relationship Id="rId91" Type="{KINDS}/styles" Target="/xl/styles.xml"/>'
    all_parts: dict[str, str | bytes | None] = {
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}"><Relationship Id="r1" '
        f'Type="{KINDS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{KINDS}"><workbookPr date1904="{int(since_1904)}"/>'
        f"<sheets>{listed}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{relations}</Relationships>',
        "xl/styles.xml": _STYLES,
        "xl/sharedStrings.xml": strings,
        **{f"xl/worksheets/{name}": content for name, content in zip(names, sheets, strict=True)},
        **(parts or {}),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in all_parts.items():
            if content is not None:
                archive.writestr(name, content)
    return file.getvalue()
