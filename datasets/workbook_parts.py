"""The parts of an XLSX file (a ZIP archive of XML, ECMA-376) as streams, none of them trusted.

An archive that unpacks beyond all proportion, a document type, a tag without end: refused, not collected in memory.
"""

import os
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from xml.parsers import expat

from datasets.cleaning import DeliveryRefused

PART_BYTES_MAX = 4 * 1024**3
"""of one part of the archive, unpacked"""
SMALL_PART_BYTES_MAX = 32 * 1024**2
"""of workbook, relations and styles, which are held as a whole"""
PROPORTION_MAX = 200
"""Bytes that one packed byte may become, beyond the first 16 MiB; sheets of real figures make 5 to 60."""
_PROPORTION_FROM = 16 * 1024**2
_DIRECTORY_BYTES_MAX = 1024**2
_DIRECTORY_END_MAX = 22 + 65_535 + 20 + 56
_TOKEN_BYTES_MAX = 4 * 1024**2
_CHUNK = 64 * 1024


def refused(message: str) -> DeliveryRefused:
    return DeliveryRefused("broken_spreadsheet", message)


@contextmanager
def broken_is_refused() -> Iterator[None]:
    """Whatever a damaged archive makes its readers say becomes one word."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        expat.ExpatError,
        EOFError,
        struct.error,
        NotImplementedError,  # a compression that nobody uses
        RuntimeError,  # a part behind a password
        KeyError,
        ValueError,
        OSError,
    ) as error:
        raise refused("表格文件不完整、已加密或已损坏，请重新另存为 XLSX，或改用 CSV 报送") from error


def refuse_huge_directory(file: BinaryIO) -> None:
    """`zipfile` reads the directory of an archive as a whole. Its size stands in the last records (APPNOTE 4.3)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _DIRECTORY_END_MAX))
    tail = file.read()
    file.seek(0)
    end, end64 = tail.rfind(b"PK\x05\x06"), tail.rfind(b"PK\x06\x06")
    directory = int.from_bytes(tail[end + 12 : end + 16], "little") if end >= 0 else 0
    if b"PK\x06\x07" in tail:
        directory = max(
            directory, int.from_bytes(tail[end64 + 40 : end64 + 48], "little") if end64 >= 0 else size
        )
    # What stands there may be a lie; the directory cannot be larger than the file though.
    if min(directory, size) > _DIRECTORY_BYTES_MAX:
        raise DeliveryRefused("archive_suspicious", "压缩包的目录太大，不像是 XLSX，未予接收")


Element = tuple[str, dict[str, str]]
"""The name of an element, without prefix, and its attributes."""


class Archive:
    """The parts of an XLSX file, each read as a stream and never more than it may be."""

    def __init__(self, file: BinaryIO) -> None:
        self._zip = zipfile.ZipFile(file)

    def close(self) -> None:
        self._zip.close()

    def size(self, part: str) -> int:
        return self._zip.getinfo(part).file_size

    def chunks(self, part: str) -> Iterator[bytes]:
        info = self._zip.getinfo(part)
        most = max(_PROPORTION_FROM, PROPORTION_MAX * info.compress_size)
        read = 0
        with self._zip.open(info) as file:
            while chunk := file.read(_CHUNK):
                read += len(chunk)
                if read > min(most, PART_BYTES_MAX):
                    hint = "文件解压后大得不合常理，未予接收；请改用 CSV 报送"
                    raise DeliveryRefused("archive_suspicious", hint)
                yield chunk

    def elements(self, part: str) -> Iterator[Element]:
        """Every element of a small part as it opens."""
        if self.size(part) > SMALL_PART_BYTES_MAX:
            raise refused("工作簿的样式或目录过大，请另存为新的工作簿")
        opened: list[Element] = []
        parser = utf8_parser()
        parser.StartElementHandler = lambda name, attributes: opened.append((local_name(name), attributes))
        for _ in fed(parser, self.chunks(part)):
            yield from opened
            opened.clear()

    def relations(self, part: str) -> list[tuple[str, str, str]]:
        """Kind, id and name of every part to which this one refers (``""``: the archive itself), as far as they exist."""
        folder, name = posixpath.split(part)
        found = []
        for tag, attributes in self.elements(posixpath.join(folder, "_rels", f"{name}.rels")):
            if tag == "Relationship" and attributes.get("TargetMode") != "External":
                target = posixpath.normpath(posixpath.join("/", folder, attributes.get("Target", ""))).lstrip(
                    "/"
                )
                kind = attributes.get("Type", "").rpartition("/")[2]
                if target in self._zip.NameToInfo:
                    found.append((kind, attributes.get("Id", ""), target))
        return found


def local_name(name: str) -> str:
    return name.rpartition(":")[2]


def utf8_parser() -> expat.XMLParserType:
    """Of UTF-8 without document types: so there are no entities, inside or outside."""

    def refuse(*_: object) -> None:
        raise refused("表格文件含有文档类型声明，未予接收")

    def only_utf8(version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in ("utf-8", "us-ascii"):
            raise refused("表格文件不是 UTF-8 编码，请重新另存为 XLSX")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.XmlDeclHandler = only_utf8
    return parser


def fed(parser: expat.XMLParserType, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Feed the parser and hand each chunk on after it. A single tag must not be endless: the parser would hold it."""
    fed = 0
    for chunk in chunks:
        parser.Parse(chunk, False)
        fed += len(chunk)
        if fed - parser.CurrentByteIndex > _TOKEN_BYTES_MAX:
            raise refused("表格文件里有一个标记过长，未予接收")
        yield chunk
    parser.Parse(b"", True)
    yield b""
