"""The command line: a run is its recipe, steps and seed; a fault is one sentence and no damage."""

import errno
import hashlib
import io
import itertools
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest
import torch

from ddpm_lite import (
    UNet,
    ddim_step,
    frechet_distance,
    load_checkpoint,
    load_classifier,
    load_images,
    sample,
    save_checkpoint,
)
from ddpm_lite.__main__ import OPTIONS, main, parser
from ddpm_lite.cli import distributed, evaluate, folder, images
from ddpm_lite.cli.recipes import ADAPT, RECIPES, Recipe, recipe_for, shown
from ddpm_lite.cli.run import Run, plan
from ddpm_lite.metrics import score

PIL = pytest.importorskip("PIL.Image")
np = pytest.importorskip("numpy")
ROOT = Path(__file__).resolve().parent.parent
TINY = "--width 8 --mults 1 2 --batch 16 --T 8 --no-conditional --device cpu"
posix = pytest.mark.skipif(os.name == "nt", reason="signals and pipes of POSIX")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Some recipe may set the number of threads."""
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A folder with two tiny finished runs: run, and labelled."""
    place = tmp_path_factory.mktemp("runs")
    assert call(f"train --out {place}/run {TINY} --steps 3") == 0
    assert call(f"train --out {place}/labelled {TINY} --steps 3 --conditional") == 0
    return place


@pytest.fixture
def tmp(finished, tmp_path):
    """A copy of it, to spoil."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def call(line, **names):
    """The status of a command line."""
    try:
        return main(shlex.split(line.format(**names)))
    except SystemExit as stop:  # from argparse
        return stop.code


def listing(place):
    """Every file below the folder with its bytes."""
    return {p: p.read_bytes() for p in Path(place).rglob("*") if p.is_file()}


def same(a, b):
    """Equal structures, tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def learned(place):
    state = load_checkpoint(place / "checkpoint.pt")
    return {name: state[name] for name in ("recipe", "step", "net", "ema", "optimizer")}


def log(place):
    return [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]


def picture(path):
    with PIL.open(path) as image:
        image.load()
        return image


# Faults: one sentence, nothing lost


def forged(**change):
    """Prepare: the checkpoint of the run with some of its state changed."""

    def prepare(tmp):
        state = load_checkpoint(tmp / "run" / "checkpoint.pt") | change
        save_checkpoint(tmp / "run" / "checkpoint.pt", **state)

    return prepare


def spoiled(tmp):
    """NaN in the averaged weights."""
    state = load_checkpoint(tmp / "run" / "checkpoint.pt")
    next(iter(state["ema"]["model"].values())).view(-1)[0] = float("nan")
    save_checkpoint(tmp / "run" / "checkpoint.pt", **state)


def cut(keep):
    """Prepare: only so much of the checkpoint."""

    def prepare(tmp):
        data = (tmp / "run" / "checkpoint.pt").read_bytes()
        size = keep if isinstance(keep, int) else int(keep * len(data))
        (tmp / "run" / "checkpoint.pt").write_bytes(data[:size])

    return prepare


def foreign(tmp):
    """The file of another program."""
    torch.save({"weight": torch.zeros(3)}, tmp / "run" / "checkpoint.pt")


def canary(tmp):
    """A file that touches another when it's loaded as torch.load once did."""

    class Canary:
        def __reduce__(self):
            return (Path(tmp / "canary").touch, ())

    torch.save({"recipe": Canary()}, buffer := io.BytesIO())
    data = buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest()
    (tmp / "run" / "checkpoint.pt").write_bytes(data)


def write(name, text="mine"):
    """Prepare: somebody's file."""

    def prepare(tmp):
        (tmp / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp / name).write_text(text)

    return prepare


def fifo(tmp):
    os.mkfifo(tmp / "pipe.png")


