"""What a teacher hands out and gets back: no solutions leave, and no student spoils the marks."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import nbformat
import pytest

import course

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
v4 = nbformat.v4

# Both forms of a check, in a package that is quick to import.
GRADERS = """
def right(answer):
    assert answer(2) == 6, f"it says {answer(2)}"

def grade(what, answer=None):
    name, check = ("2", lambda: right(answer)) if answer else (what.__name__, what)
    if answer and answer(2) is None:
        return print(f"⬜ {name}: not tried yet.")
    try:
        check()
    except Exception as error:
        return print(f"❌ {name}: not yet. {error}")
    print(f"✅ {name}: right.")
"""
STUBS = "def double(x):\n    ...", "def triple(x):\n    ..."
RIGHT = "def double(x):\n    return 2 * x", "def triple(x):\n    return 3 * x"
CHECKS = (
    "from ddpm_lite.exercises import grade\n\n@grade\ndef exercise_1():\n    assert double(2) == 4",
    'grade("2", triple)\nprint(triple(0))',
)


def code(source, name, *tags):
    return v4.new_code_cell(textwrap.dedent(source), id=name, metadata={"tags": list(tags)})


def notebook(answers=RIGHT, checks=CHECKS, before="", between=""):
    """A cell of the student's, two exercises with their checks, another cell between them."""
    cells = [
        code(before or "start = 1", "before"),
        code(answers[0], "exercise-1", "exercise"),
        code(checks[0], "check-1", "check"),
        code(between or "middle = 2", "between"),
        code(answers[1], "exercise-2", "exercise"),
        code(checks[1], "check-2", "check"),
    ]
    return v4.new_notebook(cells=cells)


def from_colab():
    """What Colab saves: ids in the metadata, here without tags, and a check that was edited."""
    found = notebook(checks=('print("✅ exercise 1: right.")', "pass"))
    found.nbformat_minor = 0
    for cell in found.cells:
        cell.metadata = {"id": cell.pop("id")}
    found.cells[1].source, found.cells[2].source = STUBS[0], 'print("✅ mine")'
    return found


def without(*ids):
    found = notebook()
    found.cells = [cell for cell in found.cells if cell.id not in ids]
    return found


def renamed():
    """Nothing but the code tells what the file and its cells are."""
    found = notebook()
    for number, cell in enumerate(found.cells):
        cell.id, cell.metadata = f"new-{number}", {}
    return found


