"""Several processes train the run of one: the same losses, one voice, one checkpoint. And what
makes a GPU fast changes nothing but rounding. Processes are forked here, with gloo, on a CPU."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddpm_lite import load_checkpoint
from ddpm_lite.__main__ import main
from ddpm_lite.cli import run
from ddpm_lite.cli.distributed import rank, team
from ddpm_lite.cli.folder import RunFolder
from ddpm_lite.cli.recipes import RECIPES
from ddpm_lite.cli.run import Run

pytest.importorskip("PIL.Image")
ROOT = Path(__file__).resolve().parent.parent
TINY = ["--width", "8", "--mults", "1", "--batch", "16", "--T", "20", "--device", "cpu"]
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks processes")


def argv(folder, *more):
    return ["train", "--out", str(folder), *map(str, more)]


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def start(n, said, arguments):
    """n processes with that command line, as torchrun would start them; their numbers. All that
    process i says goes into the file ``said.i``."""
    children, port = [], str(free_port())
    for i in range(n):
        if child := os.fork():
            children.append(child)
            continue
        code = 99
        try:
            names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
            os.environ |= dict(zip(names, (str(i), str(i), str(n), "127.0.0.1", port), strict=True))
            with open(f"{said}.{i}", "w", buffering=1) as file:
                with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                    code = main(arguments)
        finally:
            os._exit(code)
    return children


def wait(children):
    """Their exit codes."""
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def together(n, tmp_path, arguments):
    return wait(start(n, tmp_path / "said", arguments))


def said(tmp_path, i):
    return (tmp_path / f"said.{i}").read_text()


def losses(folder):
    text = (folder / "log.jsonl").read_text()
    return torch.tensor([json.loads(line)["loss"] for line in text.splitlines()])


def apart(a, b):
    """The largest difference of a weight of the network or of the average."""
    a, b = (load_checkpoint(folder / "checkpoint.pt") for folder in (a, b))
    assert a["net"].keys() == b["net"].keys() and a["step"] == b["step"]
    pairs = [(a[k], b[k]) for k in ("net",)] + [(a["ema"]["model"], b["ema"]["model"])]
    return max((x[k] - y[k]).abs().max().item() for x, y in pairs for k in x)


# Several processes


@posix
def test_two_processes_train_the_run_of_one(tmp_path):
    """At the same global batch: every loss of 50 steps to 1e-5, and the weights; process 1 writes
    and says nothing."""
    more = ["--steps", 50, "--width", 8, "--device", "cpu"]
    assert main(argv(tmp_path / "one", *more)) == 0
    assert together(2, tmp_path, argv(tmp_path / "two", *more)) == [0, 0]
    assert (losses(tmp_path / "one") - losses(tmp_path / "two")).abs().max() < 1e-5
    assert len(losses(tmp_path / "two")) == 50 and apart(tmp_path / "one", tmp_path / "two") < 1e-3
    files = ["checkpoint.pt", "log.jsonl", "samples.png"]
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == files
    assert said(tmp_path, 1) == "" and "trained for 50 steps" in said(tmp_path, 0)


@posix
def test_a_run_goes_on_with_another_number_of_processes(tmp_path):
    """Two make 4 steps, one the next 4, four the rest: the run that one makes alone. Checkpoints
    are written by process 0 only."""
    more = [*TINY, "--steps", 12]
    assert main(argv(tmp_path / "one", *more)) == 0
    folder, advance, before = tmp_path / "many", Run.advance, Run.save
    for n, last in ((2, 4), (1, 8), (4, 99)):

        def until(self, *data, last=last):
            for step, loss in advance(self, *data):
                if step == last and not rank():
                    signal.raise_signal(signal.SIGTERM)
                yield step, loss

        def save(self, path, before=before):
            (tmp_path / f"saved.{rank()}").touch()
            before(self, path)

        Run.advance, Run.save = until, save
        try:
            arguments = (
                argv(folder, "--resume", "--device", "cpu") if n != 2 else argv(folder, *more)
            )
            codes = together(n, tmp_path, arguments)
        finally:
            Run.advance, Run.save = advance, before
        assert set(codes) == {0 if n == 4 else 143}, said(tmp_path, 0)
        assert load_checkpoint(folder / "checkpoint.pt")["step"] == min(last, 12)
    assert (losses(tmp_path / "one") - losses(folder)).abs().max() < 1e-5
    assert [path.name for path in tmp_path.glob("saved.*")] == ["saved.0"]


@posix
def test_a_signal_to_any_process_stops_all_after_the_same_step(tmp_path):
    """They save, and say how to go on; a second signal, as torchrun sends one, changes nothing."""
    more = [*TINY, "--steps", 10**6, "--every", 0]
    children = start(2, tmp_path / "said", argv(tmp_path / "run", *more))
    until = time.monotonic() + 60
    while not (tmp_path / "run" / "checkpoint.pt").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    for _ in range(2):
        os.kill(children[1], signal.SIGINT)
    codes = wait(children)
    assert codes[1] == 130 and codes[0] in (130, 143)
    step = load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"]
    assert f"stopped at step {step} of 1000000" in said(tmp_path, 0)
    assert len(losses(tmp_path / "run")) == step and "Traceback" not in said(tmp_path, 1)


@posix
def test_when_a_process_is_killed_the_other_ends_with_a_sentence(tmp_path):
    """It does not wait for ever, and the last checkpoint is whole."""
    more = [*TINY, "--steps", 10**6, "--every", 0]
    children = start(2, tmp_path / "said", argv(tmp_path / "run", *more))
    until = time.monotonic() + 60
    while not (tmp_path / "run" / "checkpoint.pt").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(children[1], signal.SIGKILL)
    assert wait(children) == [1, -signal.SIGKILL]
    last = said(tmp_path, 0).splitlines()[-1]
    assert "another process of this run has stopped" in last and "--resume" in last
    assert load_checkpoint(tmp_path / "run" / "checkpoint.pt")["step"] >= 1


@posix
def test_minutes_become_the_same_number_of_steps_in_all_processes(tmp_path):
    """They share one clock; else they would wait for one another for ever."""
    more = [*TINY, "--minutes", 0.01]
    assert together(2, tmp_path, argv(tmp_path / "run", *more)) == [0, 0]
    state = load_checkpoint(tmp_path / "run" / "checkpoint.pt")
    assert state["step"] == state["recipe"]["steps"] >= 1


@posix
def test_processes_share_one_clock(tmp_path, monkeypatch):
    """The mean of theirs, also where one of two runs twice as fast."""
    true = time.perf_counter

    def tell(arguments):
        with team("cpu"):
            print(run.clock())
        return 0

    monkeypatch.setitem(globals(), "main", tell)
    monkeypatch.setattr(time, "perf_counter", lambda: true() * (1 + int(os.environ.get("RANK", 0))))
    assert together(2, tmp_path, []) == [0, 0]
    assert said(tmp_path, 0) == said(tmp_path, 1) != ""


@posix
@pytest.mark.parametrize("n, more", [(3, []), (2, ["--accumulate", "5"]), (1, ["--batch", "30"])])
def test_a_batch_that_cannot_be_shared_is_refused_once(tmp_path, n, more):
    """In one sentence, by one of the processes, before anything is written."""
    extra = ["--accumulate", 4] if n == 1 else []
    arguments = argv(tmp_path / "run", *TINY, "--steps", 2, *extra, *more)
    assert together(n, tmp_path, arguments) == [2] * n
    assert "can't be split equally" in said(tmp_path, 0)
    assert "".join(said(tmp_path, i) for i in range(1, n)) == ""
    assert not (tmp_path / "run").exists()


@posix
def test_a_folder_in_use_is_refused_by_all_processes(tmp_path):
    """None of them waits for the one that was refused."""
    with RunFolder.entered(tmp_path / "run"):
        arguments = argv(tmp_path / "run", *TINY, "--steps", 2)
        assert together(2, tmp_path, arguments) == [1, 1]
    assert "in use by process" in said(tmp_path, 0) and said(tmp_path, 1) == ""


def test_more_processes_than_gpus_are_refused(monkeypatch):
    """And several on a device that cannot work together."""
    for name, value in {"RANK": "2", "LOCAL_RANK": "2", "WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match="more processes than GPUs .2.: .*--nproc-per-node=2"):
        with team("cuda"):
            pass
    with pytest.raises(ValueError, match="--device cpu"):
        with team("mps"):
            pass


@posix
def test_dropout_differs_from_process_to_process(tmp_path):
    """Times and noise are those of the whole batch; units are dropped in each by itself."""
    one = Run(replace(RECIPES["digits"], width=8, mults=(1,)))
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        for i in range(2):
            patch.setattr(run, "rank", lambda i=i: i)
            patch.setattr(run, "world", lambda: 2)
            x, y = torch.zeros(32, 1, 8, 8), torch.zeros(32, dtype=torch.int64)  # its share
            drawn.append((one.chance(x, y, 1), torch.rand(9)))
    torch.manual_seed(1)
    eps = [torch.rand(64), torch.randint(1, 1001, (64,)), torch.randn(64, 1, 8, 8)][2]
    assert torch.equal(torch.cat([rows[3] for rows, _ in drawn]), eps)
    assert not torch.equal(drawn[0][1], drawn[1][1])


@posix
def test_torchrun_starts_it(tmp_path):
    """The command of the help, in processes of their own."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port"]
    command += [str(free_port()), "-m", "ddpm_lite", *argv(tmp_path / "two", *TINY, "--steps", 4)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("trained for 4 steps") == 1
    assert done.stderr.count("step 4 of 4") == 1
    assert main(argv(tmp_path / "one", *TINY, "--steps", 4)) == 0
    assert (losses(tmp_path / "one") - losses(tmp_path / "two")).abs().max() < 1e-5


# What makes a GPU fast


def trained(tmp_path, name, *more):
    assert main(argv(tmp_path / name, *TINY, "--steps", 15, *more)) == 0
    return losses(tmp_path / name)


@pytest.mark.parametrize("more, tolerance", [
    (["--accumulate", "4"], 1e-5), (["--channels-last"], 1e-5), (["--compile"], 1e-5),
    (["--amp"], 0.02), (["--amp", "--accumulate", "4", "--channels-last", "--compile"], 0.02),
])  # fmt: skip
def test_what_makes_a_gpu_fast_gives_the_same_losses(tmp_path, monkeypatch, more, tolerance):
    """To rounding, each alone and all together. (Compiled without making C++ of it.)"""
    compile = torch.nn.Module.compile
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda net: (
        compiled.append(net), compile(net, backend="eager")))  # fmt: skip
    plain, fast = trained(tmp_path, "plain"), trained(tmp_path, "fast", *more)
    assert (plain - fast).abs().max() < tolerance
    assert torch.equal(plain, fast) == (more == ["--compile"])
    assert len(compiled) == ("--compile" in more)
    Run.load(tmp_path / "fast").draw(2, 2)  # its keys are the plain ones


