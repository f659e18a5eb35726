"""The script that tries another T and other data sees what breaks, and excuses what says so."""

from pathlib import Path

import nbformat
import pytest

import experiments

ROOT = Path(__file__).resolve().parents[2]
CELLS = {
    "setup": "from ddpm_lite import linear_schedule, load_images",
    "schedule": "schedule = linear_schedule()",
    "data": 'x, y = load_images("digits")',
    "fraction": "schedule.alpha_bar[schedule.T // 2]",
    "hard-coded": "schedule.alpha_bar[500]",
    "says-so": "half = schedule.alpha_bar[500]  # T = 1000",
    "follows": "print(half)",
    "any-classes": "[x[y == d][0] for d in y.unique()]",
    "ten-classes": "ten = [x[y == d][0] for d in range(10)]",
    "ten-digits": "[x[y == d][0] for d in range(10)]  # ten digits",
    "follows-no-comment": "print(ten)",
}


@pytest.fixture
def chapter(tmp_path):
    cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in CELLS.items()]
    path = tmp_path / "01_small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def test_cells_that_raise_are_listed_and_the_file_stays_as_it_was(chapter, capsys):
    before = chapter.read_bytes()
    assert experiments.main([str(chapter)]) == 1
    said = capsys.readouterr().out
    assert "T = 200: 1 cells raise\n    hard-coded: IndexError" in said
    assert "other data: 2 cells raise\n    ten-classes: IndexError" in said
    assert "    follows-no-comment: NameError" in said
    assert chapter.read_bytes() == before


def test_nothing_is_listed_where_nothing_is_changed(chapter):
    assert experiments.main(["--only", "as it is", str(chapter)]) == 0


BUILT = ("01_noise", "02_denoising", "03_loss", "05_training", "06_sampling")  # 4: a shipped one


@pytest.mark.parametrize("name", BUILT)
def test_the_change_of_T_reaches_each_chapter_that_builds_its_schedule(name):
    path = ROOT / "notebooks" / f"{name}.ipynb"
    code = [c.source for c in experiments.edited(path, "T = 200").cells if c.cell_type == "code"]
    assert any("_schedule(200)" in source or "T = 200" in source for source in code)