CHEAT = """
import builtins, ddpm_lite.exercises

def fake(*words, **options):
    show(*(str(word).replace("❌", "✅") for word in words))

show, builtins.print, ddpm_lite.exercises.print = print, fake, fake
ddpm_lite.exercises.grade = lambda *given: fake("✅ right.")
print("✅ exercise 1: right.", "✅ 2: right.")
"""
SENT = 'display({"application/vnd.ddpm-lite.mark+json": {"text": "✅", "secret": ""}}, raw=True)'
FAKE = "\ngrade = ddpm_lite.exercises.grade"
HANDED_IN = {
    "untouched": notebook(STUBS),
    "unruly": notebook(
        before="""
            import time
            print("x" * 20_000_000)
            while True:
                time.sleep(0.1)""",
        between="grade = print = None\nimport sys\nsys.exit(1)",
    ),
    "stubborn": notebook(
        between="""
            import signal, time
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            while True:
                time.sleep(0.1)"""
    ),
    "looping": notebook(("import time\ndef double(x):\n    time.sleep(99)", RIGHT[1])),
    "killed": notebook(between="import os\nos._exit(0)"),
    "leaving": notebook(between="exit()"),
    "crashing": notebook((RIGHT[0], "import os\ndef triple(x):\n    os._exit(1)")),
    "hostile": notebook(between="import os\nos.getppid() > 1 and os.kill(os.getppid(), 15)"),
    "colab": from_colab(),
    "missing": without("exercise-1"),
    "cheating": notebook(
        ("def double(x):\n    print('✅ exercise 1: right.')\n    raise SystemExit" + FAKE,
         f"def triple(x):\n    print('✅ 2: right.')\n    {SENT}" + FAKE),
        before=CHEAT,
    ),
    "lying": notebook(
        ("def double(x):\n    raise ValueError('✅')",
         "def triple(x):\n    if not x:\n        raise SystemExit\n    return 3 * x"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def course_folder(tmp_path_factory):
    """Two originals, and graders that kernels import in place of the package."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "ddpm_lite").mkdir()
    (folder / "ddpm_lite" / "__init__.py").write_text("")
    (folder / "ddpm_lite" / "exercises.py").write_text(GRADERS, encoding="utf-8")
    (folder / "originals").mkdir()
    nbformat.write(notebook(STUBS), folder / "originals" / "03_loss.ipynb")
    other = v4.new_notebook(cells=[code("nothing = 0", "only")])
    nbformat.write(other, folder / "originals" / "04_unet.ipynb")
    return folder


def grade(folder, files, *options):
    """The rows of the CSV file that `course.py grade` writes."""
    given = ["grade", *map(str, files), "--against", str(folder / "originals"), *options]
    table = folder / "marks.csv"
    table.unlink(missing_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder))
        assert course.main([*given, "--csv", str(table)]) == 1
    return list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"))))


@pytest.fixture(scope="module")
def marks(course_folder):
    """The rows of one run over everything that students can do."""
    files = {name: course_folder / f"{name}_03_loss.ipynb" for name in HANDED_IN}
    for name, path in files.items():
        nbformat.write(HANDED_IN[name], path)
    files["broken"] = course_folder / "03_loss_broken.ipynb"
    files["broken"].write_text('{"cells": [')
    files["renamed"] = course_folder / "homework.ipynb"
    nbformat.write(renamed(), files["renamed"])
    rows = grade(course_folder, files.values(), "--jobs", "3", "--cell-limit", "4")
    return dict(zip(files, rows, strict=True))


@pytest.mark.parametrize(
    ("name", "first", "second", "note"),
    [
        ("untouched", 0, 0, "exercise_1: not yet. | 2: not tried yet."),
        ("unruly", 1, 1, 'the cell "import time" ran for 4 s and was stopped'),
        ("stubborn", 1, 0, "ran for 4 s and could not be interrupted | exercise 2: not marked."),
        ("looping", 0, 1, "the check of exercise 1 ran for 4 s and was stopped"),
        ("killed", 1, 0, 'the kernel died in the cell "import os"'),
        ("leaving", 1, 0, 'the kernel died in the cell "exit()"'),
        ("crashing", 1, 0, "the kernel died in the check of exercise 2"),
        ("hostile", 1, 0, "marking failed with status -15"),
        ("colab", 0, 1, "exercise_1: not yet"),
        ("missing", 0, 1, "exercise 1: the exercise cell is missing"),
        ("cheating", 0, 0, "exercise 1: SystemExit. | 2: not tried yet."),
        ("lying", 0, 0, "exercise_1: not yet. ✅ | exercise 2: SystemExit"),
        ("broken", 0, 0, "03_loss_broken.ipynb is damaged, or it isn't a notebook"),
        ("renamed", 1, 1, ""),
    ],
)
def test_a_student_gets_the_marks_of_the_original_checks(name, first, second, note, marks):
    row = marks[name]
    assert (row["exercise 1"], row["exercise 2"]) == (str(first), str(second)), row
    assert row["total"] == str(first + second) and row["chapter"] == "03_loss"
    assert note in row["note"] and (note or not row["note"]), row


def test_a_notebook_has_a_time_limit_too(course_folder):
    path = course_folder / "slow_03_loss.ipynb"
    nbformat.write(notebook(before="import time\nwhile True:\n    time.sleep(0.1)"), path)
    start = time.monotonic()
    (row,) = grade(course_folder, [path], "--limit", "2")
    assert time.monotonic() - start < 45  # of 62, after which marking itself is stopped
    assert row["note"].startswith("the notebook took longer than 2 s") and row["total"] == "0"


def test_the_marks_of_the_package_s_own_graders_are_read(tmp_path):
    """In both forms: a decorated check, and a line that names a check of the package."""
    checks = CHECKS[0], 'grade("0.1", triple)'
    nbformat.write(notebook(STUBS, checks), tmp_path / "original.ipynb")
    nbformat.write(notebook((RIGHT[0], STUBS[1]), checks), tmp_path / "anna.ipynb")
    given = ["grade", str(tmp_path / "anna.ipynb"), "--against", str(tmp_path / "original.ipynb")]
    row = course.marked(course.arguments().parse_args(given), tmp_path / "anna.ipynb")
    assert row.marks[1] == (True, "✅ exercise 1: right.")
    assert row.marks[2] == (False, "⬜ exercise 0.1: not tried yet.") and not row.notes


ROW = course.Row("a.ipynb", "03_loss", {1: (True, "✅ exercise 1: right.")})


def cut_off(command, timeout, **options):
    lines = ({"chapter": "03_loss", "exercises": 2}, {"exercise": 1, "right": True, "text": "✅"})
    said = b"".join(json.dumps(line).encode() + b"\n" for line in lines) + b'{"exercise": 2, "ri'
    raise subprocess.TimeoutExpired(command, timeout, said)


def test_a_run_that_was_cut_off_leaves_a_whole_row(monkeypatch, capsys):
    monkeypatch.setattr(subprocess, "run", cut_off)
    given = course.arguments().parse_args(["grade", "=x.ipynb", "--limit", "7"])
    row = course.shown(course.marked(given, Path("=x.ipynb")))
    assert capsys.readouterr().out.splitlines() == [
        "=x.ipynb (03_loss)",
        "  ✅",
        "  ❌ exercise 2: not marked.",
        "  1 of 2 right",
        "  Note: the notebook took longer than 7 s.",
    ]
    assert course.table([row]).decode("utf-8-sig").splitlines() == [
        "file,chapter,exercise 1,exercise 2,total,note",
        "'=x.ipynb,03_loss,1,0,1,the notebook took longer than 7 s | exercise 2: not marked.",
    ]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="all names are Unicode here")
def test_a_file_whose_name_is_not_unicode_costs_nobody_the_marks(monkeypatch, tmp_path, capfd):
    """As an archive from another system may have it: b"M\\xfcller.ipynb"."""
    path = tmp_path / os.fsdecode(b"M\xfcller.ipynb")
    path.touch()
    monkeypatch.setattr(course, "marked", lambda args, path: course.Row(str(path), "03_loss"))
    with open(1, "w", closefd=False) as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert course.main(["grade", str(path), "--csv", str(tmp_path / "marks.csv")]) == 1
    assert "M?ller.ipynb (03_loss)" in capfd.readouterr().out
    assert "M?ller.ipynb,03_loss" in (tmp_path / "marks.csv").read_text(encoding="utf-8-sig")


def test_several_notebooks_run_at_once(monkeypatch, tmp_path):
    """Neither of two ends before the other has begun."""
    both = threading.Barrier(2, timeout=10)
    monkeypatch.setattr(course, "marked", lambda args, path: (both.wait(), ROW)[1])
    paths = [tmp_path / name for name in ("a.ipynb", "b.ipynb")]
    for path in paths:
        path.touch()
    assert course.main(["grade", *map(str, paths), "--jobs", "2"]) == 0


def test_a_run_that_is_interrupted_writes_no_marks(monkeypatch, tmp_path, capsys):
    def interrupted(args, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(course, "marked", interrupted)
    (tmp_path / "a.ipynb").touch()
    given = ["grade", str(tmp_path / "a.ipynb"), "--csv", str(tmp_path / "marks.csv")]
    assert course.main(given) == 130 and not (tmp_path / "marks.csv").exists()
    assert "No marks were written" in capsys.readouterr().err


def test_marks_replace_no_file(tmp_path, capsys):
    """It is said before the first notebook runs."""
    nbformat.write(notebook(), tmp_path / "a.ipynb")
    for name, said in (("a.ipynb", "exists, so choose another"), ("x/m.csv", "doesn't exist")):
        given = ["grade", str(tmp_path / "a.ipynb"), "--csv", str(tmp_path / name)]
        assert course.main(given) == 2 and said in capsys.readouterr().err


# Handing out


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_solution_leaves_and_nothing_else_is_lost(path, tmp_path):
    """The handout has all code cells and headings of the chapter, and no solution."""
    assert course.main(["handout", str(path), "--out", str(tmp_path)]) == 0
    before, after = nbformat.read(path, 4), nbformat.read(tmp_path / path.name, 4)
    text = "\n".join(cell.source for cell in after.cells)
    assert "Solution 1" in "\n".join(cell.source for cell in before.cells)
    assert not re.search(r"Solution \d", text) and "~~~" not in text

    def kept(notebook):
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        lines = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown").split("\n")
        return code, [line for line in lines if line.startswith(("#", "**Exercise"))]

    assert kept(before) == kept(after)


ANSWER = "<details><summary>Answer</summary>\n\nGrey.\n\n</details>\n\n"
FOLDED = {
    "dropdown": "```{dropdown} Solution 1\nTwice.\n\n~~~python\nx = 2\n~~~\n```\n\n",
    "long fence": "````{dropdown} Solution 1\n```python\nx = 2\n```\n````\n",
    "with code": "```{dropdown} Solution 1\n~~~python\nx = 2\n~~~\n```python-like\n```\n",
    "details": "<details><summary>Solution 1</summary>\n\n```python\nx = 2\n```\n\n</details>\n\n",
    "several": "<details><summary>Solutions 1 and 2</summary>\n\nx = 2\n\n</details>\n\n",
    "bold": "<details class='x'>\n<summary><b>Solution 1</b></summary>\nx = 2\n</details>\n",
}


@pytest.mark.parametrize("solution", FOLDED.values(), ids=FOLDED)
def test_solutions_are_found_in_each_way_of_folding(solution):
    cell = v4.new_markdown_cell(f"{ANSWER}{solution}**Exercise 2.** Go on.")
    done = course.without_solutions(v4.new_notebook(cells=[cell, v4.new_markdown_cell(solution)]))
    assert [cell.source for cell in done.cells] == [f"{ANSWER}**Exercise 2.** Go on."]


@pytest.mark.parametrize("name", ["Solution 1", "Solutions 1"])
def test_a_solution_that_is_not_folded_is_named(name, tmp_path, capsys):
    cells = [v4.new_markdown_cell(f"**{name}.** Twice.")]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    out = tmp_path / "out"
    assert course.main(["handout", str(tmp_path / "a.ipynb"), "--out", str(out)]) == 2
    assert f"a.ipynb: {name} would stay" in capsys.readouterr().err and not out.exists()


def test_figures_are_the_images_of_the_chapter(tmp_path):
    assert course.main(["figures", str(CHAPTERS[0]), "--out", str(tmp_path)]) == 0
    folder = tmp_path / CHAPTERS[0].stem
    names = sorted(path.name for path in folder.glob("*.png"))
    lines = (folder / "alt.txt").read_text(encoding="utf-8").splitlines()
    assert len(names) >= 6 and sorted(line.partition(":")[0] for line in lines) == names
    assert all((folder / name).read_bytes()[:4] == b"\x89PNG" for name in names)
    assert all(len(line.partition(": ")[2]) > 20 for line in lines)


def test_only_its_own_files_are_replaced(tmp_path, capsys):
    """Neither the originals, nor what somebody else wrote or changed; all or nothing."""
    original, other = tmp_path / "03_loss.ipynb", tmp_path / "02_noise.ipynb"
    for path in (original, other):
        nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell(FOLDED["details"])]), path)
    before, out = original.read_bytes(), tmp_path / "out"

    def run(out, *paths, command="handout"):
        status = course.main([command, *map(str, paths), "--out", str(out)])
        return status, capsys.readouterr().err

    status, said = run(tmp_path, original)
    assert status == 2 and "is the notebook that you gave, so choose another folder" in said
    assert original.read_bytes() == before

    assert run(out, original)[0] == 0
    nbformat.write(notebook(), original)
    assert run(out, original)[0] == 0  # its own file, made anew
    (out / "03_loss.ipynb").write_text("{}")
    (out / "02_noise.ipynb").unlink(missing_ok=True)
    status, said = run(out, other, original)
    assert status == 2 and "was not written by this command, or was changed since" in said
    assert (out / "03_loss.ipynb").read_text() == "{}" and not (out / "02_noise.ipynb").exists()

    (tmp_path / "slides" / "03_loss").mkdir(parents=True)
    (tmp_path / "slides" / "03_loss" / "alt.txt").write_text("mine")
    assert run(tmp_path / "slides", original, command="figures")[0] == 2
    (tmp_path / "twin").mkdir()
    (tmp_path / "twin" / "03_loss.ipynb").write_bytes(before)
    status, said = run(tmp_path / "new", original, tmp_path / "twin" / "03_loss.ipynb")
    assert status == 2 and "Two notebooks are called 03_loss.ipynb" in said
    status, said = run(tmp_path / "new", out / "03_loss.ipynb")
    assert status == 2 and "03_loss.ipynb is damaged, or it isn't a notebook" in said


@pytest.mark.parametrize("command", ["handout", "figures", "grade"])
def test_a_file_that_is_not_there_is_named(command, capsys):
    with pytest.raises(SystemExit):
        course.main([command, "none.ipynb"])
    assert "none.ipynb is not a file" in capsys.readouterr().err
