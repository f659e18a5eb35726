"""The shares of a page: intervals that overlap count once, and gaps are found."""

import pytest
import test_book

import heights

browser = test_book.browser  # its fixture


def test_intervals_that_overlap_count_once():
    assert heights.covered([[0, 10], [5, 15], [20, 30], [22, 25]]) == 25
    assert heights.covered([]) == 0


def test_the_longest_stretch_without_a_figure():
    assert heights.longest([[10, 20], [90, 100]], end=120) == 70
    assert heights.longest([[10, 20], [200, 210]], end=120) == 100  # up to the exercises
    assert heights.longest([], end=50) == 50


def test_a_page_is_measured():
    class Page:
        def evaluate(self, script):
            return {"height": 1800, "code": [[0, 450]], "figures": [[900, 1350]], "end": 1800}

    assert heights.measure(Page()) == ["2.0", "25%", "25%", "1.0", "1.0"]


@pytest.mark.parametrize("kind", ["code", "figures"])
def test_a_page_without_one_kind(kind):
    class Page:
        def evaluate(self, script):
            boxes = {"code": [[0, 90]], "figures": [[0, 90]]} | {kind: []}
            return {"height": 900, "end": 900, **boxes}

    row = heights.measure(Page())
    assert row[1 if kind == "code" else 2] == "0%"


@test_book.needs_browser
def test_icons_and_hidden_frames_are_no_figures(browser):
    """A copy button in an output, and the sheet of a film, of which the window shows one frame."""
    page = browser.new_page()
    page.set_content("""<article>
        <div class="cell_output"><button><svg height="24" width="24"></svg></button></div>
        <div class="film" style="height: 100px; overflow: hidden"><div class="film-window">
        <div class="cell_output"><img height="900" width="9" alt=""></div></div></div></article>""")
    found = page.evaluate(heights.MEASURE)["figures"]
    page.close()
    assert [bottom - top for top, bottom in found] == [100]
