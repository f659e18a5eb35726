"""Put the address of the repository into the book as it is built.

The workflow that publishes the book knows it (``GITHUB_REPOSITORY``), so the badges and links of a
fork lead to the fork, without an edit. Elsewhere it is what pyproject.toml declares. As long as
that says OWNER, nobody knows the address, and badges and buttons are left out.
"""

import os
import re
from pathlib import Path

NAME = r"[\w.-]+"
DECLARED = re.compile(rf'^Repository = "https://github\.com/({NAME}/{NAME})"$', re.M)
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\([^)]*\)(?:\\n|\n)*")


def declared(root):
    """Owner and name in pyproject.toml."""
    return DECLARED.search((Path(root) / "pyproject.toml").read_text(encoding="utf-8"))[1]


def known(root, environ=os.environ):
    """Owner and name as "me/my-book", or None."""
    address = environ.get("GITHUB_REPOSITORY") or declared(root)
    return None if address.startswith("OWNER/") else address


def readdressed(text, old, new):
    """The text of a page with the new address, or without badges if there is none."""
    if new is None:
        return BADGE.sub("", text)
    text = re.sub(rf"(?<![\w.-]){re.escape(old)}(?![\w-])", new, text)
    (owner, name), (new_owner, new_name) = old.split("/"), new.split("/")
    return text.replace(f"{owner}.github.io/{name}", f"{new_owner}.github.io/{new_name}")


def on_page(app, docname, source):
    source[0] = readdressed(source[0], declared(app.srcdir), known(app.srcdir))


def on_buttons(app, config):
    """The buttons at the top of a page."""
    options, address = config.html_theme_options, known(app.srcdir)
    if address:
        options["repository_url"] = f"https://github.com/{address}"
        config.html_baseurl = "https://{}.github.io/{}".format(*address.split("/"))
    else:
        for name in ("repository_url", "launch_buttons"):
            options.pop(name, None)
        options |= {"use_repository_button": False, "use_issues_button": False}
        config.html_baseurl = ""


def setup(app):
    app.connect("config-inited", on_buttons)
    app.connect("source-read", on_page)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
