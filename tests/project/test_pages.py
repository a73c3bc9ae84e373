"""Nothing in a page loads from the internet: the real network has none."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from core.settings import Settings
from gateway.main import build_app
from tests.conftest import PROJECT

VENDOR = PROJECT / "gateway" / "static" / "vendor"
ABSOLUTE = r"[\"']?\s*(?:https?:)?//"
FROM_ELSEWHERE = {
    ".html": re.compile(
        rf"\b(?:src|href|srcset|poster|data|action|content)\s*=\s*{ABSOLUTE}|@import|url\(\s*{ABSOLUTE}"
    ),
    ".css": re.compile(rf"@import|url\(\s*{ABSOLUTE}"),
    ".svg": re.compile(rf"\b(?:href|src)\s*=\s*{ABSOLUTE}|@import|url\(\s*{ABSOLUTE}"),
    ".js": re.compile(r"https?://|[\"'`]//"),
}


def our_pages() -> Iterator[Path]:
    for folder in (PROJECT / "gateway", PROJECT / "sandbox"):
        for file in sorted(folder.rglob("*")):
            if file.suffix in FROM_ELSEWHERE and VENDOR not in file.parents:
                yield file


@pytest.mark.parametrize("file", list(our_pages()), ids=lambda file: str(file.relative_to(PROJECT)))
def test_a_page_of_ours_loads_nothing_from_elsewhere(file: Path) -> None:
    found = FROM_ELSEWHERE[file.suffix].search(file.read_text())
    assert found is None, found


@pytest.mark.parametrize("path", ["/docs", "/problems"])
async def test_a_page_made_by_the_program_loads_nothing_from_elsewhere(path: str) -> None:
    app = build_app(
        Settings(database_url="postgresql://nobody@127.0.0.1:1/x", redis_url="redis://127.0.0.1:1")
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://hub") as http:
        page = (await http.get(path)).text
    assert "<html" in page
    assert FROM_ELSEWHERE[".html"].search(page) is None
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith("/static/")


@pytest.mark.parametrize("harmless", ['href="/portal"', 'src="{{ look }}"', "url(#tip)", 'action="https"'])
def test_the_search_lets_our_own_addresses_pass(harmless: str) -> None:
    assert FROM_ELSEWHERE[".html"].search(harmless) is None


@pytest.mark.parametrize(
    "loading",
    ['<script src="https://far.example/x.js">', "<link href=//fonts.example/x>", "url('http://x.example/y')"],
)
def test_the_search_finds_what_it_should(loading: str) -> None:
    assert FROM_ELSEWHERE[".html"].search(loading)