SAMPLE = "sample --run {tmp}/run --n 1 --out "
TRAIN = f"train {TINY} --steps 2 --out "
RESUME = "train --resume --out {tmp}/run "
FAULTS = [  # what is there, the command, its status, and what its sentence says
    # bad arguments
    (None, "", 2, "command"),
    (None, "paint", 2, "paint|train"),
    (None, TRAIN + "{tmp}/new --width many", 2, "--width|many"),
    (None, TRAIN + "{tmp}/new --width 0", 2, "--width|got 0"),
    (None, TRAIN + "{tmp}/new --width 7", 2, "width is 7|even"),
    (None, TRAIN + "{tmp}/new --lr -1", 2, "--lr|-1"),
    (None, TRAIN + "{tmp}/new --lr nan", 2, "--lr|nan"),
    (None, TRAIN + "{tmp}/new --steps 0", 2, "--steps|0"),
    (None, TRAIN + "{tmp}/new --minutes 1", 2, "--steps|--minutes"),
    (None, TRAIN + "{tmp}/new --device tpu", 2, "--device|tpu"),
    (None, TRAIN + "{tmp}/new --attention 2", 2, "attention is (2,)|0 … 1"),
    (None, TRAIN + "{tmp}/new --mults 1 2 2 2 2", 2, "8 x 8|multiples of 16"),
    (None, TRAIN + "{tmp}/new --mults", 2, "mults"),
    (None, TRAIN + "{tmp}/new --batch 5000", 2, "5000|1437|smaller --batch"),
    (None, TRAIN + "{tmp}/new --ema 1", 2, "decay"),
    (None, TRAIN + "{tmp}/new --accumulate 5", 2, "can't be split equally"),
    (None, "sample", 2, "--run|--pretrained"),
    (None, "sample --run {tmp}/run --pretrained mnist", 2, "--run|--pretrained"),
    (None, SAMPLE + "{tmp}/x.png --n 0", 2, "--n|got 0"),
    (None, SAMPLE + "{tmp}/x.png --sampler euler", 2, "euler|ddim"),
    (None, SAMPLE + "{tmp}/x.png --label 3", 2, "--conditional"),
    (None, SAMPLE + "{tmp}/x.png --guidance 2", 2, "--conditional"),
    (None, SAMPLE + "{tmp}/x.png --run {tmp}/labelled --label 10", 2, "no label 10|8, 9"),
    (None, SAMPLE + "{tmp}/x.png --eta 0.5", 2, "--sampler ddim"),
    (None, SAMPLE + "{tmp}/x.png --steps 9", 2, "9|T = 8"),
    (None, "evaluate --run {tmp}/run --features inception", 1, "inception_v3|missing|download"),
    # data
    (None, TRAIN + "{tmp}/new --data imagenet", 2, "imagenet|digits|folder"),
    (write("set/1.txt"), TRAIN + "{tmp}/new --data {tmp}/set", 1, "{tmp}/set has no images"),
    (write("set/a/1.png"), TRAIN + "{tmp}/new --data {tmp}/set", 1, "{tmp}/set/a/1.png"),
    (write("set.npz"), TRAIN + "{tmp}/new --data {tmp}/set.npz", 1, "{tmp}/set.npz"),
    # what is in the way
    (None, TRAIN + "{tmp}/run", 1, "{tmp}/run already contains a run|--resume|--out"),
    (write("log.jsonl"), TRAIN + "{tmp}", 1, "{tmp} already contains other files|--out"),
    (write("new/log.jsonl"), TRAIN + "{tmp}/new", 1, "new already contains other files|--out"),
    (write("new/samples.png"), TRAIN + "{tmp}/new", 1, "new already contains other files|--out"),
    (write("file"), TRAIN + "{tmp}/file/run", 1, "{tmp}/file"),
    (write("file"), TRAIN + "{tmp}/file", 1, "{tmp}/file"),
    (None, SAMPLE + "{tmp}/run/checkpoint.pt", 2, "checkpoint.pt|.pt|.png"),
    (None, SAMPLE + "{tmp}/run/samples.png", 1, "samples.png exists|--overwrite"),
    (write("thesis"), SAMPLE + "{tmp}/thesis --overwrite", 1, "thesis"),
    (write("set/1.png"), SAMPLE + "{tmp}/set", 1, "{tmp}/set exists|--overwrite"),
    (write("set/00001.png"), SAMPLE + "{tmp}/set --overwrite", 1, "set has 1 other images|--out"),
    (write("set.png/1.png"), SAMPLE + "{tmp}/set.png --overwrite", 1, "set.png"),
    (write("file"), SAMPLE + "{tmp}/file/x.png", 1, "{tmp}/file"),
    (None, SAMPLE + "{tmp}/x.gif", 2, "x.gif|.png"),
    (None, SAMPLE + os.devnull + " --overwrite", 1, os.devnull),
    (fifo, SAMPLE + "{tmp}/pipe.png --overwrite", 1, "pipe.png"),
    # runs
    (None, "sample --run {tmp}/none --out {tmp}/x.png", 1, "{tmp}/none|train"),
    (None, "evaluate --run {tmp}/none", 1, "{tmp}/none|train"),
    (None, "info --run {tmp}/none", 1, "{tmp}/none|train"),
    (None, "train --resume --out {tmp}/none", 1, "{tmp}/none|train"),
    (None, TRAIN + "{tmp}/new --from {tmp}/none", 1, "{tmp}/none|train"),
    (None, TRAIN + "{tmp}/new --from {tmp}/run", 2, "--from|leave out|width"),
    (None, "train --steps 1 --from {tmp}/run", 2, "--from|--data|--out"),
    (None, RESUME + "--steps 2", 2, "at step 3|more --steps"),
    (spoiled, SAMPLE + "{tmp}/x.png", 1, "checkpoint.pt|NaN"),
    (spoiled, "evaluate --run {tmp}/run", 1, "checkpoint.pt|NaN"),
    (forged(step=10**30), SAMPLE + "{tmp}/x.png", 1, "step 1000000000|of 3"),
    (forged(step=-1), RESUME, 1, "step -1 of 3"),
    (forged(step=2.5), RESUME, 1, "step 2.5 of 3"),
    (forged(about={"version": "7.3.1"}), SAMPLE + "{tmp}/x.png", 1, "7.3.1|upgrade"),
    (forged(about={"version": "0.2.0"}), SAMPLE + "{tmp}/x.png", 1, "0.2.0|upgrade"),
    (forged(ema=None), "info --run {tmp}/run", 1, "checkpoint.pt|not a run"),
    (forged(recipe={"depth": 3}), "info --run {tmp}/run", 1, "checkpoint.pt|not a run"),
    (forged(optimizer={}), "info --run {tmp}/run", 1, "not a run"),
    (foreign, "info --run {tmp}/run", 1, "checkpoint.pt"),
    (canary, "info --run {tmp}/run", 1, "checkpoint.pt"),
    *[(cut(keep), line, 1, "checkpoint.pt") for keep in (0, 31, 100, 0.5, 0.99)
      for line in (SAMPLE + "{tmp}/x.png", RESUME)],
]  # fmt: skip


@pytest.mark.parametrize("prepare, line, status, words", FAULTS)
def test_a_fault_is_one_sentence_and_nothing_is_lost(
    tmp, capsys, monkeypatch, prepare, line, status, words
):
    if prepare is fifo and not hasattr(os, "mkfifo"):
        pytest.skip("pipes of POSIX")
    monkeypatch.setenv("TORCH_HOME", str(tmp / "hub"))
    if prepare:
        prepare(tmp)
    before = listing(tmp)
    capsys.readouterr()
    assert call(line, tmp=tmp) == status
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1 and len(said) <= 400, said
    assert not any(word in said for word in ("Traceback", "Errno", "weights_only")), said
    for word in words.format(tmp=tmp).split("|"):
        assert word in said, said
    assert listing(tmp) == before


CHANGES = [
    ("data", "mnist"), ("image_size", "16"), ("channels", "3"), ("source", "mnist"),
    ("width", "16"), ("mults", "1"), ("blocks", "2"), ("attention", "0"), ("conditional", None),
    ("dropout", "0.5"), ("schedule", "linear"), ("T", "500"), ("target", "eps"), ("flip", None),
    ("batch", "32"), ("lr", "0.5"), ("ema", "0.5"), ("seed", "9"), ("threads", "2"),
    ("channels_last", None), ("minutes", "7"),
]  # fmt: skip


