"""Owners in the environment: read from JSON, and a slip in it told as any wrong setting."""

import json

import pytest
from pydantic import ValidationError

from core.settings import Settings

OWNER = {
    "url": "https://exchange.example.cn/service",
    "requester": "xinyi-hub",
    "key_file": "/etc/xinyi-hub/exchange-key.txt",
    "services": {"real_estate_seizures": "JS.ZRZY.BDCDJ.CFXX.0001"},
}


def with_owner(monkeypatch: pytest.MonkeyPatch, **changes: object) -> Settings:
    monkeypatch.setenv("HUB_OWNERS", json.dumps({"register": {**OWNER, **changes}}))
    return Settings()


def test_owners_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = with_owner(monkeypatch).owners["register"]
    assert (owner.url, owner.requester) == (OWNER["url"], OWNER["requester"])
    assert owner.services == OWNER["services"]


def test_without_the_variable_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUB_OWNERS", raising=False)
    assert Settings().owners == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "ftp://exchange.example.cn"},
        {"url": "http://["},
        {"requester": ""},
        {"requester": "xinyi\nhub"},
        {"services": {"tax": "一 二"}},
        {"password": "x"},
    ],
)
def test_a_wrong_owner_is_refused(monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        with_owner(monkeypatch, **changes)


@pytest.mark.parametrize("written", ["{", "[]", "register"])
def test_what_is_no_json_object_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("HUB_OWNERS", written)
    with pytest.raises(ValidationError) as refused:
        Settings()
    assert [fault["loc"] for fault in refused.value.errors()] == [("owners",)]
