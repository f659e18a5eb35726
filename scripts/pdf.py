"""Print the built book into one PDF: python scripts/pdf.py _build/html _build/book.pdf

It contains the articles of all pages except the reference, in the order of the table of contents,
with the theme's styles and rendered formulas. Folded answers are open, and controls are left out.
This needs Chromium.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
HIDE = """.headerlink, .film-controls, .film-toggle, .copybtn, .ex-app, #pg-app, .toggle-button,
  .prev-next-footer, .prev-next-area { display: none !important; }
  body { font-size: 10.5pt; } article { break-before: page; padding: 0 !important; }
  img, pre, table, svg, .cell_output, mjx-container[display] { break-inside: avoid; }
  img, pre, table, svg { max-width: 100%; }
  pre { white-space: pre-wrap !important; font-size: 8.5pt !important; }
  h1, h2, h3, summary { break-after: avoid; }
  .toggle-hidden:not(.admonition), .admonition.toggle-hidden > * { display: block !important;
    visibility: visible !important; height: auto !important; opacity: 1 !important; }"""
FOOT = '<div style="width: 100%; font-size: 8px; text-align: center" class="pageNumber"></div>'


def names() -> list[str]:
    """The pages in order, without those of the reference of the package."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [toc["root"], *(name for name in files if not name.startswith("book/api"))]


def joined(html: Path) -> str:
    """One page: the head of the cover and the articles of all."""
    first = (html / "book" / "index.html").read_text(encoding="utf-8")
    head = re.search(r"<head>.*?</head>", first, re.S)[0]
    chapter = (html / f"{names()[-5]}.html").read_text(encoding="utf-8")
    math = re.findall(r"<script[^>]*>window\.MathJax.*?</script>", chapter)
    math += re.findall(r"<script[^>]*mathjax/[^>]*></script>", chapter)
    articles = []
    for name in names():
        text = (html / f"{name}.html").read_text(encoding="utf-8")
        article = re.search(r"<article class=\"bd-article\".*?</article>", text, re.S)[0]
        articles.append(re.sub(r"<script.*?</script>", "", article, flags=re.S))
    math = [] if "mathjax/" in head else math
    head = head.replace("</head>", "".join(math) + f"<style>{HIDE}</style></head>")
    body = "\n".join(articles).replace("<details", "<details open")
    page = '<!doctype html><html lang="en" data-theme="light" data-content_root="../">'
    return f'{page}{head}<body><main class="bd-content">{body}</main></body></html>'


def main(html: Path, pdf: Path) -> None:
    from playwright.sync_api import sync_playwright

    page_file = html / "book" / "whole.html"
    page_file.write_text(joined(html), encoding="utf-8")
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=browser_path,
                args=["--no-sandbox", "--allow-file-access-from-files"],
            )
            page = browser.new_page()
            page.set_default_timeout(300_000)
            page.goto(page_file.resolve().as_uri(), wait_until="load")
            page.evaluate("() => window.MathJax?.startup?.promise")
            films = "document.querySelectorAll('.film:not(.film-still) .film-toggle')"
            page.evaluate(f"() => {films}.forEach(b => b.click())")  # all frames
            page.pdf(
                path=pdf, format="A4", print_background=True, outline=True, tagged=True,
                display_header_footer=True, header_template="<span></span>", footer_template=FOOT,
                margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
            )  # fmt: skip
            browser.close()
    finally:
        page_file.unlink()
    print(f"{pdf}: {pdf.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
