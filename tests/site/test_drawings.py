"""The drawings: made by the script, described, legible in both themes, and part of their page."""

import re
import subprocess
import sys
from collections import Counter

import pytest
import test_book
import torch
from bs4 import BeautifulSoup

from ddpm_lite import load_pretrained
from ddpm_lite.nets import Block
from drawings import DRAWINGS, style
from drawings.kit import Drawing

browser = test_book.browser  # a fixture
FOLDER = test_book.ROOT / "book" / "drawings"
FILES = {path.stem: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.svg")}
TILE = re.compile(r'<g class="tile".*?</g>', re.S)


def pixels(tile):
    """The grey levels (H, H) in 0 … 255 of a tile, read from its paths."""
    side = int(re.search(r"M0 0h(\d+)", tile)[1])
    grey = torch.zeros(side, side)
    for shade, path in re.findall(r'fill:#(..)\w{4}" d="m([^"]+)"', tile):
        x = y = 0
        for dx, dy, run in re.findall(r"(-?\d+) (-?\d+)h(\d+)v1", path):
            x, y = x + int(dx), y + int(dy)
            grey[y, x : x + int(run)] = int(shade, 16)
    return grey


def luminance(color):
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), parts, strict=True))


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_the_files_are_what_the_script_writes():
    """If it fails: python -m scripts.drawings. A pixel may differ by one of six grey levels, since
    a network on another machine may round otherwise."""
    assert set(FILES) == set(DRAWINGS) and len(FILES) >= 13
    for name, draw in DRAWINGS.items():
        made = draw().svg()
        assert TILE.sub("", made) == TILE.sub("", FILES[name]), name
        for a, b in zip(TILE.findall(made), TILE.findall(FILES[name]), strict=True):
            assert (pixels(a) - pixels(b)).abs().max() <= 51, name


def test_a_tile_shows_the_pixels_of_its_image():
    drawing, image = Drawing("a", "A", "B", 100), torch.linspace(-1.3, 1.3, 64).view(8, 8)
    drawing.tile(0, 0, 80, image)
    grey = pixels("".join(drawing.parts))
    assert (grey - (image.clamp(-1, 1) + 1) / 2 * 255).abs().max() <= 255 / 11 / 2 + 1


@pytest.mark.parametrize("name", FILES)
def test_a_drawing_is_described_small_and_needs_nothing_else(name):
    svg = FILES[name]
    title, desc = (re.search(rf"<{tag} id=.*?>(.+?)</{tag}>", svg)[1] for tag in ("title", "desc"))
    assert len(title) > 5 and len(desc) > 80 and desc.endswith(".")
    assert svg.count("http") == 1 and not re.search(r"<script|<image|@import|url\(|href", svg)
    assert len(svg.encode()) <= 25_000
    assert float(re.search(r'viewBox="0 0 (\S+)', svg)[1]) <= 720
    assert re.findall(r"font(?:-size)?: ?(\d+)px", svg) == ["16"]  # one size for all text


