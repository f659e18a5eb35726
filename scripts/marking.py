"""Mark one student's notebook. `course.py grade` starts this file once for each student.

    python scripts/marking.py anna_03_loss.ipynb notebooks 120 900

The arguments are the student's file, the original notebook or a folder of originals, and the time
limits in seconds for a cell and for the notebook. The marks are printed as lines of JSON. course.py
describes how far you can trust them.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from subprocess import DEVNULL
from time import monotonic
from typing import NamedTuple

import nbformat
from nbclient.exceptions import DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook

from kernels import Client

DEFINED = re.compile(r"^(?:def|class)[ \t]+(\w+)|^(\w+)[ \t]*=(?!=)", re.M)
MARK = "application/vnd.ddpm-lite.mark+json"
OVERTIME = {"ename": "Overtime", "evalue": "", "traceback": []}

# Runs in the student's kernel before each check. The graders are loaded afresh, and what they print
# comes back with a secret word, outside the printed text. exec: the student's names don't matter.
GUARD = """
import importlib, pkgutil, sys
from IPython import get_ipython

for name in [name for name in sys.modules if f"{name}.".startswith("ddpm_lite.exercises.")]:
    del sys.modules[name]
package = importlib.import_module("ddpm_lite.exercises")
inner = pkgutil.walk_packages(getattr(package, "__path__", []), "ddpm_lite.exercises.")
shell = get_ipython()

def show(*words, **options):
    text = " ".join(map(str, words))
    shell.display_pub.publish({mark: {"secret": secret, "text": text}})

for module in [package, *(importlib.import_module(found.name) for found in inner)]:
    module.print = show
shell.user_ns["grade"] = package.grade
shell.user_ns.pop("print", None)
"""


class Exercise(NamedTuple):
    stub: NotebookNode
    check: NotebookNode


class Step(NamedTuple):
    source: str
    number: int | None = None  # of the exercise, if this is a check
    missing: bool = False  # whether the exercise of this check is

    @property
    def what(self) -> str:
        begin = f'the cell "{short(self.source, 40)}"'
        return f"the check of exercise {self.number}" if self.number else begin


class Overtime(Exception):
    """A cell took too long; the next one can run."""


class Stopped(Exception):
    """The notebook can't go on."""


def has_tag(cell: NotebookNode, tag: str) -> bool:
    return tag in (cell.get("metadata", {}).get("tags") or [])


def name_of(cell: NotebookNode) -> str | None:
    """The id of a cell, which Colab keeps in the metadata."""
    return cell.get("id") or cell.get("metadata", {}).get("id")


def is_check(cell: NotebookNode, asked: list[Exercise]) -> bool:
    """Whether a student's cell is a check, or was one originally."""
    ids = {name_of(exercise.check) for exercise in asked} - {None}
    same = cell["source"] in {exercise.check["source"] for exercise in asked}
    return same or has_tag(cell, "check") or name_of(cell) in ids


def load(path: Path) -> NotebookNode:
    """The notebook in a file; raises ValueError if there is none."""
    try:
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook["cells"]:  # what the functions below rely on
            cell["cell_type"], cell["source"].strip(), has_tag(cell, "check")
        return notebook
    except OSError:
        raise
    except Exception as error:  # nbformat fails in many ways on a file that only looks like one
        raise ValueError(f"{path.name} is damaged, or it isn't a notebook") from error


def read(path: Path) -> list[NotebookNode]:
    """The code cells of a notebook."""
    cells = [cell for cell in load(path)["cells"] if cell["cell_type"] == "code"]
    return [cell for cell in cells if cell["source"].strip()]


def exercises(original: Path) -> list[Exercise]:
    """The stubs of the original notebook, each with its check."""
    cells = read(original)
    stubs, checks = ([c for c in cells if has_tag(c, tag)] for tag in ("exercise", "check"))
    if not stubs or len(stubs) != len(checks):
        raise ValueError(
            f"{original.name} has {len(stubs)} cells tagged exercise and {len(checks)} tagged "
            "check, but the original needs at least one exercise, and one check for each"
        )
    return [Exercise(*pair) for pair in zip(stubs, checks, strict=True)]


