"""The words are true to the code: settings, problems, commands, states, log events, limits, links."""

import ast
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from consent.policies import RETENTION_DAYS_MAX, TERM_DAYS_MAX, TRANSITIONS, USES_MAX
from core.settings import Settings
from datasets import load_catalogue, reference_text
from gateway.cli import cli
from gateway.oauth.assertions import ASSERTION_SECONDS_MAX
from gateway.oauth.tokens import LIFETIME_SECONDS
from gateway.problems import PROBLEMS, slug
from sandbox.__main__ import app as sandbox_cli
from tests.conftest import PROJECT

DOCS = PROJECT / "docs"
GUIDES = {"zh": DOCS / "interface-guide.md", "en": DOCS / "interface-guide.en.md"}
READMES = (PROJECT / "README.md", PROJECT / "README.zh-CN.md")
PAGES = (*READMES, *sorted(DOCS.rglob("*.md")))

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"-m (gateway|sandbox) ([a-z][a-z-]*)([^`\n#]*)")
MAKE = re.compile(r"^make ([a-z-]+(?: [a-z-]+)*)", re.MULTILINE)
EVENT = re.compile(r'\b(?:log\.(?:info|warning|error|exception)|level)\(\s*"([a-z_]+)"')

names = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))


def rows_of(page: Path, first_cell: str) -> list[list[str]]:
    """Cells of the table rows whose first cell matches."""
    rows = [
        line.strip().strip("|").split(" | ") for line in page.read_text().splitlines() if line.startswith("|")
    ]
    cells = [[cell.strip() for cell in row] for row in rows]
    return [row for row in cells if re.fullmatch(first_cell, row[0])]


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands_in(page: Path) -> list[str]:
    """Lines of shell, without comments."""
    lines = [line.partition(" #")[0].strip() for block in blocks(page, "sh") for line in block.splitlines()]
    return [line for line in lines if line]


# --- what operators and banks go by ---


def test_every_setting_is_in_the_operations_guide_with_its_default() -> None:
    written = {row[0].strip("`"): row[1] for row in rows_of(DOCS / "operations.md", "`HUB_[A-Z0-9_]+`")}
    real = {
        f"HUB_{name.upper()}": "none" if field.default is None else f"`{field.default}`"
        for name, field in Settings.model_fields.items()
    }
    assert written == real


@pytest.mark.parametrize("language", GUIDES)
def test_every_problem_is_in_the_interface_guide_as_the_hub_says_it(language: str) -> None:
    written = [row for row in rows_of(GUIDES[language], "`[a-z-]+`") if re.fullmatch("[45][0-9]{2}", row[1])]
    said = [(p.title, p.advice) if language == "zh" else (p.title_en, p.advice_en) for p in PROBLEMS.values()]
    real = [
        [f"`{slug(reason)}`", str(problem.status), *words]
        for (reason, problem), words in zip(PROBLEMS.items(), said, strict=True)
    ]
    assert written == real


@pytest.mark.parametrize("language", GUIDES)
def test_the_interface_guide_names_the_limits_that_hold(language: str) -> None:
    text = GUIDES[language].read_text().replace(",", "")
    for limit in (TERM_DAYS_MAX, USES_MAX, RETENTION_DAYS_MAX, LIFETIME_SECONDS, ASSERTION_SECONDS_MAX):
        assert re.search(rf"\b{limit}\b", text), limit


def test_the_two_guides_show_the_same_calls() -> None:
    assert blocks(GUIDES["zh"], "json") == blocks(GUIDES["en"], "json")
    assert blocks(GUIDES["zh"], "sh") == blocks(GUIDES["en"], "sh")


def test_every_log_event_is_in_the_operations_guide() -> None:
    written = {
        name for row in rows_of(DOCS / "operations.md", "`[a-z_]+`.*") for name in CODE.findall(row[0])
    }
    for file in [*(PROJECT / "gateway").rglob("*.py"), *(PROJECT / "core").rglob("*.py")]:
        assert set(EVENT.findall(file.read_text())) <= written, file.name


# --- commands ---


def commands_of(program: typer.Typer) -> dict[str, Any]:
    group: Any = typer.main.get_command(program)
    found: dict[str, Any] = group.commands
    return found


