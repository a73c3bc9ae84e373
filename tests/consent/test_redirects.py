"""Nobody is sent to an address that a client could not have registered safely."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import check_redirect_uris
from core.errors import InvalidInput


@pytest.mark.parametrize(
    "address",
    [
        "https://bank.example/callback",
        "https://bank.example:8443/callback?from=hub",
        "http://127.0.0.1:8002/callback",
        "http://[::1]:8002/callback",
    ],
)
def test_https_and_loopback_addresses_are_good(address: str) -> None:
    check_redirect_uris([address])


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bank.example/callback",
        "/callback",
        "//bank.example/callback",
        "http://bank.example/callback",
        "http://localhost:8002/callback",
        "http://127.0.0.1.evil.example/",
        "javascript:alert(1)",
        "com.bank.app:/callback",
        "https:///callback",
        "https://user@bank.example/callback",
        "https://bank.example/callback#fragment",
        "https://bank.example/callback#",
        "https://bank.example/a b",
        "https://bank.example\\@evil.example/",
        "https://bank.example:port/",
        "https://bank.example/\n",
        "https://银行.example/",
        "https://bank.example/" + "x" * 500,
    ],
)
def test_all_others_are_refused(address: str) -> None:
    with pytest.raises(InvalidInput):
        check_redirect_uris([address])


def test_there_are_at_most_ten() -> None:
    with pytest.raises(InvalidInput):
        check_redirect_uris([f"https://bank.example/{number}" for number in range(11)])


@given(st.text())
def test_whatever_is_given_is_refused_or_good(address: str) -> None:
    try:
        check_redirect_uris([address])
    except InvalidInput:
        return
    assert address.lower().startswith(("https://", "http://127.0.0.1", "http://[::1]"))