@pytest.mark.parametrize("name, value", CHANGES)
def test_resuming_with_other_settings_is_refused_by_name(tmp, capsys, name, value):
    before, old = listing(tmp), load_checkpoint(tmp / "run" / "checkpoint.pt")["recipe"][name]
    flag = "--from" if name == "source" else f"--{name.replace('_', '-')}"
    assert call(RESUME + f"{flag} {value or ''}", tmp=tmp) == 2
    new = "16 16" if name == "image_size" else value or "yes"
    assert f"{name} {shown(old)}, now {new}: leave" in capsys.readouterr().err
    assert listing(tmp) == before


def test_every_setting_is_compared():
    options = {f.name for f in fields(Recipe) if f.metadata}
    assert {name for name, _ in CHANGES} == options - {*ADAPT, "steps"}


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(tmp, capsys, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert call(TRAIN + "{tmp}/new --device " + device, tmp=tmp) == 2
    assert f"find a {device} device" in capsys.readouterr().err and not (tmp / "new").exists()
    assert distributed.device_named("auto") == "cpu"


def test_no_network(tmp, capsys, monkeypatch):
    from torchvision import datasets

    def refuse(*_, **__):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(datasets.MNIST, "download", refuse)
    assert call(TRAIN + "{tmp}/new --data mnist --root {tmp}/data", tmp=tmp) == 1
    said = capsys.readouterr().err
    assert all(word in said for word in ("mnist", f"{tmp}/data", "digits"))
    assert not (tmp / "new").exists()


def test_the_loss_becomes_nan(tmp, capsys, monkeypatch):
    """The run is saved as it was before that, and goes on as if nothing had been."""
    loss, calls = Run.loss, []

    def spoil(self, net, x, y):
        calls.append(1)
        return loss(self, net, x, y) * (float("nan") if len(calls) == 4 else 1)

    line = f"train {TINY} --steps 6 --out {{tmp}}/"
    assert call(line + "good", tmp=tmp) == 0
    monkeypatch.setattr(Run, "loss", spoil)
    assert call(line + "bad", tmp=tmp) == 1
    assert "step 4: the loss is nan" in capsys.readouterr().err
    monkeypatch.undo()
    assert load_checkpoint(tmp / "bad" / "checkpoint.pt")["step"] == 3
    assert call("train --resume --out {tmp}/bad", tmp=tmp) == 0
    assert same(learned(tmp / "good"), learned(tmp / "bad"))
    assert log(tmp / "good") == log(tmp / "bad")
    monkeypatch.setattr(Run, "loss", lambda self, net, x, y: loss(self, net, x, y) / 0)
    assert call(line + "never", tmp=tmp) == 1 and not (tmp / "never").exists()


@pytest.mark.parametrize("file", ["log.jsonl", "samples-0000001.png", "samples.png"])
def test_a_full_disk_saves_the_run_if_it_can(tmp, capsys, monkeypatch, file):
    """And says so, with the command that goes on."""
    full = OSError(errno.ENOSPC, "No space left on device", str(tmp / "new" / file))

    def samples(self, run, name="samples.png"):
        if name == file:
            raise full
        save(self, run, name)

    def write(self, run, loss):
        if run.step == 2:
            raise full
        write_line(self, run, loss)

    save, write_line = folder.RunFolder.samples, folder.RunFolder.log
    monkeypatch.setattr(folder.RunFolder, *(("log", write) if "log" in file else
                                            ("samples", samples)))  # fmt: skip
    assert call(f"train {TINY} --steps 4 --grids 4 --out {{tmp}}/new", tmp=tmp) == 1
    said, step = capsys.readouterr().err.splitlines()[-1], {"l": 2, "s": 1}[file[0]]
    step = 4 if file == "samples.png" else step
    assert f"{file}: No space left on device; the run is saved at step {step}" in said
    assert said.endswith(f"--out {tmp}/new --resume")
    assert load_checkpoint(tmp / "new" / "checkpoint.pt")["step"] == step
    monkeypatch.undo()
    assert call("train --resume --out {tmp}/new", tmp=tmp) == 0


@posix
def test_a_disk_without_any_space_leaves_the_old_files(tmp, capsys):
    """For a moment no file may grow beyond 2,000 bytes: the system's own error, in mid-file."""
    from resource import RLIMIT_FSIZE, getrlimit, setrlimit

    before, (soft, hard) = listing(tmp), getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (2000, hard))
    try:
        assert call(RESUME + "--steps 5", tmp=tmp) == 1
        assert call(SAMPLE + "{tmp}/run/samples.png --overwrite --n 64", tmp=tmp) == 1
    finally:
        setrlimit(RLIMIT_FSIZE, (soft, hard))
    said = [line for line in capsys.readouterr().err.splitlines() if "step 5 of" not in line]
    assert "File too large" in said[-2] and "nothing was overwritten" in said[-1]
    after = listing(tmp)
    assert [p for p in before if after[p] != before[p]] == [tmp / "run" / "log.jsonl"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder(tmp, capsys):
    tmp.chmod(0o500)
    assert call(TRAIN + "{tmp}/new", tmp=tmp) == 1
    assert "denied; nothing" in capsys.readouterr().err


@pytest.mark.parametrize("error, words", [
    (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."), "smaller --batch"),
    (RuntimeError("[enforce fail at alloc_cpu.cpp] can't allocate memory"), "smaller --batch"),
    (ModuleNotFoundError("No module named 'PIL'", name="PIL"), "PIL is not installed: pip install"),
])  # fmt: skip
def test_memory_and_missing_packages(tmp, capsys, monkeypatch, error, words):
    def draw(*_, **__):
        raise error

    monkeypatch.setattr(Run, "draw", draw)
    assert call(SAMPLE + "{tmp}/x.png", tmp=tmp) == 1
    assert words in capsys.readouterr().err


def test_a_folder_that_cannot_be_locked_is_used_with_a_warning(tmp, capsys, monkeypatch):
    """As on some network file systems."""

    def acquire(*_, **__):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(folder.FileLock, "acquire", acquire)
    assert call(TRAIN + "{tmp}/new", tmp=tmp) == 0
    assert "new can't be locked" in capsys.readouterr().err


def test_debug_shows_the_traceback_and_a_bug_always_does(tmp, monkeypatch):
    with pytest.raises(FileExistsError):
        call(TRAIN + "{tmp}/run --debug", tmp=tmp)
    monkeypatch.setattr(Run, "draw", lambda *_: [][1])
    with pytest.raises(IndexError):
        call(SAMPLE + "{tmp}/x.png", tmp=tmp)


# A run


def test_train_writes_a_checkpoint_a_log_and_samples(finished):
    run = finished / "run"
    assert sorted(p.name for p in run.iterdir()) == ["checkpoint.pt", "log.jsonl", "samples.png"]
    state = load_checkpoint(run / "checkpoint.pt")
    assert state["step"] == state["recipe"]["steps"] == 3
    assert state["recipe"]["mults"] == (1, 2) and state["recipe"]["num_classes"] == 0
    image = picture(run / "samples.png")
    assert (image.format, image.mode) == ("PNG", "L")
    assert image.size == (8 * 66 + 2, 8 * 66 + 2)  # 64 digits of 8 x 8, magnified 8 times


@pytest.mark.parametrize("target", ["eps", "x0", "v"])
def test_the_loss_of_a_run_is_the_squared_error_of_its_target(target):
    """Of all rows, with their labels, times and noise (Algorithm 1)."""
    run = Run(replace(RECIPES["digits"], width=8, mults=(1,), T=20, target=target))
    for weight in run.net.parameters():  # some are 0 at first, and hide the label
        torch.nn.init.normal_(weight, std=0.2)
    given = torch.rand(64, 1, 8, 8) * 2 - 1, torch.arange(64) % 10
    x0, y, t, eps = run.chance(*given, 1)
    a = run.schedule.alpha_bar[t].view(-1, 1, 1, 1)
    wanted = {"eps": eps, "x0": x0, "v": a.sqrt() * eps - (1 - a).sqrt() * x0}[target]
    predicted = run.net(a.sqrt() * x0 + (1 - a).sqrt() * eps, t, y)
    expected = (predicted - wanted).square().mean().item()
    assert run.loss(run.net, *given).item() == pytest.approx(expected, rel=1e-5)


def test_a_tenth_of_the_labels_is_dropped_and_each_time_is_drawn():
    """1 … T; without labels, none is dropped."""
    run = Run(replace(RECIPES["digits"], width=8, mults=(1,), T=20, batch=2000))
    x, y = torch.zeros(2000, 1, 8, 8), torch.arange(2000) % 10
    _, labels, t, _ = run.chance(x, y, 1)
    assert 150 < (labels == 10).sum() < 250 and ((labels == y) | (labels == 10)).all()
    assert t.unique().tolist() == list(range(1, 21))
    run.recipe = replace(run.recipe, conditional=False)
    assert torch.equal(run.chance(x, y, 1)[1], y)


def test_the_same_settings_give_the_same_run_and_another_seed_another(tmp):
    assert call(f"train --out {{tmp}}/again {TINY} --steps 3", tmp=tmp) == 0
    assert same(learned(tmp / "run"), learned(tmp / "again"))
    assert call(f"train --out {{tmp}}/other {TINY} --steps 3 --seed 1", tmp=tmp) == 0
    assert not same(learned(tmp / "run")["net"], learned(tmp / "other")["net"])


def stop_at(monkeypatch, last, *numbers):
    """Send the signals to this process after a step."""
    advance = Run.advance

    def interrupted(self, *data):
        for step, loss in advance(self, *data):
            if step == last:
                for number in numbers:
                    signal.raise_signal(number)
            yield step, loss

    monkeypatch.setattr(Run, "advance", interrupted)


def test_a_run_that_is_interrupted_and_resumed_is_the_same_run(tmp, monkeypatch, capsys):
    """Bit for bit, over the end of an epoch: it has 1437 // 128 = 11 batches."""
    more = f"{TINY} --batch 128 --steps 15 --conditional --dropout 0.3 --flip"
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert call(f"train --out {{tmp}}/whole {more}", tmp=tmp) == 0
    stop_at(monkeypatch, 5, signal.SIGINT)
    assert call(f"train --out {{tmp}}/parts {more}", tmp=tmp) == 130
    assert "stopped at step 5 of 15; continue with: python -m ddpm_lite" in capsys.readouterr().out
    heard = hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    numbers = [signal.SIGTERM, *([signal.SIGHUP] if heard else [])]  # under nohup it isn't
    for step, number in zip((9, 13), numbers, strict=False):
        monkeypatch.undo()
        stop_at(monkeypatch, step, number)
        assert call("train --resume --out {tmp}/parts", tmp=tmp) == 128 + number
        assert load_checkpoint(tmp / "parts" / "checkpoint.pt")["step"] == step
    monkeypatch.undo()
    assert call("train --resume --out {tmp}/parts", tmp=tmp) == 0
    assert same(learned(tmp / "whole"), learned(tmp / "parts"))
    for name in ("log.jsonl", "samples.png"):
        assert (tmp / "whole" / name).read_bytes() == (tmp / "parts" / name).read_bytes()
    assert handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_a_second_signal_stops_at_once(tmp, monkeypatch):
    stop_at(monkeypatch, 1, signal.SIGINT, signal.SIGINT)
    assert call(TRAIN + "{tmp}/new", tmp=tmp) == 130
    assert not (tmp / "new").exists()


def test_the_command_that_is_printed_goes_on_with_the_run(tmp, monkeypatch, capsys):
    """Whatever the folder is called, and with all options that are not in the checkpoint."""
    stop_at(monkeypatch, 1, signal.SIGINT)
    more = "--root '{tmp}/my data' --every 7 --grids 2 --workers 0"
    assert call(TRAIN + "'{tmp}/a run; echo' " + more, tmp=tmp) == 130
    monkeypatch.undo()
    command = capsys.readouterr().out.strip().splitlines()[-1].partition("continue with: ")[2]
    args = vars(parser().parse_args(shlex.split(command)[3:]))
    assert (args["out"], args["root"]) == (tmp / "a run; echo", tmp / "my data")
    assert (args["every"], args["grids"], args["device"], args["workers"]) == (7, 2, "cpu", 0)
    assert main(shlex.split(command)[3:]) == 0


def test_a_home_is_expanded(tmp, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp))
    monkeypatch.setenv("USERPROFILE", str(tmp))
    assert call(TRAIN + "~/new") == 0 and (tmp / "new" / "checkpoint.pt").exists()
    assert call("sample --run ~/new --n 1 --out ~/x.png") == 0 and (tmp / "x.png").exists()


def test_a_closed_stderr_saves_and_stops_quietly(tmp, monkeypatch, capsys):
    """As of `train … 2>&1 | head`."""

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, "Broken pipe")

        def fileno(self):
            return os.open(os.devnull, os.O_WRONLY)

    monkeypatch.setattr(sys, "stderr", Closed())
    monkeypatch.setattr(sys, "stdout", Closed())
    monkeypatch.setattr(sys.modules["ddpm_lite.cli.train"], "describe", lambda *_: None)
    assert call(TRAIN + "{tmp}/new", tmp=tmp) == 141
    assert load_checkpoint(tmp / "new" / "checkpoint.pt")["step"] == 1


