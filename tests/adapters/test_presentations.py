"""Whatever is done to a presentation or a status list, it says what was signed, or nothing."""

import base64
import hashlib
import json
import secrets
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from adapters.presentations import Presentation, read_presentation, status_in

ISSUER, VCT, HUB, NONCE = "https://authority.example", "urn:example:licence", "the-hub", "n-0S6_WzA2Mj"
LIST = f"{ISSUER}/status"
NOW = 1_790_000_000
AUTHORITY = ECKey.generate_key("P-256", {"kid": "authority"})
HOLDER = ECKey.generate_key("P-256", {"kid": "holder"})
KEYS = KeySet([AUTHORITY])


def base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def disclosure_of(name: str, value: object) -> str:
    return base64url(json.dumps([secrets.token_urlsafe(8), name, value]).encode())


def digest_of(text: str) -> str:
    return base64url(hashlib.sha256(text.encode()).digest())


def presented(disclosures: list[str], digests: list[str] | None = None, **signed: Any) -> str:
    """A good presentation, save for what is given."""
    claims = {
        "iss": ISSUER,
        "vct": VCT,
        "exp": NOW + 3600,
        "cnf": {"jwk": HOLDER.as_dict(private=False)},
        "_sd": [digest_of(one) for one in disclosures] if digests is None else digests,
        **signed,
    }
    head = jwt.encode({"alg": "ES256", "typ": "dc+sd-jwt", "kid": "authority"}, claims, AUTHORITY)
    text = "~".join([head, *disclosures, ""])
    binding = {"aud": HUB, "nonce": NONCE, "iat": NOW, "sd_hash": digest_of(text)}
    return text + jwt.encode({"alg": "ES256", "typ": "kb+jwt"}, binding, HOLDER)


def read(text: str, at: float = NOW) -> Presentation:
    return read_presentation(
        text, issuer=ISSUER, issuer_keys=KEYS, vct=VCT, audience=HUB, nonce=NONCE, clock=lambda: at
    )


GOOD = presented([disclosure_of("uscc", "91350100M000100Y43"), disclosure_of("name", "张三丰")])


def test_what_was_disclosed_stands_beside_what_was_signed() -> None:
    read_in = read(GOOD)
    assert read_in.credential["uscc"] == "91350100M000100Y43"
    assert read_in.credential["iss"] == ISSUER
    assert read_in.binding["nonce"] == NONCE


def test_a_credential_may_disclose_nothing() -> None:
    assert "uscc" not in read(presented([])).credential


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_character_can_be_changed_without_being_noticed(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(GOOD) - 1))
    letter = data.draw(st.sampled_from("abcXYZ019-_~."))
    changed = GOOD[:place] + letter + GOOD[place + 1 :]
    try:
        seen = read(changed)
    except (ValueError, JoseError):
        return
    assert seen == read(GOOD)


@pytest.mark.parametrize("name", ["iss", "vct", "cnf", "exp", "status", "_sd", "...", "nbf"])
def test_what_the_issuer_must_say_itself_cannot_be_disclosed(name: str) -> None:
    with pytest.raises(ValueError, match="stands there already"):
        read(presented([disclosure_of(name, "x")]))


def test_a_claim_cannot_be_disclosed_over_one_that_is_signed() -> None:
    with pytest.raises(ValueError, match="stands there already"):
        read(presented([disclosure_of("role", "king")], role="clerk"))


def test_a_digest_that_stands_twice_is_refused() -> None:
    one = disclosure_of("uscc", "x")
    with pytest.raises(ValueError, match="twice"):
        read(presented([one], [digest_of(one), digest_of(one)]))


def test_more_disclosures_than_any_licence_has_are_not_read() -> None:
    with pytest.raises(ValueError, match="too many"):
        read(presented([disclosure_of(f"claim_{number}", 1) for number in range(51)]))


@pytest.mark.parametrize(
    ("seconds", "good"), [(-90, False), (-50, True), (0, True), (110, True), (150, False)]
)
def test_a_presentation_is_of_this_moment(seconds: int, *, good: bool) -> None:
    """A minute for the clocks, and one for the way: a code lives so long."""
    if good:
        assert read(GOOD, NOW + seconds).binding["iat"] == NOW
    else:
        with pytest.raises((ValueError, JoseError)):
            read(GOOD, NOW + seconds)


# --- status lists -----------------------------------------------------------------------------------------------


def listed(statuses: list[int], bits: int) -> str:
    """draft-ietf-oauth-status-list §4.1: from the least significant bit of each octet on."""
    octets = bytearray(-(-len(statuses) * bits // 8))
    for number, status in enumerate(statuses):
        place = number * bits
        octets[place // 8] |= status << place % 8
    claims = {
        "sub": LIST,
        "iat": NOW,
        "status_list": {"bits": bits, "lst": base64url(zlib.compress(bytes(octets)))},
    }
    return jwt.encode({"alg": "ES256", "typ": "statuslist+jwt", "kid": "authority"}, claims, AUTHORITY)


def status(token: str, index: object) -> int:
    return status_in(token, uri=LIST, index=index, issuer_keys=KEYS, clock=lambda: NOW)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), st.lists(st.integers(0, 255), min_size=1, max_size=40))
def test_every_entry_of_a_list_is_read_as_it_was_written(bits: int, numbers: list[int]) -> None:
    statuses = [number % (1 << bits) for number in numbers]
    token = listed(statuses, bits)
    assert [status(token, index) for index in range(len(statuses))] == statuses


def test_the_example_of_the_draft_is_read_as_it_says() -> None:
    """draft-ietf-oauth-status-list §4.1: the octets 0xB9 and 0xA3 hold sixteen statuses of one bit."""
    token = listed([1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1], 1)
    claims = jwt.decode(token, AUTHORITY, algorithms=["ES256"]).claims
    packed = claims["status_list"]["lst"]
    assert zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))) == b"\xb9\xa3"
    assert status(token, 0) == 1
    assert status(token, 1) == 0


@pytest.mark.parametrize("index", [16, -1, True, "0", None, 1.0])
def test_an_entry_that_is_not_on_the_list_is_no_status(index: object) -> None:
    with pytest.raises(ValueError, match="status list"):
        status(listed([0] * 16, 1), index)


@pytest.mark.parametrize("bits", [0, 3, 16, "1", None])
def test_a_list_of_entries_of_no_known_size_is_refused(bits: object) -> None:
    claims = {"sub": LIST, "iat": NOW, "status_list": {"bits": bits, "lst": "eNrbuRgAAhcBXQ"}}
    token = jwt.encode({"alg": "ES256", "typ": "statuslist+jwt", "kid": "authority"}, claims, AUTHORITY)
    with pytest.raises(ValueError, match="no status list"):
        status(token, 0)
