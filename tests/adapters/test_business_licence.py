"""The licence over real HTTP: who presents it is known; what is not of now, for us and of the authority is refused."""

import base64
import json
import time
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from adapters import BusinessLicence, GovernmentLogin
from consent import Signatory
from core.errors import HubError, NotAuthenticated, Refused, Unavailable
from sandbox import business_licence as licences
from sandbox import government_login as government
from sandbox.code_provider import Issued
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE
from tests.support.counterparts import HUB_KEY, KNOWN, answered, free_ports, hub_keys, serving_site
from tests.support.moments import FromNow, used_now

LATE_SECONDS = 90


def subject_of(uscc: str, person_id: str) -> str:
    return f"{uscc}:{person_id}"


@pytest.fixture
def service(free_port: int) -> licences.BusinessLicence:
    return licences.BusinessLicence(
        issuer=f"http://127.0.0.1:{free_port}",
        client_id="xinyi-hub",
        redirect_uri="http://127.0.0.1:8000/portal/callback/licence",
        enterprises=KNOWN,
        key=ECKey.generate_key("P-256", {"kid": "authority-1"}),
        hub_keys=hub_keys(),
    )


@pytest.fixture
async def running(service: licences.BusinessLicence, free_port: int) -> AsyncIterator[None]:
    async with serving_site(licences.build(service), free_port):
        yield


@pytest.fixture
async def licence(service: licences.BusinessLicence, running: None) -> AsyncIterator[BusinessLicence]:
    opened = relying_on(service)
    yield opened
    await opened.close()


def relying_on(service: licences.BusinessLicence, clock: Callable[[], float] = time.time) -> BusinessLicence:
    return BusinessLicence(
        issuer=service.issuer,
        client_id="xinyi-hub",
        redirect_uri=service.redirect_uri,
        key=lambda: HUB_KEY,
        subject_of=subject_of,
        clock=clock,
    )


async def log_in(licence: BusinessLicence, service: licences.BusinessLicence, **chosen: Any) -> Signatory:
    address, start = await licence.begin()
    return await licence.finish(answered(service, address, **chosen), start)


async def refusal(licence: BusinessLicence, service: licences.BusinessLicence) -> HubError:
    with pytest.raises(HubError) as refused:
        await log_in(licence, service)
    return refused.value


