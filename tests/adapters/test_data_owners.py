"""The exchange over real HTTP: signed, read exactly, and every way of not answering told apart."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import ExchangeOwner, OwnerRow, open_data_owners
from adapters.data_owners import _rows_in
from core.errors import InvalidInput, Unavailable
from core.identifiers import parse_uscc
from core.settings import OwnerSettings
from sandbox.data_owner import DataOwner, Manner
from tests.support.owner import (
    ENTERPRISE,
    OTHER_ENTERPRISE,
    SEIZURES,
    exchange_owner,
    played_register,
    serving,
)


@pytest.fixture
def register() -> DataOwner:
    return played_register()


@pytest.fixture
async def url(register: DataOwner, free_port: int) -> AsyncIterator[str]:
    async with serving(register, free_port) as address:
        yield address


@pytest.fixture
async def owner(url: str) -> AsyncIterator[ExchangeOwner]:
    opened = exchange_owner(url)
    yield opened
    await opened.close()


async def ask(owner: ExchangeOwner, uscc: str = ENTERPRISE, *, seconds: float = 5) -> list[OwnerRow]:
    return await owner.rows_about(SEIZURES, parse_uscc(uscc), timeout_seconds=seconds)


async def failure_of(owner: ExchangeOwner, *, seconds: float = 5) -> tuple[str, Any]:
    with pytest.raises(Unavailable) as refused:
        await ask(owner, seconds=seconds)
    return refused.value.reason, refused.value.facts["fault"]


async def test_the_owner_says_what_it_has_about_the_enterprise(
    owner: ExchangeOwner, register: DataOwner
) -> None:
    [row] = await ask(owner)
    assert row["tyshxydm"] == ENTERPRISE
    assert row["cfqssj"] == "2026-03-01 00:00:00"
    assert row["mj"] == str(register.seizures[ENTERPRISE][0]["mj"])
    assert await ask(owner, OTHER_ENTERPRISE) == []


async def test_another_key_is_refused_by_the_owner(url: str) -> None:
    stranger = exchange_owner(url, key=b"another key")
    assert await failure_of(stranger) == ("owner_away", "code_-1")
    await stranger.close()


async def test_a_requester_without_permission_is_refused_by_the_owner(url: str) -> None:
    stranger = exchange_owner(url, requester="somebody")
    assert await failure_of(stranger) == ("owner_away", "code_E-106")
    await stranger.close()


async def test_a_signature_from_another_hour_is_refused_by_the_owner(url: str) -> None:
    late = exchange_owner(url, clock=lambda: 1_600_000_000.0)
    assert await failure_of(late) == ("owner_away", "code_-1")
    await late.close()


@pytest.mark.parametrize(
    ("manner", "told"),
    [
        ("failing", ("owner_away", "status_500")),
        ("slow", ("owner_away", "TimeoutError")),
        ("truncated", ("owner_answer_unusable", "not_json")),
        ("not_json", ("owner_answer_unusable", "not_json")),
        ("endless", ("owner_answer_unusable", "too_large")),
    ],
)
async def test_a_bad_answer_is_told_by_its_kind(
    owner: ExchangeOwner, register: DataOwner, manner: Manner, told: tuple[str, str]
) -> None:
    register.manner = manner
    assert await failure_of(owner, seconds=0.3 if manner == "slow" else 5) == told


async def test_nobody_there_is_away(free_port: int) -> None:
    owner = exchange_owner(f"http://127.0.0.1:{free_port}/exchange")
    assert await failure_of(owner) == ("owner_away", "ConnectError")
    await owner.close()


async def test_a_data_set_without_a_service_is_away(url: str) -> None:
    owner = exchange_owner(url, services={})
    assert await failure_of(owner) == ("owner_away", "no_service")
    await owner.close()


async def test_an_answer_that_drips_is_cut_off_by_one_limit_for_the_whole_call(free_port: int) -> None:
    hung_up = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            hung_up.set()
        finally:
            writer.close()

    server = await asyncio.start_server(drip, "127.0.0.1", free_port)
    owner = exchange_owner(f"http://127.0.0.1:{free_port}/exchange")
    async with asyncio.timeout(5):
        assert await failure_of(owner, seconds=0.2) == ("owner_away", "TimeoutError")
        await hung_up.wait()
    await owner.close()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[]", "no_envelope"),
        (b'{"code": null, "data": []}', "no_envelope"),
        (b'{"code": "0"}', "no_rows"),
        (b'{"code": "0", "data": ["x"]}', "no_rows"),
        (b'{"code": "0", "data": [{"a": {"b": 1}}]}', "nested_value"),
        (b'{"code": "0", "data": [{"a": 1, "a": 2}]}', "not_json"),
        (b'{"code": "0", "data": [{"a": NaN}]}', "not_json"),
        (b'{"code": "0", "data": [{"a": "\xff"}]}', "not_json"),
        (b"[" * 100_000, "not_json"),
        ('{"code": "坏", "data": []}'.encode(), "code_unreadable"),
    ],
)
def test_what_is_no_answer_is_told_by_its_kind(body: bytes, told: str) -> None:
    with pytest.raises(Unavailable) as refused:
        _rows_in(body)
    assert refused.value.facts["fault"] == told


def test_figures_keep_every_digit() -> None:
    body = b'{"code": "0", "data": [{"a": 0.10, "b": 12345678901234567890, "c": true, "d": null, "e": "x"}]}'
    assert _rows_in(body) == [{"a": "0.10", "b": "12345678901234567890", "c": "是", "d": "", "e": "x"}]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.binary(max_size=60) | json_values.map(lambda v: json.dumps({"code": "0", "data": v}).encode()))
def test_any_bytes_are_rows_of_text_or_told_unusable(body: bytes) -> None:
    reason, rows = None, []
    try:
        rows = _rows_in(body)
    except Unavailable as error:
        reason = error.reason
    assert reason in (None, "owner_away", "owner_answer_unusable")
    assert all(isinstance(cell, str) for row in rows for cell in row.values())


def test_owners_are_opened_as_the_settings_name_them(tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_text("secret\n")
    settings = OwnerSettings(url="http://127.0.0.1:9/x", requester="hub", key_file=key, services={})
    assert list(open_data_owners({"register": settings})) == ["register"]


@pytest.mark.parametrize("content", [None, "", "\n"])
def test_an_owner_without_a_key_stops_the_start(tmp_path: Path, content: str | None) -> None:
    key = tmp_path / "key.txt"
    if content is not None:
        key.write_text(content)
    settings = OwnerSettings(url="http://127.0.0.1:9/x", requester="hub", key_file=key, services={})
    with pytest.raises(InvalidInput, match="HUB_OWNERS, register"):
        open_data_owners({"register": settings})
