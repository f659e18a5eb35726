"""The files of the notebooks: normal, complete, and fit for strict comparison everywhere."""

from pathlib import Path

import nbformat
import pytest

import notebooks

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PNG = {"image/png": "iVBORw0KGgo=", "text/plain": "<Figure size 640x480 with 1 Axes>"}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_chapter_is_well_formed(path):
    assert notebooks.check(path) == []


def healthy():
    """A notebook of two code cells, the second a film, with nothing wrong."""
    v4 = nbformat.v4
    text = [v4.new_output("stream", text="variance 0.998\n")]
    film = [v4.new_output("display_data", data=dict(PNG), metadata={})]
    alt = "Nine digits dissolve into noise. frames: t = 0; t = 1"
    about = {"tags": ["film", "film-1x2"], "mystnb": {"image": {"alt": alt}}}
    cells = [
        v4.new_markdown_cell("# A chapter", id="head"),
        v4.new_code_cell("print(1)", id="one", execution_count=1, outputs=text),
        v4.new_code_cell("show()", id="two", execution_count=2, outputs=film, metadata=about),
    ]
    return v4.new_notebook(cells=cells, metadata=nbformat.from_dict(notebooks.METADATA))


def test_a_healthy_notebook_is_accepted(tmp_path):
    path = tmp_path / "01_healthy.ipynb"
    path.write_text(notebooks.normal(healthy()), encoding="utf-8")
    assert notebooks.check(path) == []


def test_what_the_page_folds_is_folded_in_colab_and_jupyterlab_too(tmp_path):
    notebook = healthy()
    notebook.cells[1].metadata["tags"] = ["hide-input"]
    cells = nbformat.reads(notebooks.normal(notebook), as_version=4).cells
    assert cells[1].metadata.jupyter.source_hidden and cells[1].metadata.cellView == "form"
    assert "jupyter" not in cells[2].metadata


FAULTS = {
    "execution counts": lambda nb: nb.cells[1].update(execution_count=3),
    "execution counts are [None": lambda nb: nb.cells[1].update(execution_count=None),
    "metadata.widgets": lambda nb: nb.metadata.update(widgets={}),
    "share one": lambda nb: nb.cells[1].update(id="two"),
    "more than 25 lines": lambda nb: nb.cells[1].update(source="x = 1\n" * 26),
    "longer than 78": lambda nb: nb.cells[1].update(source="#" * 79),
    "neither widget nor film": lambda nb: nb.cells[1].metadata.update(tags=["nbval-ignore-output"]),
    "nbval skips": lambda nb: nb.cells[1].metadata.update(tags=["nbval-skip"]),
    "nbval comment": lambda nb: nb.cells[1].update(source="# NBVAL_IGNORE_OUTPUT"),
    "alt text": lambda nb: nb.cells[2].metadata.pop("mystnb"),
    "film-ROWSxCOLUMNS": lambda nb: nb.cells[2].metadata.update(tags=["film"]),
    "path of one machine": lambda nb: nb.cells[1].outputs[0].update(text="/home/me/x"),
    "raises-exception": lambda nb: nb.cells[1].outputs.append(
        nbformat.v4.new_output("error", ename="ValueError", evalue="", traceback=[])
    ),
    "stderr": lambda nb: nb.cells[1].outputs[0].update(name="stderr"),
}


PLAYER = '<div>one<br><audio controls aria-label="one, generated" src="data:,"></audio></div>'


def with_sound(html, tags=("sound", "nbval-ignore-output"), extra=()):
    """A notebook whose first code cell shows this HTML."""
    notebook = healthy()
    shown = nbformat.v4.new_output("execute_result", data={"text/html": html}, execution_count=1)
    notebook.cells[1].update(outputs=[shown, *extra])
    notebook.cells[1].metadata["tags"] = list(tags)
    return notebook


def test_the_players_of_a_sound_cell_have_labels_and_nothing_else_is_ignored():
    """Their samples differ by a rounding from machine to machine, so nbval doesn't compare them."""
    assert notebooks.problems(with_sound(PLAYER)) == []
    number = nbformat.v4.new_output("stream", text="distance 0.3\n")
    for wrong in (
        with_sound(PLAYER.replace("aria-label", "title")),
        with_sound("<b>no player</b>"),
        with_sound(PLAYER, tags=["sound"]),
        with_sound(PLAYER, extra=[number]),
        with_sound(PLAYER + 200_000 * " "),
    ):
        assert "a sound needs" in "".join(notebooks.problems(wrong))


@pytest.mark.parametrize("sentence", FAULTS)
def test_faults_are_seen(sentence):
    notebook = healthy()
    FAULTS[sentence](notebook)
    assert sentence in "\n".join(notebooks.problems(notebook))


def test_what_an_editor_adds_is_seen_and_removed(tmp_path):
    notebook = healthy()
    notebook.metadata.language_info["version"] = "3.11.7"
    notebook.cells[1].metadata["execution"] = {"iopub.status.busy": "2026-01-01T00:00:00"}
    notebook.cells[1].outputs.append(nbformat.v4.new_output("stream", text="cut in two\n"))
    path = tmp_path / "01_edited.ipynb"
    nbformat.write(notebook, path)
    assert "not normal" in "".join(notebooks.check(path))
    path.write_text(notebooks.normal(nbformat.read(path, as_version=4)), encoding="utf-8")
    assert notebooks.check(path) == []
    joined = nbformat.read(path, as_version=4).cells[1].outputs
    assert [output.text for output in joined] == ["variance 0.998\ncut in two\n"]