async def test_the_holder_presents_the_licence_and_the_hub_learns_who(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    person = await log_in(licence, service)
    assert replace(person, subject="") == Signatory(
        uscc=ENTERPRISE,
        enterprise_name="苏州示例精密机械有限公司",
        name="张三丰",
        role="legal_representative",
        assurance="urn:xinyi:loa:3",
        subject="",
        proven_by="business_licence",
    )
    agent = await log_in(licence, service, agent=True)
    assert (agent.role, agent.name) == ("agent", "钱小满")
    assert agent.subject != person.subject


async def test_a_password_gives_less_assurance_than_a_face(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    assert (await log_in(licence, service, level=2)).assurance == "urn:xinyi:loa:2"


async def test_what_was_not_asked_for_is_not_presented(
    licence: BusinessLicence, service: licences.BusinessLicence, monkeypatch: pytest.MonkeyPatch
) -> None:
    presented, present = [], service.present

    def overheard(issued: Issued) -> str:
        presented.append(present(issued))
        return presented[-1]

    monkeypatch.setattr(service, "present", overheard)
    await log_in(licence, service)
    assert [name_in(disclosure) for disclosure in presented[0].split("~")[1:-1]] == list(licences.ASKED_FOR)


def name_in(disclosure: str) -> str:
    _, name, _ = json.loads(base64.urlsafe_b64decode(disclosure + "=" * (-len(disclosure) % 4)))
    return str(name)


async def test_one_person_is_one_subject_whichever_way_they_come(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    [unused_port] = free_ports(1)
    played = government.GovernmentLogin(
        issuer=f"http://127.0.0.1:{unused_port}",
        client_id="xinyi-hub",
        redirect_uri="http://127.0.0.1:8000/portal/callback",
        enterprises=KNOWN,
        key=ECKey.generate_key("P-256", {"kid": "login-1"}),
        hub_keys=hub_keys(),
    )
    other_way = GovernmentLogin(
        issuer=played.issuer,
        client_id="xinyi-hub",
        redirect_uri=played.redirect_uri,
        key=lambda: HUB_KEY,
        subject_of=subject_of,
    )
    async with serving_site(government.build(played), unused_port):
        address, start = await other_way.begin()
        by_government = await other_way.finish(answered(played, address), start)
    await other_way.close()
    by_licence = await log_in(licence, service)
    assert by_government.subject == by_licence.subject
    assert (by_government.proven_by, by_licence.proven_by) == ("government_login", "business_licence")


# --- what is not from now, for us, or of the authority -----------------------------------------------------------


async def test_a_presentation_from_an_earlier_log_in_is_refused(
    licence: BusinessLicence, service: licences.BusinessLicence, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    present = service.present

    def overheard(issued: Issued) -> str:
        seen.append(present(issued))
        return seen[0]

    monkeypatch.setattr(service, "present", overheard)
    await log_in(licence, service)
    assert (await refusal(licence, service)).reason == "login_failed"


async def test_a_code_works_once(licence: BusinessLicence, service: licences.BusinessLicence) -> None:
    address, start = await licence.begin()
    answer = answered(service, address)
    await licence.finish(answer, start)
    with pytest.raises(NotAuthenticated):
        await licence.finish(answer, start)


async def test_an_answer_to_another_log_in_is_refused(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    """Somebody's own good answer, put into another browser: with its state, and with the state of that browser."""
    theirs, _ = await licence.begin()
    mine, start = await licence.begin()
    other = answered(service, theirs, OTHER_ENTERPRISE)
    for answer in (other, replace(other, state=answered(service, mine).state)):
        with pytest.raises(NotAuthenticated):
            await licence.finish(answer, start)


@pytest.mark.parametrize(
    "changes",
    [{"issuer": ""}, {"issuer": "https://another.example"}, {"code": ""}, {"state": ""}, {"state": "é"}],
    ids=["no issuer", "another issuer", "no code", "no state", "not even ASCII"],
)
async def test_an_answer_that_lacks_something_is_refused(
    licence: BusinessLicence, service: licences.BusinessLicence, changes: dict[str, str]
) -> None:
    address, start = await licence.begin()
    with pytest.raises(NotAuthenticated):
        await licence.finish(replace(answered(service, address), **changes), start)


BINDINGS: dict[str, dict[str, Any]] = {
    "for somebody else": {"aud": "another-hub"},
    "in answer to another question": {"nonce": "another"},
    "over another presentation": {"sd_hash": "x"},
    "90 seconds ago": {"iat": FromNow(-60 - LATE_SECONDS)},
    "90 seconds from now": {"iat": FromNow(LATE_SECONDS)},
    "at no time": {"iat": None},
    "without saying how the holder unlocked it": {"acr": None},
}


@pytest.mark.parametrize("changes", BINDINGS.values(), ids=BINDINGS)
async def test_a_key_binding_that_is_not_for_this_moment_is_refused(
    licence: BusinessLicence,
    service: licences.BusinessLicence,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    bind = service.binding_of
    monkeypatch.setattr(
        service,
        "binding_of",
        lambda issued, sd_hash: {
            name: value
            for name, value in {**bind(issued, sd_hash), **used_now(changes)}.items()
            if value is not None
        },
    )
    assert (await refusal(licence, service)).reason == "login_failed"


ABOUT: dict[str, dict[str, Any]] = {
    "of another authority": {"iss": "https://another.example"},
    "another document": {"vct": "urn:xinyi:driving-licence:1"},
    "bound to no key": {"cnf": None},
    "bound to another key": {"cnf": {"jwk": HUB_KEY.as_dict(private=False)}},
    "not valid yet": {"nbf": FromNow(3600)},
    "issued tomorrow": {"iat": FromNow(24 * 3600)},
    "for ever": {"exp": None},
    "without status": {"status": None},
    "with the status of somebody else's list": {
        "status": {"status_list": {"uri": "http://169.254.169.254/status", "idx": 0}}
    },
    "beyond the list": {"idx": 10_000},
    "with a negative entry": {"idx": -1},
    "with other digests": {"_sd_alg": "md5"},
}


@pytest.mark.parametrize("changes", ABOUT.values(), ids=ABOUT)
async def test_a_licence_that_is_not_what_it_should_be_is_refused(
    licence: BusinessLicence,
    service: licences.BusinessLicence,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    about = service.about_licence

    def changed(*given: Any) -> dict[str, Any]:
        claims = {**about(*given), **used_now(changes)}
        if "idx" in changes:
            claims["status"] = {"status_list": {"uri": f"{service.issuer}/status", "idx": changes["idx"]}}
        return {name: value for name, value in claims.items() if value is not None}

    monkeypatch.setattr(service, "about_licence", changed)
    assert (await refusal(licence, service)).reason == "login_failed"


@pytest.mark.parametrize(
    "changes",
    [
        {"uscc": "91350100M000100Y44"},
        {"uscc": 7},
        {"person_id": ""},
        {"person_id": "short"},
        {"person_id": 7},
    ],
    ids=["a wrong check digit", "no text", "nobody", "guessable", "a number"],
)
async def test_claims_that_name_nobody_are_refused(
    licence: BusinessLicence,
    service: licences.BusinessLicence,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
) -> None:
    licence_of = service.licence_of
    monkeypatch.setattr(service, "licence_of", lambda issued: {**licence_of(issued), **changes})
    assert (await refusal(licence, service)).reason == "login_failed"


def _without_signature(shown: str) -> str:
    return f"{shown.rpartition('.')[0]}."


ROLE_KING = base64.urlsafe_b64encode(b'["salt","signatory_role","king"]').rstrip(b"=").decode()
TAMPERED: dict[str, Callable[[str], str]] = {
    "no key binding": lambda shown: shown[: shown.rindex("~") + 1],
    "an unsigned key binding": _without_signature,
    "a disclosure taken away": lambda shown: "~".join(
        part for number, part in enumerate(shown.split("~")) if number != 1
    ),
    "a disclosure twice": lambda shown: shown.replace("~", f"~{shown.split('~')[1]}~", 1),
    "a disclosure of nobody's": lambda shown: shown.replace("~", f"~{ROLE_KING}~", 1),
    "a disclosure that is no JSON": lambda shown: shown.replace("~", "~!!!~", 1),
    "nothing": lambda _: "",
    "too much": lambda shown: shown + "~" * 40_000,
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED)
async def test_a_presentation_that_was_changed_on_the_way_is_refused(
    licence: BusinessLicence,
    service: licences.BusinessLicence,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[str], str],
) -> None:
    present = service.present
    monkeypatch.setattr(service, "present", lambda issued: change(present(issued)))
    assert (await refusal(licence, service)).reason == "login_failed"


@pytest.mark.parametrize(
    "answer", [{}, {"vp_token": []}, {"vp_token": {"licence": []}}, {"vp_token": {"licence": [7]}}]
)
async def test_an_answer_without_a_presentation_is_refused(
    licence: BusinessLicence,
    service: licences.BusinessLicence,
    monkeypatch: pytest.MonkeyPatch,
    answer: dict[str, Any],
) -> None:
    monkeypatch.setattr(service, "answer_to", lambda issued: answer)
    assert (await refusal(licence, service)).reason == "login_failed"


async def test_a_licence_signed_by_another_key_is_refused(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    await log_in(licence, service)
    service.key = ECKey.generate_key("P-256", {"kid": "authority-1"})  # under the name of the known one
    assert (await refusal(licence, service)).reason == "login_failed"


async def test_the_authority_rotates_its_keys_in_the_middle_of_a_log_in(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    address, start = await licence.begin()
    service.key = ECKey.generate_key("P-256", {"kid": "authority-2"})
    assert (await licence.finish(answered(service, address), start)).uscc == ENTERPRISE


@pytest.mark.parametrize("seconds", [-LATE_SECONDS, LATE_SECONDS])
async def test_a_clock_90_seconds_off_lets_nobody_in(
    service: licences.BusinessLicence, running: None, seconds: int
) -> None:
    """The hub's own clock: the service refuses the hub's assertion, or the hub what the service answers."""
    licence = relying_on(service, lambda: time.time() + seconds)
    assert (await refusal(licence, service)).reason == "login_failed"
    await licence.close()


# --- licences that hold no more ---------------------------------------------------------------------------------


async def test_a_revoked_licence_opens_nothing_and_a_restored_one_does(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    service.revoked.add(ENTERPRISE)
    refused = await refusal(licence, service)
    assert isinstance(refused, Refused)
    assert refused.reason == "licence_not_valid"
    assert (await log_in(licence, service, uscc=OTHER_ENTERPRISE)).uscc == OTHER_ENTERPRISE
    service.revoked.clear()
    assert (await log_in(licence, service)).uscc == ENTERPRISE


async def test_an_expired_licence_opens_nothing(
    licence: BusinessLicence, service: licences.BusinessLicence, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = service.about_licence
    yesterday = int(time.time()) - 24 * 3600
    monkeypatch.setattr(service, "about_licence", lambda *given: {**about(*given), "exp": yesterday})
    assert (await refusal(licence, service)).reason == "licence_not_valid"


STATUS_LISTS: dict[str, Callable[[licences.BusinessLicence], str]] = {
    "an old one": lambda service: signed_list(service, exp=int(time.time()) - LATE_SECONDS),
    "of another address": lambda service: signed_list(service, sub=f"{service.issuer}/other"),
    "another kind of token": lambda service: signed_list(service, typ="JWT"),
    "without a list": lambda service: signed_list(service, status_list={}),
    "one that unpacks without end": lambda service: signed_list(
        service, status_list={"bits": 1, "lst": licences.base64url(zlib.compress(bytes(8_000_000)))}
    ),
    "one cut off": lambda service: signed_list(
        service, status_list={"bits": 1, "lst": licences.base64url(zlib.compress(b"abc")[:-6])}
    ),
    "nothing": lambda _: "",
}


def signed_list(service: licences.BusinessLicence, *, typ: str = "statuslist+jwt", **changes: Any) -> str:
    good = licences.BusinessLicence.status_list(service)
    claims = jwt.decode(good, service.key, algorithms=["ES256"]).claims
    return jwt.encode(
        {"alg": "ES256", "typ": typ, "kid": service.key.kid}, {**claims, **changes}, service.key
    )


@pytest.mark.parametrize("spoilt", STATUS_LISTS.values(), ids=STATUS_LISTS)
async def test_while_the_status_is_not_known_nobody_gets_in(
    licence: BusinessLicence,
    service: licences.BusinessLicence,
    monkeypatch: pytest.MonkeyPatch,
    spoilt: Callable[[licences.BusinessLicence], str],
) -> None:
    monkeypatch.setattr(service, "status_list", lambda: spoilt(service))
    assert (await refusal(licence, service)).reason == "login_failed"


# --- a service that is away -------------------------------------------------------------------------------------


async def test_nobody_there_is_told_as_away(service: licences.BusinessLicence) -> None:
    licence = relying_on(service)
    with pytest.raises(Unavailable) as away:
        await licence.begin()
    assert away.value.reason == "login_away"
    await licence.close()


async def test_a_service_that_calls_itself_otherwise_is_not_believed(
    licence: BusinessLicence, service: licences.BusinessLicence
) -> None:
    service.issuer = "https://another.example"
    with pytest.raises(Unavailable):
        await licence.begin()
