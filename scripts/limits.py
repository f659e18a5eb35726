"""How long each chapter is: the main path, from the title to the exercises.

    python scripts/limits.py notebooks/*.ipynb

A line of code counts if it is neither blank nor a comment alone. Those of cells that the page folds
(tags ``hide-input`` and ``hide-cell``) are counted apart: ``folded`` is what they compute, print or
define, and ``drawing`` what they only draw (see ``drawn``). The set-up cell has a limit of its own.
Words are those of the text, without code, formulas, links' addresses and tags.
"""

from __future__ import annotations

import ast
import re
import statistics
import sys
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import nbformat

FOLDED = {"hide-input", "hide-cell"}
PRINTING = {"print_table", "mean_sd"}  # of ddpm_lite.plot, but a table is no drawing
EXERCISES = re.compile(r"^## (\d+\.\d+ )?Exercises?\b", re.M)
NOT_WORDS = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|`[^`]*`|<[^>]*>|\]\([^)]*\)", re.S)


@dataclass(frozen=True)
class Size:
    """What DESIGN limits: ``lines`` and ``folded`` together, and ``longest`` of all cells."""

    cells: int
    lines: int
    median: float
    longest: int
    folded: int
    drawing: int
    words: int
    figures: int
    captions: int


def main_path(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells before the exercises, and what stands above that heading in its cell."""
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


def drawn(source: str, plot: set[str], package: set[str]) -> set[int]:
    """The lines of a cell that only draw.

    A statement draws if it calls a method of ``plt``, of what ``plt`` returned or of a name that
    begins with ``ax``, or a function of ``ddpm_lite.plot`` (``plot``), and no other function of the
    package (``package``), in which a network could be trained or sampled. A loop draws if all that
    it does is drawing. Imports from ``ddpm_lite.plot`` and ``matplotlib`` count as drawing.
    """
    tree = ast.parse(re.sub(r"^(\s*)%.*", r"\1pass", source, flags=re.M))
    canvases = {"plt", *plot}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and root(node.value) == "plt":
            canvases |= {n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)}
    lines: set[int] = set()

    def visit(node: ast.stmt) -> bool:
        body = [*getattr(node, "body", []), *getattr(node, "orelse", [])]
        if body:
            draws = all([visit(inner) for inner in body])
            own = range(node.lineno, body[0].lineno)
        else:
            call = getattr(node, "value", None)
            name = root(call) if isinstance(call, ast.Call) else ""
            called = {root(n) for n in ast.walk(node) if isinstance(n, ast.Call)}
            draws = (name in canvases or name.startswith("ax")) and not called & package
            draws |= isinstance(node, ast.ImportFrom) and node.module == "ddpm_lite.plot"
            own = range(node.lineno, node.end_lineno + 1)
        lines.update(own if draws else ())
        return draws

    for statement in tree.body:
        visit(statement)
    return lines


def root(node: ast.expr) -> str:
    """``axes`` of ``axes[0].plot(x)``, and ``show_strip`` of ``show_strip(x)``."""
    while isinstance(node, (ast.Call, ast.Attribute, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def imported(code: list[nbformat.NotebookNode]) -> tuple[set[str], set[str]]:
    """The names that a notebook imports from ``ddpm_lite.plot`` and from the rest of it."""
    plot, package = set(), set()
    for cell in code:
        for node in ast.walk(ast.parse(re.sub(r"^(\s*)%.*", r"\1pass", cell.source, flags=re.M))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ddpm_lite"):
                names = plot if node.module == "ddpm_lite.plot" else package
                names.update(alias.asname or alias.name for alias in node.names)
    return plot, package


def measure(path: Path) -> Size:
    """The size of the main path of a chapter."""
    cells = main_path(nbformat.read(path, as_version=4))
    code = [cell for cell in cells if cell.cell_type == "code"]
    folded = [cell for cell in code if FOLDED & set(cell.metadata.get("tags", []))]
    lines = [code_lines(cell.source) for cell in code if cell not in folded]
    folded = [cell for cell in folded if "setup" not in cell.metadata.tags]
    drawing, (plot, package) = 0, imported(code)
    for cell in folded:
        rows, draws = cell.source.splitlines(), drawn(cell.source, plot - PRINTING, package)
        drawing += code_lines("\n".join(rows[i - 1] for i in sorted(draws)))
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return Size(
        cells=len(cells),
        lines=sum(lines),
        median=statistics.median(lines or [0]),
        longest=max([*lines, *(code_lines(cell.source) for cell in folded)], default=0),
        folded=sum(code_lines(cell.source) for cell in folded) - drawing,
        drawing=drawing,
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
