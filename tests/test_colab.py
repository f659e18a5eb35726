"""Each notebook stands alone where there is torch but not this project, as on Colab."""

from pathlib import Path

import colab

ROOT = Path(__file__).resolve().parents[1]


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
