"""Forms as platforms send them, and files that only say they are one."""

import io
import zlib
from collections.abc import Callable

from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, TextStringObject

A4 = (595, 842)


def pdf(change: Callable[[PdfWriter], None] | None = None, *, pages: int = 1) -> bytes:
    writer = PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(*A4)
    if change is not None:
        change(writer)
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def picture(kind: str = "PNG", size: tuple[int, int] = (620, 877), *, colour: str = "white") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


def bomb() -> bytes:
    """2.5 thousand million pixels in 300 kB."""
    file = io.BytesIO()
    Image.new("1", (50_000, 50_000)).save(file, "PNG")
    return file.getvalue()


def moving() -> bytes:
    file = io.BytesIO()
    frames = [Image.new("RGB", (620, 877), colour) for colour in ("white", "black")]
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    return file.getvalue()


def named(**entries: object) -> DictionaryObject:
    """``named(S="/Launch", F="cmd.exe")``: what begins with a stroke is a name."""
    made = DictionaryObject()
    for key, value in entries.items():
        text = str(value)
        made[NameObject(f"/{key}")] = NameObject(text) if text.startswith("/") else TextStringObject(text)
    return made


def opens_with(**action: object) -> Callable[[PdfWriter], None]:
    """An action when the document is opened."""

    def change(writer: PdfWriter) -> None:
        writer.root_object[NameObject("/OpenAction")] = writer._add_object(named(**action))

    return change


def annotated(**annotation: object) -> Callable[[PdfWriter], None]:
    """Something on its first page."""

    def change(writer: PdfWriter) -> None:
        made = named(Type="/Annot", **annotation)
        made[NameObject("/Rect")] = ArrayObject([NumberObject(n) for n in (0, 0, 9, 9)])
        writer.pages[0][NameObject("/Annots")] = ArrayObject([writer._add_object(made)])

    return change


def attached(writer: PdfWriter) -> None:
    writer.add_attachment("invoice.exe", b"MZ")


def encrypted(writer: PdfWriter) -> None:
    writer.encrypt("")


def filled_by_itself(writer: PdfWriter) -> None:
    form = DictionaryObject({NameObject("/XFA"): TextStringObject("<xdp/>")})
    writer.root_object[NameObject("/AcroForm")] = writer._add_object(form)


def signed_electronically(writer: PdfWriter) -> None:
    """A signature field as e-signature services make them: welcome."""
    signature = named(Type="/Sig", Filter="/Adobe.PPKLite", SubFilter="/adbe.pkcs7.detached", Contents="00")
    field = named(FT="/Sig", Subtype="/Widget", T="Signature1")
    field[NameObject("/V")] = writer._add_object(signature)
    form = DictionaryObject({NameObject("/Fields"): ArrayObject([writer._add_object(field)])})
    writer.root_object[NameObject("/AcroForm")] = writer._add_object(form)
    writer.root_object[NameObject("/OpenAction")] = ArrayObject(
        [writer.pages[0].indirect_reference, NameObject("/Fit")]
    )


def hidden_script() -> bytes:
    """A script in an object stream (ISO 32000-2 §7.5.7), its name not to be found in the octets of the file."""
    inner = b"<</Type/Catalog/Pages 2 0 R/OpenAction 3 0 R>>", b"<</S/JavaScript/JS(app.alert\\(1\\))>>"
    offsets = f"1 0 3 {len(inner[0]) + 1} ".encode()
    packed = zlib.compress(offsets + b" ".join(inner))
    file = io.BytesIO(b"")
    places: dict[int, int] = {}

    def add(number: int, content: bytes) -> None:
        places[number] = file.tell()
        file.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))

    file.write(b"%PDF-1.7\n")
    add(2, b"<</Type/Pages/Kids[4 0 R]/Count 1>>")
    add(4, b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>")
    head = b"<</Type/ObjStm/N 2/First %d/Filter/FlateDecode/Length %d>>" % (len(offsets), len(packed))
    add(5, head + b"\nstream\n" + packed + b"\nendstream")
    start = file.tell()
    places[6] = start
    rows = [
        (0, 0, 65535),
        (2, 5, 0),
        (1, places[2], 0),
        (2, 5, 1),
        (1, places[4], 0),
        (1, places[5], 0),
        (1, start, 0),
    ]
    table = zlib.compress(
        b"".join(
            bytes([kind]) + place.to_bytes(4, "big") + more.to_bytes(2, "big") for kind, place, more in rows
        )
    )
    xref = b"<</Type/XRef/Size 7/W[1 4 2]/Root 1 0 R/Filter/FlateDecode/Length %d>>" % len(table)
    add(6, xref + b"\nstream\n" + table + b"\nendstream")
    file.write(b"startxref\n%d\n%%%%EOF\n" % start)
    return file.getvalue()
