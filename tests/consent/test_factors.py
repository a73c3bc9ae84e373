"""Codes as RFC 6238 has them, and passkeys that take no nonsense."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent import RelyingParty
from consent.passkeys import Passkey, credential_in
from consent.totp import app_address, step_of, typed_secret
from core.errors import Refused
from tests.support.authenticator import code_at

SECRET = b"12345678901234567890"  # of RFC 6238 appendix B
HUB = RelyingParty("hub.example", "https://hub.example", "信易枢纽")


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_rfc6238_appendix_b_the_codes_are_those_of_the_standard(seconds: int, code: str) -> None:
    at = datetime.fromtimestamp(seconds, UTC)
    assert step_of(SECRET, code, at) == seconds // 30
    assert step_of(SECRET, code, at + timedelta(seconds=90)) is None


@given(st.binary(min_size=20, max_size=20), st.integers(0, 2**33), st.integers(-300, 300))
def test_a_code_is_good_in_its_step_and_the_one_on_each_side(secret: bytes, seconds: int, off: int) -> None:
    at = datetime.fromtimestamp(seconds + 600, UTC)
    shown = int(at.timestamp()) + off
    apart = shown // 30 - int(at.timestamp()) // 30
    found = step_of(secret, code_at(secret, shown), at)
    if abs(apart) <= 1:
        assert found is not None
    else:  # but for the one chance in a million that the codes of two steps are alike
        near = {code_at(secret, at.timestamp() + 30 * step) for step in (-1, 0, 1)}
        assert found is None or code_at(secret, shown) in near


@given(st.text(max_size=30))
def test_no_text_breaks_the_comparison(text: str) -> None:
    step_of(SECRET, text, datetime.fromtimestamp(59, UTC))


def test_an_app_can_read_the_address_and_a_person_the_key() -> None:
    address = app_address(SECRET, issuer="信易枢纽", account="某某:有限公司?x=1")
    assert address.startswith("otpauth://totp/%E4%BF%A1")
    assert "secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=" in address
    assert address.count("?") == 1
    assert typed_secret(SECRET) == "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ"


@pytest.mark.parametrize(
    ("public_url", "rp_id"),
    [
        ("https://hub.example.cn", "hub.example.cn"),
        ("https://hub.example.cn:8443", "hub.example.cn"),
        ("http://localhost:8000", "localhost"),
        ("http://127.0.0.1:8000", None),
        ("https://[::1]:8000", None),
        ("http://hub.example.cn", None),
    ],
)
def test_passkeys_are_for_names_that_browsers_trust(public_url: str, rp_id: str | None) -> None:
    party = RelyingParty.of(public_url, "信易枢纽")
    assert (party.rp_id if party else None) == rp_id
    assert party is None or party.origin == public_url


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "rawId",
                    "type",
                    "response",
                    "clientDataJSON",
                    "attestationObject",
                    "signature",
                    "authenticatorData",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.text(max_size=200) | json_like.map(json.dumps))
def test_whatever_a_browser_says_of_a_passkey_is_an_answer_or_refused(said: str) -> None:
    known = Passkey(b"id", b"no key", 0)
    for check in (lambda: HUB.made(b"challenge", said), lambda: HUB.used(b"challenge", said, known)):
        with pytest.raises(Refused) as refused:
            check()
        assert refused.value.facts["fault"] == "passkey"
    with suppress(Refused):
        credential_in(said)