def test_minutes_become_the_steps_that_fit():
    """By a clock that goes on by 0.5 s at each look: steps are timed until more than 90 / 30 = 3 s
    have gone, which is 7 steps in 4 s after a look too many. 85.5 of 90 s are left for 149."""
    x, y = torch.zeros(64, 1, 8, 8), torch.zeros(64, dtype=torch.int64)
    recipe = replace(RECIPES["digits"], width=4, mults=(1,), batch=2, minutes=1.5)
    ticks = itertools.count()
    assert plan(recipe, (x, y), clock=lambda: next(ticks) / 2) == int(85.5 * 7 / 4) == 149


def test_a_start_that_eats_the_time_is_mentioned(capsys):
    """By a clock on which the first five steps take 80 of the 90 seconds, as compiling may."""
    x, y = torch.zeros(64, 1, 8, 8), torch.zeros(64, dtype=torch.int64)
    recipe = replace(RECIPES["digits"], width=4, mults=(1,), batch=2, minutes=1.5)
    ticks = itertools.chain([0.0], itertools.count(80.0))
    assert plan(recipe, (x, y), clock=lambda: next(ticks)) <= 10
    assert "took 8" in capsys.readouterr().out


def test_planning_does_not_change_the_run(tmp, monkeypatch):
    command = sys.modules["ddpm_lite.cli.train"]
    monkeypatch.setattr(command, "plan", lambda *_, plan=plan: plan(*_) and 3)
    assert call(f"train --out {{tmp}}/new {TINY} --minutes 0.01", tmp=tmp) == 0
    assert same(learned(tmp / "new")["net"], learned(tmp / "run")["net"])


