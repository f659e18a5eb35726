"""The built book: every link leads somewhere, and every page opens offline without a complaint."""

import copy
import os
import re
import runpy
import shutil
import subprocess
import sys
import threading
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import axe_playwright_python
import pytest
from bs4 import BeautifulSoup
from filelock import FileLock

import weigh

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
needs_browser = pytest.mark.skipif(not BROWSER, reason="No chromium found: pages are not opened.")
INSPECT, SHORTEN, RUN_AXE = (
    Path(__file__).with_name(f"{name}_page.js").read_text(encoding="utf-8")
    for name in ("inspect", "shorten", "axe")
)
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js").read_text(encoding="utf-8")
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
PHONE, WIDE = {"width": 390, "height": 900}, {"width": 1280, "height": 900}


@pytest.fixture(scope="session")
def html(tmp_path_factory):
    """The built book, which no test changes: the first process builds it, the others wait."""
    worker = "PYTEST_XDIST_WORKER" in os.environ
    folder = tmp_path_factory.getbasetemp()
    folder = (folder.parent if worker else folder) / "the_book"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            built(folder)
            (folder / "done").touch()
    return folder / "_build" / "html"


def built(out):
    """Build the book, warnings as errors, into this folder."""
    command = shutil.which("jupyter-book", path=str(Path(sys.executable).parent))
    build = [command, "build", "-W", "-n", "--keep-going", "--path-output", str(out), str(ROOT)]
    result = subprocess.run(build, capture_output=True, text=True, encoding="utf-8")
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return out / "_build" / "html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from playwright.sync_api import sync_playwright

    home = str(tmp_path_factory.mktemp("home"))
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    flags += ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]  # no other host
    with sync_playwright() as playwright:
        env = {**os.environ, "HOME": home}
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=flags, env=env)
        yield chromium
        chromium.close()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Serve a folder under the sub-path of its own name, as GitHub Pages does."""
    servers = []

    def start(folder):
        handler = partial(Quiet, directory=str(folder.parent))
        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/{folder.name}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def complaints(browser, base, names):
    """Open pages, as on a phone and wide, and return what is wrong with them."""
    page, said, found = browser.new_page(), [], []

    def watch(request):
        if not request.url.startswith((base, "data:", "blob:")):
            said.append(f"foreign request {request.url}")

    def listen(message):
        if message.type == "error":
            said.append(f"console error {message.text}")

    page.on("request", watch)
    page.on("console", listen)
    page.on("pageerror", lambda error: said.append(f"script error {error}"))
    for name in names:
        found += [f"{name}: {fault}" for fault in [*faults(page, base, name), *said]]
        said.clear()
    page.close()
    return found


def faults(page, base, name):
    page.set_viewport_size(PHONE)
    if name.startswith("notebooks/"):
        yield from weigh.too_heavy(weigh.weigh(page, base, name))
    else:
        page.goto(base + name, wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
    for size in (PHONE, WIDE):
        page.set_viewport_size(size)
        page.evaluate(DRAWN)
        for kind, cases in page.evaluate(INSPECT).items():
            yield from (f"{kind} {case}, at {size['width']} px" for case in cases)
    page.evaluate(SHORTEN)
    page.evaluate(AXE)
    for violation in page.evaluate(RUN_AXE):
        if violation["impact"] in ("serious", "critical"):
            cases = [node["html"][:200] for node in violation["nodes"]]
            yield f"axe {violation['id']}: {cases}"


class Links(HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.targets, self.anchors = [], {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs.get("id"), attrs.get("name")}
        link = attrs.get("href") if tag in ("a", "link") else attrs.get("src")
        if link and not urlsplit(link).scheme and not link.startswith("//"):
            self.targets.append(unquote(link))


def pages_of(folder):
    """All pages but the theme's own template."""
    return [path for path in folder.rglob("*.html") if "_static" not in path.parts]


def broken_links(folder):
    """Internal links and anchors of all pages of a folder that lead nowhere."""
    pages = {path.resolve(): Links(path) for path in pages_of(folder)}
    found = []
    for path, page in pages.items():
        for link in page.targets:
            file, anchor = urldefrag(link)
            target = (path.parent / urlsplit(file).path).resolve() if file else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                found.append(f"{path.name}: no file {link}")
            elif target in pages and anchor not in pages[target].anchors:
                found.append(f"{path.name}: no anchor {link}")
    return found


