"""For teachers: notebooks without solutions, the marks of a student's notebook, figures for slides.

    python scripts/course.py handout notebooks/*.ipynb --out handout   leave out the solutions
    python scripts/course.py grade handed_in/*.ipynb                   run them, count the ticks
    python scripts/course.py figures notebooks/*.ipynb --out slides    write every picture as a PNG

`grade` runs what students wrote, with all the rights of who calls it: use a container or an account
of its own.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
SOLUTION = re.compile(r"```\{dropdown\} Solution \d+\n.*?\n```\n*", re.S)


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """The same notebook; its folded solutions are gone, its answers and outputs stay."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub("", cell.source)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    return notebook


def marks(notebook: NotebookNode, folder: Path) -> list[str]:
    """What the check of each exercise prints, after running the whole notebook in a new kernel."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.getenv("PYTHONPATH")]))
    client = NotebookClient(
        notebook, timeout=300, kernel_name="python3", allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    client.execute()
    return [verdict(cell) for cell in notebook.cells if "check" in cell.metadata.get("tags", [])]


def verdict(cell: NotebookNode) -> str:
    """The line with the tick, or what stands in its place."""
    text = "".join(output.get("text", "") for output in cell.outputs)
    lines = [line for line in text.splitlines() if line[:1] in "✅❌"]
    errors = [output.ename for output in cell.outputs if output.output_type == "error"]
    return lines[-1] if lines else f"❌ the check did not run: {', '.join(errors) or 'no output'}"


def pictures(notebook: NotebookNode) -> dict[str, tuple[bytes, str]]:
    """The PNG and the alt text of each figure, by the id of its cell."""
    found = {}
    for cell in notebook.cells:
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                name = cell.id if cell.id not in found else f"{cell.id}-{len(found)}"
                found[name] = base64.b64decode(png), alt
    return found


def handout(path: Path, out: Path) -> int:
    """Write the notebook without its solutions."""
    out.mkdir(parents=True, exist_ok=True)
    nbformat.write(without_solutions(nbformat.read(path, as_version=4)), out / path.name)
    print(out / path.name)
    return 0


def grade(path: Path, out: Path) -> int:
    """Print the mark of each exercise; 1 where one is not right."""
    print(path)
    lines = marks(nbformat.read(path, as_version=4), path.parent)
    print("\n".join(f"  {line}" for line in lines))
    print(f"  {sum('✅' in line for line in lines)} of {len(lines)} right")
    return int(not lines or any("✅" not in line for line in lines))


def figures(path: Path, out: Path) -> int:
    """Write each figure as out/chapter/id.png, and their alt texts as out/chapter/alt.txt."""
    found = pictures(nbformat.read(path, as_version=4))
    folder = out / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    for name, (png, _) in found.items():
        (folder / f"{name}.png").write_bytes(png)
    lines = [f"{name}.png: {alt}\n" for name, (_, alt) in found.items()]
    (folder / "alt.txt").write_text("".join(lines), encoding="utf-8")
    print(f"{folder}: {len(found)} figures")
    return 0


def main(argv: list[str] | None = None) -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("command", choices=["handout", "grade", "figures"])
    parser.add_argument("notebooks", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("course"), help="folder to write to")
    args = parser.parse_args(argv)
    if missing := [path for path in args.notebooks if not path.is_file()]:
        parser.error(f"{missing[0]} is not a file; expected notebooks such as 01_noise.ipynb")
    action = {"handout": handout, "grade": grade, "figures": figures}[args.command]
    return max(action(path, args.out) for path in args.notebooks)


if __name__ == "__main__":
    sys.exit(main())
