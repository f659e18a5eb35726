"""Make slides from each executed notebook, as one HTML file that works offline.

    python scripts/slides.py notebooks/*.ipynb --out _build/slides

The slides have the title, the question of each section, figures with their captions, displayed
equations with the sentence before them, predictions with folded answers, pitfalls, and the summary.
Use the arrow keys, space, Home and End to move. To get a PDF with one slide per page, print the
page.
"""

from __future__ import annotations

import argparse
import base64
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from marking import load
from quiz import mathml

ROOT = Path(__file__).resolve().parents[1]
TAG = re.compile(r"\\tag\{([\d.]+)\}")
EXERCISES = re.compile(r"^## Exercises?\b", re.M)
CAPTION = re.compile(r"\*\*Figure \d+d?\.\d+\.\*\*")
BOX = re.compile(r"\*\*(Predict|Pitfall)\b")
WORDS = 60  # the longest paragraph that a slide shows above an equation

STYLE = """
:root { color-scheme: light; --ink: #23292f; --muted: #57606a; --line: #dfe3e6; --mark: #0b5f8f; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 3.4vmin/1.45 system-ui, sans-serif; }
.slide { min-height: 100vh; padding: 5vmin 8vmin 9vmin; display: flex; flex-direction: column;
  gap: 2.4vmin; justify-content: center; border-bottom: 1px solid var(--line); }
.js .slide { display: none; height: 100vh; overflow: auto; border: 0; }
.js .slide.on { display: flex; }
.slide > * { margin: 0; max-width: 100%; flex-shrink: 0; }
h1 { font-size: 8vmin; line-height: 1.15; } h2 { font-size: 6vmin; line-height: 1.2; }
.where { position: absolute; top: 2.5vmin; left: 8vmin; color: var(--muted); font-size: 2vmin; }
.slide { position: relative; } .where p { margin: 0; }
.figure img { display: block; width: 100%; max-height: 62vh; object-fit: contain; }
.caption { align-self: center; max-width: 50em; }
.equation { font-size: 5vmin; overflow-x: auto; padding: 2vmin 0; display: flex;
  align-items: center; justify-content: safe center; gap: 1em; }
.equation .number { font-size: 3vmin; color: var(--muted); }
mtd[columnalign="left"] { text-align: left; } mtd[columnalign="right"] { text-align: right; }
menclose { border: 1px solid; padding: .3em; }
.box { border-left: .6vmin solid var(--mark); padding: 1vmin 3vmin; font-size: 4vmin; }
.box.pitfall { border-color: #d55e00; } .box p { margin: 0; }
summary { cursor: pointer; color: var(--mark); } details > * { margin: 1.5vmin 0; }
table { border-collapse: collapse; } td, th { padding: .4em .8em; border-bottom: 1px solid
  var(--line); text-align: left; } li { margin: .5em 0; } code { font-size: .9em; }
nav { position: fixed; right: 3vmin; bottom: 2vmin; color: var(--muted); font-size: 2vmin;
  display: none; gap: 1em; align-items: center; } .js nav { display: flex; }
nav button { font: inherit; border: 1px solid var(--line); border-radius: .4em; background: none; }
@media print { @page { size: 297mm 167mm; margin: 0; } nav { display: none !important; }
  body { font-size: 5mm; } .js .slide, .slide { display: flex; height: auto; min-height: 166mm;
  break-after: page; border: 0; } details::details-content { content-visibility: visible; } }
"""

SCRIPT = """
document.documentElement.classList.add("js");
const slides = [...document.querySelectorAll(".slide")];
const count = document.querySelector("nav span");
let now = 0;
function show(n) {
  now = Math.max(0, Math.min(slides.length - 1, n || 0));
  slides.forEach((slide, i) => slide.classList.toggle("on", i === now));
  count.textContent = `${now + 1} / ${slides.length}`;
  history.replaceState(null, "", `#${now + 1}`);
}
const keys = {ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1, ArrowLeft: -1, ArrowUp: -1,
  PageUp: -1, Home: -1e9, End: 1e9};
addEventListener("keydown", event => {
  if (event.altKey || event.ctrlKey || event.metaKey) return;  // the browser's own
  if (!(event.key in keys) || event.target.closest("summary, button") && event.key === " ") return;
  event.preventDefault();
  show(now + keys[event.key]);
});
addEventListener("hashchange", () => show(parseInt(location.hash.slice(1)) - 1));
document.querySelectorAll("nav button").forEach((button, i) =>
  button.addEventListener("click", () => show(now + (i ? 1 : -1))));
show(parseInt(location.hash.slice(1)) - 1);
"""


@dataclass
class Deck:
    """The slides so far, and the state of the reader."""

    slides: list[str] = field(default_factory=list)
    section: str = ""
    before: str = ""  # the last paragraph, for the equation that follows it
    figures: list[str] = field(default_factory=list)  # images that wait for their caption

    def add(self, body: str) -> None:
        where = f'<p class="where">{self.section}</p>' if self.section else ""
        self.slides.append(f'<section class="slide">{where}{body}</section>')


