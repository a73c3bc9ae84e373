"""The thin route in front of `answer`: raw ASGI, because this is the way that is taken millions of times."""

import os
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import structlog

from core.errors import HubError, InvalidInput, NotAuthenticated
from gateway.oauth.bearer import Credentials, thumbprint_of_header
from gateway.problems import problem_document
from gateway.queries.answer import Asked, answer
from gateway.queries.spine import Spine

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PATH = re.compile(r"/v1/datasets/([a-z0-9_]{1,64})/queries")
BODY_OCTETS_MAX = 16 * 1024
ANSWER_HEADERS: Headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]

ONCE = {
    b"authorization": "token_invalid",
    b"dpop": "proof_invalid",
    b"x-ssl-client-cert": "certificate_of_another",
}

log = structlog.stdlib.get_logger()


class QuestionDoor:
    """Takes ``POST /v1/datasets/{dataset}/queries``; everything else goes on to ``others``."""

    def __init__(self, others: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
        self.others = others
        self.spine: Spine | None = None
        """set when the program has started"""
        self.certificate_header_from: str | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        spine = self.spine
        if spine is None or scope["type"] != "http" or scope["method"] != "POST":
            return await self.others(scope, receive, send)
        matched = PATH.fullmatch(scope["path"])
        if matched is None:
            return await self.others(scope, receive, send)
        return await self._answer(spine, scope, receive, send, matched[1])

    async def _answer(self, spine: Spine, scope: Scope, receive: Receive, send: Send, dataset: str) -> None:
        request_id = os.urandom(16).hex()
        try:
            headers = dict(scope["headers"])
            asked = Asked(
                credentials_of(scope, headers, self.certificate_header_from),
                scope["path"],
                dataset,
                headers.get(b"idempotency-key", b"").decode("latin-1"),
                await read_body(receive),
                request_id,
            )
            status, body, answer_headers = 200, await answer(asked, spine), ANSWER_HEADERS
        except HubError as error:
            status, body, answer_headers = problem_document(error, request_id)
            # One line per refusal, of no more weight than a refusal: what is broken says so itself, once per batch.
            log.info(
                "question_not_answered",
                request_id=request_id,
                dataset=dataset,
                reason=error.reason,
                status=status,
            )
        except Exception:
            log.exception("question_failed", request_id=request_id, dataset=dataset)
            status, body, answer_headers = problem_document(HubError("internal"), request_id)
        length = (b"content-length", str(len(body)).encode())
        name = (b"x-request-id", request_id.encode())
        nonce = spine.doorkeeper.nonce_for(scope["headers"])
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [*answer_headers, length, name, *nonce],
            }
        )
        await send({"type": "http.response.body", "body": body})


def credentials_of(
    scope: Scope, headers: dict[bytes, bytes], certificate_header_from: str | None
) -> Credentials:
    """What the request brings; the certificate from its own TLS connection, or from the trusted proxy's header."""
    if len(headers) < len(scope["headers"]):
        refuse_doubles(scope["headers"])
    certificate: str | None = scope.get("state", {}).get("client_certificate_thumbprint")
    if certificate is None and certificate_header_from is not None:
        header = headers.get(b"x-ssl-client-cert")
        if header and scope["client"] and scope["client"][0] == certificate_header_from:
            certificate = thumbprint_of_header(header)
    proof = headers.get(b"dpop")
    return Credentials(
        headers.get(b"authorization", b"").decode("latin-1"),
        proof.decode("latin-1") if proof is not None else None,
        certificate,
    )


def refuse_doubles(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Two headers that show who asks (RFC 9449 §4.3, check 1), or one that a proxy put beside a forged one."""
    names = [name for name, _ in headers]
    for name, reason in ONCE.items():
        if names.count(name) > 1:
            raise NotAuthenticated(reason, f"more than one {name.decode()} header")


async def read_body(receive: Receive) -> bytes:
    """The whole body, of at most `BODY_OCTETS_MAX` octets. Raises `InvalidInput`."""
    message = await receive()
    if not message.get("more_body") and message["type"] == "http.request":
        body: bytes = message.get("body", b"")
    else:
        chunks = []
        size = 0
        while True:
            if message["type"] == "http.disconnect":
                raise InvalidInput("malformed_json", "the connection broke off")
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > BODY_OCTETS_MAX or not message.get("more_body"):
                break
            message = await receive()
        body = b"".join(chunks)
    if len(body) > BODY_OCTETS_MAX:
        raise InvalidInput("too_large")
    return body
