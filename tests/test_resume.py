"""A run that was killed, stopped or disturbed becomes the run that never was, and nobody's file is
lost: kill -9, locks, logs, and what a killed process leaves behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from ddpm_lite import load_checkpoint, warmup_cosine
from ddpm_lite.__main__ import main
from ddpm_lite.cli.folder import RunFolder
from ddpm_lite.cli.recipes import RECIPES
from ddpm_lite.cli.run import Run

pytest.importorskip("PIL.Image")
ROOT = Path(__file__).resolve().parent.parent
TINY = ["--width", "8", "--mults", "1", "--batch", "16", "--T", "20", "--device", "cpu"]
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")


def train(folder, steps, *more):
    argv = ["train", "--out", str(folder), *TINY, "--steps", str(steps), *map(str, more)]
    return main(argv)


def go_on(folder, *more):
    return main(["train", "--resume", "--out", str(folder), *more])


def listing(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def weights(folder):
    state = load_checkpoint(folder / "checkpoint.pt")
    return [*state["net"].values(), *state["ema"]["model"].values()]


def same(a, b):
    return all(map(torch.equal, weights(a), weights(b)))


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def forked(work) -> int:
    """The number of a new process that does this and then ends with what it returns."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            code = work()
        finally:
            os._exit(code)
    return child


def exit_code(child) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# Killed


@posix
def test_runs_killed_at_random_moments_end_as_the_one_that_was_not():
    """The benchmark, shortened: weights, average, optimiser, log and samples, bit for bit."""
    argv = [sys.executable, "benchmarks/resume.py", "--kills", "3", "--steps", "30"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert int(words[0]) >= 3 and int(words[2]) >= 1  # "3 kills, 2 in a write, …
    assert words[-5] == words[-3] != "0"  # … 2 of 2 runs alike"


@posix
@pytest.mark.parametrize("name", ["checkpoint.pt", "log.jsonl", "samples.png"])
def test_a_run_killed_while_it_writes_a_file_goes_on(tmp_path, name):
    """Killed in the moment before a file takes its place, which leaves a .part beside it."""
    if name == "log.jsonl":  # which is written in this way when a run goes on
        stopped(tmp_path / "cut", 3)

    def die():
        replace = os.replace

        def dying(part, path):
            seen.append(Path(path).name)
            if Path(path).name == name and seen.count(name) == (2 if name[0] == "c" else 1):
                os.kill(os.getpid(), signal.SIGKILL)
            replace(part, path)

        seen, os.replace = [], dying
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        return go_on(tmp_path / "cut") if name[0] == "l" else train(tmp_path / "cut", 8)

    assert exit_code(forked(die)) == -signal.SIGKILL
    assert any(tmp_path.glob("cut/*.part")) and (tmp_path / "cut" / "lock").exists()
    assert go_on(tmp_path / "cut") == 0
    assert train(tmp_path / "whole", 8) == 0
    assert same(tmp_path / "cut", tmp_path / "whole")
    for file in ("log.jsonl", "samples.png"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert sorted(listing(tmp_path / "cut")) == ["checkpoint.pt", "log.jsonl", "samples.png"]


def stopped(folder, last, steps=8):
    """A run that Ctrl-C has stopped after so many steps."""
    advance = Run.advance

    def interrupted(self, *data):
        for step, loss in advance(self, *data):
            if step == last:
                signal.raise_signal(signal.SIGINT)
            yield step, loss

    Run.advance = interrupted
    try:
        assert train(folder, steps) == 130
    finally:
        Run.advance = advance


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    """Its .part files, not those of others."""
    assert train(tmp_path, 1) == 0
    (tmp_path / "mine.part").write_text("mine")
    for name in ("checkpoint.pt.7.part", "log.jsonl.7.part", "samples-0000010.png.7.part"):
        (tmp_path / name).write_text("half")
    assert go_on(tmp_path) == 0
    assert [name for name in listing(tmp_path) if "part" in name] == ["mine.part"]


def test_the_first_step_is_saved(tmp_path, monkeypatch):
    """So that there is something to go on from as soon as possible; then every so many seconds."""
    saved, save = [], Run.save
    monkeypatch.setattr(Run, "save", lambda run, path: (saved.append(run.step), save(run, path)))
    assert train(tmp_path, 3) == 0
    assert saved == [1, 3]


# The log


def test_the_log_has_every_step_its_loss_and_its_rate(tmp_path):
    """And nothing that depends on the clock or the machine."""
    assert train(tmp_path, 5) == 0
    rate = warmup_cosine(RECIPES["digits"].lr)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5]
    assert [line["lr"] for line in lines(tmp_path)] == [rate(i / 5) for i in range(5)]
    assert {tuple(line) for line in lines(tmp_path)} == {("step", "loss", "lr")}


def test_lines_of_steps_that_are_made_once_more_are_cut_off(tmp_path):
    """A killed run logged more than it saved; half a line at the end, too."""
    stopped(tmp_path / "cut", 3)
    with open(tmp_path / "cut" / "log.jsonl", "a") as file:
        file.write('{"step": 4, "loss": 0.5, "lr": 0.1}\n{"step": 5, "loss": 0.5, "lr": 0.1}\n')
        file.write('{"step": 6, "lo')
    assert go_on(tmp_path / "cut") == 0 and train(tmp_path / "whole", 8) == 0
    logs = [(tmp_path / name / "log.jsonl").read_bytes() for name in ("cut", "whole")]
    assert logs[0] == logs[1] and same(tmp_path / "cut", tmp_path / "whole")


def test_a_log_is_never_behind_its_checkpoint(tmp_path, monkeypatch):
    """When a checkpoint is written, the lines of its steps are in the file."""
    seen, save = [], Run.save

    def spy(run, path):
        seen.append((run.step, len(lines(tmp_path))))
        save(run, path)

    monkeypatch.setattr(Run, "save", spy)
    assert train(tmp_path, 3, "--every", 0) == 0
    assert seen == [(1, 1), (2, 2), (3, 3), (3, 3)]


def test_tensorboard_gets_the_same_numbers_where_it_is(tmp_path, monkeypatch):
    """Here a stand-in of the same name; without one there is no folder."""
    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append((folder.name, purge_step))

        def add_scalar(self, name, value, step):
            written.append((name, step))

        def close(self):
            written.append("closed")

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert train(tmp_path / "with", 2) == 0
    assert written == [("tensorboard", 1), ("loss", 1), ("lr", 1), ("loss", 2), ("lr", 2), "closed"]
    monkeypatch.setitem(sys.modules, module.__name__, None)
    assert train(tmp_path / "without", 2) == 0
    assert same(tmp_path / "with", tmp_path / "without")


def test_lines_on_the_way_say_how_long_it_will_take(tmp_path, capsys):
    """Where there is no terminal for a bar."""
    assert train(tmp_path, 2) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in said] == ["step 1 of 2", "step 2 of 2"]
    assert said[-1].endswith("00:00 left")


