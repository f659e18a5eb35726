"""For teachers: make notebooks without solutions, mark students' notebooks, and export figures.

    python scripts/course.py handout notebooks/*.ipynb --out handout
    python scripts/course.py grade handed_in/*.ipynb --csv marks.csv
    python scripts/course.py figures notebooks/*.ipynb --out slides

`handout` and `figures` overwrite a file only if they wrote it themselves and it hasn't changed
since.

`grade` runs each notebook in a process of its own, from top to bottom, with the checks of the
original notebook in place of the student's. An endless loop, a crash or a damaged file costs only
the exercises it affects, and the row of that student says what happened.

How far can you trust a mark? Students gain nothing by editing or deleting a check or its tag, by
printing a tick, or by redefining `grade` or `print`. The graders are loaded afresh for each check,
and their verdict is marked with a secret word. But an answer runs in the same process as its check.
Code that is written to deceive can change torch's functions or the names that a check uses, or look
for the secret word while the check runs. So read the code behind a mark that surprises you.
Students' code also runs with all your permissions, so use a container or a separate account.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from ddpm_lite.checkpoint import write_atomic
from marking import load

HERE = Path(__file__).resolve().parent
MADE = ".course.json"  # in a folder that this command wrote: the digest of each of its files
FOLDED = re.compile(  # ```{dropdown} Solution 1 … ```, and the same in HTML
    r"^(?P<fence>[`~:]{3,})\{dropdown\} Solutions?\b.*?^(?P=fence)[ \t]*(?:\n+|\Z)", re.S | re.M
)
DETAILS = re.compile(
    r"<details[^>]*>\s*<summary[^>]*>(?:\s|<[^>]+>)*Solutions?\b.*?</details>[ \t]*\n*", re.S
)

HELP = {
    "handout": "copy notebooks without their solutions",
    "figures": "write each figure as chapter/id.png, and the alt texts as chapter/alt.txt",
    "grade": "print the marks of each notebook; the exit status is 0 if everything is right",
    "out": "folder to write to (default: course)",
    "against": "the original notebook, or a folder of originals (default: notebooks). In a "
    "folder, the original is the one whose name is part of the student's file name, such as "
    "anna_03_loss.ipynb, or else the one that shares the most code with the student's notebook",
    "csv": "also write the marks to this new file, a row for each student",
}


def without_solutions(notebook: NotebookNode) -> NotebookNode:
    """The same notebook with its answers and outputs, but without its folded solutions."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = DETAILS.sub("", FOLDED.sub("", cell.source))
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    return notebook


def pictures(notebook: NotebookNode) -> dict[str, tuple[bytes, str]]:
    """The PNG and the alt text of each figure, by the id of its cell."""
    found = {}
    for number, cell in enumerate(notebook.cells):
        alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
        name = re.sub(r"[^\w-]", "-", cell.get("id", f"cell-{number}"))
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                name = name if name not in found else f"{name}-{len(found)}"
                found[name] = base64.b64decode(png), alt
    return found


def handout(path: Path) -> Iterator[tuple[Path, bytes]]:
    """The notebook without its solutions."""
    notebook = without_solutions(load(path))
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    if left := re.search(r"Solutions? \d+", text):
        raise ValueError(
            f"{path}: {left[0]} would stay in the handout, because it is neither in a MyST "
            "dropdown nor in <details>. Fold it in one of the two ways."
        )
    yield Path(path.name), (nbformat.writes(notebook) + "\n").encode()


def figures(path: Path) -> Iterator[tuple[Path, bytes]]:
    """Each figure as chapter/id.png, and their alt texts as chapter/alt.txt."""
    found = pictures(load(path))
    for name, (png, _) in found.items():
        yield Path(path.stem, f"{name}.png"), png
    lines = [f"{name}.png: {alt}\n" for name, (_, alt) in found.items()]
    yield Path(path.stem, "alt.txt"), "".join(lines).encode()


