"""``python -m gateway keys …`` and ``verify-consent``: the hub's signing keys, and what they signed."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from typer import echo

from consent import Evidence, verify_artefact
from core.clock import CHINA
from core.errors import InvalidInput
from core.keys import Ring, RingKey, Use, existing_keys, must_be_distrustable, rotate

USE_TITLES = {"tokens": "访问令牌", "artefacts": "授权凭证", "login": "政务登录", "sm2": "授权凭证的国密签名"}
SM2_TOLD = {
    "good": "国密签名（SM2）有效。 / The SM2 signature is valid.",
    "unchecked": "国密签名（SM2）未核对：请用 --sm2-jwks 给出 /jwks/sm2 的副本。 / SM2 not checked: give its key set.",
    "none": "此文件不含国密签名（SM2）。 / There is no SM2 signature in this file.",
}
ROLE_TITLES = {"legal_representative": "法定代表人", "agent": "经办人"}


def show_keys(directory: Path) -> None:
    at = datetime.now(UTC)
    for ring in existing_keys(directory).rings():
        echo(f"{ring.use}（{USE_TITLES[ring.use]}）")
        for one in ring.keys:
            echo(f"  {one.kid}  {_stands(ring, one, at)}")


def rotate_keys(directory: Path, uses: tuple[Use, ...], *, distrust: bool) -> None:
    existing_keys(directory)
    for use in uses if distrust else ():
        must_be_distrustable(use)
    for use in uses:
        ring = rotate(directory, use, distrust=distrust)
        new = ring.keys[-2]
        assert new.signs_from is not None
        echo(f"{use}：{new.kid} 自 {_told(new.signs_from)} 起签名；运行中的进程数秒内自行换用，无须重启")
        if distrust:
            echo(f"{use}：原有密钥即刻作废，已签发的一概不再认可")


def _stands(ring: Ring, one: RingKey, at: datetime) -> str:
    made = f"{_told(one.made_at)} 生成"
    if one.signs_from is None:
        return f"{made}，下一把：已公布，尚未启用"
    if at < one.signs_from:
        return f"{made}，{_told(one.signs_from)} 起签名"
    if one is ring.signing(at):
        return f"{made}，现用，{_told(one.signs_from)} 起"
    retired_at = ring.retired_at(one)
    assert retired_at is not None
    good = "仍可验签" if one in ring.published(at) else "不再认可"
    return f"{made}，已退役（{_told(one.signs_from)} 至 {_told(retired_at)}），{good}"


def verify(file: Path, *, jwks: Path | None, sm2_jwks: Path | None = None, keys: Path, as_json: bool) -> None:
    """Check a signed consent and print what was agreed. Raises `InvalidInput` when it is not genuine."""
    artefact, key_sets = _artefact_in(file), _published(jwks, sm2_jwks, keys)
    with _without_its_murmur():
        evidence = verify_artefact(artefact, *key_sets)
    if as_json:
        echo(SM2_TOLD[evidence.sm2], err=True)
        echo(json.dumps(evidence.record, ensure_ascii=False, indent=2))
        return
    for line in _agreed(evidence):
        echo(line)


@contextmanager
def _without_its_murmur() -> Iterator[None]:
    """GmSSL writes lines of its own source to standard error when a signature does not fit; here nobody else writes."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _published(
    jwks: Path | None, sm2_jwks: Path | None, directory: Path
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The two key sets: from copies of what the hub publishes, or, where none is given, from its own keys."""
    if jwks or sm2_jwks:
        known = _key_set(jwks) if jwks else existing_keys(directory).public_jwks()
        return known, _key_set(sm2_jwks) if sm2_jwks else None
    keys = existing_keys(directory)
    return keys.public_jwks(), keys.sm2_jwks()


def _artefact_in(file: Path) -> str:
    """A JWS in either form is short ASCII; anything else is some other file."""
    if file.stat().st_size > 1_000_000:
        raise InvalidInput("artefact_invalid", f"{file.name} is too large for a signed consent")
    try:
        return file.read_text("ascii")
    except UnicodeDecodeError as error:
        raise InvalidInput("artefact_invalid", f"{file.name} is not a JWS (RFC 7515)") from error


def _key_set(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text())
    except ValueError as error:
        raise InvalidInput("jwks", f"{file.name} is not JSON") from error
    if not isinstance(found, dict):
        raise InvalidInput("jwks", f'{file.name} is not a JSON Web Key Set (RFC 7517): {{"keys": […]}}')
    return found


def _agreed(evidence: Evidence) -> Iterator[str]:
    record = evidence.record
    yield "签名有效：以下内容自签署以来未被改动。 / The signature is valid."
    yield SM2_TOLD[evidence.sm2]
    yield f"授权编号：{record['record_id']}"
    yield f"企业：{record['principal']['name']}（{record['principal']['uscc']}）"
    for person in record.get("approvals") or [record["signatory"]]:
        yield f"签署人：{_person(person)}"
    for purpose in record["pii_processing"]["purposes"]:
        yield f"有效期：{_period(purpose['validity'])}"
    yield "企业当时读到并同意的原文："
    for sentence in record["pii_processing"]["privacy_notice"]:
        yield f"  {sentence}"
    if record.get("supersedes"):
        yield f"取代的授权：{record['supersedes']['record_id']}"


def _person(person: dict[str, Any]) -> str:
    mandate = person.get("mandate")
    under = f"，依据委托 {mandate['mandate_id']}" if mandate else ""
    role = ROLE_TITLES.get(person["role"], person["role"])
    return f"{person['name']}（{role}，认证等级 {person['assurance']}{under}）"


def _period(validity: dict[str, str]) -> str:
    first, last = (datetime.fromisoformat(validity[name]) for name in ("from", "until"))
    return f"{_told(first)} 至 {_told(last)}"


def _told(at: datetime) -> str:
    return f"{at.astimezone(CHINA):%Y-%m-%d %H:%M:%S}"