def test_a_resumed_fast_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch):
    """Also with mixed precision, channels last, mirrored images and parts of batches."""
    more = [*TINY, "--steps", 8, "--amp", "--channels-last", "--flip", "--accumulate", 2]
    assert main(argv(tmp_path / "whole", *more)) == 0
    advance = Run.advance

    def until(self, *data):
        for step, loss in advance(self, *data):
            if step == 3:
                signal.raise_signal(signal.SIGINT)
            yield step, loss

    monkeypatch.setattr(Run, "advance", until)
    assert main(argv(tmp_path / "parts", *more)) == 130
    monkeypatch.undo()
    assert main(argv(tmp_path / "parts", "--resume", "--device", "cpu")) == 0
    assert apart(tmp_path / "whole", tmp_path / "parts") == 0
    assert torch.equal(losses(tmp_path / "whole"), losses(tmp_path / "parts"))


def test_every_other_image_is_mirrored(tmp_path):
    """Each by its own coin, left for right, and with its own label."""
    x = torch.arange(2.0).view(1, 1, 1, 2).repeat(400, 1, 4, 1) - 0.5
    run = Run(replace(RECIPES["digits"], width=8, mults=(1,), flip=True, batch=400))
    seen = run.chance(x, torch.zeros(400, dtype=torch.int64), 1)[0]
    mirrored = seen[:, 0, 0, 0] > 0
    assert 160 < mirrored.sum() < 240
    assert torch.equal(seen[mirrored], x[mirrored].flip(3))
    assert torch.equal(seen[~mirrored], x[~mirrored])