def by_name(path: Path, against: Path) -> Path | None:
    """The original whose name is part of the student's: anna_03_loss.ipynb is 03_loss.ipynb."""
    if against.is_file():
        return against
    name = path.stem.lower()
    fits = [original for original in against.glob("*.ipynb") if original.stem.lower() in name]
    return max(fits, key=lambda original: len(original.stem), default=None)


def by_content(cells: list[NotebookNode], against: Path) -> Path:
    """The original that shares the most code with the student's notebook."""
    mine, shared = {cell["source"] for cell in cells}, {}
    for original in sorted(against.glob("*.ipynb")):
        shared[original] = len(mine & {cell["source"] for cell in read(original)})
    if not any(shared.values()):
        raise ValueError(f"no notebook in {against} fits this file, so name one with --against")
    return max(shared, key=shared.__getitem__)


def defined(cell: NotebookNode) -> set[str]:
    """The names that a cell defines at its top level."""
    return {match[1] or match[2] for match in DEFINED.finditer(cell["source"])}


def positions(cells: list[NotebookNode], asked: list[Exercise]) -> list[int | None]:
    """Where the student answers each exercise: by the id, the names in the stub, or the order."""
    marked = [i for i, cell in enumerate(cells) if has_tag(cell, "exercise")]
    found = []
    for number, (stub, _) in enumerate(asked):
        by_id = [i for i, c in enumerate(cells) if name_of(c) == name_of(stub) is not None]
        by_names = [i for i, c in enumerate(cells) if defined(c) & defined(stub)]
        by_order = [marked[number]] if len(marked) == len(asked) else []
        found.append(next(iter(by_id + by_names + by_order), None))
    return found


def plan(cells: list[NotebookNode], asked: list[Exercise]) -> Iterator[Step]:
    """The student's code in order, with the original checks in place of the student's.

    An answer may be spread over several cells: its check runs after the last one, before the next
    exercise begins, that defines what is asked for, or where the student's check is. The check of
    an exercise that is missing runs, too, as the next ones may need its imports. What follows the
    last check doesn't run.
    """
    old = [is_check(cell, asked) for cell in cells]
    where = positions(cells, asked)
    starts, done = [*sorted(i for i in where if i is not None), len(cells)], 0
    for number, (start, (stub, check)) in enumerate(zip(where, asked, strict=True), 1):
        at = done
        if start is not None:
            section = range(start, next(i for i in starts if i > start))
            ends = [i + 1 for i in section if old[i] or defined(cells[i]) & defined(stub)]
            at = max(done, start + 1, *ends)
        yield from (Step(cells[i]["source"]) for i in range(done, at) if not old[i])
        yield Step(check["source"], number, missing=start is None)
        done = at


def short(text: str, width: int = 200) -> str:
    """The first line of a student's text, safe to print in a terminal."""
    line = "".join(c for c in text.strip().partition("\n")[0] if c.isprintable())
    return line if len(line) <= width else line[: width - 1] + "…"


