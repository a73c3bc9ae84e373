"""The small browser reads pages as a person does and sends what a person's browser would send."""

from sandbox.browser import Browser, read_page

PAGE = """
<html><head><title>t</title><script>var 藏 = 1</script></head><body>
<p>演示银行 &amp; 企业</p><a href="/portal/requests/7">申请</a>
<form action="/portal/requests/7/approve" method="POST">
  <input type="hidden" name="csrf" value="a&amp;b">
  <input name="note" value="x"><input name="off" disabled value="y">
  <input type="checkbox" name="dataset" value="tax" checked>
  <input type="checkbox" name="dataset" value="water">
  <input type="checkbox" name="read" required><textarea name="words">…</textarea>
  <select name="term"><option value="30">30</option><option value="90" selected>90</option></select>
  <button name="answer" value="yes">同意</button><button type="button">看看</button>
</form>
<form action="/portal/logout" method="post"><button>退出</button></form>
</body></html>
"""


def test_a_page_is_read_as_a_person_reads_it() -> None:
    page = read_page("http://hub/portal", PAGE)
    assert "演示银行 & 企业" in page.text
    assert "藏" not in page.text
    assert page.links == ["/portal/requests/7"]


def test_a_form_sends_what_a_browser_would_send() -> None:
    form = read_page("http://hub/portal", PAGE).form_to("/7/approve")
    assert form.method == "post"
    assert form.fields == [
        ("csrf", "a&b"),
        ("note", "x"),
        ("dataset", "tax"),
        ("read", "on"),
        ("words", ""),
        ("term", "90"),
    ]
    assert [button.get("name") for button in form.buttons] == ["answer"]


def test_two_forms_are_not_mixed() -> None:
    page = read_page("http://hub/portal", PAGE)
    assert page.form_to("/portal/logout").fields == []
    assert len(page.form_to("/portal/logout").buttons) == 1


def test_a_browser_can_be_closed_unused() -> None:
    Browser().close()