def test_what_suits_the_machine_may_change_when_a_run_goes_on(tmp, monkeypatch):
    """The same run to rounding, in parts of a batch from the third step on."""
    stop_at(monkeypatch, 2, signal.SIGINT)
    assert call(f"train --out {{tmp}}/new {TINY} --steps 3", tmp=tmp) == 130
    monkeypatch.undo()
    assert call("train --resume --out {tmp}/new --accumulate 4", tmp=tmp) == 0
    a, b = learned(tmp / "run"), learned(tmp / "new")
    assert b["recipe"] == a["recipe"] | {"accumulate": 4}
    assert all(torch.allclose(a["net"][k], b["net"][k], atol=1e-4) for k in b["net"])


def test_a_finished_run_is_prolonged_and_says_so(tmp, capsys):
    """The rate follows the longer schedule; the steps that were made stay."""
    before = log(tmp / "run")
    assert call(RESUME, tmp=tmp) == 0 and log(tmp / "run") == before
    capsys.readouterr()
    assert call(RESUME + "--steps 6", tmp=tmp) == 0
    assert "the run now ends at step 6, not 3" in capsys.readouterr().out
    after, state = log(tmp / "run"), load_checkpoint(tmp / "run" / "checkpoint.pt")
    assert after[:3] == before and [line["step"] for line in after] == [1, 2, 3, 4, 5, 6]
    assert state["step"] == state["recipe"]["steps"] == 6
    assert after[3]["lr"] > before[2]["lr"] > after[5]["lr"] > 0


def test_a_run_starts_from_the_weights_of_another(tmp):
    """From a run, or from what ships; with other classes the labels are learned anew."""
    assert call("train --from {tmp}/labelled --steps 1 --lr 1e-9 --out {tmp}/new", tmp=tmp) == 0
    old, new = learned(tmp / "labelled"), learned(tmp / "new")
    average = old["ema"]["model"]
    assert all(torch.allclose(average[k], new["net"][k], atol=1e-6) for k in average)
    assert new["recipe"] == old["recipe"] | {"source": f"{tmp}/labelled", "lr": 1e-9, "steps": 1,
                                             "minutes": None}  # fmt: skip
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), dtype=np.uint8)
    np.savez(tmp / "set.npz", x=images, y=np.arange(40) % 3)
    more = "--batch 4 --steps 1 --lr 1e-9 --T 9"
    line = f"train --from mnist --data {{tmp}}/set.npz {more} --out {{tmp}}/fine"
    assert call(line, tmp=tmp) == 0
    net, shipped = learned(tmp / "fine")["net"], Run.load("mnist").net.state_dict()
    apart = {k for k in net if net[k].shape != shipped[k].shape or (net[k] - shipped[k]).norm() > 1}
    assert apart == {"condition.label.weight"} and net["condition.label.weight"].shape[0] == 4


@pytest.mark.parametrize("source, more", [("labelled", "no-conditional"), ("run", "conditional")])
def test_labels_may_be_left_out_or_added_by_a_run_that_starts_from_another(tmp, source, more):
    """All other weights are those of the source."""
    line = f"train --from {{tmp}}/{source} --{more} --steps 1 --lr 1e-9 --out {{tmp}}/new"
    assert call(line, tmp=tmp) == 0
    average, net = learned(tmp / source)["ema"]["model"], learned(tmp / "new")["net"]
    assert set(average) ^ set(net) == {"condition.label.weight"}
    assert all(torch.allclose(average[k], net[k], atol=1e-6) for k in set(average) & set(net))


def test_few_timesteps_work_to_the_end(finished):
    """samples.png has as many steps as there are, not 50."""
    assert load_checkpoint(finished / "run" / "checkpoint.pt")["recipe"]["T"] == 8
    assert (finished / "run" / "samples.png").exists()
    assert Run.load(finished / "run").steps(None) == 8 and Run.load("digits").steps(None) == 50


@pytest.mark.parametrize("more, words", [
    ("--T 100", "the linear schedule leaves 60% of the signal at T = 100"), ("--T 1000", "")])
