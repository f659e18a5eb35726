"""Each notebook stands alone where there is torch but not this project, as on Colab."""

import sys
from pathlib import Path

import nbformat
import pytest

import colab
from kernels import Client

ROOT = Path(__file__).resolve().parents[1]
v4 = nbformat.v4


def test_the_set_up_cells_install_the_package_and_nothing_else(capsys):
    """The hidden cell brings ddpm_lite; torch and numpy stay what and where they were. All cells
    of all notebooks are run by `make colab`."""
    code = colab.main(["--set-up", str(ROOT / "notebooks" / "01_noise.ipynb")])
    said = capsys.readouterr().out
    assert code == 0 and "01_noise" in said, said


def test_what_is_changed_is_seen():
    state = {"torch": ["2", "a"], "numpy": ["2", "b"], "own": ["pip"], "prefix": "v"}
    good = {**state, "own": ["ddpm-lite", "pip"], "package": "v/ddpm_lite/__init__.py"}
    assert colab.faults({"before": state, "after": good}) == []
    bad = {**good, "torch": ["3", "v"], "own": ["ddpm-lite", "pip", "torch"], "package": "w/x"}
    assert len(colab.faults({"before": state, "after": bad})) == 3


def test_a_notebook_that_is_not_there_is_named_before_others_run(monkeypatch, capsys):
    monkeypatch.setattr(colab, "wheel", lambda folder: pytest.fail("it has begun"))
    with pytest.raises(SystemExit):
        colab.main([str(ROOT / "notebooks" / "01_noise.ipynb"), "none.ipynb"])
    assert "none.ipynb is not a file" in capsys.readouterr().err


def test_a_widget_sends_nothing_while_its_cell_runs():
    """What the client sends on the socket on which it awaits the reply can swallow that reply."""
    source = "import ipywidgets\nipywidgets.interactive(lambda i: print(i), i=(0, 9))"
    book = v4.new_notebook(cells=[v4.new_code_cell(source)])
    client, sent = Client(book, timeout=60, kernel_name="python3"), []
    with client.setup_kernel():
        send = client.kc.shell_channel.send
        client.kc.shell_channel.send = lambda msg: sent.append(msg["msg_type"]) or send(msg)
        client.execute_cell(book.cells[0], 0)
    assert sent == ["execute_request"]
    assert "widget-view" in str(book.cells[0].outputs) and "4\\n" in str(client.widget_state)


def test_an_endless_second_pass_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(colab, "CELL_LIMIT", 3)
    loop = "import time\nagain = 'again' in globals()\nwhile again:\n    time.sleep(0.1)"
    sources = {"install": 'url = "git+https://x"', "loop": loop}
    cells = [v4.new_code_cell(source, id=name) for name, source in sources.items()]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    with pytest.raises(SystemExit, match="the cell 'loop' took longer than 3 s and was stopped"):
        colab.execute(tmp_path / "a.ipynb", Path(sys.executable), tmp_path / "w", False, True)


def test_a_program_that_hangs_is_stopped():
    with pytest.raises(SystemExit, match="took longer than 1 s and was stopped"):
        colab.run(sys.executable, "-c", "import time; time.sleep(60)", timeout=1)
