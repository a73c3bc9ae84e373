"""The public catalogue over HTTP: everything that is promised of a data set, found by a word, in two languages."""

import html
import re

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.settings import Settings
from datasets import example_of, load_catalogue
from gateway.catalogue.shown import dataset_shown, search
from gateway.catalogue.words import category_in_english
from gateway.hub import Hub
from sandbox.browser import Page, read_page

CATALOGUE = load_catalogue().compiled()


async def see(http: httpx.AsyncClient, settings: Settings, path: str, status: int = 200) -> Page:
    answer = await http.get(f"{settings.public_url}/catalogue{path}")
    assert answer.status_code == status, answer.text
    return read_page(str(answer.url), answer.text, answer.status_code)


# --- what stands there ------------------------------------------------------------------------------------------


async def test_every_data_set_is_listed_and_leads_to_its_page(
    hub: Hub, http: httpx.AsyncClient, settings: Settings
) -> None:
    page = await see(http, settings, "")
    for name, contract in hub.catalogue.contracts.items():
        assert contract.title in page.text
        assert contract.owner in page.text
        assert f"/catalogue/{name}" in page.links
        one = await see(http, settings, f"/{name}")
        for field in contract.fields:
            assert field.name in one.html
            assert html.escape(field.title) in one.html
        assert f"/v1/catalogue/{name}" in one.links


async def test_a_page_says_what_each_kind_of_asker_sees(
    hub: Hub, http: httpx.AsyncClient, settings: Settings
) -> None:
    text = (await see(http, settings, "/tax")).text
    for told in (
        "国家税务总局江苏省税务局",
        "每次 0.50 元",
        "每月，月末后 31 天内到",
        "50万 至 70万 元",
        "一致 / 不一致",
    ):
        assert told in text, told
    assert "不提供给任何机构" not in text
    text = (await see(http, settings, "/real_estate_seizures")).text
    assert "5 分钟内的答复不重复查" in text


async def test_an_indicator_says_how_it_is_made(
    hub: Hub, http: httpx.AsyncClient, settings: Settings
) -> None:
    page = await see(http, settings, "/indicators")
    for told in ("算法", "时间范围", "空值", "近 12 个月", "企业登记基本信息"):
        assert told in page.text, told
    assert "/catalogue/registration" in page.links


@pytest.mark.parametrize("dataset", CATALOGUE.contracts)
def test_every_view_that_lets_a_field_out_is_shown_with_its_example_and_no_other(dataset: str) -> None:
    """What the page says is what the rules do: each asker and purpose stands where its example is."""
    for one in dataset_shown(CATALOGUE, dataset).fields:
        told = {
            (sight.kind, sight.example, seen.who.zh, purpose.zh)
            for sight in one.sights
            for seen in sight.seen
            for purpose in seen.purposes
        }
        real = {
            (
                view.fields[one.field.name],
                example_of(view, one.field),
                CATALOGUE.participant_classes[view.participant_class].title,
                CATALOGUE.purposes[view.purpose].title,
            )
            for view in CATALOGUE.views_on(dataset)
            if one.field.name in view.fields
        }
        assert told == real, one.field.name


@pytest.mark.parametrize("category", sorted({one.category for one in CATALOGUE.contracts.values()}))
def test_every_category_has_an_english_name(category: str) -> None:
    assert category_in_english(category).isascii()


async def test_the_printed_catalogue_holds_everything(
    hub: Hub, http: httpx.AsyncClient, settings: Settings
) -> None:
    text = (await see(http, settings, "?print=all")).html
    for contract in hub.catalogue.contracts.values():
        for field in contract.fields:
            assert f'id="{contract.id}-{field.name}"' in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


async def test_other_rules_in_force_are_other_pages(
    hub: Hub, http: httpx.AsyncClient, settings: Settings
) -> None:
    assert "不提供给任何机构" not in (await see(http, settings, "/tax")).text
    hub.use(hub.catalogue.under(msgspec.structs.replace(hub.catalogue.rule_set, rules=())))
    assert "不提供给任何机构" in (await see(http, settings, "/tax")).text


# --- search -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "dataset", "fields"),
    [
        ("纳税信息", "tax", ()),
        ("ＴＡＸ monthly", "tax", ()),
        ("vat_paid_fen", "tax", ("vat_paid_fen",)),
        ("税务局 销售收入", "tax", ("sales_fen",)),
        ("省自然资源厅 查封", "real_estate_seizures", ()),
        ("business registration", "registration", ()),
    ],
)
def test_a_word_finds_titles_fields_owners_and_categories(
    wanted: str, dataset: str, fields: tuple[str, ...]
) -> None:
    found = {one.contract.id: tuple(field.name for field in one.fields) for one in search(CATALOGUE, wanted)}
    assert found[dataset] == fields


def test_without_a_word_everything_is_found_and_a_strange_one_finds_nothing() -> None:
    assert len(search(CATALOGUE, "")) == len(CATALOGUE.contracts)
    assert search(CATALOGUE, "钓鱼岛许可证") == []


@given(st.text(max_size=60))
def test_a_search_never_fails_and_finds_only_what_there_is(wanted: str) -> None:
    found = search(CATALOGUE, wanted)
    assert {one.contract.id for one in found} <= CATALOGUE.contracts.keys()
    for one in found:
        assert all(field in one.contract.fields for field in one.fields)


@pytest.mark.parametrize("wanted", ["<script>alert(1)</script>", '" autofocus x="', "{{ 7 * 7 }}", "\x00"])
async def test_what_is_searched_for_cannot_become_markup(
    hub: Hub, http: httpx.AsyncClient, settings: Settings, wanted: str
) -> None:
    answer = await http.get(f"{settings.public_url}/catalogue", params={"q": wanted})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.text
    assert '" autofocus' not in answer.text
    assert "没有找到" in answer.text


# --- small things -----------------------------------------------------------------------------------------------


async def test_who_goes_astray_gets_a_page(hub: Hub, http: httpx.AsyncClient, settings: Settings) -> None:
    assert "没有这个信息项目" in (await see(http, settings, "/no_such_thing", 404)).text
    assert "没有这个页面" in (await see(http, settings, "/tax/more", 404)).text
    assert "有误" in (await see(http, settings, f"?q={'x' * 61}", 400)).text
    assert "有误" in (await see(http, settings, "?print=some", 400)).text
    answer = await http.post(f"{settings.public_url}/catalogue")
    assert answer.status_code == 405
    assert "/catalogue" in read_page(str(answer.url), answer.text, 405).links


async def test_the_pages_answer_head_and_keep_the_browser_on_a_short_leash(
    hub: Hub, http: httpx.AsyncClient, settings: Settings
) -> None:
    for path in ("", "?q=tax", "?print=all", "/indicators", "/no_such_thing"):
        address = f"{settings.public_url}/catalogue{path}"
        got, head = await http.get(address), await http.head(address)
        assert head.status_code == got.status_code
        assert got.headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        for forbidden in (" style=", " onclick=", "<style", "javascript:", "http://", "https://"):
            assert forbidden not in got.text


async def test_english_is_english_but_for_what_has_no_english_name(
    hub: Hub, http: httpx.AsyncClient, settings: Settings
) -> None:
    answer = await http.get(f"{settings.public_url}/catalogue/tax?lang=en")
    foreign = re.sub(r'<(\w+)[^>]* lang="zh-CN"[^>]*>.*?</\1>', "", answer.text, flags=re.DOTALL)
    assert not re.search(r"[\u4e00-\u9fff]", foreign), re.findall(r".*[\u4e00-\u9fff].*", foreign)
    assert "path=/catalogue" in answer.headers["set-cookie"].lower()