def test_a_network_that_cannot_be_compiled_is_one_sentence(tmp_path, capsys, monkeypatch):
    """And says which option to leave out."""
    kind = type("BackendCompilerFailed", (RuntimeError,), {"__module__": "torch._dynamo.exc"})

    def compile(net):
        raise kind("backend='inductor' raised:\nInvalidCxxCompiler")

    monkeypatch.setattr(torch.nn.Module, "compile", compile)
    assert main(argv(tmp_path, *TINY, "--steps", 1, "--compile")) == 1
    assert capsys.readouterr().err.strip().endswith("here: add --no-compile")


@pytest.mark.parametrize("conditional", [False, True])
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_makes_a_step(name, conditional, monkeypatch):
    """With and without labels, on random images of its size and a network an eighth as wide."""
    monkeypatch.setattr(torch.nn.Module, "compile", lambda net: None)
    full = RECIPES[name]
    less = {"width": full.width // 8 * 2, "batch": 4, "minutes": None, "steps": 1, "threads": 1}
    run = Run(replace(full, conditional=conditional, **less))
    x, y = torch.rand(4, full.channels, *full.image_size) * 2 - 1, torch.arange(4)
    ((step, loss),) = run.advance(x, y)
    assert step == 1 and 0.3 < loss < 3


def test_the_benchmark_for_a_gpu_runs_on_a_cpu(tmp_path, monkeypatch, capsys):
    """Each line, with a narrow network; each training leaves a finished run and two scores."""
    spec = importlib.util.spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    spec.loader.exec_module(gpu := importlib.util.module_from_spec(spec))
    command = ["gpu.py", "--tiny", "--n", "10", "--out", str(tmp_path)]
    command += ["--contestants", "plain", "no TF32", "data from the host", "as a CUDA graph"]
    monkeypatch.setattr(sys, "argv", [*command, "--seconds", *["0.5"] * len(gpu.TRAININGS)])
    gpu.main()
    said = capsys.readouterr().out
    assert all(name in said for name in ("no TF32", "as a CUDA graph", "images/s", "MFU"))
    assert said.count("no kernel runs") == 4
    for name in gpu.TRAININGS:
        assert f"\n{name}: " in said or f"({name} is left out" in said
        if (tmp_path / name).exists():
            state = load_checkpoint(tmp_path / name / "checkpoint.pt")
            assert state["step"] == state["recipe"]["steps"] == len(losses(tmp_path / name))
    assert said.count("from the real images") == 2 * len(list(tmp_path.glob("*/checkpoint.pt")))
