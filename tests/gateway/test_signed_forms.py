"""Consents by a signed form: handed in by a city platform, compared by two operators, and never more than it proves."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from consent import (
    FORM_OCTETS_MAX,
    deeds,
    register_participant,
    set_approvals_needed,
    verify_artefact,
)
from core.clock import CHINA, china_day, now
from core.settings import Settings
from gateway.hub import Hub
from tests.conftest import ENTERPRISE, OTHER_ENTERPRISE, Consents, registered, signatory_of
from tests.gateway.test_console import AtDesk, desk_of
from tests.gateway.test_portal import LogIn, log_in
from tests.support.bank import Bank
from tests.support.desk import Desk
from tests.support.papers import opens_with, pdf, picture

__all__ = ["desk_of", "log_in"]  # fixtures

CHECKS = ["enterprise", "signature", "recipient", "data", "term", "date"]
NAME = "苏州示例精密机械有限公司"


def today() -> date:
    return china_day(now())


@pytest.fixture
async def platform(hub: Hub, settings: Settings, http: httpx.AsyncClient) -> Bank:
    return await enrolled(hub, Bank(http, settings.public_url, client_id="kunshan-platform"), "昆山金融超市")


async def enrolled(hub: Hub, platform: Bank, name: str) -> Bank:
    await registered(platform, hub, name=name)
    async with hub.database.transaction() as tx:
        await register_participant(
            tx, participant_id=platform.client_id, name=name, participant_class="platform", at=now()
        )
    return platform


async def asked_by(platform: Bank, **changes: Any) -> str:
    answer = await platform.request_consent(
        ENTERPRISE, **{"purpose": "product_matching", "datasets": ["registration"], **changes}
    )
    assert answer.status_code == 201, answer.text
    consent_id: str = answer.json()["consent_id"]
    return consent_id


async def handed_in(
    platform: Bank, consent_id: str, content: bytes | None = None, **changes: str
) -> httpx.Response:
    said = {"signed_on": str(today()), "enterprise_name": NAME, "signatory_name": "张三丰"}
    return await platform.send_file(
        f"/v1/consent-requests/{consent_id}/signed-forms", content or pdf(), **{**said, **changes}
    )


async def form_of(platform: Bank, consent_id: str, content: bytes | None = None, **changes: str) -> str:
    answer = await handed_in(platform, consent_id, content, **changes)
    assert answer.status_code == 201, answer.text
    form_id: str = answer.json()["form_id"]
    return form_id


async def state_of(platform: Bank, consent_id: str) -> tuple[str, str]:
    """Of the request, and of the form that was handed in last."""
    request = (await platform.get(f"/v1/consent-requests/{consent_id}")).json()
    forms = (await platform.get(f"/v1/consent-requests/{consent_id}/signed-forms")).json()
    return request["state"], forms[0]["state"]


async def finds_good(
    desk: Desk, form_id: str, *, looks: bool = True, checked: list[str] = CHECKS
) -> httpx.Response:
    if looks:
        assert (await desk.http.get(f"/console/forms/{form_id}/file")).status_code == 200
    form = {"csrf": await desk.csrf(), "checked": checked}
    return await desk.http.post(f"/console/forms/{form_id}/good", data=form)


async def sends_back(
    desk: Desk, form_id: str, because: str = "terms_differ", note: str = ""
) -> httpx.Response:
    form = {"csrf": await desk.csrf(), "because": because, "note": note}
    return await desk.http.post(f"/console/forms/{form_id}/back", data=form)


def reason(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).removeprefix("/problems/")


@pytest.fixture
async def reviewers(desk_of: AtDesk) -> tuple[Desk, Desk]:
    return await desk_of("security_admin", "an-ning"), await desk_of("security_admin", "an-jing")  # type: ignore[call-arg]


Reviewers = tuple[Desk, Desk]


# --- the whole way ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("stocked")
async def test_a_form_that_two_operators_found_good_begins_the_consent(
    platform: Bank, reviewers: Reviewers, settings: Settings, http: httpx.AsyncClient
) -> None:
    signed_on = today() - timedelta(days=10)
    consent_id = await asked_by(platform, term_days=90)
    content = picture("JPEG")
    answer = await handed_in(platform, consent_id, content, signed_on=str(signed_on))
    form = answer.json()
    assert (answer.status_code, form["state"], form["media_type"]) == (201, "in_review", "image/jpeg")
    assert form["sha256"] == hashlib.sha256(content).hexdigest()

    assert (await finds_good(reviewers[0], form["form_id"])).status_code == 303
    assert await state_of(platform, consent_id) == ("awaiting", "in_review"), "four eyes"
    assert (
        await platform.query("registration", consent_id, ENTERPRISE, purpose="product_matching")
    ).status_code == 403
    assert (await finds_good(reviewers[1], form["form_id"])).status_code == 303
    assert await state_of(platform, consent_id) == ("active", "accepted")

    told = await platform.query("registration", consent_id, ENTERPRISE, purpose="product_matching")
    assert told.status_code == 200, told.text
    jws = (await platform.get(f"/v1/consent-requests/{consent_id}/artefact")).text
    record = verify_artefact(jws, (await http.get(f"{settings.public_url}/jwks")).json()).record
    evidence = record["evidence"]
    assert (evidence["kind"], evidence["sha256"]) == ("signed_form", form["sha256"])
    assert evidence["handed_in_by"] == {"participant_id": "kunshan-platform", "name": "昆山金融超市"}
    assert [one["operator_id"] for one in evidence["reviewed_by"]] == ["an-ning", "an-jing"]
    assert record["signatory"]["assurance"] == "urn:xinyi:signed-form", "nobody logged in"
    assert "授权书" in record["pii_processing"]["privacy_notice"][-1]


async def test_the_term_counts_from_the_day_of_the_signature(platform: Bank, reviewers: Reviewers) -> None:
    signed_on = today() - timedelta(days=10)
    consent_id = await asked_by(platform, term_days=30)
    form_id = await form_of(platform, consent_id, signed_on=str(signed_on))
    for desk in reviewers:
        await finds_good(desk, form_id)
    stored = (await platform.get(f"/v1/consent-requests/{consent_id}")).json()
    until = datetime.fromisoformat(stored["valid_until"]).astimezone(CHINA)
    assert (until.date(), until.hour) == (signed_on + timedelta(days=30), 0)


async def test_a_form_that_is_sent_back_leaves_the_request_open_for_a_better_one(
    platform: Bank, reviewers: Reviewers
) -> None:
    consent_id = await asked_by(platform)
    first = await form_of(platform, consent_id, picture("PNG"))
    assert (await sends_back(reviewers[0], first, "signature_missing", "没有公章")).status_code == 303
    [told] = (await platform.get(f"/v1/consent-requests/{consent_id}/signed-forms")).json()
    assert (told["state"], told["because"], told["note"]) == ("sent_back", "signature_missing", "没有公章")
    events = (await platform.get("/v1/events")).json()["events"]
    assert [(one["type"], one["by"], one["state"]) for one in events] == [
        ("consent.form_handed_in", "participant", "awaiting"),
        ("consent.form_sent_back", "hub", "awaiting"),
    ]
    assert (await finds_good(reviewers[1], first)).status_code == 409, "one no is enough"

    second = await form_of(platform, consent_id, picture("JPEG"))
    for desk in reviewers:
        assert (await finds_good(desk, second)).status_code == 303
    assert await state_of(platform, consent_id) == ("active", "accepted")


async def test_a_bank_that_names_a_platform_gets_its_consent_through_it(
    bank: Bank, platform: Bank, reviewers: Reviewers
) -> None:
    consent_id = await asked_by(bank, through=platform.client_id)
    form_id = await form_of(platform, consent_id)
    for desk in reviewers:
        await finds_good(desk, form_id)
    assert await state_of(bank, consent_id) == ("active", "accepted")
    assert (await bank.get(f"/v1/consent-requests/{consent_id}")).json()["through"] == platform.client_id
    assert (await platform.get(f"/v1/consent-requests/{consent_id}")).status_code == 404, (
        "it is the bank's consent"
    )


# --- who hands in, and what -------------------------------------------------------------------------------------


async def test_only_platforms_hand_in_and_only_for_what_is_theirs(
    hub: Hub, bank: Bank, platform: Bank, settings: Settings, http: httpx.AsyncClient
) -> None:
    other = await enrolled(hub, Bank(http, settings.public_url, client_id="other-platform"), "园易融")
    of_bank, of_platform = await asked_by(bank), await asked_by(platform)
    refused = await handed_in(bank, of_bank)
    assert (refused.status_code, reason(refused)) == (403, "signed-form-platforms-only")
    for consent_id in (of_bank, of_platform, str(uuid4())):
        answer = await handed_in(other, consent_id)
        assert (answer.status_code, reason(answer)) == (404, "consent-unknown")
        assert (await other.get(f"/v1/consent-requests/{consent_id}/signed-forms")).status_code == 404


async def test_through_names_a_platform_that_is_there(bank: Bank, other_bank: Bank) -> None:
    for name in ("nobody", other_bank.client_id, bank.client_id):
        answer = await bank.request_consent(ENTERPRISE, through=name)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["through"])


async def test_the_same_file_with_the_same_words_is_the_same_form(platform: Bank) -> None:
    consent_id, content = await asked_by(platform), picture()
    first = await form_of(platform, consent_id, content)
    assert await form_of(platform, consent_id, content) == first
    at_once = await asyncio.gather(*(handed_in(platform, consent_id, content) for _ in range(4)))
    assert {answer.json()["form_id"] for answer in at_once} == {first}
    other = await handed_in(platform, consent_id, content, signatory_name="李四")
    assert (other.status_code, reason(other)) == (409, "signed-form-state"), "one is reviewed already"


async def test_of_one_form_sent_twice_at_once_there_is_one(platform: Bank) -> None:
    consent_id, content = await asked_by(platform), picture()
    await platform.token()
    answers = await asyncio.gather(*(handed_in(platform, consent_id, content) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["form_id"] for answer in answers}) == 1


async def test_one_form_stands_for_one_request(platform: Bank, reviewers: Reviewers) -> None:
    content = picture()
    first, second = await asked_by(platform), await asked_by(platform)
    form_id = await form_of(platform, first, content)
    again = await handed_in(platform, second, content)
    assert (again.status_code, reason(again)) == (409, "signed-form-used")
    await sends_back(reviewers[0], form_id)
    assert (await handed_in(platform, second, content)).status_code == 201, "it stands for nothing any more"


async def test_a_file_that_is_not_what_it_says_is_refused_with_its_fault(platform: Bank) -> None:
    consent_id = await asked_by(platform)
    for content, fault in (
        (b"<script>alert(1)</script>", "type"),
        (pdf(opens_with(S="/JavaScript", JS="1")), "active_content"),
    ):
        answer = await handed_in(platform, consent_id, content)
        assert (answer.status_code, reason(answer)) == (400, "signed-form-file")
        assert answer.json()["errors"]["file"].startswith(f"{fault}:")
    assert (await platform.get(f"/v1/consent-requests/{consent_id}/signed-forms")).json() == []


async def test_a_file_of_nearly_eight_megabytes_is_taken(platform: Bank) -> None:
    consent_id = await asked_by(platform)
    photograph = picture("JPEG") + bytes(7_900_000)  # as cameras append a film
    answer = await handed_in(platform, consent_id, photograph)
    assert (answer.status_code, answer.json()["octets"]) == (201, len(photograph))


async def test_a_file_that_is_too_large_is_refused_before_it_is_read(platform: Bank) -> None:
    consent_id = await asked_by(platform)
    path = f"/v1/consent-requests/{consent_id}/signed-forms"
    headers = {**await platform.headers("POST", path), "content-type": "multipart/form-data; boundary=x"}
    lines = [f"POST {path} HTTP/1.1", "host: hub", f"content-length: {FORM_OCTETS_MAX + 100_000}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    port = int(platform.base.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join([*lines, "", "--x"]).encode())
    assert (await reader.readline()).split()[1] == b"413", "with hardly any of it sent"
    writer.close()


async def test_a_file_that_is_larger_than_it_said_is_refused_when_it_is_too_large(platform: Bank) -> None:
    consent_id = await asked_by(platform)
    path = f"/v1/consent-requests/{consent_id}/signed-forms"

    async def much() -> AsyncIterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n%PDF-'
        for _ in range(2 * FORM_OCTETS_MAX // 65536):
            yield b" " * 65536

    headers = {**await platform.headers("POST", path), "content-type": "multipart/form-data; boundary=x"}
    answer = await platform.http.post(platform.base + path, content=much(), headers=headers)
    assert (answer.status_code, reason(answer)) == (413, "too-large")


async def test_nothing_is_read_of_who_is_not_proven(bank: Bank) -> None:
    path = f"{bank.base}/v1/consent-requests/{uuid4()}/signed-forms"
    answer = await bank.http.post(path, files={"file": ("f", pdf())})
    assert (answer.status_code, reason(answer)) == (401, "token-missing")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"signed_on": "2026-02-30"}, "signed_on"),
        ({"signed_on": "2999-01-01"}, "signed_on"),
        ({"signed_on": "2020-01-01"}, "signed_on"),
        ({"enterprise_name": "  "}, "enterprise_name"),
        ({"signatory_name": "张\u200e三"}, "signatory_name"),
    ],
)
async def test_what_was_read_on_the_form_is_checked(
    platform: Bank, changes: dict[str, str], field: str
) -> None:
    answer = await handed_in(platform, await asked_by(platform), **changes)
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


async def test_after_five_forms_there_is_no_sixth(platform: Bank, reviewers: Reviewers) -> None:
    consent_id = await asked_by(platform)
    for number in range(5):
        await sends_back(reviewers[0], await form_of(platform, consent_id, signatory_name=f"张{number}"))
    answer = await handed_in(platform, consent_id, signatory_name="张五")
    assert (answer.status_code, reason(answer)) == (409, "signed-form-state")


# --- what a form is not enough for ------------------------------------------------------------------------------


async def test_sensitive_data_need_more_than_a_form(bank: Bank, platform: Bank) -> None:
    consent_id = await asked_by(bank, through=platform.client_id, purpose="credit_review", datasets=["tax"])
    answer = await handed_in(platform, consent_id)
    assert (answer.status_code, reason(answer)) == (403, "signed-form-not-enough")
    assert list(answer.json()["errors"]) == ["datasets"]


async def test_where_several_must_agree_a_form_is_not_enough(
    hub: Hub, platform: Bank, reviewers: Reviewers
) -> None:
    first, second = await asked_by(platform), await asked_by(platform)
    form_id = await form_of(platform, first)
    async with hub.database.transaction() as tx:
        await set_approvals_needed(tx, signatory_of(ENTERPRISE), needed=2, at=now())
    answer = await handed_in(platform, second, picture())
    assert list(answer.json()["errors"]) == ["approvals"]
    assert (await finds_good(reviewers[0], form_id)).status_code == 403, "judged again when it counts"
    assert await state_of(platform, first) == ("awaiting", "in_review")


async def test_an_amendment_needs_more_than_a_form(platform: Bank, consents: Consents) -> None:
    running = await consents.active(
        platform.client_id, purpose="product_matching", datasets=("registration",)
    )
    amendment = await asked_by(platform, supersedes=str(running), term_days=120)
    answer = await handed_in(platform, amendment)
    assert list(answer.json()["errors"]) == ["supersedes"]


async def test_a_form_whose_term_is_over_is_too_late(platform: Bank) -> None:
    consent_id = await asked_by(platform, term_days=30)
    answer = await handed_in(platform, consent_id, signed_on=str(today() - timedelta(days=30)))
    assert list(answer.json()["errors"]) == ["signed_on"]


# --- reviewing --------------------------------------------------------------------------------------------------


async def test_one_operator_counts_once_however_often_he_presses(
    platform: Bank, reviewers: Reviewers
) -> None:
    consent_id = await asked_by(platform)
    form_id = await form_of(platform, consent_id)
    for _ in range(3):
        assert (await finds_good(reviewers[0], form_id)).status_code == 303
    assert await state_of(platform, consent_id) == ("awaiting", "in_review")


async def test_of_two_reviewers_at_once_both_count_and_the_consent_begins_once(
    platform: Bank, reviewers: Reviewers, hub: Hub
) -> None:
    consent_id = await asked_by(platform)
    form_id = await form_of(platform, consent_id)
    answers = await asyncio.gather(*(finds_good(desk, form_id) for desk in (*reviewers, *reviewers)))
    assert {answer.status_code for answer in answers} == {303}
    assert await state_of(platform, consent_id) == ("active", "accepted")
    events = (await platform.get("/v1/events")).json()["events"]
    assert [one["type"] for one in events] == ["consent.form_handed_in", "consent.approved"]


async def test_nobody_finds_good_what_he_has_not_looked_at_or_not_compared(
    platform: Bank, reviewers: Reviewers
) -> None:
    form_id = await form_of(platform, await asked_by(platform))
    unseen = await finds_good(reviewers[0], form_id, looks=False)
    assert (unseen.status_code, "您还没有看过这份授权书" in unseen.text) == (403, True)
    assert (await finds_good(reviewers[0], form_id, checked=CHECKS[:-1])).status_code == 400


async def test_only_security_administrators_review_and_auditors_see_it(
    platform: Bank, desk_of: AtDesk, hub: Hub
) -> None:
    form_id = await form_of(platform, await asked_by(platform), picture())
    auditor, system = await desk_of("audit_admin"), await desk_of("system_admin")
    page = await auditor.see(f"/console/forms/{form_id}")
    assert NAME in page.text
    assert not [form for form in page.forms if form.action.endswith(("/good", "/back"))]
    for answer in (await finds_good(auditor, form_id), await sends_back(auditor, form_id)):
        assert answer.status_code == 403
    for path in ("", f"/{form_id}", f"/{form_id}/file", f"/{form_id}/picture"):
        assert (await system.http.get(f"/console/forms{path}")).status_code == 403


async def test_the_file_is_handed_out_as_what_it_is_and_may_do_nothing(
    platform: Bank, reviewers: Reviewers, hub: Hub
) -> None:
    scan, content = picture("PNG"), pdf()
    forms = [await form_of(platform, await asked_by(platform), one) for one in (scan, content)]
    for form_id, kind, name, inline in zip(
        forms, ("image/png", "application/pdf"), ("png", "pdf"), ("inline", None), strict=True
    ):
        file = await reviewers[0].http.get(f"/console/forms/{form_id}/file")
        shown = await reviewers[0].http.get(f"/console/forms/{form_id}/picture")
        attachment = f'attachment; filename="form-{form_id}.{name}"'
        assert file.headers["content-disposition"] == attachment
        assert shown.headers["content-disposition"] == (inline or attachment)
        for answer in (file, shown):
            assert answer.headers["content-type"] == kind
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "sandbox" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert answer.content == (scan if kind == "image/png" else content)
    async with hub.database.transaction() as tx:
        looked = [deed.about for deed in await deeds(tx, limit=20) if deed.verb == "look_at_form"]
    assert sorted(looked) == sorted([*forms, *forms])


@pytest.mark.usefixtures("stocked")
async def test_the_reviewer_learns_whether_the_names_are_those_of_the_register(
    platform: Bank, reviewers: Reviewers
) -> None:
    form_id = await form_of(platform, await asked_by(platform), signatory_name="李四")
    page = await reviewers[0].see(f"/console/forms/{form_id}")
    assert "与登记一致" in page.text
    assert "与登记不一致" in page.text
    assert "张三丰" not in page.text, "what the register holds is not shown"


async def test_the_list_shows_what_waits_first_and_goes_on_page_by_page(
    platform: Bank, reviewers: Reviewers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.console.signed_forms.ROWS", 2)
    forms = [
        await form_of(platform, await asked_by(platform), picture(colour=c)) for c in ("red", "blue", "green")
    ]
    await sends_back(reviewers[0], forms[0])
    page = await reviewers[0].see("/console/forms")
    links = [link for link in page.links if link.startswith("/console/forms/")]
    assert links == [f"/console/forms/{form}" for form in (forms[1], forms[2], forms[2], forms[1])]
    [older] = [link for link in page.links if "before_id" in link]
    page = await reviewers[0].see(older)
    assert [link for link in page.links if link.startswith("/console/forms/")] == [
        f"/console/forms/{forms[0]}"
    ]


# --- the enterprise all the while -------------------------------------------------------------------------------


async def test_the_enterprise_sees_the_form_at_once_and_can_say_no_before_it_is_reviewed(
    platform: Bank, reviewers: Reviewers, log_in: LogIn
) -> None:
    consent_id, content = await asked_by(platform), picture("JPEG")
    form_id = await form_of(platform, consent_id, content)
    owner = await log_in(ENTERPRISE)
    assert "昆山金融超市已提交书面授权书，正在审核" in (await owner.see("/portal/requests")).text
    page = await owner.see(f"/portal/requests/{consent_id}")
    assert "不是贵企业签的？请选择不同意。" in page.text
    file = await owner.http.get(f"/portal/requests/{consent_id}/signed-form")
    assert (file.content, file.headers["content-type"]) == (content, "image/jpeg")
    assert "sandbox" in file.headers["content-security-policy"]
    assert (await owner.press(page, "/reject", reason="没有签过")).status_code == 303
    assert await state_of(platform, consent_id) == ("rejected", "overtaken")
    assert "无须再审" in (await reviewers[0].see(f"/console/forms/{form_id}")).text
    for answer in (await finds_good(reviewers[0], form_id), await sends_back(reviewers[0], form_id)):
        assert answer.status_code == 409
    assert (await platform.get(f"/v1/consent-requests/{consent_id}")).json()["state"] == "rejected"


async def test_another_enterprise_does_not_see_the_form(platform: Bank, log_in: LogIn) -> None:
    consent_id = await asked_by(platform)
    await form_of(platform, consent_id)
    stranger = await log_in(OTHER_ENTERPRISE)
    assert (await stranger.http.get(f"/portal/requests/{consent_id}/signed-form")).status_code == 404


@pytest.mark.usefixtures("stocked")
async def test_the_enterprise_takes_back_at_once_what_a_form_began(
    platform: Bank, reviewers: Reviewers, log_in: LogIn
) -> None:
    consent_id = await asked_by(platform)
    form_id = await form_of(platform, consent_id)
    for desk in reviewers:
        await finds_good(desk, form_id)
    owner = await log_in(ENTERPRISE)
    assert "凭书面授权书生效" in (await owner.see("/portal/requests")).text
    page = await owner.see(f"/portal/requests/{consent_id}")
    assert "授权书通过审核，授权生效" in page.text
    assert (await owner.press(page, "/revoke", reason="没有签过")).status_code == 303
    told = await platform.query("registration", consent_id, ENTERPRISE, purpose="product_matching")
    assert (told.status_code, reason(told)) == (403, "consent-revoked")


async def test_an_enterprise_that_answers_itself_overtakes_the_form(
    platform: Bank, reviewers: Reviewers, consents: Consents
) -> None:
    consent_id = await asked_by(platform)
    form_id = await form_of(platform, consent_id)
    await finds_good(reviewers[0], form_id)
    await consents.approved(UUID(consent_id))
    assert (await finds_good(reviewers[1], form_id)).status_code == 409
    assert await state_of(platform, consent_id) == ("active", "overtaken")
    late = await handed_in(platform, consent_id, picture())
    assert (late.status_code, reason(late)) == (409, "consent-state")
