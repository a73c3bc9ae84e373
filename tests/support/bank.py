"""A bank for tests: signs like a good one, and like bad ones."""

import base64
import hashlib
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CALLER_CLASS = "bank"


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    x, y = (b64(value.to_bytes(32, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Bank:
    http: httpx.AsyncClient
    base: str
    client_id: str = "test-bank"
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    redirect_uri: str = "https://bank.example/callback?from=hub"
    nonce: str | None = None
    """the hub's latest DPoP-Nonce (RFC 9449 §8)"""
    _token: str | None = None

    @property
    def jwks(self) -> str:
        return json.dumps({"keys": [{**public_jwk(self.key), "kid": "1", "use": "sig", "alg": "ES256"}]})

    def assertion(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.base,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "exp": now + 60,
        }
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(claims, self.key, algorithm="ES256", headers={"kid": "1"})

    def proof(
        self,
        method: str,
        url: str,
        *,
        token: str | None = None,
        key: ec.EllipticCurvePrivateKey | None = None,
        typ: str = "dpop+jwt",
        jwk: dict[str, str] | None = None,
        **changes: Any,
    ) -> str:
        key = key or self.key
        claims: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": uuid.uuid4().hex}
        if token is not None:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        if self.nonce is not None:
            claims["nonce"] = self.nonce
        claims = {name: value for name, value in {**claims, **changes}.items() if value is not None}
        return jwt.encode(claims, key, algorithm="ES256", headers={"typ": typ, "jwk": jwk or public_jwk(key)})

    async def ask_token(self, *, proof: str | None = None, assertion: str | None = None) -> httpx.Response:
        url = f"{self.base}/oauth/token"
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
        }
        return await self.http.post(url, data=form, headers={"DPoP": proof or self.proof("POST", url)})

    def learned(self, answer: httpx.Response) -> bool:
        """Keep the nonce of an answer; whether the request is to be sent again because it lacked a good one."""
        self.nonce = answer.headers.get("DPoP-Nonce", self.nonce)
        if answer.status_code == 400:
            return bool(answer.json().get("error") == "use_dpop_nonce")
        return answer.status_code == 401 and "use_dpop_nonce" in answer.headers.get("WWW-Authenticate", "")

    async def send_form(
        self, path: str, *, dpop: bool | str = True, accept: str = "application/json", **form: str | None
    ) -> httpx.Response:
        """A form to an OAuth endpoint, with the client's assertion unless told otherwise."""
        sent = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": self.assertion(), **form}
        proof = dpop if isinstance(dpop, str) else self.proof("POST", self.base + path)
        return await self.http.post(
            self.base + path,
            data={name: value for name, value in sent.items() if value is not None},
            headers={"Accept": accept, **({"DPoP": proof} if dpop else {})},
        )

    async def token(self) -> str:
        if self._token is None:
            answer = await self.ask_token()
            if self.learned(answer):
                answer = await self.ask_token()
            assert answer.status_code == 200, answer.text
            self._token = answer.json()["access_token"]
        return self._token

    async def headers(self, method: str, path: str, **changes: Any) -> dict[str, str]:
        token = await self.token()
        proof = self.proof(method, self.base + path, token=token, **changes)
        return {"Authorization": f"DPoP {token}", "DPoP": proof}

    async def get(self, path: str, **query: str) -> httpx.Response:
        return await self._send("GET", path, {}, params=query)

    async def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self._send("POST", path, headers, **content)

    async def send_file(self, path: str, content: bytes, **fields: str) -> httpx.Response:
        """A file, under a name that says nothing of what it is, and fields beside it."""
        files = {"file": ("upload.bin", content, "application/octet-stream")}
        return await self._send("POST", path, {}, files=files, data=fields)

    async def _send(self, method: str, path: str, headers: dict[str, str], **more: Any) -> httpx.Response:
        """Again with a good nonce, if that was all that was wrong."""
        for _ in range(2):
            sent = {**await self.headers(method, path), **headers}
            answer = await self.http.request(method, self.base + path, headers=sent, **more)
            if not self.learned(answer) or "DPoP" in headers:
                break
        return answer

    async def request_consent(self, uscc: str, **changes: Any) -> httpx.Response:
        body = {
            "uscc": uscc,
            "purpose": "credit_review",
            "datasets": ["registration", "tax"],
            "term_days": 90,
            "uses_max": 20,
            "retention_days": 365,
            "message": "流动资金贷款审查",
        }
        return await self.post("/v1/consent-requests", {**body, **changes})

    async def query(
        self,
        dataset: str,
        consent_id: object,
        uscc: str,
        *,
        purpose: str = "credit_review",
        key: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """``more``: mode, fields, statements."""
        path = f"/v1/datasets/{dataset}/queries"
        body = {"consent_id": str(consent_id), "uscc": uscc, "purpose": purpose, **more}
        sent = {"Idempotency-Key": key or uuid.uuid4().hex, **(headers or {})}
        return await self.post(path, body, **sent)
