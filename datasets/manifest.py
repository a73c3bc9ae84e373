"""The manifest beside a delivered file (``NAME.manifest.json``): what the file is and what it should hold.

    {"dataset": "tax", "as_of": "2026-11-22", "rows": 120000, "digest": "sha256:9f86d0…"}

``digest`` is SHA-256 or SM3 of the file as it lies there, ``rows`` counts its rows without the header. ``kind`` is
``increment`` if not said: rows are added or replace what is stored. ``withdrawal``: the rows name records that the owner
takes back. ``correction``: a returned correction file, with ``corrects``, the number of the intake that it corrects.

There is no kind for "whatever is not in this file is gone": a row whose key cannot be read would take a record with it
that its owner still has.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec
from cryptography.hazmat.primitives import hashes

from datasets.cleaning import DeliveryRefused, RowCleaner
from datasets.contract import Contract
from datasets.delivery import inspect_delivery

MANIFEST_SUFFIX = ".manifest.json"
_MANIFEST_BYTES_MAX = 64 * 1024
_CHUNK = 1024 * 1024

ManifestKind = Literal["increment", "withdrawal", "correction"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``as_of``: the day for which the owner drew the file."""

    dataset: str
    as_of: date
    rows: Annotated[int, msgspec.Meta(ge=0)]
    digest: Annotated[str, msgspec.Meta(pattern="^(sha256|sm3):[0-9a-fA-F]{64}$")]
    kind: ManifestKind = "increment"
    corrects: Annotated[int, msgspec.Meta(ge=1)] | None = None


def load_manifest(path: Path) -> Manifest:
    """Raises `DeliveryRefused`."""
    try:
        with path.open("rb") as file:
            text = file.read(_MANIFEST_BYTES_MAX + 1)
        if len(text) > _MANIFEST_BYTES_MAX:
            raise DeliveryRefused("manifest_unreadable", "清单文件过大，不像是清单")
        manifest = msgspec.json.decode(text.removeprefix(b"\xef\xbb\xbf"), type=Manifest)
    except OSError as error:
        raise DeliveryRefused("manifest_unreadable", f"清单打不开：{error.strerror or error}") from error
    except msgspec.DecodeError as error:  # a ValidationError is one
        raise DeliveryRefused(
            "manifest_unreadable", f"清单读不懂，请核对各项的名称和写法：{error}"
        ) from error
    if (manifest.kind == "correction") != (manifest.corrects is not None):
        raise DeliveryRefused(
            "manifest_unreadable",
            "清单里 kind 为 correction 时要写 corrects（被更正的接收编号），其他情形不写",
        )
    return manifest


def digest_agrees(manifest: Manifest, path: Path) -> bool:
    """Whether the file has the digest that its manifest states. Raises `DeliveryRefused`."""
    algorithm, _, stated = manifest.digest.partition(":")
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest() if algorithm == "sha256" else _sm3(file)
    except OSError as error:
        raise DeliveryRefused("file_unreadable", f"文件打不开：{error.strerror or error}") from error
    return found == stated.lower()


def _sm3(file: BinaryIO) -> str:
    sm3 = hashes.Hash(hashes.SM3())
    while chunk := file.read(_CHUNK):
        sm3.update(chunk)
    return sm3.finalize().hex()


def deliverable(contracts: Mapping[str, Contract], dataset: str) -> Contract:
    """The contract of a data set of which files are taken in. Raises `DeliveryRefused`."""
    contract = contracts.get(dataset)
    if contract is None:
        raise DeliveryRefused(
            "dataset_unknown", f"没有信息项目 {dataset}；现有：{'、'.join(sorted(contracts))}"
        )
    if "collected" not in contract.modes:
        raise DeliveryRefused("dataset_not_collected", f"“{contract.title}”不归集，不接收文件")
    return contract


def checked_digest(contracts: Mapping[str, Contract], manifest: Manifest, path: Path) -> bytes:
    """SHA-256 of the file, of which everything is as the manifest says. Raises `DeliveryRefused`."""
    contract = deliverable(contracts, manifest.dataset)
    if not digest_agrees(manifest, path):
        raise DeliveryRefused(
            "manifest_digest", "文件与清单所载摘要不符，可能没有传完整或传错了文件；请重新上传文件和清单"
        )
    delivery = inspect_delivery(path, lambda header: RowCleaner(contract, header, manifest.as_of))
    rows = sum(1 for _ in delivery.rows())
    if rows != manifest.rows:
        raise DeliveryRefused(
            "manifest_rows", f"清单说有 {manifest.rows} 行，文件里有 {rows} 行（不含表头）；请核对后重新上传"
        )
    return delivery.digest