def test_a_schedule_that_leaves_signal_at_T_is_said(tmp, capsys, monkeypatch, more, words):
    stop_at(monkeypatch, 1, signal.SIGINT)
    line = f"train --out {{tmp}}/new {TINY} --schedule linear {more} --steps 2"
    assert call(line, tmp=tmp) == 130
    said = capsys.readouterr().err
    assert words in said and ("signal" in said) == bool(words)


# Images of one's own


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """A folder of 60 colour images of 20 x 28 pixels in three classes."""
    place, draws = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    for i in range(60):
        path = place / ["circle", "square", "star"][i % 3] / f"{i}.png"
        path.parent.mkdir(exist_ok=True)
        PIL.fromarray(draws.integers(0, 256, (20, 28, 3), dtype=np.uint8)).save(path)
    return place


def test_a_folder_of_images_is_learned_and_sampled_by_the_names_of_its_classes(
    shapes, tmp, capsys, monkeypatch
):
    more = "--image-size 8 --width 8 --batch 8 --T 8 --steps 4 --device cpu"
    assert call(f"train --data {{shapes}} {more} --out {{tmp}}/own", shapes=shapes, tmp=tmp) == 0
    assert "54 images of 3 x 8 x 8, 3 classes" in capsys.readouterr().out
    recipe = load_checkpoint(tmp / "own" / "checkpoint.pt")["recipe"]
    assert recipe["classes"] == ("circle", "square", "star") and recipe["num_classes"] == 3
    line = "sample --run {tmp}/own --n 2 --label star 0 --out {tmp}/x.npy"
    assert call(line, tmp=tmp) == 0 and np.load(tmp / "x.npy").shape == (2, 8, 8, 3)
    fit = evaluate.fit_classifier
    monkeypatch.setattr(evaluate, "fit_classifier", lambda x, y: fit(x, y, steps=5))
    for kind in ("classifier", "random", "pixels"):
        assert call(f"evaluate --run {{tmp}}/own --n 20 --features {kind}", tmp=tmp) == 0
        said = capsys.readouterr().out
        assert "60 real images" in said and ("entropy" in said) == (kind == "classifier")
    assert call("info --data {shapes}", shapes=shapes) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("54", "32 32", "circle square star"))


def test_a_streamed_folder_is_the_same_run_as_one_in_memory_also_resumed(shapes, tmp, monkeypatch):
    more = f"--data {shapes} --image-size 8 --width 8 --batch 8 --T 8 --steps 9 --device cpu"
    assert call(f"train {more} --out {{tmp}}/memory --workers 0", tmp=tmp) == 0
    monkeypatch.setattr(images, "MEMORY", 0)
    stop_at(monkeypatch, 4, signal.SIGINT)
    assert call(f"train {more} --out {{tmp}}/stream", tmp=tmp) == 130
    monkeypatch.undo()
    assert call("train --resume --out {tmp}/stream --workers 1", tmp=tmp) == 0
    assert same(learned(tmp / "memory"), learned(tmp / "stream"))


def test_grey_images_of_an_array_of_another_shape(tmp, capsys):
    draws = np.random.default_rng(0)
    np.save(tmp / "x.npy", draws.integers(0, 256, (30, 20, 28), dtype=np.uint8))
    more = "--width 8 --batch 4 --T 8 --steps 2 --device cpu"
    assert call(f"train --data {{tmp}}/x.npy {more} --out {{tmp}}/own", tmp=tmp) == 0
    assert "27 images of 1 x 20 x 28, 1 classes" in capsys.readouterr().out
    assert call("sample --run {tmp}/own --n 4 --out {tmp}/few", tmp=tmp) == 0
    assert [picture(p).size for p in sorted((tmp / "few").iterdir())] == [(28, 20)] * 4
    assert call("evaluate --run {tmp}/own --n 20", tmp=tmp) == 0
    assert "untrained network" in capsys.readouterr().out


def test_labels_that_count_from_1_are_told(tmp, capsys):
    for first, told in ((0, False), (1, True)):
        images, y = np.eye(30, 64, dtype=np.uint8) * 255, first + np.arange(30) % 3
        np.savez(tmp / "set.npz", x=images.reshape(30, 8, 8), y=y)
        assert call("info --data {tmp}/set.npz", tmp=tmp) == 0
        assert ("subtract 1" in capsys.readouterr().out) == told


def test_a_folder_that_has_the_name_of_a_data_set_does_not_hide_it(tmp, monkeypatch, capsys):
    """Where files don't distinguish case, torchvision's own MNIST/ is such a folder."""
    monkeypatch.chdir(tmp)
    (tmp / "digits").mkdir()
    assert call("info --data digits") == 0 and "1437" in capsys.readouterr().out
    assert len(images.some("digits", tmp, train=False)[0]) == 360


def test_the_data_of_a_run_may_move(shapes, tmp):
    shutil.copytree(shapes, tmp / "here")
    more = f"--data {tmp}/here --image-size 8 --width 8 --batch 8 --T 8 --steps 2 --device cpu"
    assert call(f"train {more} --out {{tmp}}/own", tmp=tmp) == 0
    assert call("train --resume --out {tmp}/own --data {shapes}", tmp=tmp, shapes=shapes) == 2
    (tmp / "here").rename(tmp / "there")
    assert call("train --resume --out {tmp}/own --steps 3", tmp=tmp) == 2
    assert call("train --resume --out {tmp}/own --steps 3 --data {tmp}/there", tmp=tmp) == 0


def test_a_run_does_not_go_on_with_other_classes(shapes, tmp, capsys):
    """A new sub-folder would give the others new numbers, and the last the number of no label."""
    shutil.copytree(shapes, tmp / "shapes")
    more = "--image-size 8 --width 8 --batch 8 --T 8 --steps 1 --device cpu"
    assert call(f"train --data {{tmp}}/shapes {more} --out {{tmp}}/own", tmp=tmp) == 0
    shutil.copytree(tmp / "shapes" / "star", tmp / "shapes" / "arrow")
    before = listing(tmp)
    assert call("train --resume --out {tmp}/own --steps 2", tmp=tmp) == 2
    said = capsys.readouterr().err
    assert "the classes arrow circle square star, but the run was trained with circle" in said
    assert listing(tmp) == before
    line = "train --from {tmp}/own --steps 1 --out {tmp}/new"
    assert call(line, tmp=tmp) == 0 and learned(tmp / "new")["recipe"]["num_classes"] == 4