def test_the_two_readmes_name_the_same_commands_and_numbers() -> None:
    english, chinese = READMES
    assert commands_in(english) == commands_in(chinese)
    assert blocks(english, "text") == blocks(chinese, "text")
    assert [re.findall(r"[\d.,]+", speed) for speed in speeds(english)] == [
        re.findall(r"[\d.,]+", speed) for speed in speeds(chinese)
    ]


def speeds(page: Path) -> list[str]:
    """The measured cells of the table of speeds."""
    table = page.read_text().partition("<!-- SPEED")[2].partition("\n#")[0]
    rows = [line.split("|")[2:] for line in table.splitlines() if line.startswith("|")]
    return ["|".join(cells) for cells in rows[2:]]


@names
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = "\n".join([*commands_in(page), *CODE.findall(page.read_text())])
    for words in MAKE.findall(named):
        assert set(words.split()) <= targets


@names
def test_every_command_exists_with_its_options(page: Path) -> None:
    for program, command, rest in COMMAND.findall(page.read_text()):
        known = commands_of(cli if program == "gateway" else sandbox_cli)
        assert command in known, command
        found = known[command]
        if isinstance(found, TyperGroup) and rest.split():
            assert rest.split()[0] in found.commands, f"{command} {rest}"
            found = found.commands[rest.split()[0]]
        options = {option for parameter in found.params for option in parameter.opts}
        assert set(re.findall(r"--[a-z0-9-]+", rest)) <= options, command


def test_every_command_of_the_hub_is_written_down_somewhere() -> None:
    text = "".join(page.read_text() for page in PAGES)
    for command, found in commands_of(cli).items():
        assert re.search(rf"gateway {command}\b|make {command}\b", text), command
        for inner in getattr(found, "commands", ()):
            assert re.search(rf"\b{command} {inner}\b", text), f"{command} {inner}"


@names
def test_python_in_the_docs_is_python(page: Path) -> None:
    for block in blocks(page, "python"):
        ast.parse(block)


# --- the picture and the words of the architecture ---


def test_the_state_table_is_the_state_table() -> None:
    states = "|".join(TRANSITIONS)
    written = {
        row[0].strip("`"): dict(re.findall(r"`([a-z_]+)` → `([a-z_]+)`", row[1]))
        for row in rows_of(DOCS / "ARCHITECTURE.md", f"`({states})`")
        if "→" in row[1] or row[1] == "final"
    }
    assert written == TRANSITIONS


def test_the_picture_needs_nothing_else_and_tells_who_cannot_see_it() -> None:
    picture = ET.parse(DOCS / "path.svg").getroot()
    space = "{http://www.w3.org/2000/svg}"
    for name in ("title", "desc"):
        told = picture.find(f"{space}{name}")
        assert told is not None
        assert told.text
    text = (DOCS / "path.svg").read_text()
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"(?:href|src|url)\s*[=(]\s*[\"']?(?:https?:)?//", text)


# --- links and paths ---


def headings(page: Path) -> set[str]:
    """Anchors as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@names
def test_every_link_leads_somewhere(page: Path) -> None:
    for picture, text, target in LINK.findall(page.read_text()):
        assert text, f"{target} has no words"
        assert not picture or len(text) > 20, "a picture needs words for those who cannot see it"
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert PROJECT in (found, *found.parents), f"{target} leads out of the project"
        assert not anchor or anchor in headings(found), target


@names
def test_every_path_that_is_named_exists(page: Path) -> None:
    for path in paths_in(page):
        assert (PROJECT / path).exists(), path


def paths_in(page: Path) -> Iterator[str]:
    rooms = "adapters|consent|core|datasets|docs|gateway|ledger|loadtests|migrations|sandbox|tests"
    for code in CODE.findall(page.read_text()):
        if re.fullmatch(rf"(?:{rooms})/[\w./-]*", code):
            yield code


@names
def test_nothing_of_our_machines_is_in_the_docs(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"(?<![\w.])/(?:work|root|home|tmp)/", text)
    assert not re.search(r"pypi|npmjs|simple/|mirrors?\.", text, re.IGNORECASE)


def test_the_reference_of_the_data_sets_is_made_from_the_contracts_of_today() -> None:
    assert (PROJECT / "docs" / "datasets.md").read_text() == reference_text(load_catalogue()), (
        "run `make reference`"
    )
