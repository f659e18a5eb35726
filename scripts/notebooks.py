"""Execute the notebooks of the book, and normalise and check their files.

python scripts/notebooks.py execute notebooks/01_noise.ipynb   run in place, then normalise
python scripts/notebooks.py normalise notebooks/*.ipynb        rewrite the file without running it
python scripts/notebooks.py check notebooks/*.ipynb            print what is wrong, change nothing
python scripts/notebooks.py figures notebooks/*.ipynb          run, and compare figures
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from io import BytesIO
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
from nbformat import NotebookNode

from kernels import Client

ROOT = Path(__file__).resolve().parents[1]
METADATA = {
    "colab": {"provenance": [], "toc_visible": True},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
GPU_METADATA = {"accelerator": "GPU"}  # allowed as well, where a chapter is painful without one
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # in Colab and JupyterLab, too
MAX_LINES, MAX_COLUMNS = 25, 78
MACHINE_PATH = re.compile(r"(?<![\w.:/-])/(home|root|tmp|Users|usr|opt|work|content)/|\b[A-Z]:\\")
FILM = re.compile(r"film-[1-9]\d*x[1-9]\d*")
FIGURES = {"image/png", "image/jpeg", "image/svg+xml"}


def executed(path: Path) -> NotebookNode:
    """Run every cell in a fresh kernel that finds the package, in the folder of the notebook."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    Client(notebook, timeout=300, kernel_name="python3", resources=resources).execute()
    return notebook


def figures(notebook: NotebookNode) -> list[tuple[str, np.ndarray]]:
    """Each figure as (the id of its cell, its pixels). nbval doesn't compare these."""
    return [
        (cell.id, plt.imread(BytesIO(base64.b64decode(output.data["image/png"]))))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {}) and "widget" not in cell.metadata.get("tags", [])
    ]


def changed_figures(path: Path, mean: float = 1 / 255, few: float = 0.001) -> list[str]:
    """The figures that look different when the notebook runs again: more than ``mean`` on average,
    or in more than a ``few`` of the pixels by over 8 of 255 grey levels."""
    old, new = figures(nbformat.read(path, as_version=4)), figures(executed(path))
    found = [] if len(old) == len(new) else [f"{len(new)} figures, {len(old)} in the file"]
    for (name, before), (_, now) in zip(old, new, strict=False):
        if before.shape != now.shape:
            found.append(f"cell {name}: the figure has another size")
        elif (off := abs(before - now)).mean() > mean or (off > 8 / 255).mean() > few:
            found.append(f"cell {name}: the figure differs by {255 * off.mean():.2f} of 255 levels "
                         f"on average, {(off > 8 / 255).mean():.2%} clearly")  # fmt: skip
    return found


def normal(notebook: NotebookNode) -> str:
    """The text of the file, without what a machine or an editor added."""
    gpu = {key: value for key, value in GPU_METADATA.items() if key in notebook.metadata}
    notebook.metadata = nbformat.from_dict({**METADATA, **gpu})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.setdefault("id", f"cell-{number}")
        keep = {key: cell.metadata[key] for key in ("tags", "mystnb") if cell.metadata.get(key)}
        folded = FOLDED if "hide-input" in keep.get("tags", []) else {}
        cell.metadata = nbformat.from_dict(keep | folded)
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    return nbformat.writes(notebook) + "\n"


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join the pieces of a stream into one output. How a kernel splits them depends on its
    speed."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if "metadata" in output:
            output.metadata = nbformat.from_dict({})
        if joined and output.get("name") and output.get("name") == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def problems(notebook: NotebookNode) -> list[str]:
    """Problems: what would fail on another machine, look bad, or not be checked."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    found = []
    counts = [cell.execution_count for cell in code]
    if counts != list(range(1, len(code) + 1)):
        found.append(f"execution counts are {counts}, not 1 to {len(code)} from one run")
    if "widgets" in notebook.metadata:
        found.append("metadata.widgets is there: GitHub refuses to show such a notebook")
    ids = [cell.get("id") for cell in notebook.cells]
    if None in ids or len(set(ids)) != len(ids):
        found.append("some cells have no id, or share one")
    for cell in code:
        found += [f"cell {cell.execution_count}: {text}" for text in _cell_problems(cell)]
    return found


def _cell_problems(cell: NotebookNode) -> list[str]:
    lines, tags = cell.source.splitlines(), set(cell.metadata.get("tags", []))
    data = [output.get("data", {}) for output in cell.outputs]
    figures = [d for d in data if FIGURES & set(d)]
    texts = [str(value) for d in data for kind, value in d.items() if kind not in FIGURES]
    texts += [str(output.get("text", "")) for output in cell.outputs]
    alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
    rules = {
        f"more than {MAX_LINES} lines": len(lines) > MAX_LINES,
        f"a line longer than {MAX_COLUMNS} columns": any(len(x) > MAX_COLUMNS for x in lines),
        "its output is ignored, but it is tagged neither widget nor film, nor sound": (
            "nbval-ignore-output" in tags and not tags & {"widget", "film", "sound"}
        ),
        "a sound needs nbval-ignore-output, and nothing but players with labels": "sound" in tags
        and not ("nbval-ignore-output" in tags and _only_players(cell)),
        "nbval skips it": "nbval-skip" in tags,
        "an nbval comment: use a tag, which readers do not see": "NBVAL_" in cell.source,
        "a figure without alt text (metadata mystnb.image.alt)": figures and len(alt) < 20,
        "a film needs one image and a tag film-ROWSxCOLUMNS": "film" in tags
        and not (len(figures) == 1 and any(FILM.fullmatch(tag) for tag in tags)),
        "a path of one machine": MACHINE_PATH.search("\n".join([cell.source, *texts])),
        "an error and no tag raises-exception": "raises-exception" not in tags
        and any(output.output_type == "error" for output in cell.outputs),
        "text on stderr: a warning or a progress bar": any(
            output.get("name") == "stderr" for output in cell.outputs
        ),
    }
    return [sentence for sentence, broken in rules.items() if broken]


def _only_players(cell: NotebookNode) -> bool:
    """Whether its one output is HTML with an aria-label for each player, below 200 kB."""
    pages = [str(output.get("data", {}).get("text/html", "")) for output in cell.outputs]
    labels = re.findall(r'<audio [^>]*aria-label="[^"]{3,}"', "".join(pages))
    players = "".join(pages).count("<audio")
    return len(pages) == 1 and 0 < players == len(labels) and len(pages[0]) < 200_000


def check(path: Path) -> list[str]:
    """All problems of one file, and whether it is normal."""
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    found = problems(notebook)
    if normal(notebook) != text:
        found.append(f"not normal: run `python scripts/notebooks.py normalise {path.name}`")
    return found


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("command", choices=["execute", "normalise", "check", "figures"])
    parser.add_argument("notebooks", nargs="+", type=Path)
    args = parser.parse_args()
    failed = False
    for path in args.notebooks:
        if args.command == "figures":
            found = changed_figures(path)
            failed |= bool(found)
            print(f"{path}: {'; '.join(found) or 'all figures are the same'}", flush=True)
            continue
        if args.command == "execute":
            print(f"executing {path}", flush=True)
            path.write_text(normal(executed(path)), encoding="utf-8")
        elif args.command == "normalise":
            path.write_text(normal(nbformat.read(path, as_version=4)), encoding="utf-8")
        for problem in check(path):
            failed = True
            print(f"{path}: {problem}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
