"""A file from outside is taken only if it is what it says, can be read, and can do nothing."""

import hashlib
import random
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consent import examine_form, form_file
from consent.form_file import FAULTS, OCTETS_MAX, PAGES_MAX, examine
from core.errors import InvalidInput
from tests.support import papers
from tests.support.papers import annotated, opens_with, pdf, picture

GOOD = {
    "a PDF": (pdf(pages=3), "application/pdf", 3),
    "a PDF with an electronic signature": (pdf(papers.signed_electronically), "application/pdf", 1),
    "a PDF with links": (pdf(annotated(Subtype="/Link")), "application/pdf", 1),
    "a photograph": (picture("JPEG"), "image/jpeg", 1),
    "a scan": (picture("PNG", (1240, 1754)), "image/png", 1),
}

BAD = {
    "nothing": (b"", "empty"),
    "a page of the web": (b"<!doctype html><script>alert(1)</script>", "type"),
    "a picture of another kind": (picture("GIF"), "type"),
    "a PDF behind something else": (b"GIF89a" + pdf(), "type"),
    "a PDF that is none": (b"%PDF-1.7 and nothing else\n%%EOF", "unreadable"),
    "a PDF that was cut": (pdf(pages=9)[:-200], "unreadable"),
    "no page": (pdf(pages=0), "pages"),
    "a book": (pdf(pages=PAGES_MAX + 1), "pages"),
    "a PDF under a password": (pdf(papers.encrypted), "encrypted"),
    "a script when it opens": (pdf(opens_with(S="/JavaScript", JS="app.alert(1)")), "active_content"),
    "a script whose name is written in another way": (
        pdf(opens_with(S="/JavaScript", JS="1")).replace(b"/JavaScript", b"/J#61vaScript"),
        "active_content",
    ),
    "a script in an object stream": (papers.hidden_script(), "active_content"),
    "a program to start": (pdf(opens_with(S="/Launch", F="cmd.exe")), "active_content"),
    "a form that sends itself": (pdf(opens_with(S="/SubmitForm", F="http://x.example")), "active_content"),
    "another file to open": (pdf(opens_with(S="/GoToR", F="other.pdf")), "active_content"),
    "a film": (pdf(annotated(Subtype="/RichMedia")), "active_content"),
    "a file pinned to it": (pdf(annotated(Subtype="/FileAttachment")), "active_content"),
    "a file inside": (pdf(papers.attached), "active_content"),
    "a form that fills itself": (pdf(papers.filled_by_itself), "active_content"),
    "a picture that was cut": (picture("JPEG", (2000, 2000))[:-2000], "unreadable"),
    "a picture that bursts": (papers.bomb(), "pixels"),
    "a stamp": (picture("PNG", (300, 900)), "too_small"),
    "a film of pictures": (papers.moving(), "animated"),
    "too much": (pdf() + b" " * OCTETS_MAX, "too_large"),
}


@pytest.mark.parametrize("case", GOOD)
def test_what_a_person_can_read_is_taken(case: str) -> None:
    content, media_type, pages = GOOD[case]
    assert examine(content) == (media_type, pages)


@pytest.mark.parametrize("case", BAD)
def test_what_is_not_what_it_says_or_can_do_something_is_not_taken(case: str) -> None:
    content, fault = BAD[case]
    assert form_file.judge(content) == {"fault": fault}


def test_the_hidden_script_is_not_found_by_a_search_alone() -> None:
    assert b"JavaScript" not in papers.hidden_script()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_file_that_was_damaged_is_judged_and_never_crashes(data: st.DataObject) -> None:
    content = bytearray(
        data.draw(st.sampled_from([GOOD["a PDF"][0], papers.hidden_script(), picture("PNG")]))
    )
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    verdict = form_file.judge(bytes(content))
    assert set(verdict) == {"media_type", "pages"} or verdict["fault"] in FAULTS


@given(st.binary(max_size=200))
@example(b"\x89PNG\r\n\x1a\n")
def test_chance_makes_no_form(content: bytes) -> None:
    assert form_file.judge(content)["fault"] in FAULTS


# --- in a process of its own ---


async def test_the_verdict_comes_from_a_process_of_its_own() -> None:
    content = picture("JPEG")
    file = await examine_form(content)
    assert (file.media_type, file.pages, file.content) == ("image/jpeg", 1, content)
    assert file.digest == hashlib.sha256(content).digest()


@pytest.mark.parametrize("case", ["a page of the web", "a script when it opens", "a picture that bursts"])
async def test_a_fault_is_told_to_who_sent_the_file(case: str) -> None:
    content, fault = BAD[case]
    with pytest.raises(InvalidInput) as refused:
        await examine_form(content)
    assert refused.value.reason == "signed_form_file"
    assert refused.value.facts["errors"] == {"file": f"{fault}: {FAULTS[fault]}"}


Program = Callable[[str], None]


@pytest.fixture
def program(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Another program in the place of the one that looks into files."""

    def put(text: str) -> None:
        file = tmp_path_factory.mktemp("program") / "program.py"
        file.write_text(text)
        monkeypatch.setattr("consent.examination._PROGRAM", str(file))

    return put


@pytest.mark.parametrize(
    "fate",
    [
        "import os; os.abort()",
        "raise SystemExit(1)",
        "while True: pass",
        "import sys; sys.stdin.buffer.read()",
    ],
    ids=["killed", "failed", "hangs", "says nothing"],
)
async def test_a_file_that_breaks_what_looks_into_it_is_not_taken(
    program: Program, monkeypatch: pytest.MonkeyPatch, fate: str
) -> None:
    program(fate)
    monkeypatch.setattr("consent.examination.PATIENCE_SECONDS", 1.0)
    with pytest.raises(InvalidInput, match="unreadable"):
        await examine_form(random.randbytes(100_000))


TRYING_TO_BREAK_OUT = """
import json, runpy, signal, tempfile

runpy.run_path({ours!r})["_limit_ourselves"]()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    bytearray(2 * 1024**3)
except MemoryError:
    try:
        tempfile.TemporaryFile(buffering=0).write(b"x")
    except OSError:
        print(json.dumps({{"fault": "animated"}}))
"""


async def test_what_looks_into_files_can_neither_take_much_memory_nor_write(program: Program) -> None:
    program(TRYING_TO_BREAK_OUT.format(ours=form_file.__file__))
    with pytest.raises(InvalidInput, match="animated"):
        await examine_form(b"x")
