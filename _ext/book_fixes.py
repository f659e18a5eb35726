"""Repairs of what jupyter-book and its theme do to every page."""

import re
import sys
from pathlib import Path

# The jupyter-book command does not put the folder of the book on the path; autodoc needs it.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


COLAB_BADGE = "https://colab.research.google.com/assets/colab-badge.svg"


def local_badge(app, docname, source):
    """Show our own badge: Colab and GitHub need the address, the book asks no other host."""
    source[0] = source[0].replace(COLAB_BADGE, "/_static/colab-badge.svg")


def drop_thebe(app, pagename, templatename, context, doctree):
    """Remove the loader of thebe: it is emitted twice (a console error), and never used."""
    def is_thebe(script):
        body = getattr(script, "attributes", {}).get("body") or ""
        return "THEBE_JS_URL" in body or "sphinx-thebe" in str(getattr(script, "filename", ""))

    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context.get(kind, []) if not is_thebe(file)]


def keep_bars(app, what, name, obj, options, lines):
    """Let docstrings write |x| for a norm, which reStructuredText takes for a substitution."""
    def escaped(line):
        parts = re.split(r"(``.*?``)", line)
        return "".join(p if p.startswith("``") else p.replace("|", r"\|") for p in parts)

    lines[:] = [escaped(line) for line in lines]


def setup(app):
    app.connect("source-read", local_badge)
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("html-page-context", drop_thebe, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
