"""The page "Your own data" says what is true: its code runs as printed, only with fewer steps."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "book" / "your_data.md").read_text(encoding="utf-8")
HERE = re.sub(r"\n## Elsewhere.*?(?=\n## )", "", PAGE, flags=re.DOTALL)  # see test_interop.py
BLOCKS = re.findall(r"```python\n(.*?)```", HERE, re.DOTALL)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the blocks leave behind, one after the other, in a folder with 90 images."""
    random, folder = np.random.default_rng(0), tmp_path_factory.mktemp("page")
    for i in range(90):
        path = folder / "path" / "to" / "folder" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).save(path)
    names = {"folder": folder}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        torch.manual_seed(0)
        for block in BLOCKS:
            small = re.sub(r"steps=\d+", "steps=2", block).replace("width=32", "width=8")
            exec(small, names)
    return names


def test_the_code_runs(names):
    """Images, signals, volumes, tables and conditions, each with samples of the right shape."""
    shapes = {"images": (8, 1, 8, 8), "signals": (16, 1, 64), "volumes": (4, 1, 16, 16, 16)}
    for name, shape in {**shapes, "rows": (500, 3)}.items():
        assert names[name].shape == shape and names[name].isfinite().all(), name
    assert (names["folder"] / "look.png").exists() and (names["folder"] / "samples.png").exists()
    assert names["data"].classes == ["a", "b"] and len(names["data"]) == 81


def test_a_block_has_about_ten_lines():
    """Of code; the imports are shared."""
    for block in BLOCKS:
        assert len([line for line in block.splitlines() if line.strip()]) <= 11, block


def test_every_column_of_the_table_is_what_the_benchmark_prints():
    """The rows say the number of parameters that the networks have."""
    from ddpm_lite import UNet

    rows = re.findall(r"\| (\d)×(\d+)×\d+ \| (\d+), \(([\d, ]+)\) \| ([\d,]+) \|", PAGE)
    assert len(rows) == 6
    for channels, _, width, mults, parameters in rows:
        net = UNet(int(channels), int(width), tuple(map(int, mults.split(","))))
        assert f"{sum(p.numel() for p in net.parameters()):,}" == parameters