@cache
def soup(page):
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def test_links_lead_somewhere(html):
    assert broken_links(html) == []


def test_no_link_or_button_of_the_book_leads_to_nobody(html):
    for page in pages_of(html):
        links = re.findall(r'href=["\'][^"\']*OWNER', page.read_text(encoding="utf-8"))
        assert links == [], page.name


def test_the_reference_leads_to_the_chapter_that_builds_a_function(html):
    links = Links(html / "book" / "api" / "diffusion.html").targets
    assert {"../../notebooks/01_noise.html", "../../notebooks/06_sampling.html"} <= set(links)
    assert links.count("../../notebooks/06_sampling.html") > 2  # more often than the menu has it


def test_a_chapter_links_each_term_of_the_glossary_where_it_first_uses_it(html):
    """Prose without its links has no term left that is not among the links."""
    first_uses = runpy.run_path(str(ROOT / "_ext" / "first_uses.py"))
    terms = soup(html / "book" / "glossary.html").select("dl.glossary dt")
    terms = {term["id"]: term.get_text().strip("# \n") for term in terms}
    assert len(terms) > 80
    found = {name: first_uses["pattern"](term).search for name, term in terms.items()}
    for page in sorted((html / "notebooks").glob("*.html")):
        article = copy.copy(soup(page).select_one("article"))
        links = {link["href"].partition("#")[2] for link in article.select("a[href]")}
        for closed in article.select("a, pre, code, svg, h1, h2, h3, h4, .math, .admonition-title"):
            closed.decompose()
        texts = article.find_all(string=True)  # a term is not joined from parts, as *val* loss
        used = {name for name, search in found.items() if any(map(search, texts))}
        elsewhere = {name for name in used if terms[name].lower() in first_uses["ELSEWHERE"]}
        assert used - elsewhere <= links, page.name


def test_the_figures_of_a_chapter_are_numbered_and_can_be_linked_to(html):
    """The numbers of the captions go up by one from N.1, or Nd.1 in a Deeper notebook."""
    for page in sorted((html / "notebooks").glob("*.html")):
        chapter = page.name.partition("_")[0].lstrip("0") or "0"
        parsed = soup(page)
        captions = [p for p in parsed.select(".figure-caption") if "Figure" in p.strong.text]
        names = [caption.strong.get_text() for caption in captions]
        assert names == [f"Figure {chapter}.{n}." for n in range(1, len(names) + 1)], page.name
        anchors = {anchor["id"] for anchor in parsed.select("[id]")}
        assert {f"figure-{chapter}-{n}" for n in range(1, len(names) + 1)} <= anchors, page.name
        assert len(names) >= (1 if "d" in chapter else 5), page.name


def half_of_the_pages(html, first):
    """Every second page; the two halves are tested in two files, and so at the same time.

    Of the listings of source code, which have one template, the two longest are enough.
    """
    listings = sorted((html / "_modules").rglob("*.html"), key=lambda path: path.stat().st_size)
    paths = {*pages_of(html)} - {*listings[:-2], html / "index.html"}  # leads to book/index.html
    names = sorted(path.relative_to(html).as_posix() for path in paths)
    assert len(names) > 10
    return names[first::2]


@needs_browser
def test_half_of_the_pages_open_offline(html, browser, serve):
    assert complaints(browser, serve(html), half_of_the_pages(html, 0)) == []


@needs_browser
@pytest.mark.parametrize("http", [False, True], ids=["file", "http"])
def test_the_playground_draws_on_its_page_and_loads_on_no_other(html, browser, serve, http):
    """From a folder and over http; what it draws is the matter of test_playground.py."""
    scripts = {path for path in pages_of(html) if "/playground/ui.js" in path.read_text("utf-8")}
    assert scripts == {html / "book" / "playground.html"}
    page = browser.new_page()
    page.goto((serve(html) if http else html.as_uri() + "/") + "book/playground.html")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function("document.getElementById('pg-said').innerText.startsWith('Finished')")
    page.close()


