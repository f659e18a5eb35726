"""Measure how much of each chapter's page is code and how much is figures, when the page opens.

    python scripts/heights.py _build/html                 all chapters
    python scripts/heights.py _build/html 03_loss 05_training

In a window of 1280 × 900 pixels, it measures the shares of the article's height, how many screens
there are above the first figure, and the longest stretch without a figure before the exercises, in
screens. Folded code and answers don't count. Captions count as figures. This needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

WIDTH, HEIGHT = 1280, 900
ROW = "{:22}" + "{:>9}" * 5
MEASURE = """() => {
  const article = document.querySelector("article").getBoundingClientRect();
  const seen = (node) => !node.closest("button, .film-window")  // icons, and sheets of frames
    && node.checkVisibility() && node.getBoundingClientRect().height > 1;
  const place = (node) => node.getBoundingClientRect();
  const boxes = (selector) => [...document.querySelectorAll(`article :is(${selector})`)]
    .filter(seen).map(place).map((box) => [box.top - article.top, box.bottom - article.top]);
  const pictures = "div.cell_output :is(img, svg), .film, figure, p > img, svg[role=img]";
  return {
    height: article.height,
    code: boxes("div.cell_input, div[class*=highlight-]:not(div.cell_output *)"),
    figures: boxes(`${pictures}, p.figure-caption`),
    end: boxes("section[id^=exercise]")[0]?.[0] ?? article.height,
  };
}"""


def covered(boxes: list[list[float]]) -> float:
    """The total height that the intervals cover."""
    total, end = 0.0, 0.0
    for top, bottom in sorted(boxes):
        total += max(0.0, bottom - max(top, end))
        end = max(end, bottom)
    return total


def longest(boxes: list[list[float]], end: float) -> float:
    """The longest stretch up to the end that no interval covers."""
    edges = [(0.0, 0.0), *sorted(box for box in map(tuple, boxes) if box[0] < end), (end, end)]
    reached, most = 0.0, 0.0
    for top, bottom in edges:
        most, reached = max(most, top - reached), max(reached, bottom)
    return most


def measure(page) -> list[str]:
    """The cells of one row, for the page that is open."""
    found = page.evaluate(MEASURE)
    high, figures = found["height"], found["figures"]
    first = min(figures)[0] / HEIGHT if figures else float("nan")
    gap = longest(figures, found["end"]) / HEIGHT
    shares = [f"{covered(found[kind]) / high:.0%}" for kind in ("code", "figures")]
    return [f"{high / HEIGHT:.1f}", *shares, f"{first:.1f}", f"{gap:.1f}"]


def main() -> None:
    from playwright.sync_api import sync_playwright

    how = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=how)
    parser.add_argument("html", type=Path)
    parser.add_argument("chapters", nargs="*")
    args = parser.parse_args()
    found = sorted(path.stem for path in (args.html / "notebooks").glob("*.html"))
    print(ROW.format("chapter", "screens", "code", "figures", "to first", "longest"))
    path = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name in args.chapters or found:
            file = args.html.resolve() / "notebooks" / f"{name}.html"
            page.goto(file.as_uri(), wait_until="load")
            page.evaluate("() => window.MathJax?.startup?.promise")
            print(ROW.format(name, *measure(page)), flush=True)
        browser.close()


if __name__ == "__main__":
    main()