class Marker(Client):
    """Runs a student's code within the time limits, and keeps only the marks from its output."""

    def __init__(self, cell_limit: float, limit: float) -> None:
        self.cell_limit, self.limit, self.end = cell_limit, limit, monotonic() + limit
        self.patience = min(10, cell_limit)  # seconds for a stopped cell to end
        self.secret, self.said = "", []
        super().__init__(
            new_notebook(cells=[new_code_cell()]), kernel_name="python3", allow_errors=True,
            timeout_func=lambda cell: self.seconds, on_cell_executed=self.keep_reply,
            interrupt_on_timeout=True, error_on_timeout=OVERTIME, iopub_timeout=self.patience,
            shutdown_kernel="immediate", store_widget_state=False,
        )  # fmt: skip

    def keep_reply(self, cell: NotebookNode, cell_index: int, execute_reply: dict) -> None:
        self.reply = execute_reply["content"]

    def output(self, outs: list, msg: dict, display_id: str | None, cell_index: int) -> None:
        mark = msg["content"].get("data", {}).get(MARK)
        if isinstance(mark, dict) and mark.get("secret") == self.secret:
            self.said.append(str(mark["text"]))

    def run(self, source: str, what: str, history: bool = True) -> str:
        """Run code; returns the error that it ended with, or ""."""
        self.seconds = max(0.1, min(self.cell_limit, self.end - monotonic()))
        self.execute_cell(new_code_cell(source), 0, store_history=history)
        if any(note.get("source") == "ask_exit" for note in self.reply.get("payload", [])):
            raise DeadKernelError
        if self.reply["status"] == "ok":
            return ""
        if self.reply["ename"] == OVERTIME["ename"]:
            self.recover(what)
        return short(f"{self.reply['ename']}: {self.reply['evalue']}").rstrip(":. ")

    def recover(self, what: str) -> None:
        """Raise Overtime if the kernel responds again after it was interrupted, otherwise
        Stopped."""
        if monotonic() >= self.end:
            raise Stopped(f"the notebook took longer than {self.limit:g} s")
        self.seconds = self.patience
        self.execute_cell(new_code_cell("pass"), 0, store_history=False)
        if self.reply["status"] != "ok":
            raise Stopped(f"{what} ran for {self.cell_limit:g} s and could not be interrupted")
        raise Overtime(f"{what} ran for {self.cell_limit:g} s and was stopped")

    def own(self, step: Step) -> str:
        """Run a cell of the student's notebook. Returns what deserves a note."""
        try:
            self.run(step.source, step.what)
        except Overtime as late:
            return str(late)
        return ""

    def verdict(self, step: Step) -> tuple[bool, str]:
        """Whether the answer is right, and the line to print."""
        self.secret, self.said = secrets.token_hex(16), []
        given = {"mark": MARK, "secret": self.secret}
        guard = f"import builtins as _builtins_\n_builtins_.exec({GUARD!r}, {given})"
        try:
            error = self.run(guard, step.what, history=False) or self.run(step.source, step.what)
        except Overtime as late:
            error = str(late)
        error = "the exercise cell is missing" if step.missing else error
        ticks = [text for text in self.said if text.startswith(("✅", "❌"))]
        if error or not self.said:
            return False, f"❌ exercise {step.number}: {error or 'the check gave no mark'}."
        right = bool(ticks) and all(text.startswith("✅") for text in ticks)
        return right, short((ticks or self.said)[-1])


def say(**fact) -> None:
    print(json.dumps(fact), flush=True)


def follow(steps: Iterator[Step], marker: Marker) -> str:
    """Run the steps and print each mark. Returns why the notebook ended early, or ""."""
    try:
        for step in steps:
            if step.number:
                right, text = marker.verdict(step)
                say(exercise=step.number, right=right, text=text)
            elif note := marker.own(step):
                say(note=note)
    except DeadKernelError:
        return f"the kernel died in {step.what}"
    except Stopped as reason:
        return str(reason)
    return ""


def mark(path: Path, against: Path, cell_limit: float, limit: float) -> str:
    """Mark one notebook; returns why it ended early, or ""."""
    original = by_name(path, against) or by_content(read(path), against)
    asked = exercises(original)
    say(chapter=original.stem, exercises=len(asked))
    steps = plan(read(path), asked)
    marker = Marker(cell_limit, limit)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        env = {**os.environ, "IPYTHONDIR": str(Path(folder) / ".ipython")}
        with marker.setup_kernel(cwd=folder, env=env, stdout=DEVNULL, stderr=DEVNULL):
            return follow(steps, marker)


def main(path: str, against: str, cell_limit: str, limit: str) -> None:
    try:
        ended = mark(Path(path), Path(against), float(cell_limit), float(limit))
    except (ValueError, OSError, RuntimeError) as error:
        ended = short(str(error))
    say(ended=ended)


if __name__ == "__main__":
    main(*sys.argv[1:])
