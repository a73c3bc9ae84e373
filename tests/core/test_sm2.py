"""SM2 signatures: the published vector, and another implementation that agrees in both directions."""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as some

from core.sm2 import ORDER, SIGNER_ID, SM2Key

PUBLISHED = SM2Key(
    bytes.fromhex(
        "09F9DF311E5421A150DD7D161E4BC5C672179FAD1833FC076BB08FF356F35020"
        "CCEA490CE26775A52DC6EA718CC1AA600AED05FBF35E084A6632F6072DA9AD13"
    ),
    bytes.fromhex("3945208F7B2144B13F36E38AC6D39F95889393692860B51A42FB81EF4DF7C5B8"),
)
SIGNATURE = bytes.fromhex(
    "F5A03B0648D2C4630EEAC513E1BB81A15944DA3827D5B74143AC7EACEEE720B3"
    "B1B6AA29DF212FD8763182BC0D421CA1BB9038FD1F7F42D4840B69C485BBC1AA"
)
"""of "message digest", by the signer 1234567812345678: GM/T 0003.5 appendix A"""
KEY = SM2Key.generate()

SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d03420004")
"""what stands before x and y in a SubjectPublicKeyInfo (RFC 5280) of the curve 1.2.156.10197.1.301"""
SEC1 = (bytes.fromhex("30770201010420"), bytes.fromhex("a00a06082a811ccf5501822da14403420004"))
"""what stands before the private key and between it and x and y (RFC 5915)"""


def test_the_signature_that_the_standard_publishes_is_good() -> None:
    assert PUBLISHED.verifies(b"message digest", SIGNATURE)


def test_the_published_key_signs_what_its_public_half_verifies() -> None:
    assert SM2Key(PUBLISHED.point).verifies(b"another message", PUBLISHED.sign(b"another message"))


@given(message=some.binary(max_size=300), position=some.integers(0, 511))
@settings(max_examples=40, deadline=None)
def test_no_bit_of_a_signature_may_change(message: bytes, position: int) -> None:
    signature = KEY.sign(message)
    assert len(signature) == 64
    assert KEY.verifies(message, signature)
    changed = bytearray(signature)
    changed[position // 8] ^= 1 << position % 8
    assert not KEY.verifies(message, bytes(changed))
    assert not KEY.verifies(message + b"\0", signature)
    assert not PUBLISHED.verifies(message, signature)


@pytest.mark.parametrize(
    ("r", "s"), [(0, 1), (1, 0), (ORDER, 1), (1, ORDER), (1, ORDER - 1), (2**256 - 1, 2**256 - 1)]
)
def test_numbers_outside_the_group_are_no_signature(r: int, s: int) -> None:
    assert not KEY.verifies(b"message", r.to_bytes(32) + s.to_bytes(32))


@pytest.mark.parametrize("signature", [b"", SIGNATURE[:-1], SIGNATURE + b"\0"])
def test_a_signature_of_another_length_is_none(signature: bytes) -> None:
    assert not PUBLISHED.verifies(b"message digest", signature)


def test_a_key_comes_back_as_it_was_written() -> None:
    assert SM2Key.import_key(KEY.as_dict(private=True)) == KEY
    public = SM2Key.import_key(KEY.as_dict(private=False))
    assert not public.is_private
    assert (public.point, public.kid) == (KEY.point, KEY.kid)
    assert "d" not in KEY.as_dict(private=False)
    assert KEY.secret is not None
    assert KEY.secret.hex() not in repr(KEY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"crv": "P-256"},
        {"kty": "OKP"},
        {"x": KEY.as_dict(private=False)["y"]},
        {"x": "AA"},
        {"y": "not base64url!"},
        {"y": 7},
        {"y": "ＡＡ"},
    ],
)
def test_what_is_no_point_of_the_curve_is_no_key(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not|octets"):
        SM2Key.import_key(KEY.as_dict(private=False) | wrong)


@pytest.fixture
def openssl(tmp_path: Path) -> Path:
    """A directory with our key as OpenSSL reads it."""
    (tmp_path / "public.der").write_bytes(SPKI + KEY.point)
    assert KEY.secret is not None
    (tmp_path / "private.der").write_bytes(SEC1[0] + KEY.secret + SEC1[1] + KEY.point)
    (tmp_path / "message").write_bytes(b"as both of them read it")
    try:
        known = subprocess.run(["openssl", "list", "-public-key-algorithms"], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no openssl here")
    if "SM2" not in known.stdout:
        pytest.skip("this openssl was built without SM2")
    return tmp_path


def pkeyutl(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    options = ("-keyform", "DER", "-rawin", "-in", "message", "-digest", "sm3")
    return subprocess.run(
        ["openssl", "pkeyutl", *arguments, *options, "-pkeyopt", f"distid:{SIGNER_ID.decode()}"],
        cwd=directory,
        capture_output=True,
        text=True,
    )


def test_openssl_verifies_what_we_sign(openssl: Path) -> None:
    signature = KEY.sign((openssl / "message").read_bytes())
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    (openssl / "signature").write_bytes(encode_dss_signature(r, s))
    verify = ("-verify", "-pubin", "-inkey", "public.der", "-sigfile", "signature")
    told = pkeyutl(openssl, *verify)
    assert told.returncode == 0, told.stderr
    (openssl / "message").write_bytes(b"as nobody signed it")
    assert pkeyutl(openssl, *verify).returncode != 0


def test_we_verify_what_openssl_signs(openssl: Path) -> None:
    told = pkeyutl(openssl, "-sign", "-inkey", "private.der", "-out", "signature")
    assert told.returncode == 0, told.stderr
    r, s = decode_dss_signature((openssl / "signature").read_bytes())
    assert KEY.verifies((openssl / "message").read_bytes(), r.to_bytes(32) + s.to_bytes(32))
