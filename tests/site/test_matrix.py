"""The tools that try the notebooks elsewhere: one digit is changed, and figures are compared."""

import argparse
import base64
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

import matrix
import notebooks

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_one_digit_is_changed(path, tmp_path):
    """In one output that nbval compares, by one; a row "changed" would prove nothing otherwise."""
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    matrix.change(copy)
    pairs = zip(*(nbformat.read(file, 4).cells for file in (path, copy)), strict=True)
    differ = [(a, b) for a, b in pairs if a != b]
    assert len(differ) == 1
    before, after = ("".join(o.get("text", "") for o in cell.outputs) for cell in differ[0])
    assert "nbval-ignore-output" not in differ[0][0].metadata.get("tags", [])
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0][0].isdigit() or not re.search(r"\d", printed(path))


def test_another_python_is_found_from_each_folder(tmp_path, monkeypatch):
    """Also by a relative path, as in the description, though each run has a folder of its own."""
    monkeypatch.chdir(Path(sys.executable).parent.parent)
    name = Path(sys.executable).relative_to(Path.cwd())
    assert matrix.program(str(name)) == matrix.program(sys.executable) == sys.executable
    with pytest.raises(argparse.ArgumentTypeError, match="there is no program pyhton"):
        matrix.program("pyhton")


@pytest.mark.parametrize("code, said, line", [
    (0, "", "1 of 1 notebooks passed, 0 cells differ"),
    (1, "FAILED notebooks/01_noise.ipynb::Cell 3", "0 of 1 notebooks passed, 1 cells differ"),
    (5, "no tests ran", "0 of 1 notebooks passed, 0 cells differ"),
])  # fmt: skip
def test_a_row_counts_the_notebooks_that_passed(code, said, line, monkeypatch, capsys):
    """None if nothing ran."""
    done = subprocess.CompletedProcess([], code, said, "")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    monkeypatch.setattr(matrix, "copied", lambda folder, *_: folder)
    assert matrix.tried("plain", {}, [Path("01_noise.ipynb")], "python", 0) == (code == 0)
    assert line in capsys.readouterr().out


def printed(path):
    """All that nbval compares."""
    cells = nbformat.read(path, 4).cells
    cells = [c for c in cells if "nbval-ignore-output" not in c.metadata.get("tags", [])]
    return "".join(o.get("text", "") for c in cells for o in c.get("outputs", []))


def book(*images):
    """A notebook with a figure for each array of grey levels in 0 … 1."""
    cells = []
    for number, image in enumerate(images):
        file = BytesIO()
        plt.imsave(file, image, cmap="gray", vmin=0, vmax=1, format="png")
        data = {"image/png": base64.b64encode(file.getvalue()).decode()}
        output = nbformat.v4.new_output("display_data", data)
        cells.append(nbformat.v4.new_code_cell(id=f"figure-{number}", outputs=[output]))
    return nbformat.v4.new_notebook(cells=cells)


GREY = np.full((40, 50), 0.5)
DOT, LIGHTER = GREY.copy(), GREY + 0.01
DOT[:2, :2] = 1.0
FAINT = GREY + 0.003  # less than one of 255 levels


@pytest.mark.parametrize("now, words", [
    ([GREY], []),
    ([FAINT], []),
    ([LIGHTER], ["differs by"]),
    ([DOT], ["clearly"]),
    ([GREY[:30]], ["another size"]),
    ([GREY, GREY], ["2 figures, 1 in the file"]),
    ([], ["0 figures, 1 in the file"]),
])  # fmt: skip
def test_a_figure_that_changed_is_named(now, words, tmp_path, monkeypatch):
    path = tmp_path / "book.ipynb"
    nbformat.write(book(GREY), path)
    monkeypatch.setattr(notebooks, "executed", lambda path: book(*now))
    found = notebooks.changed_figures(path)
    assert len(found) == len(words) and all(w in text for w, text in zip(words, found, strict=True))
