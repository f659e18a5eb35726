"""The pages are light: few requests, few bytes, and nothing that no page uses.

test_book.py and test_reading.py weigh every chapter while they look for other faults: 45 requests,
2 MB compressed, of which 1.5 MB may be its own.
"""

import test_book

import weigh

html, browser, serve = test_book.html, test_book.browser, test_book.serve  # their fixtures


@test_book.needs_browser
def test_what_was_joined_works(html, browser, serve):
    """Icons have their shape without the script that was left out; search finds; code copies."""
    base, page = serve(html), browser.new_page()
    result = weigh.weigh(page, base, "notebooks/01_noise.html")
    assert result["requests"] > 10 and result["paint"] > 0
    icons = "() => [...document.querySelectorAll('i.fa-solid, i.fab, i.fas, i.fa-brands')]"
    shapes = page.evaluate(f"{icons}.map(i => getComputedStyle(i, '::before').content)")
    loaded = page.evaluate("() => [...document.fonts].filter(f => f.status === 'loaded').length")
    assert len(shapes) > 3 and not {"none", "normal", ""} & set(shapes) and loaded >= 1
    assert page.locator("button.copybtn").count() > 10
    page.goto(base + "search.html?q=posterior")
    page.wait_for_selector("#search-results ul.search li")
    page.close()


def test_no_page_has_what_was_left_out(html):
    for page in test_book.pages_of(html):
        text = page.read_text(encoding="utf-8")
        assert "sd-tab-set" not in text
        if page.name == "search.html" or page.parent.name == "notebooks":
            assert ("searchindex.js" in text) == (page.name == "search.html")
            assert ("fontawesome.js" in text) == (page.name == "search.html")


def test_too_much_is_seen():
    heavy = {"requests": 46, "bytes": 3_000_000, "own": 1_600_000, "figures": [(9000, "a.png")]}
    found = weigh.too_heavy(heavy)
    assert len(found) == 3 and all("a.png 9 kB" in fault for fault in found)
    assert weigh.too_heavy(heavy | {"requests": 45, "bytes": 1, "own": 1}) == []
