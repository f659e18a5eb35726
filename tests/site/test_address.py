"""The published book leads to the repository that built it; an unknown address is left out."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = runpy.run_path(str(ROOT / "_ext" / "address.py"))
declared, known, readdressed = (ADDRESS[name] for name in ("declared", "known", "readdressed"))
FIRST = (ROOT / "notebooks" / "00_first_digits.ipynb").read_text(encoding="utf-8")


@pytest.fixture
def root(tmp_path):
    """A folder whose pyproject.toml declares an address."""

    def declare(address):
        line = f'[project.urls]\nRepository = "https://github.com/{address}"\n'
        (tmp_path / "pyproject.toml").write_text(line, encoding="utf-8")
        return tmp_path

    return declare


def test_the_workflow_knows_best_then_the_project_then_nobody(root):
    workflow = {"GITHUB_REPOSITORY": "me/my-book"}
    assert known(root("them/book"), workflow) == "me/my-book"
    assert known(root("them/book"), {}) == "them/book"
    assert known(root("OWNER/ddpm-lite"), {}) is None
    assert known(root("OWNER/ddpm-lite"), workflow) == "me/my-book"


def test_a_chapter_of_a_fork_leads_to_the_fork():
    """Its badge and the line that installs the package, and nothing is left of the old address."""
    text = readdressed(FIRST, declared(ROOT), "me/my-book")
    assert "colab.research.google.com/github/me/my-book/blob/main/notebooks/00" in text
    assert "git+https://github.com/me/my-book einops" in text
    assert declared(ROOT) not in text
    old = "https://them.github.io/book, github.com/them/book.git, github.com/them/books"
    new = "https://me.github.io/mine, github.com/me/mine.git, github.com/them/books"
    assert readdressed(old, "them/book", "me/mine") == new


def test_without_an_address_the_badge_is_left_out_and_the_rest_stays():
    before, after = (json.loads(text)["cells"] for text in (FIRST, _unaddressed(FIRST)))
    assert "colab" in "".join(before[0]["source"]) and before[1:] == after[1:]
    assert "".join(after[0]["source"]).lstrip().startswith("# 0. ")


def _unaddressed(text):
    return readdressed(text, declared(ROOT), None)
