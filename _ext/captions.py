"""Link "Figure 3.2" and "(3.2)" to what they name, and dress captions and callouts.

A notebook stays plain Markdown, readable in Colab and on GitHub. Its author writes the numbers: a
paragraph that begins with **Figure 3.2.** below a cell is the caption of what the cell draws, and
``\\tag{3.2}`` numbers an equation. A Deeper notebook such as 04d numbers them 4d.1, 4d.2 and so on.
A quote that starts with **Predict** or **Pitfall** is a box.
"""

import re

from docutils import nodes

CAPTION = re.compile(r"(Figure|Table) (\d+d?)\.(\d+)\.?$")
TAG = re.compile(r"\\tag\{(\d+d?)\.(\d+)\}")
NAMED = re.compile(
    r"\b(?P<kind>Figure|Table) (?P<a>\d+d?)\.(?P<b>\d+)\b|\((?P<c>\d+d?)\.(?P<d>\d+)\)"
)
BOXES = {"Predict": "predict", "Pitfall": "pitfall"}


def first_words(paragraph):
    """The bold words that a paragraph begins with, if any."""
    first = next((child for child in paragraph.children if child.astext()), None)
    return first.astext() if isinstance(first, nodes.strong) else ""  # MyST may put "" before it


def collect(app, doctree):
    """Give captions and equations their anchors, and remember where they are."""
    docname = app.env.docname
    anchors = app.env.__dict__.setdefault("numbered", {})
    if not docname.startswith("notebooks/"):
        return
    for paragraph in doctree.findall(nodes.paragraph):
        if match := CAPTION.match(first_words(paragraph)):
            paragraph["classes"].append("figure-caption")
            remember(anchors, docname, paragraph, *match.groups())
        elif isinstance(paragraph.parent, nodes.block_quote):
            kind = BOXES.get(first_words(paragraph).split(" ")[0].rstrip(".:"))
            paragraph.parent["classes"] += ["callout", kind] if kind else []
    for block in doctree.findall(nodes.math_block):
        if match := TAG.search(block.astext()):
            remember(anchors, docname, block, "Equation", *match.groups())
            block["nowrap"] = True  # Sphinx would wrap it in an environment that allows no tag
            text = nodes.Text(rf"\[{block.astext()}\]")
            block.clear()
            block += text


def remember(anchors, docname, node, kind, chapter, number):
    anchor = f"{kind.lower()}-{chapter}-{number}"
    node["ids"].append(anchor)
    anchors[anchor] = docname


def link_numbers(app, doctree, docname):
    """Lead from each mention to the figure, table or equation, in this chapter or another."""
    if app.builder.format != "html":
        return
    anchors = getattr(app.env, "numbered", {})
    for text in list(doctree.findall(nodes.Text)):
        closed = (nodes.reference, nodes.literal, nodes.strong, nodes.title, nodes.math)
        if isinstance(text.parent, (*closed, nodes.math_block, nodes.FixedTextElement, nodes.raw)):
            continue
        parts, end = [], 0
        for match in NAMED.finditer(text):
            kind = (match["kind"] or "Equation").lower()
            anchor = f"{kind}-{match['a'] or match['c']}-{match['b'] or match['d']}"
            if anchor in anchors:
                uri = app.builder.get_relative_uri(docname, anchors[anchor]) + f"#{anchor}"
                uri = f"#{anchor}" if anchors[anchor] == docname else uri
                link = nodes.reference("", match[0], internal=True, refuri=uri)
                parts += [nodes.Text(text[end : match.start()]), link]
                end = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[end:])])


def purge(app, env, docname):
    """Forget a page that is read again."""
    env.numbered = {k: v for k, v in getattr(env, "numbered", {}).items() if v != docname}


def setup(app):
    app.connect("doctree-read", collect)
    app.connect("doctree-resolved", link_numbers)
    app.connect("env-purge-doc", purge)
    return {"version": "2", "parallel_read_safe": False, "parallel_write_safe": True}
