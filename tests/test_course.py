"""What a teacher hands out and gets back: no solutions leave, and marks are those of the checks."""

from pathlib import Path

import nbformat
import pytest

import course

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
v4 = nbformat.v4


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_no_solution_leaves_and_nothing_else_is_lost(path, tmp_path, capsys):
    """The handout has all code cells and headings of the chapter, and no solution."""
    assert course.main(["handout", str(path), "--out", str(tmp_path)]) == 0
    before, after = nbformat.read(path, 4), nbformat.read(tmp_path / path.name, 4)
    text = "\n".join(cell.source for cell in after.cells)
    assert "Solution 1" in "\n".join(cell.source for cell in before.cells)
    assert "Solution" not in text and "~~~" not in text

    def kept(notebook):
        code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
        lines = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown").split("\n")
        return code, [line for line in lines if line.startswith(("#", "**Exercise"))]

    assert kept(before) == kept(after)


def handed_in(folder, answer):
    """A notebook of one exercise with this answer, one untouched, and one whose check breaks."""
    check = "from ddpm_lite.exercises import grade\n@grade\ndef exercise_1():\n    assert f(2) == 4"
    cells = [
        v4.new_code_cell(answer),
        v4.new_code_cell(check, metadata={"tags": ["check"]}),
        v4.new_code_cell(check.replace("f(2)", "g(2)"), metadata={"tags": ["check"]}),
        v4.new_code_cell("nobody_defined_this", metadata={"tags": ["check"]}),
    ]
    path = folder / "student.ipynb"
    nbformat.write(v4.new_notebook(cells=cells), path)
    return path


@pytest.mark.parametrize(("answer", "ticks"), [("f = lambda x: 2 * x", 1), ("f = None", 0)])
def test_marks_are_those_of_the_checks(answer, ticks, tmp_path, capsys):
    path = handed_in(tmp_path, answer)
    assert course.main(["grade", str(path)]) == 1
    said = capsys.readouterr().out
    assert said.count("✅") == ticks and f"{ticks} of 3 right" in said
    assert "❌ the check did not run: NameError" in said


def test_figures_are_the_pictures_of_the_chapter(tmp_path, capsys):
    assert course.main(["figures", str(CHAPTERS[0]), "--out", str(tmp_path)]) == 0
    folder = tmp_path / CHAPTERS[0].stem
    names = sorted(path.name for path in folder.glob("*.png"))
    lines = (folder / "alt.txt").read_text(encoding="utf-8").splitlines()
    assert len(names) >= 6 and sorted(line.partition(":")[0] for line in lines) == names
    assert all((folder / name).read_bytes()[:4] == b"\x89PNG" for name in names)
    assert all(len(line.partition(": ")[2]) > 20 for line in lines)


def test_a_file_that_is_not_there_is_named(capsys):
    with pytest.raises(SystemExit):
        course.main(["grade", "none.ipynb"])
    assert "none.ipynb is not a file" in capsys.readouterr().err