def written(out: Path) -> dict[str, str]:
    """The digests of the files that this command wrote into a folder."""
    try:
        return dict(json.loads((out / MADE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def refuse(out: Path, files: dict[Path, bytes], sources: list[Path]) -> None:
    """Raise FileExistsError if a file that this command didn't write is in the way."""
    made = written(out)
    for name, data in files.items():
        target = out / name
        if not target.exists():
            continue
        if any(target.samefile(source) for source in sources):
            why = "is the notebook that you gave"
        elif target.is_dir():
            why = "is a folder"
        elif digest(old := target.read_bytes()) != made.get(name.as_posix()) and old != data:
            why = "was not written by this command, or was changed since"
        else:
            continue
        raise FileExistsError(f"{target} {why}, so choose another folder with --out.")


def write(command: Callable, args: argparse.Namespace) -> int:
    """Write the results of a command for the notebooks, or nothing if a file is in the way."""
    out, files = args.out, {}
    for path in args.notebooks:
        for name, data in command(path):
            if name in files:
                raise ValueError(f"Two notebooks are called {path.name}, so give one at a time.")
            files[name] = data
    refuse(out, files, args.notebooks)
    for name, data in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out / name, data)
    made = written(out) | {name.as_posix(): digest(data) for name, data in files.items()}
    write_atomic(out / MADE, json.dumps(made, indent=1).encode())
    print(f"{out}: {len(files)} file{'s' * (len(files) != 1)}")
    return 0


@dataclass
class Row:
    """The marks of one student: for each exercise, a line, and whether it is right."""

    file: str
    chapter: str = ""
    marks: dict[int, tuple[bool, str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(right for right, _ in self.marks.values())

    def note(self) -> str:
        wrong = [text for right, text in self.marks.values() if not right]
        return " | ".join([*self.notes, *(text.lstrip("❌⬜ ") for text in wrong)])


def facts(lines: bytes) -> Iterator[dict]:
    """The output of marking.py, whose last line may be cut off."""
    for line in lines.splitlines():
        try:
            yield dict(json.loads(line))
        except (ValueError, TypeError):
            continue


def row_of(path: Path, lines: bytes, ended: str) -> Row:
    """A row from the output of marking.py, and the reason if it ended early."""
    row, exercises = Row(str(path)), 0
    for fact in facts(lines):
        row.chapter = fact.get("chapter", row.chapter)
        exercises = fact.get("exercises", exercises)
        ended = fact.get("ended", ended)
        if "exercise" in fact:
            row.marks[fact["exercise"]] = fact["right"], fact["text"]
        row.notes += [fact["note"]] if "note" in fact else []
    row.notes += [ended] if ended else []
    for number in range(1, exercises + 1):
        row.marks.setdefault(number, (False, f"❌ exercise {number}: not marked."))
    return row


def marked(args: argparse.Namespace, path: Path) -> Row:
    """Mark one notebook in a new process."""
    limits = [str(args.cell_limit), str(args.limit)]
    command = [sys.executable, HERE / "marking.py", path, args.against, *limits]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=args.limit + 60
        )
    except subprocess.TimeoutExpired as late:
        return row_of(path, late.stdout or b"", f"the notebook took longer than {args.limit:g} s")
    last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    failed = f"marking failed with status {done.returncode}: {last or 'it was killed'}"
    return row_of(path, done.stdout, failed if done.returncode else "")


def table(rows: list[Row]) -> bytes:
    """The marks as CSV, with a row for each student. No cell looks like a formula to a
    spreadsheet."""
    numbers = range(1, 1 + max((number for row in rows for number in row.marks), default=0))
    text = io.StringIO()
    writer = csv.writer(text)
    names = [f"exercise {number}" for number in numbers]
    writer.writerow(["file", "chapter", *names, "total", "note"])
    for row in rows:
        marks = [int(row.marks[number][0]) if number in row.marks else "" for number in numbers]
        cells = [row.file, row.chapter, *marks, row.total, row.note()]
        writer.writerow([f"'{cell}" if str(cell)[:1] in tuple("=+-@") else cell for cell in cells])
    return text.getvalue().encode("utf-8-sig", "replace")  # some names of files aren't UTF-8


def shown(row: Row) -> Row:
    """The same row, printed."""
    print(f"{row.file} ({row.chapter or 'unknown chapter'})")
    lines = [row.marks[number][1] for number in sorted(row.marks)]
    lines += [f"{row.total} of {len(row.marks)} right", *(f"Note: {note}." for note in row.notes)]
    print("\n".join(f"  {line}" for line in lines), flush=True)
    return row


def grade(args: argparse.Namespace) -> int:
    """Print the marks of each notebook, and write them as CSV. Returns 1 if an answer is wrong."""
    if not args.against.exists():
        raise FileNotFoundError(f"{args.against} doesn't exist, so choose another with --against.")
    if args.csv and args.csv.exists():
        raise FileExistsError(f"{args.csv} exists, so choose another name with --csv.")
    if args.csv and not args.csv.parent.is_dir():
        raise FileNotFoundError(f"The folder {args.csv.parent} doesn't exist, so create it first.")
    pool = ThreadPoolExecutor(args.jobs)
    try:
        rows = [shown(row) for row in pool.map(partial(marked, args), args.notebooks)]
    finally:
        pool.shutdown(cancel_futures=True)
    if args.csv:
        write_atomic(args.csv, table(rows))
    return int(any(not row.marks or row.total < len(row.marks) for row in rows))


def positive(text: str) -> int:
    """A whole number above 0, from the command line."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def arguments() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(required=True)
    for action in (handout, figures, grade):
        text = HELP[action.__name__]
        command = commands.add_parser(action.__name__, help=text, description=text)
        command.add_argument(
            "notebooks", nargs="+", type=Path, help="notebooks such as 01_noise.ipynb"
        )
        command.set_defaults(run=grade if action is grade else partial(write, action))
        if action is not grade:
            command.add_argument("--out", type=Path, default=Path("course"), help=HELP["out"])
    how_to_grade(command.add_argument)
    return parser


def how_to_grade(add: Callable) -> None:
    add("--against", type=Path, default=HERE.parent / "notebooks", help=HELP["against"])
    add("--csv", type=Path, help=HELP["csv"])
    add("--jobs", type=positive, default=1, help="notebooks to run at the same time (default: 1)")
    add("--cell-limit", type=positive, default=120, help="seconds per cell, at most (default: 120)")
    add("--limit", type=positive, default=900, help="seconds per notebook, at most (default: 900)")


def main(argv: list[str] | None = None) -> int:
    parser = arguments()
    args = parser.parse_args(argv)
    if missing := [path for path in args.notebooks if not path.is_file()]:
        parser.error(f"{missing[0]} is not a file. Give notebooks such as 01_noise.ipynb.")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # has the tick, and any name
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("Stopped. No marks were written to a file.", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"course.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
