"""Each chapter is short, shows its result first, and reads as it is in Colab and on GitHub."""

import re
from pathlib import Path

import nbformat
import pytest

import limits

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if path.stem[2] == "_"]  # a Deeper one may be long
NOT_COMMONMARK = re.compile(
    r"\{[a-z:-]+\}`|^\s*(:::|~~~|```)\s*\{|^\([\w-]+\)=$|\{dropdown\}", re.M
)


def texts(path):
    return [c.source for c in nbformat.read(path, 4).cells if c.cell_type == "markdown"]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_main_path_is_short(path):
    """With its set-up, and with the cells that the page folds."""
    size = limits.measure(path)
    most = 240 if path.stem == "04_unet" else 180  # chapter 4 builds the whole network
    assert size.cells <= 45 and size.words <= 3500, size
    assert size.lines <= most and size.median <= 6 and size.longest <= 20, size
    assert size.captions >= size.figures >= 5, size


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_is_longer_than_a_screen(path):
    assert limits.measure(path).longest <= 20


def test_every_line_of_the_main_path_counts(tmp_path):
    """Set-up, folded and drawing lines; not comments, blank lines, and what follows Exercises."""
    code, text = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell
    folded = code("plt.plot(x)\n\n# a comment\nplt.show()", metadata={"tags": ["hide-input"]})
    cells = [text("# 1. A"), code("import a"), folded, text("## Exercises"), code("x = 1\n" * 9)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    size = limits.measure(tmp_path / "a.ipynb")
    assert (size.lines, size.median, size.longest, size.cells) == (3, 1.5, 2, 3)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_result_comes_first(path):
    """Title, one set-up cell of at most eight lines, and the figure of the result."""
    title, setup, *rest = nbformat.read(path, 4).cells
    assert title.cell_type == "markdown" and "\n# " in title.source and "You will" in title.source
    assert "setup" in setup.metadata.tags and len(setup.source.splitlines()) <= 8
    for cell in rest:  # whatever makes the result is folded
        if len(cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")) > 20:
            return
        assert cell.cell_type == "code" and limits.FOLDED & set(cell.metadata.get("tags", []))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_commonmark(path):
    """No roles and no directives of MyST, which Colab would show as they are."""
    for text in texts(path):
        assert not NOT_COMMONMARK.search(re.sub(r"```python\n.*?```", "", text, flags=re.S)), text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_numbers_run_from_one_and_are_found(path):
    """Captions are numbered 1, 2, … in this chapter; each number in the text has its figure."""
    text, chapter = "\n".join(texts(path)), int(path.stem[:2])
    for kind, defined in (
        ("Figure", r"^\*\*Figure (\d+)\.(\d+)\.\*\*"),
        ("Equation", r"\\tag\{(\d+)\.(\d+)\}"),
    ):
        found = [(int(a), int(b)) for a, b in re.findall(defined, text, re.M)]
        if path in CHAPTERS:
            assert found == [(chapter, n) for n in range(1, len(found) + 1)], f"{kind}s: {found}"


@pytest.mark.parametrize(
    "text",
    ["{doc}`05_training`", ":::{note}", "```{figure} x.png", "(eq-loss)=", "~~~{dropdown} A"],
)
def test_what_is_not_commonmark_is_seen(text):
    assert NOT_COMMONMARK.search(text)
