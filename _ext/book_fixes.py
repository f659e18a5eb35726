"""Repairs of what jupyter-book and its theme do to every page."""

import hashlib
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


def link_chapters(app, what, name, obj, options, lines):
    """Lead from "Built in chapter 1" of a docstring to that chapter."""
    folder = Path(app.srcdir) / "notebooks"
    chapters = {int(path.stem[:2]): path.stem for path in folder.glob("[0-9][0-9]_*.ipynb")}

    def link(match):
        chapter = chapters.get(int(match[1]))
        return f":doc:`{match[0]} </notebooks/{chapter}>`" if chapter else match[0]

    lines[:] = [re.sub(r"\bchapter (\d+)\b", link, line) for line in lines]


def flatten_modules(app, pagename, templatename, context, doctree):
    """List the modules in one list: Sphinx nests lists in a way that HTML doesn't allow."""
    if pagename == "_modules/index":
        head, *rows = re.split(r"(?=<li>)", re.sub(r"</?ul>\s*", "", context["body"]))
        context["body"] = f"{head}<ul>\n{''.join(rows)}</ul>\n"


# What every page would fetch and none uses: the icons come from the theme's web fonts as well, the
# index of the search is needed where one searches, and no page has tabs.
UNUSED = r".*/(fontawesome|searchtools|language_data|searchindex|design-tabs)\.js"
SCRIPT = re.compile(r'[ \t]*<script\b[^>]*\bsrc="([^"?]*)[^"]*"[^>]*></script>\n')
STYLES = ("togglebutton", "copybutton", r"mystnb\.\w+", r"sphinx-design\.min", "book", "film")
TOOLS = ("doctools", "sphinx_highlight", r"clipboard\.min", "copybutton")


def lighten(app, error):
    """Drop what no page uses, and join neighbouring small files: fewer requests for each page."""
    if error or app.builder.name != "html":
        return
    static = Path(app.outdir) / "_static"
    for page in Path(app.outdir).rglob("*.html"):
        if static in page.parents:
            continue
        before = text = page.read_text(encoding="utf-8")
        if page.name not in ("search.html", "genindex.html", "py-modindex.html"):
            text = SCRIPT.sub(lambda m: "" if re.fullmatch(UNUSED, m[1]) else m[0], text)
        link = '<link rel="stylesheet" type="text/css" href="{}"'
        text = joined(text, STYLES, link, " />", static)
        for names in (TOOLS, ("book", "film")):
            text = joined(text, names, '<script src="{}"', "></script>", static)
        if text != before:
            page.write_text(text, encoding="utf-8")
    for bundle in static.glob("joined-*"):  # also those of pages that were not built anew
        names = bundle.read_text(encoding="utf-8").partition("*/")[0].split()[1:]
        write_joined(bundle, [static / name for name in names])


def joined(text, names, start, end, static):
    """The page with one file in place of neighbours, all of them in _static."""
    kind = "css" if "stylesheet" in start else "js"
    head, tail = map(re.escape, start.split("{}"))
    name = rf"((?:{'|'.join(names)})\.{kind})"
    one = rf"[ \t]*{head}((?:\.\./)*_static/){name}(?:\?v=\w+)?{tail}{end}\n"

    def bundle(match):
        files = [found[2] for found in re.finditer(one, match[0])]
        key = hashlib.sha256(" ".join(files).encode()).hexdigest()[:8]
        write_joined(static / f"joined-{key}.{kind}", [static / name for name in files])
        link = f"{re.search(one, match[0])[1]}joined-{key}.{kind}"
        return f"    {start.format(link)}{end}\n"

    return re.sub(rf"(?:{re.sub(r'[(](?![?])', '(?:', one)}){{2,}}", bundle, text)


def write_joined(path, files):
    """The files one after the other; the first line names them."""
    parts = [f"/* {' '.join(file.name for file in files)} */"]
    path.write_text("\n".join(parts + [f.read_text("utf-8") for f in files]), encoding="utf-8")


def find_targets(app, doctree):
    """Let ``page.md#name`` reach a target ``(name)=`` too, not only a heading's own anchor."""
    slugs = app.env.metadata[app.env.docname].setdefault("myst_slugs", {})
    for name, explicit in doctree.nametypes.items():
        if explicit and doctree.nameids.get(name):
            slugs.setdefault(name, (0, doctree.nameids[name], ""))


def setup(app):
    app.connect("doctree-read", find_targets)
    app.connect("source-read", local_badge)
    app.connect("autodoc-process-docstring", keep_bars)
    app.connect("autodoc-process-docstring", link_chapters)
    app.connect("html-page-context", drop_thebe, priority=900)
    app.connect("html-page-context", flatten_modules)
    app.connect("build-finished", lighten)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