def equation(tex: str, display: str = "block") -> str:
    r"""MathML, with the number of \tag beside it."""
    number = TAG.search(tex)
    math = mathml(TAG.sub("", tex), display)
    return f'{math}<span class="number">({number[1]})</span>' if number else math


def markdown() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin)
    rules = reader.renderer.rules
    rules["math_inline"] = lambda tokens, i, *rest: equation(tokens[i].content, "inline")
    rules["math_block"] = lambda tokens, i, *rest: (
        f'<div class="equation">{equation(tokens[i].content)}</div>'
    )
    return reader


READER = markdown()


def blocks(text: str) -> Iterator[tuple[str, str, str]]:
    """The blocks of a Markdown text as (kind, source, HTML); an answer with all that it folds."""
    tokens, lines = READER.parse(text), text.splitlines()
    start = depth = 0
    folded = False
    for i, token in enumerate(tokens):
        depth += token.nesting
        if token.type == "html_block":
            folded = "</details>" not in token.content and (folded or "<details" in token.content)
        if depth == 0 and not folded:
            first = tokens[start]
            source = "\n".join(lines[slice(*first.map)]) if first.map else ""
            html = READER.renderer.render(tokens[start : i + 1], READER.options, {})
            kind = "answer" if "<details" in source else first.type.removesuffix("_open")
            yield kind, source, html
            start = i + 1


def read_markdown(deck: Deck, text: str, folder: Path) -> None:
    """Add the slides of one cell of text."""
    for kind, source, html in blocks(text):
        if kind == "heading" and source.startswith("## "):
            deck.section, deck.before = re.sub(r"</?h2>", "", html).strip(), ""
            if not source.startswith("## Summary"):
                deck.slides.append(f'<section class="slide">{html}</section>')
        elif CAPTION.match(source) and deck.figures:
            deck.add(f'{"".join(deck.figures)}<div class="caption">{html}</div>')
            deck.figures = []
        elif kind == "math_block":
            deck.add(f"{deck.before}{html}")
        elif kind == "blockquote" and (box := BOX.search(source)):
            body = re.sub(r"</?blockquote>", "", html)
            deck.add(f'<div class="box {box[1].lower()}">{body}</div>')
        elif kind == "answer" and deck.slides and '"box predict"' in deck.slides[-1]:
            deck.slides[-1] = deck.slides[-1].replace("</section>", f"{html}</section>")
        elif "Summary" in deck.section and kind in ("bullet_list", "table"):
            deck.add(f"<h2>Summary</h2>{html}")
        elif image := re.fullmatch(r"!\[(.*?)\]\((.*?)\)", source.strip(), re.S):
            deck.figures.append(drawing(folder / image[2], image[1]))
        if kind == "paragraph":
            deck.before = html if len(source.split()) <= WORDS else ""


def drawing(path: Path, alt: str) -> str:
    kind = {".svg": "svg+xml", ".jpg": "jpeg"}.get(path.suffix, path.suffix[1:])
    return img(f"image/{kind}", base64.b64encode(path.read_bytes()).decode(), alt)


def img(kind: str, data: str, alt: str) -> str:
    data = "".join(data.split())
    return f'<div class="figure"><img alt="{escape(alt)}" src="data:{kind};base64,{data}"></div>'


def title(deck: Deck, text: str) -> str:
    """The first slide, from the first cell: title and question. Returns the plain title."""
    name = heading = ""
    for kind, source, html in blocks(text):
        if kind == "heading":
            name, heading = source.lstrip("# ").strip(), html
        elif name and source.startswith("**"):
            deck.add(f"{heading}{html}")
            return name
    raise ValueError("the first cell has no title with a question in bold type below it")


def deck_of(path: Path) -> str:
    """The page with all slides of one notebook."""
    cells, deck = load(path).cells, Deck()
    name = title(deck, cells[0].source if cells else "")
    for cell in cells[1:]:
        if cell.cell_type == "code":
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            alt = alt.partition(" frames:")[0]
            pngs = [o.data["image/png"] for o in cell.outputs if "image/png" in o.get("data", {})]
            deck.figures = [img("image/png", png, alt) for png in pngs] or deck.figures
        else:
            main = EXERCISES.split(cell.source)[0]
            read_markdown(deck, main, path.parent)
            if main != cell.source:
                break
    body = re.sub(r'<a href="[^"]*">(.*?)</a>', r"\1", "\n".join(deck.slides), flags=re.S)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(name)}'
        '</title><meta name="viewport" content="width=device-width"><style>'
        f"{STYLE}</style></head>\n<body>\n{body}\n<nav><button>Back</button><span></span>"
        f"<button>Next</button></nav>\n<script>{SCRIPT}</script></body></html>\n"
    )


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("notebooks", nargs="+", type=Path)
    folder = ROOT / "_build" / "slides"
    parser.add_argument("--out", type=Path, default=folder, help="folder to write to")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.notebooks:
        try:
            page = deck_of(path)
        except (ValueError, OSError) as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
        (args.out / f"{path.stem}.html").write_text(page, encoding="utf-8")
        slides = page.count('<section class="slide">')
        print(f"{args.out / path.stem}.html: {slides} slides, {len(page) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
