"""Measure how long each chapter is on its main path, from the title to the exercises.

    python scripts/limits.py notebooks/*.ipynb

All lines of code count except blank lines and comments. This includes the set-up, folded cells, and
lines that only draw. Words are those of the text, without code, formulas, addresses of links and
tags.
"""

from __future__ import annotations

import re
import statistics
import sys
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import nbformat

FOLDED = {"hide-input", "hide-cell"}
EXERCISES = re.compile(r"^## (\d+\.\d+ )?Exercises?\b", re.M)
NOT_WORDS = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|<[^>]*>|\]\([^)]*\)", re.S)


@dataclass(frozen=True)
class Size:
    cells: int
    lines: int
    median: float
    longest: int
    words: int
    figures: int
    captions: int


def main_path(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells before the exercises, including the text above that heading in its cell."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (found := EXERCISES.search(cell.source)):
            cell.source = cell.source[: found.start()]
            return [*cells, cell] if cell.source.strip() else cells
        cells.append(cell)
    return cells


def code_lines(source: str) -> int:
    return sum(
        bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines()
    )


def measure(path: Path) -> Size:
    """The size of the main path of a chapter."""
    cells = main_path(nbformat.read(path, as_version=4))
    code = [cell for cell in cells if cell.cell_type == "code"]
    lines = [code_lines(cell.source) for cell in code]
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return Size(
        cells=len(cells),
        lines=sum(lines),
        median=statistics.median(lines),
        longest=max(lines),
        words=len(NOT_WORDS.sub(" ", text).split()),
        figures=sum("alt" in cell.metadata.get("mystnb", {}).get("image", {}) for cell in code),
        captions=len(re.findall(r"^\*\*Figure \d+d?\.\d+\.\*\*", text, re.M)),
    )


def main() -> None:
    row = "{:22}" + "{:>9}" * len(fields(Size))
    print(row.format("chapter", *(field.name for field in fields(Size))))
    for path in map(Path, sys.argv[1:]):
        print(row.format(path.stem, *astuple(measure(path))))


if __name__ == "__main__":
    main()
