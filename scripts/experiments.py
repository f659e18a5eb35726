"""Try the obvious experiments on the chapters, and list the cells that raise an error.

    python scripts/experiments.py notebooks/*.ipynb                     try all of them
    python scripts/experiments.py --only "T = 200" notebooks/02*.ipynb  try one of them

The script changes set-up lines as a reader would, but only in memory. Outputs may differ. A cell
that raises an error is reported, unless it has the comment "# T = 1000" or "# ten digits", or uses
a name that such a cell should have defined.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import sys
from pathlib import Path

import nbformat

from kernels import Client

T_200 = [
    (r"\b(linear|cosine)_schedule\(\)", r"\1_schedule(200)"),
    (r"^T = 1000$", "T = 200"),
]
EXPERIMENTS = ("as it is", "T = 200", "other data")
SAYS_SO = re.compile(r"# (T = 1000|ten digits)\b")
UNDEFINED = re.compile(r"name '(\w+)' is not defined")


def other_images(name, root="data", train=True, size=None, channels=None):
    """Five kinds of images of 8 x 8 pixels, about as many as there are digits."""
    import torch

    g = torch.Generator().manual_seed(0)
    kinds = torch.randn(5, 1, 4, 4, generator=g).sign().repeat_interleave(2, 2)
    kinds = kinds.repeat_interleave(2, 3)  # (5, 1, 8, 8), four pixels alike
    y = torch.randint(0, 5, (1500,), generator=g)
    x = kinds[y] * torch.rand(1500, 1, 1, 1, generator=g)  # of any contrast
    x = (x + 0.1 * torch.randn(x.shape, generator=g)).clamp(-1, 1)
    return (x[:1200], y[:1200]) if train else (x[1200:], y[1200:])


def edited(path: Path, experiment: str) -> nbformat.NotebookNode:
    """The notebook with the experiment's change in its code."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        tried = experiment == "T = 200" and "check" not in cell.metadata.get("tags", [])
        for old, new in T_200 if tried and cell.cell_type == "code" else []:
            cell.source = re.sub(old, new, cell.source, flags=re.M)
    if experiment == "other data":
        code = f"import ddpm_lite\n\n{inspect.getsource(other_images)}\n"
        code += "ddpm_lite.load_images = ddpm_lite.data.load_images = other_images"
        first = [i for i, cell in enumerate(notebook.cells) if cell.get("id") == "install"]
        notebook.cells.insert(first[0] + 1 if first else 0, nbformat.v4.new_code_cell(code))
    return notebook


def raising(path: Path, experiment: str) -> list[tuple[str, str]]:
    """Run all cells. Returns (cell, error) for each cell that raises an error and doesn't say that
    it needs T = 1000."""
    notebook = edited(path, experiment)
    resources = {"metadata": {"path": str(path.parent)}}
    options = {"timeout": 600, "kernel_name": "python3", "allow_errors": True}
    Client(notebook, resources=resources, **options).execute()
    found, excused = [], set()
    for cell in notebook.cells:
        errors = [out for out in cell.get("outputs", []) if out.output_type == "error"]
        if not errors or "raises-exception" in cell.metadata.get("tags", []):
            continue
        undefined = UNDEFINED.search(errors[0].evalue)
        if SAYS_SO.search(cell.source) or undefined and undefined[1] in excused:
            names = [n for n in ast.walk(ast.parse(cell.source)) if isinstance(n, ast.Name)]
            excused |= {name.id for name in names if isinstance(name.ctx, ast.Store)}
        else:
            found.append((cell.id, f"{errors[0].ename}: {errors[0].evalue}".split("\n")[0]))
    return found


def main(arguments: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--only", choices=EXPERIMENTS, help="try only this experiment")
    args = parser.parse_args(arguments)
    total = 0
    for path in args.notebooks:
        for experiment in [args.only] if args.only else EXPERIMENTS[1:]:
            found = raising(path, experiment)
            total += len(found)
            print(f"{path.stem}, {experiment}: {len(found)} cells raise", flush=True)
            for cell, error in found:
                print(f"    {cell}: {error[:120]}", flush=True)
    return int(total > 0)


if __name__ == "__main__":
    sys.exit(main())