@pytest.mark.parametrize("size, levels", [((8, 8), 2), ((20, 28), 3), ((64, 64), 4), ((25, 32), 1)])
def test_the_recipe_for_own_images_fits_their_size(size, levels):
    recipe = recipe_for("/home/me/photos", (3, *size), ("a", "b"))
    assert len(recipe.mults) == levels and recipe.conditional and recipe.minutes
    assert not any(side % 2 ** (levels - 1) for side in size)


# Recipes


def test_every_recipe_fits_its_images():
    for name, recipe in RECIPES.items():
        assert recipe.data == name and len(recipe.classes) == 10
        assert all(side % 2 ** (len(recipe.mults) - 1) == 0 for side in recipe.image_size)
        json.dumps(asdict(recipe))  # made of plain values


def test_the_network_of_the_cifar10_recipe_is_that_of_the_paper():
    recipe = RECIPES["cifar10"]
    with torch.device("meta"):
        net = UNet(3, recipe.width, recipe.mults, recipe.blocks, recipe.attention)
    assert sum(p.numel() for p in net.parameters()) == 35_746_307


def test_a_small_network_has_one_thread(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    small = dict(width=8, mults=(1,), classes=())
    Run(replace(RECIPES["digits"], **small))
    Run(replace(RECIPES["mnist"], **small, image_size=(64, 64)))
    Run(replace(RECIPES["mnist"], **small, threads=3))
    assert chosen == [1, 3]


def test_settings_are_shown_as_one_would_type_them():
    values = {"1 2": (1, 2), "none": (), "no": False, "yes": True, "1": 1, "0": 0, "0.004": 4e-3}
    for text, value in values.items():
        assert shown(value) == text


# Sampling


def test_averaged_weights_are_drawn_with(finished):
    run = Run.load(finished / "run")
    with torch.no_grad():
        for parameter in run.net.parameters():
            parameter.fill_(float("nan"))
    assert run.draw(2).isfinite().all()


def test_sample_draws_the_same_for_a_seed(tmp):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        line = f"sample --run {{tmp}}/run --n 6 --seed {seed} --out {{tmp}}/{name}.png"
        assert call(line, tmp=tmp) == 0
    a, b, c = ((tmp / f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c and picture(tmp / "a.png").size == (3 * 66 + 2, 2 * 66 + 2)


def test_the_ending_says_what_is_written(tmp):
    for name in ("x.png", "x.jpg", "x.webp", "x.npy", "x.npz", "x"):
        assert call(SAMPLE + f"{{tmp}}/{name}", tmp=tmp) == 0
    formats = [picture(tmp / f"x.{end}").format for end in ("png", "jpg", "webp")]
    assert formats == ["PNG", "JPEG", "WEBP"]
    assert np.load(tmp / "x.npy").dtype == np.uint8
    assert np.load(tmp / "x.npz")["images"].shape == (1, 8, 8, 1)
    assert [p.name for p in (tmp / "x").iterdir()] == ["00000.png"]
    for name in ("x.png", "x"):  # and again, on request
        assert call(SAMPLE + f"{{tmp}}/{name} --overwrite", tmp=tmp) == 0


@pytest.mark.parametrize("out", ["x.gif", "run/checkpoint.pt", "labelled"])
def test_what_cannot_be_written_is_refused_before_it_is_drawn(tmp, monkeypatch, out):
    monkeypatch.setattr(Run, "draw", lambda *_, **__: pytest.fail("it has drawn"))
    assert call(SAMPLE + "{tmp}/" + out, tmp=tmp) in (1, 2)


def test_samplers_are_those_of_the_name(tmp):
    drawn = []
    for more in ("ddpm", "ddim", "ddim --eta 0.5", "dpm"):
        line = "sample --run {tmp}/run --n 4 --steps 4 --out {tmp}/x.npy --overwrite"
        assert call(f"{line} --sampler {more}", tmp=tmp) == 0
        drawn.append((tmp / "x.npy").read_bytes())
    assert len(set(drawn)) == 4


def test_ddim_without_fresh_noise_depends_on_the_first_noise_only(finished):
    run = Run.load(finished / "run")
    torch.manual_seed(3)
    expected = sample(run.model(), run.schedule, torch.randn(4, 1, 8, 8), 5, ddim_step)
    assert torch.equal(run.draw(4, 5, ddim_step, seed=3), expected)


def test_a_version_that_differs_in_its_third_number_writes_the_same_files(tmp):
    forged(about={"version": "0.1.9"})(tmp)
    assert call(SAMPLE + "{tmp}/x.png", tmp=tmp) == 0


def test_labels_are_drawn_in_turn_and_guidance_pushes_further(finished):
    run = Run.load(finished / "labelled")
    seen, model = [], run.model
    run.model = lambda y, w: (seen.append((y.tolist(), w)), model(y, w))[1]
    plain = run.draw(5, 2, labels=[3, 7])
    assert seen == [([3, 7, 3, 7, 3], 0.0)]
    assert not torch.equal(plain, run.draw(5, 2, labels=[4, 8]))
    assert not torch.equal(plain, run.draw(5, 2, labels=[3, 7], w=3.0))
    run.draw(12, 2)
    assert seen[-1] == ([*range(10), 0, 1], 0.0)


def test_a_large_number_is_drawn_in_parts(finished):
    drawn = Run.load(finished / "run").draw(501, steps=1)
    assert drawn.shape == (501, 1, 8, 8) and drawn.isfinite().all()


def test_what_ships_can_be_sampled(tmp):
    line = "sample --pretrained digits --label 7 --n 50 --steps 10 --sampler dpm --out {tmp}/x.npy"
    assert call(line, tmp=tmp) == 0
    x = torch.from_numpy(np.load(tmp / "x.npy")).permute(0, 3, 1, 2) / 127.5 - 1
    read = load_classifier("digits").probabilities(x).argmax(1)
    assert (read == 7).double().mean() > 0.9


# Scores


def test_real_digits_score_as_real_and_noise_and_copies_do_not(digits):
    """And a distance is the mean of those to 20 random halves."""
    (train, _), test = digits, load_images("digits", train=False)[0]
    judge = load_classifier("digits")
    real = score(test, train, test, judge)
    assert real["distance"] < 2 * real["real"] and real["nearness"] == pytest.approx(1)
    assert real["entropy"] > 0.99 and real["confidence"] > 0.9 and real["copies"] == 0
    noise = score(torch.rand(1000, 1, 8, 8) * 2 - 1, train, test, judge)
    assert noise["distance"] > 10 * noise["real"]
    copies = score(train[:100], train, test, judge)
    assert copies["copies"] == 100 and copies["nearness"] == 0
    one = score(train[:1].expand(50, 1, 8, 8), train, test, judge)
    assert one["entropy"] == 0
    plain = score(test, train, test, lambda x: x.flatten(1)[:, 20:29], halves=2)
    draws = torch.Generator().manual_seed(0)
    orders = [torch.randperm(1797, generator=draws)[:898] for _ in range(2)]
    rows, test = torch.cat([train, test]).flatten(1)[:, 20:29], test.flatten(1)[:, 20:29]
    expected = [frechet_distance(test, rows[half]) for half in orders]
    assert plain["distance"] == pytest.approx(sum(expected) / 2)


def test_evaluate_prints_scores_with_their_protocol(tmp, capsys):
    assert call("evaluate --run {tmp}/run --n 70 --steps 2", tmp=tmp) == 0
    said = capsys.readouterr().out
    for word in ("Fréchet", "times", "entropy", "confidence", "copies", "N = 70,", "2 steps of",
                 "1797 real", "1437", "20 random halves", "seed 0"):  # fmt: skip
        assert word in said
    line = "evaluate --run {tmp}/labelled --n 70 --label 3 --guidance 0.5"
    assert call(line, tmp=tmp) == 0
    said = capsys.readouterr().out
    for word in ("N = 70 with label 3", "guidance 0.5", "183 real images with label 3", "8 steps"):
        assert word in said


def test_images_with_a_label_are_found_by_its_name(tmp, capsys):
    """Where the data number their classes in another way than the run did."""
    for i in range(60):
        path = tmp / "other" / ["9", "oval", "square"][i % 3] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.fromarray(np.full((8, 8), i, np.uint8)).save(path)
    line = "evaluate --run {tmp}/labelled --n 9 --data {tmp}/other --features pixels --label "
    assert call(line + "9", tmp=tmp) == 0
    assert "of 20 real images with label 9" in capsys.readouterr().out
    assert call(line + "3", tmp=tmp) == 2
    assert "held-out part of the data has no image with this --label" in capsys.readouterr().err


def test_digits_of_another_shape_get_a_classifier_of_their_own(digits, monkeypatch):
    """The one that comes with the package knows grey images of 8 x 8 pixels only."""
    x, y = digits
    monkeypatch.setattr(evaluate, "fit_classifier", lambda x, y: tuple(x.shape[1:]))
    assert evaluate.fitted("digits", x, y)(x[:2]).shape == (2, 10)
    assert evaluate.fitted("digits", x.expand(-1, 3, -1, -1), y) == (3, 8, 8)
    assert evaluate.fitted("digits", x.repeat(1, 1, 2, 2), y) == (1, 16, 16)


# Words


def test_info_tells_what_a_run_is(finished, capsys):
    assert call("info --run {finished}/run", finished=finished) == 0
    said = capsys.readouterr().out
    net = Run.load(finished / "run").net
    for word in ("3 of 3", "digits", f"{sum(p.numel() for p in net.parameters()):,}", "cpu", "20"):
        assert word in said


def test_info_alone_tells_the_recipes(capsys):
    assert call("info") == 0
    said = capsys.readouterr().out
    assert torch.__version__ in said and all(name in said for name in RECIPES)
    assert all(f.name in said for f in fields(Recipe))


@pytest.mark.parametrize("command", ["train", "sample", "evaluate", "info"])
def test_help_teaches(command, capsys):
    assert call(f"{command} --help") == 0
    said = capsys.readouterr().out
    options = [line for line in said.splitlines() if line.startswith("  -")]
    assert len(said) > 300 and "--debug" in said and len(options) >= 2
    assert not any(word in said for word in ("SUPPRESS", "%", "<function", "Path("))


def test_help_shows_the_settings_of_digits_and_names_the_commands(capsys):
    assert call("train --help") == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, value in asdict(RECIPES["digits"]).items():
        if name != "classes":
            assert f"--{'from' if name == 'source' else name.replace('_', '-')}" in said
            assert f"({shown(value)})" in said
    assert call("--help") == 0
    said = capsys.readouterr().out
    assert "python -m ddpm_lite train --data digits --minutes 1 --out runs/digits" in said
    assert all(f"    {action.__name__} " in said for action in OPTIONS)


# In a process of its own


def process(*argv, **how):
    """The command line in a new process, which hears Ctrl-C even if these tests run in the
    background of a shell, where it's ignored."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | how
    line = [sys.executable, "-m", "ddpm_lite", *map(str, argv)]
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # which a child inherits
    try:
        return subprocess.Popen(line, cwd=ROOT, env=environment, **pipes)
    finally:
        signal.signal(signal.SIGINT, before)


@posix
def test_ctrl_c_in_the_first_second_is_quiet(tmp):
    """While torch is imported."""
    with process("train", "--out", tmp / "new") as child:
        while not (seen := Path(f"/proc/{child.pid}/maps")).exists() or "torch" not in (
            seen.read_text()
        ):
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
    assert child.returncode in (130, -signal.SIGINT) and (out, err) == (b"", b"")


@posix
def test_a_pipe_that_nobody_reads_is_quiet():
    """As of `info | head -1`: here the pipe is closed before anything comes."""
    with process("info") as child:
        child.stdout.close()
        assert child.stderr.read() == b""
    assert child.returncode == 141


def test_a_console_of_windows(tmp):
    """No encoding stops it, and a pipe gets plain lines."""
    more = ["train", "--out", tmp / "é ε", *TINY.split(), "--steps", 2]
    with process(*more, PYTHONIOENCODING="cp1252", PYTHONUTF8="0", LC_ALL="C") as child:
        out, err = child.communicate()
    assert child.returncode == 0, err
    assert err.decode().splitlines()[-1].startswith("step 2 of 2, loss ") and b"\r" not in err
