"""The way from a run to its FID, with random features in Inception's place."""

import importlib.util
import runpy
import sys
from pathlib import Path

import pytest
import torch

from ddpm_lite import frechet_distance, load_images
from ddpm_lite.__main__ import main
from ddpm_lite.cli.run import Run

PATH = Path(__file__).resolve().parents[1] / "scripts" / "fid.py"
spec = importlib.util.spec_from_file_location("fid", PATH)
spec.loader.exec_module(fid := importlib.util.module_from_spec(spec))


def test_pixels_are_the_bytes_that_the_images_were_made_of():
    """All 256 of them come back; what is out of range is clipped; grey has three equal channels."""
    every = torch.arange(256).view(1, 1, 16, 16)
    pixels = fid.pixels(every / 127.5 - 1)
    assert pixels.dtype == torch.uint8 and pixels.shape == (1, 3, 16, 16)
    assert torch.equal(pixels.long(), every.expand(-1, 3, -1, -1))
    assert fid.pixels(torch.tensor([-7.0, 7.0]).view(1, 1, 1, 2))[0, 0].tolist() == [[0, 255]]


def test_batches_of_any_size_give_the_distance_of_all_features_at_once():
    """Real images on one side and samples on the other, none lost and none taken twice."""
    draws = torch.Generator().manual_seed(0)
    real, fake = torch.rand(60, 3, 8, 8, generator=draws), torch.rand(41, 3, 8, 8, generator=draws)
    feature = fid.RandomFeatures()
    want = frechet_distance(*(feature(fid.pixels(images)) for images in (real, fake / 2)))
    assert want > 0.01
    for size in (7, 250):
        got = fid.score(fid.Frechet(feature), real, fake / 2, "cpu", size)
        assert got == pytest.approx(want, rel=1e-6)
    assert abs(fid.score(fid.Frechet(feature), real, real, "cpu")) < 1e-6


@pytest.fixture
def run(tmp_path):
    more = ["--steps", "2", "--width", "8", "--mults", "1", "--T", "8", "--device", "cpu"]
    assert main(["train", "--out", str(tmp_path), *more]) == 0
    return tmp_path


def test_the_command_scores_a_run_and_says_how(run, capsys):
    """With random features, and it says that this is no FID."""
    fid.main(f"--features random --n 30 --steps 2 --device cpu --run {run}".split())
    said = capsys.readouterr().out
    loaded = Run.load(run)
    real, samples = load_images("digits")[0], loaded.draw(30, 2)
    right = fid.score(fid.Frechet(fid.RandomFeatures()), real, samples, "cpu")
    assert f"no FID: {right:.2f}" in said
    assert "N = 30, 2 steps of ddpm, seed 0; 1437 training images of digits" in said


def test_the_real_images_have_the_size_and_the_channels_of_the_samples(tmp_path, monkeypatch):
    """Else a run on a folder would be compared with images of 32 x 32."""
    seen, more = [], "--steps 1 --width 8 --mults 1 --T 8 --device cpu".split()
    shape = ["--image-size", "12", "16", "--channels", "3"]
    assert main(["train", "--out", str(tmp_path), *more, *shape]) == 0
    monkeypatch.setattr(fid, "score", lambda _, *images: seen.extend(images[:2]) or 0)
    fid.main(f"--features random --n 4 --steps 1 --device cpu --run {tmp_path}".split())
    assert [tuple(images.shape[1:]) for images in seen] == [(3, 12, 16)] * 2


def test_without_inception_it_ends_in_a_sentence_before_it_draws(run, monkeypatch):
    """And not after hours."""
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    monkeypatch.setattr(Run, "draw", lambda *_: pytest.fail("it has drawn"))
    with pytest.raises(SystemExit, match="pip install"):
        fid.main(["--run", str(run), "--device", "cpu"])


@pytest.mark.parametrize("more, code, words", [
    ("", 1, "is not a file; `python -m ddpm_lite train` makes one"),
    ("--n 0", 2, "got 0, expected 1"),
    ("--device tpu", 2, "can't find a tpu device here"),
])  # fmt: skip
def test_what_cannot_be_scored_gets_a_sentence(tmp_path, monkeypatch, capsys, more, code, words):
    argv = f"fid.py --run {tmp_path} --features random --device cpu {more}".split()
    monkeypatch.setattr(sys, "argv", argv)
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(PATH), run_name="__main__")
    assert stop.value.code == code and words in capsys.readouterr().err


def test_torchmetrics_finds_the_same_distance():
    """With the same features, where it is installed."""
    theirs = pytest.importorskip("torchmetrics.image.fid").FrechetInceptionDistance
    draws = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(n, 3, 32, 32, generator=draws) for n in (60, 41))
    ours = fid.score(fid.Frechet(fid.RandomFeatures()), real, fake / 2, "cpu")
    value = fid.score(theirs(feature=fid.RandomFeatures()), real, fake / 2, "cpu")
    assert value == pytest.approx(ours, rel=1e-3)
