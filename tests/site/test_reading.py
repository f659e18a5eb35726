"""On a phone, on paper, with the keyboard, and by the search, the book can be read."""

import re
import shutil

import pytest
import test_book
from PIL import Image

ROOT = test_book.ROOT
html, browser, serve = test_book.html, test_book.browser, test_book.serve  # their fixtures
PAGE = """<!doctype html><html data-theme="dark"><meta charset="utf-8">
<link rel="icon" href="data:,"><link rel="stylesheet" href="book.css">
<link rel="stylesheet" href="film.css"><style>pre { overflow: auto }</style>
<script src="book.js"></script><script src="film.js"></script>
<main class="bd-content"><article class="bd-article">
<details id="answer"><summary>Answer</summary><p>42</p><pre id="folded">{long}</pre></details>
<details class="hide" id="code"><summary>Show code</summary><pre>x</pre></details>
<div class="cell tag_film tag_film-2x3"><div class="cell_output">
<img src="film.png" alt="Greys. Frames: a; b; c; d; e; f."></div></div>
<pre id="long">{long}</pre><pre id="short">x = 1</pre>
<table><tr><td><code>{long}</code></td></tr></table></article></main>"""


@pytest.fixture
def page(browser, serve, tmp_path):
    """A small page with the styles and scripts of the book, on a phone."""
    Image.new("RGB", (600, 400)).save(tmp_path / "film.png")
    for name in ("book.css", "book.js", "film.css", "film.js"):
        shutil.copy(ROOT / "_static" / name, tmp_path)
    text = PAGE.replace("{long}", "UNet(channels=1, width=16, mults=(1, 2), num_classes=10)" * 2)
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(serve(tmp_path) + "index.html", wait_until="load")
    page.wait_for_selector(".film-window")
    page.wait_for_selector(".scrolls")
    yield page
    page.close()


@test_book.needs_browser
def test_paper_is_light_and_shows_all_frames_and_answers(page):
    image, answer = page.locator(".film-window img"), page.locator("#answer p")
    wide = image.bounding_box()["width"]
    assert wide > 1000 and not answer.is_visible()  # three frames wide, one of them seen
    page.emulate_media(media="print")
    page.evaluate("() => window.dispatchEvent(new Event('beforeprint'))")
    assert page.get_attribute("html", "data-theme") == "light"
    assert answer.is_visible() and not page.locator("#code").is_visible()
    assert image.bounding_box()["width"] < 390 and not page.locator(".film-controls").is_visible()
    window = page.locator(".film-window").bounding_box()
    assert window["height"] == pytest.approx(image.bounding_box()["height"], abs=8)
    page.emulate_media(media="screen")
    page.evaluate("() => window.dispatchEvent(new Event('afterprint'))")
    assert page.get_attribute("html", "data-theme") == "dark" and not answer.is_visible()
    assert image.bounding_box()["width"] == wide


@test_book.needs_browser
def test_on_a_phone_what_scrolls_shows_it_and_code_in_tables_wraps(page):
    shaded = "name => getComputedStyle(document.getElementById(name)).maskImage !== 'none'"
    assert page.evaluate(shaded, "long") and not page.evaluate(shaded, "short")
    assert page.get_attribute("#long", "tabindex") == "0"
    page.evaluate("() => document.getElementById('long').scrollTo(10000, 0)")
    page.wait_for_selector("#long.at-end")
    assert not page.evaluate(shaded, "long")
    assert page.locator("table code").bounding_box()["width"] < 390
    assert page.evaluate("() => document.documentElement.scrollWidth") == 390


@test_book.needs_browser
def test_what_gets_wide_later_scrolls_with_the_keyboard(page):
    """In an answer that unfolds, and when a phone is turned."""
    assert page.get_attribute("#folded", "tabindex") is None
    page.click("#answer summary")
    page.wait_for_selector("#folded.scrolls[tabindex='0']")
    page.set_viewport_size({"width": 1400, "height": 390})
    page.wait_for_selector("#folded:not(.scrolls, [tabindex])")
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_selector("#folded.scrolls[tabindex='0']")


@test_book.needs_browser
def test_formulas_are_no_tab_stops(html, browser, serve):
    page = browser.new_page()
    page.goto(serve(html) + "notebooks/01_noise.html", wait_until="load")
    page.evaluate("() => window.MathJax.startup.promise")
    stops = page.locator("mjx-container[tabindex='0']:not(.scrolls)").count()
    assert page.locator("mjx-container").count() > 20 and stops == 0
    page.close()


@test_book.needs_browser
@pytest.mark.parametrize(
    ("words", "pages"),
    [
        ("ELBO", ["book/glossary"]),
        ("VAE", ["book/glossary"]),
        ("reparameterization", ["book/glossary"]),
        ("Langevin", ["book/glossary"]),
        ("flow matching", ["book/glossary"]),
        ("EMA", ["book/glossary", "notebooks/05_training"]),
    ],
)
def test_the_search_leads_to_what_readers_look_for(html, browser, serve, words, pages):
    page = browser.new_page()
    page.goto(f"{serve(html)}search.html?q={words}")
    for name in pages:
        page.wait_for_selector(f"#search-results a[href*='{name}']")
    page.close()


def test_the_glossary_leads_from_ema_to_its_chapter():
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    entry = re.search(r"\nEMA\n(.*?)\n\n", text, re.S)[1]
    assert "../notebooks/05_training.ipynb" in entry


@test_book.needs_browser
def test_the_other_half_of_the_pages_opens_offline(html, browser, serve):
    names = test_book.half_of_the_pages(html, 1)
    assert test_book.complaints(browser, serve(html), names) == []
