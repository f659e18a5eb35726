"""The README says what is true: its lines run as printed, its links and commands exist."""

import re
from pathlib import Path

import pytest
import torch

from ddpm_lite import load_images, nearest
from ddpm_lite.__main__ import parser

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def code(language, page=README):
    """The lines of the blocks in a language, as printed."""
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def quiet_figures():
    """Figures are drawn, shown to nobody, and closed."""
    plt = pytest.importorskip("matplotlib.pyplot")
    backend, threads = plt.get_backend(), torch.get_num_threads()
    plt.switch_backend("agg")
    torch.set_num_threads(1)
    yield plt
    plt.close("all")
    plt.switch_backend(backend)
    torch.set_num_threads(threads)


def test_the_ten_lines_train_and_sample(quiet_figures):
    lines = [line for line in code("python")[0].splitlines() if line.strip()]
    statements = [line for line in lines if not line.startswith((" ", "import", "from"))]
    assert len(statements) <= 10
    quiet_figures.close("all")  # of other tests in this process
    names = {}
    torch.manual_seed(0)
    exec(code("python")[0], names)
    losses, digits = torch.tensor(names["losses"]), names["digits"]
    assert losses[0] > 0.8 and losses[-50:].mean() < 0.4
    assert digits.shape == (64, 1, 8, 8) and digits.min() >= -1 and digits.max() <= 1
    x, held_out = load_images("digits")[0], load_images("digits", train=False)[0]
    usual = nearest(held_out, x)[0].mean()
    near = nearest(digits, x)[0]
    noise = nearest(torch.rand(64, 1, 8, 8) * 2 - 1, x)[0].mean()
    assert near.mean() < 0.5 * (usual + noise) and near.min() > 0  # digits, and no copies
    assert len(quiet_figures.get_fignums()) == 1


def test_links_lead_somewhere():
    for link in re.findall(r"\]\(([^)#]+)", README):
        if not link.startswith("http"):
            assert (ROOT / link).exists(), link


def test_every_chapter_is_listed_and_no_other():
    found = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    chapters = [f"notebooks/{path.stem}" for path in found]
    table = README.partition("## Chapters")[2]
    assert re.findall(r"\]\((notebooks/\w+)\.ipynb\)", table) == chapters


def test_the_commands_exist():
    for line in "".join(code("bash")).splitlines():
        if line.startswith("python -m ddpm_lite"):
            assert parser().parse_args(line.split()[3:])
        if line.startswith("make"):
            assert f"\n{line.split()[1]}:" in (ROOT / "Makefile").read_text("utf-8")


def test_the_plain_commands_of_the_page_setting_up_are_those_of_make():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    setup = (ROOT / "book" / "setup.md").read_text("utf-8")
    for line in code("powershell", setup)[0].splitlines()[3:]:  # after git, cd and py
        command = line.removeprefix(".venv\\Scripts\\").removeprefix("python -m ")
        assert command in makefile, command


def test_the_chapters_are_described_as_on_the_cover():
    """And no badge leads to an account that nobody knows; the clone line says what to put there."""
    cover = (ROOT / "book" / "index.md").read_text(encoding="utf-8")
    cover = cover.replace("../notebooks", "notebooks")
    rows = [line for line in README.splitlines() if "](notebooks/" in line and line[0] == "|"]
    assert len(rows) > 10 and all(row in cover for row in rows)
    assert "colab.research.google.com/github/OWNER" not in README
    assert "Replace `OWNER`" in README.partition("git clone")[2]