def test_pictures_on_the_way_change_nothing(tmp_path):
    """At equal distances, the last at the end."""
    assert train(tmp_path / "some", 6, "--grids", 3, "--dropout", 0.2) == 0
    assert train(tmp_path / "one", 6, "--dropout", 0.2) == 0
    pictures = sorted(path.name for path in (tmp_path / "some").glob("*.png"))
    assert pictures == ["samples-0000002.png", "samples-0000004.png", "samples.png"]
    assert same(tmp_path / "some", tmp_path / "one")
    assert listing(tmp_path / "some")["samples.png"] == listing(tmp_path / "one")["samples.png"]


# The lock


def refusal(folder, capsys):
    """The sentence with which a second run is refused."""
    capsys.readouterr()
    before = listing(folder)
    assert train(folder, 2) == go_on(folder) == 1
    assert listing(folder) == before
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 2 and said[0] == said[1]
    return said[0]


@posix
def test_a_folder_in_use_is_refused_by_name(tmp_path, capsys):
    """Process, host and time; nothing is touched. When the first has ended it is free."""
    with RunFolder.entered(tmp_path):
        said = refusal(tmp_path, capsys)
        for word in (tmp_path, os.getpid(), socket.gethostname(), "since 20", "--out"):
            assert str(word) in said
    assert not listing(tmp_path) and train(tmp_path, 1) == 0


@posix
def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    """Its file remains, and says nothing: even where another process has that number now."""

    def hold():
        with RunFolder.entered(tmp_path):
            os.kill(os.getpid(), signal.SIGKILL)

    assert exit_code(forked(hold)) == -signal.SIGKILL
    assert (tmp_path / "lock").exists()
    (tmp_path / "lock").write_text(f"process {os.getpid()} on {socket.gethostname()} since 2026")
    assert train(tmp_path, 1) == 0
    assert "lock" not in listing(tmp_path)


@posix
def test_of_two_that_start_at_once_one_trains(tmp_path):
    """Five times."""
    for i in range(5):
        folder = tmp_path / str(i)

        def start(folder=folder):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            return train(folder, 3)

        children = [forked(start), forked(start)]
        assert sorted(map(exit_code, children)) == [0, 1]
        assert sorted(listing(folder)) == ["checkpoint.pt", "log.jsonl", "samples.png"]


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root becomes nobody")
def test_a_folder_that_only_others_may_write(tmp_path):
    """One sentence, and nothing in it is changed."""
    assert train(tmp_path / "run", 1) == 0
    before = listing(tmp_path / "run")
    for part in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        part.chmod(0o755)

    def nobody():
        sys.stderr = open(tmp_path / "said", "w", buffering=1)
        os.setuid(65534)
        return go_on(tmp_path / "run")

    assert exit_code(forked(nobody)) == 1
    said = (tmp_path / "said").read_text()
    assert "denied; nothing was overwritten" in said and len(said.splitlines()) == 1
    assert listing(tmp_path / "run") == before
