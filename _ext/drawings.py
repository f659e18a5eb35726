"""Put the drawings into the page itself, so that they follow its light or dark theme.

In Markdown a drawing is an ordinary image, ``![alt](../book/drawings/unet.svg)``, and Jupyter,
Colab and GitHub show the file. In the book the image becomes the SVG: no request of its own, and
the style, which is the same in all of them, once a page.
"""

import re
from collections import Counter
from pathlib import Path

from docutils import nodes

DRAWING = re.compile(r"(?:^|/)drawings/(\w+)\.svg$")
STYLE = re.compile(r"<style>.*?</style>\n?", re.S)


def inlined(svg, count, styled):
    """The file as a part of a page: the ids of its nth use are its own, the style comes once."""
    svg = svg if styled else STYLE.sub("", svg)
    names = re.findall(r'\bid="([^"]+)"', svg) if count > 1 else []
    return re.sub(rf"\b({'|'.join(names)})(?=[ \"])", rf"\1-{count}", svg) if names else svg


def inline_drawings(app, doctree, docname):
    if app.builder.format != "html":
        return
    uses = Counter()
    for image in list(doctree.findall(nodes.image)):
        if match := DRAWING.search(image["uri"]):
            uses[match[1]] += 1
            svg = (Path(app.srcdir) / image["uri"]).read_text(encoding="utf-8")
            html = inlined(svg, uses[match[1]], styled=uses.total() == 1)
            image.replace_self(nodes.raw("", html.strip(), format="html"))


def setup(app):
    app.connect("doctree-resolved", inline_drawings)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
