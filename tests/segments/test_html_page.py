from segments.html_page import html_page


def test_a_title_is_text_and_stands_in_head_and_body() -> None:
    page = html_page("<script>a & b</script>", "<p>body</p>", "p { color: red; }")
    assert "<script>" not in page
    assert page.count("&lt;script&gt;a &amp; b&lt;/script&gt;") == 2
    assert "<p>body</p>" in page
    assert "p { color: red; }</style>" in page
    assert page.startswith("<!doctype html>")
    assert "src=" not in page
