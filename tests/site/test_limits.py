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
    """As the page opens, and with all that its folded cells do but draw."""
    size = limits.measure(path)
    most = 240 if path.stem == "04_unet" else 180  # chapter 4 builds the whole network
    assert size.cells <= 45 and size.words <= 3500, size
    assert size.lines <= most and size.median <= 6 and size.longest <= 20, size
    assert size.lines + size.folded <= most, size
    assert size.captions >= size.figures >= 5, size


@pytest.mark.parametrize("line, draws", [
    ("fig, axes = plt.subplots(1, 2)", True),
    ("axes[0].plot(x, y)", True),
    ("fig.legend()", True),
    ("for ax in axes:\n    ax.plot(x)\n    ax.set(title='a')", True),
    ("show_strip([q for q in xs], [])", True),
    ("from ddpm_lite.plot import show_strip", True),
    ("show_strip(sample(model, schedule, xT), [])", False),
    ("axes[0].plot(sample(model, schedule, xT))", False),
    ("x = sample(model, schedule, xT)", False),
    ("print(x)", False),
    ("from ddpm_lite import sample", False),
    ("import math", False),
])  # fmt: skip
def test_only_drawing_is_not_code(line, draws):
    source = "fig, axes = plt.subplots()\n" + line
    rest = limits.drawn(source, {"show_strip"}, {"sample"}) - {1}
    assert rest == (set(range(2, 2 + len(line.splitlines()))) if draws else set())


def test_a_loop_that_also_computes_is_code():
    """Its head and the line that computes, not the line that draws."""
    source = "for ax in axes:\n    y = fit(x)\n    ax.plot(y)"
    assert limits.drawn(source, set(), set()) == {3}


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