@pytest.mark.parametrize("colors", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(colors):
    behind = [colors[name] for name in ("paper", "plain", "data-tint", "noise-tint", "model-tint")]
    for name in ("ink", "muted", "data-text", "noise-text", "model-text"):
        for back in behind[: 2 if name == "muted" else 5]:
            assert contrast(colors[name], back) >= 4.5, (name, back)


def test_text_that_does_not_fit_into_its_box_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        Drawing("a", "A", "B", 100).box(0, 0, 60, 40, "GroupNorm")
    with pytest.raises(ValueError, match="does not fit"):
        Drawing("a", "A", "B", 100).box(0, 0, 200, 30, "two", "lines")


def test_the_u_net_of_the_drawing_is_the_shipped_one_for_mnist():
    net, _, _ = load_pretrained("mnist")
    blocks = [layer for layer in (*net.down, *net.mid, *net.up) if isinstance(layer, Block)]
    skips = 1 + len(net.down)
    drawn = BeautifulSoup(FILES["unet"], "html.parser")
    assert len(drawn.select('.dot[r="4"]')) == len(blocks) + 1  # and one in the legend
    assert len(drawn.select("path.head.data")) == skips == sum(isinstance(b, Block) for b in net.up)


def test_what_the_drawings_name_in_code_exists():
    package = "".join(path.read_text("utf-8") for path in test_book.ROOT.glob("ddpm_lite/*.py"))
    named = {name for svg in FILES.values() for name in re.findall(r'class="c">(\w+)<', svg)}
    assert "q_sample" in named and len(named) > 6
    assert {n for n in named if not re.search(rf"^(def|class) {n}\b", package, re.M)} == set()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of a small book with one drawing twice, another once, and an ordinary image."""
    source = tmp_path_factory.mktemp("source")
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(test_book.ROOT / '_ext')!r})\n"
        "extensions = ['drawings']\nhtml_theme = 'basic'\n"
    )
    (source / "drawings").mkdir()
    for name in ("unet", "chain"):
        (source / "drawings" / f"{name}.svg").write_text(FILES[name], encoding="utf-8")
    (source / "logo.svg").write_bytes((test_book.ROOT / "_static" / "logo.svg").read_bytes())
    images = [f".. image:: {name}.svg\n   :alt: {name}\n" for name in
              ("drawings/unet", "drawings/chain", "drawings/unet", "logo")]  # fmt: skip
    (source / "index.rst").write_text("Title\n=====\n\n" + "\n".join(images))
    command = [sys.executable, "-m", "sphinx", "-qW", "-b", "html", str(source), f"{source}/out"]
    subprocess.run(command, check=True)
    return source / "out" / "index.html"


def test_a_drawing_becomes_part_of_its_page(page):
    html = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    drawn = html.select("svg.drawing[role=img]")
    assert len(drawn) == 3 and [image["alt"] for image in html.select("img")] == ["logo"]
    assert len(html.select("svg style")) == 1  # for all of them
    assert [path.name for path in (page.parent / "_images").iterdir()] == ["logo.svg"]
    ids = Counter(tag["id"] for tag in html.select("[id]"))
    assert max(ids.values()) == 1
    for svg in drawn:
        named = [svg.find(id=name).name for name in svg["aria-labelledby"].split()]
        assert named == ["title", "desc"]


MEASURE = """(svg) => {
  const box = (e) => { const b = e.getBBox(); return [b.x, b.y, b.x + b.width, b.y + b.height]; };
  const words = [...svg.querySelectorAll("text")];
  const all = words.map((e) => {
    const outer = e.parentNode.classList.contains("box") ? e.parentNode.querySelector("rect") : svg;
    const [left, top, right, bottom] = outer === svg
      ? [0, 0, svg.viewBox.baseVal.width, svg.viewBox.baseVal.height] : box(outer);
    return {word: e.textContent, box: box(e), room: [left, top, right, bottom]};
  });
  return all;
}"""


@test_book.needs_browser
def test_no_text_leaves_its_box_or_meets_another(browser):
    page = browser.new_page()
    for name, svg in FILES.items():
        page.set_content(svg)
        texts = page.locator("svg").evaluate(MEASURE)
        assert len(texts) > 4
        for i, text in enumerate(texts):
            left, top, right, bottom = text["box"]
            assert left >= text["room"][0] and right <= text["room"][2], (name, text)
            assert top >= text["room"][1] - 1 and bottom <= text["room"][3] + 1, (name, text)
            for other in texts[:i]:  # the boxes of letters have room above and below
                a, b, c, d = other["box"]
                met = left < c and a < right and top + 3 < d - 3 and b + 3 < bottom - 3
                assert not met, (name, text["word"], other["word"])
    page.close()


@test_book.needs_browser
def test_a_drawing_follows_the_theme_of_its_page_and_else_of_the_system(page, browser):
    def ink(selector="svg.drawing text"):
        return view.locator(selector).first.evaluate("e => getComputedStyle(e).fill")

    def rgb(color):
        return "rgb({}, {}, {})".format(*(int(color[i : i + 2], 16) for i in (1, 3, 5)))

    view = browser.new_page(color_scheme="dark")
    view.goto(page.as_uri())
    assert ink() == rgb(style.LIGHT["ink"])  # the page has no dark theme, whatever the system has
    view.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert ink() == rgb(style.DARK["ink"])
    box = "svg.drawing rect.model"
    assert ink(box) == rgb(style.DARK["model-tint"])
    view.evaluate("document.documentElement.style.setProperty('--pst-color-text-base', 'red')")
    assert ink() == "rgb(255, 0, 0)"
    view.emulate_media(media="print")
    assert ink(box) == rgb(style.LIGHT["model-tint"])  # paper is white
    view.emulate_media(media="screen", color_scheme="dark")
    view.goto((FOLDER / "unet.svg").as_uri())
    assert ink("text") == rgb(style.DARK["ink"])
    view.emulate_media(color_scheme="light")
    assert ink("text") == rgb(style.LIGHT["ink"])
    view.close()