@needs_browser
def test_faults_are_seen(browser, serve, tmp_path):
    (tmp_path / "index.html").write_text(
        """<link rel="icon" href="data:,"><article><h1>Faults</h1><h3>Level</h3>
        <img src="none.png"><script src="https://example.org/x.js"></script><button></button>
        <mjx-merror>x</mjx-merror><div class="tag_film"></div><div style="width: 2000px">x</div>
        <style>.pale { color: #ccc } rect:empty { display: none }</style>
        <pre>if <span class="pale">True</span></pre><svg class="drawing"><rect /></svg>
        <svg class="drawing"><g class="box"><rect width="9" height="9" /><text>long</text></g></svg>
        <div class="math" style="direction: rtl; width: 9px"><p style="width: 99px">x</p></div>
        <p>Some words and <a href="#" style="color: #333; text-decoration: none">a link</a></p>
        <input type="text"><script>console.error("a complaint"); undefined.x</script></article>"""
    )
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "heavy.html").write_text(f"<p>{os.urandom(1_600_000).hex()}")
    names = ["index.html", "notebooks/heavy.html"]
    found = "\n".join(complaints(browser, serve(tmp_path), names))
    faults = ["foreign request", "a complaint", "script error", "without alt", "did not load"]
    faults += ["axe label", "axe image-alt", "axe color-contrast", "axe link-in-text-block"]
    faults += ["without a name", "skips a level", "formula", "film", "hides", "beginning", "wider"]
    faults += ["leaves its box", "own, at most 1,500,000"]
    for fault in faults:
        assert fault in found


def test_broken_links_are_seen(tmp_path):
    (tmp_path / "a.html").write_text("<p id=x><a href='a.html#x'>good</a><a href='#y'>bad</a>")
    (tmp_path / "b.html").write_text("<a href='a.html#z'>bad</a><img src='none.png'>")
    assert len(broken_links(tmp_path)) == 3


@needs_browser
def test_film_plays_and_stays_a_picture_without_javascript(browser, serve, tmp_path):
    from PIL import Image

    picture = Image.new("RGB", (600, 400))  # 2 rows of 3 frames, each of one grey
    for i in range(6):
        left, top = 200 * (i % 3), 200 * (i // 3)
        picture.paste((40 * i,) * 3, (left, top, left + 200, top + 200))
    picture.save(tmp_path / "film.png")
    for name in ("film.js", "film.css"):
        shutil.copy(ROOT / "_static" / name, tmp_path)
    labels = "; ".join(f"t = {100 * i}" for i in range(6))
    (tmp_path / "index.html").write_text(
        f"""<link rel="stylesheet" href="film.css"><script src="film.js"></script>
        <div class="cell tag_film tag_film-2x3"><div class="cell_output">
        <img src="film.png" alt="Grey steps. Frames: {labels}."></div></div>"""
    )
    base = serve(tmp_path)
    page = browser.new_page()
    page.goto(base, wait_until="load")
    slider = page.get_by_role("slider", name="Frame of: Grey steps.")
    caption = page.locator("output")

    assert caption.inner_text() == "t = 500"
    assert page.get_by_role("button", name="Play").is_visible()
    assert caption.get_attribute("aria-live") == "off"  # it isn't read out frame by frame
    box = page.locator(".film-window").bounding_box()
    assert box["width"] == box["height"] <= 420
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert caption.inner_text() == "t = 400" == slider.get_attribute("aria-valuetext")
    assert page.locator("img").evaluate("i => i.style.left + i.style.top") == "-100%-100%"
    page.keyboard.press("ArrowRight")
    page.get_by_role("button", name="Play").click()  # from the first frame again
    page.wait_for_function("document.querySelector('output').innerText === 't = 0'")
    page.wait_for_function("document.querySelector('output').innerText === 't = 500'")
    assert page.get_by_role("button", name="Play").is_visible()  # it stops at the end
    page.get_by_role("button", name="Show all frames").click()
    assert page.locator("img").bounding_box()["width"] == 600
    assert not slider.is_visible()
    page.get_by_role("button", name="Show one frame").click()
    assert slider.is_visible() and page.locator("img").bounding_box()["width"] > 1200

    still = browser.new_page(java_script_enabled=False)
    still.goto(base)
    assert still.locator("img").bounding_box()["width"] == 600
