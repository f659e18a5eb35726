"""Number the figures of a chapter whose author has written no captions yet (see captions.py)."""

from docutils import nodes


def number_figures(app, doctree, docname):
    if not docname.startswith("notebooks/") or app.builder.format != "html":
        return
    if any("figure-caption" in p["classes"] for p in doctree.findall(nodes.paragraph)):
        return
    chapter = int(docname.removeprefix("notebooks/")[:2])
    outputs = [c for c in doctree.findall(nodes.container) if "cell_output" in c["classes"]]
    drawn = [output for output in outputs if any(output.findall(nodes.image))]
    for number, output in enumerate(drawn, 1):
        name, anchor = f"Figure {chapter}.{number}", f"figure-{chapter}-{number}"
        link = nodes.reference("", name, internal=True, refuri=f"#{anchor}")
        output += nodes.paragraph("", "", link, ids=[anchor], classes=["figure-number"])


def setup(app):
    app.connect("doctree-resolved", number_figures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
