"""Link each term of the glossary where a chapter first uses it, unless its author has done so."""

import re

from docutils import nodes

GLOSSARY = "book/glossary"
CLOSED = (nodes.reference, nodes.literal, nodes.FixedTextElement, nodes.math, nodes.math_block)
CLOSED += (nodes.title, nodes.raw)
# Words with other senses: linked by hand where the glossary's sense is meant.
ELSEWHERE = {"attention", "bias", "checkpoint", "clipping", "condition", "control", "entropy"}
ELSEWHERE |= {"kernel", "marginal", "score"}


def pattern(term):
    """The term as a word of its own, in singular or plural, also across the end of a line."""
    words = r"\s+".join(map(re.escape, term.split())).replace("'", "['’]")
    return re.compile(rf"(?<![\w-]){words}s?(?![\w-])", re.I)


def closed(node):
    """Inside a link, a formula, code, or a heading."""
    while node is not None and not isinstance(node, CLOSED):
        node = node.parent
    return node is not None


def link_first_uses(app, doctree, docname):
    if not docname.startswith("notebooks/") or app.builder.format != "html":
        return
    objects = app.env.get_domain("std").objects
    terms = {name: anchor for (kind, name), (_, anchor) in objects.items() if kind == "term"}
    uris = [link.get("refuri", "") for link in doctree.findall(nodes.reference)]
    linked = {uri.partition("#")[2] for uri in uris if GLOSSARY in uri}
    glossary = app.builder.get_relative_uri(docname, GLOSSARY)
    texts = [text for text in doctree.findall(nodes.Text) if not closed(text)]
    for term in sorted(terms, key=len, reverse=True):  # "exact denoiser" before "denoiser"
        if terms[term] in linked or term.lower() in ELSEWHERE:
            continue
        search = pattern(term).search
        for i, text in enumerate(texts):
            if match := search(text):
                word = nodes.inline("", match[0], classes=["xref", "std", "std-term"])
                uri = f"{glossary}#{terms[term]}"
                link = nodes.reference("", "", word, internal=True, refuri=uri)
                before, after = map(nodes.Text, (text[: match.start()], text[match.end() :]))
                text.parent.replace(text, [before, link, after])
                texts[i : i + 1] = before, after
                break


def setup(app):
    app.connect("doctree-resolved", link_first_uses)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
