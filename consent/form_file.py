"""Is this really a PDF, JPEG or PNG that a person can read, and nothing more? A program of its own.

`consent.examination` starts it for every file that comes from outside: file on standard input, verdict as JSON on standard
output. It parses what strangers made, so it limits its own memory, time and means first, and takes nothing of ours in.

A PDF must not be able to do anything when it is opened: no JavaScript, no launching or submitting, no embedded
files, no XFA, no media (ISO 32000-2 §12.6, §7.11.4, §12.5.6), and no encryption, which would hide all that.
Electronic signatures (§12.8) are welcome.
"""

import io
import json
import re
import resource
import sys
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

OCTETS_MAX = 8 * 1024 * 1024
PAGES_MAX = 20
PIXELS_MAX = 64_000_000
"""of a picture: A4 at 600 dpi has 35 million, the cameras of phones up to 50 million"""
SIDE_MIN = 600
"""pixels of the shorter side, below which a page cannot be read"""
OBJECTS_MAX = 50_000
DEPTH_MAX = 100

MEMORY_OCTETS_MAX = 1024**3
SECONDS_MAX = 20

FAULTS = {
    "empty": "the file is empty",
    "too_large": f"at most {OCTETS_MAX // 1024**2} MB",
    "type": "neither PDF, JPEG nor PNG by its content",
    "unreadable": "damaged, cut short, or not what it says",
    "encrypted": "protected by a password or encrypted",
    "active_content": "a script, an action, a form that fills itself, media or an embedded file is in it",
    "pages": f"1 to {PAGES_MAX} pages",
    "pixels": f"at most {PIXELS_MAX // 1_000_000} million pixels",
    "too_small": f"at least {SIDE_MIN} pixels on its shorter side",
    "animated": "moving pictures",
}
"""Why a file is not taken, for who sent it."""

# What a dictionary of a PDF must not say, whatever it is for.
ACTIVE_KEYS = {"/JS", "/JavaScript", "/XFA", "/EF", "/EmbeddedFiles", "/RichMediaContent"}
ACTIVE_VALUES = {
    "/S": {
        "/JavaScript", "/Launch", "/ImportData", "/SubmitForm", "/GoToE", "/GoToR", "/RichMediaExecute", "/Movie",
        "/Sound", "/Rendition", "/GoTo3DView",
    },
    "/Subtype": {"/FileAttachment", "/RichMedia", "/Movie", "/Sound", "/Screen", "/3D"},
    "/Type": {"/EmbeddedFile"},
}  # fmt: skip
# Also looked for in the octets as they lie there: what no table of contents mentions, a viewer may still find when it
# repairs a file. Long enough not to come about by chance in a compressed picture.
ACTIVE_OCTETS = (b"/JavaScript", b"/Launch", b"/EmbeddedFile", b"/RichMedia", b"/SubmitForm", b"/ImportData")
_ESCAPED = re.compile(rb"#([0-9A-Fa-f]{2})")


class Unfit(Exception):
    """``args[0]`` is a word of `FAULTS`."""


class Verdict(NamedTuple):
    media_type: str
    pages: int


def examine(content: bytes) -> Verdict:
    """What the file is. Raises `Unfit`."""
    if not content:
        raise Unfit("empty")
    if len(content) > OCTETS_MAX:
        raise Unfit("too_large")
    if content.startswith(b"%PDF-"):
        return _pdf(content)
    if content.startswith(b"\xff\xd8\xff"):
        return _picture(content, "JPEG", "image/jpeg")
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return _picture(content, "PNG", "image/png")
    raise Unfit("type")


def _picture(content: bytes, kind: str, media_type: str) -> Verdict:
    from PIL import Image  # noqa: PLC0415 - only after the limits, and only what is needed

    Image.MAX_IMAGE_PIXELS = None  # judged here, before anything is decoded
    with Image.open(io.BytesIO(content), formats=[kind]) as picture:
        if picture.width * picture.height > PIXELS_MAX:
            raise Unfit("pixels")
        if min(picture.size) < SIDE_MIN:
            raise Unfit("too_small")
        if kind == "PNG" and getattr(picture, "is_animated", False):
            raise Unfit("animated")
        picture.load()  # all of it: a picture that was cut short raises
    return Verdict(media_type, 1)


def _pdf(content: bytes) -> Verdict:
    from pypdf import PdfReader  # noqa: PLC0415

    if b"%%EOF" not in content[-1024:]:
        raise Unfit("unreadable")
    plain = _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()), content)
    if any(word in plain for word in ACTIVE_OCTETS):
        raise Unfit("active_content")
    reader = PdfReader(io.BytesIO(content))
    if reader.is_encrypted:
        raise Unfit("encrypted")
    for thing in _objects(reader):
        if _is_active(thing):
            raise Unfit("active_content")
    if not 1 <= len(reader.pages) <= PAGES_MAX:
        raise Unfit("pages")
    return Verdict("application/pdf", len(reader.pages))


def _objects(reader: Any) -> Iterator[Any]:
    """Every object of the file, also those that nothing refers to."""
    from pypdf.generic import IndirectObject  # noqa: PLC0415

    numbers = [(number, generation) for generation, of in reader.xref.items() for number in of]
    numbers += [(number, 0) for number in reader.xref_objStm]
    if len(numbers) > OBJECTS_MAX:
        raise Unfit("unreadable")
    yield reader.trailer
    for number, generation in numbers:
        if generation < 65535:  # the head of the list of free objects
            yield reader.get_object(IndirectObject(number, generation, reader))


def _is_active(thing: Any, depth: int = 0) -> bool:
    """Whether an object, or one that lies inside it, can do something. References are not followed: each is looked at."""
    if depth > DEPTH_MAX:
        raise Unfit("unreadable")
    if isinstance(thing, dict):
        if ACTIVE_KEYS & set(thing):
            return True
        raw = dict.items(thing)
        if any(value in ACTIVE_VALUES.get(key, ()) for key, value in raw if isinstance(value, str)):
            return True
        return any(_is_active(value, depth + 1) for _, value in raw)
    return isinstance(thing, list) and any(_is_active(item, depth + 1) for item in list.__iter__(thing))


def _limit_ourselves() -> None:
    """Memory and time bounded, nothing written, nothing started."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_OCTETS_MAX),
        (resource.RLIMIT_CPU, SECONDS_MAX),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(what, (most, most))


def judge(content: bytes) -> dict[str, Any]:
    """The verdict as it is told; whatever a strange file does to a parser, it is a verdict."""
    try:
        return examine(content)._asdict()
    except Unfit as unfit:
        return {"fault": unfit.args[0]}
    except Exception:  # noqa: BLE001 - not readable, then
        return {"fault": "unreadable"}


if __name__ == "__main__":
    _limit_ourselves()
    warnings.simplefilter("ignore")
    json.dump(judge(sys.stdin.buffer.read(OCTETS_MAX + 1)), sys.stdout)
