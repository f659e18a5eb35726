"""The command line: a run is its recipe, steps and seed; a fault is one sentence and no damage."""

import hashlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, fields
from pathlib import Path

import pytest
import torch

from ddpm_lite import DataError, NonFiniteLossError, load_checkpoint, save_checkpoint
from ddpm_lite import __main__ as cli

PIL = pytest.importorskip("PIL.Image")
ROOT = Path(__file__).resolve().parent.parent
TINY = ["--width", "8", "--mults", "1", "2", "--batch", "16", "--no-conditional", "--device", "cpu"]


@pytest.fixture(autouse=True)
def one_thread():
    """A recipe may set the number of threads; leave it as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a tiny finished run."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert train(folder, "--steps", "3") == 0
    return folder


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """The folder of a tiny conditional run."""
    folder = tmp_path_factory.mktemp("runs") / "labelled"
    assert train(folder, "--steps", "3", "--conditional") == 0
    return folder


def train(folder, *more):
    return cli.main(["train", "--out", str(folder), *TINY, *more])


def fails(capsys, argv, code, *words):
    """The command fails with the code and one clear sentence that has these words."""
    capsys.readouterr()
    try:
        assert cli.main([str(a) for a in argv]) == code
    except SystemExit as stop:  # from argparse
        assert stop.code == code
    said = capsys.readouterr().err.strip()
    lines = [line for line in said.splitlines() if not line.startswith("step ")]
    assert len(lines) == 1 and len(lines[0]) <= 400, said
    assert "Traceback" not in said and "Errno" not in said and "weights_only" not in said
    for word in words:
        assert str(word) in said, said


def listing(folder):
    """Every file below the folder with its bytes."""
    return {p: p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()}


def same(a, b):
    """Equal structures, tensors bit for bit."""
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def log(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def learned(folder):
    state = load_checkpoint(folder / "checkpoint.pt")
    return {name: state[name] for name in ("recipe", "step", "net", "ema", "optimizer")}


# A run


def test_train_writes_a_checkpoint_and_a_picture(run):
    assert sorted(p.name for p in run.iterdir()) == [
        "checkpoint.pt", "log.jsonl", "samples.png"]  # fmt: skip
    state = load_checkpoint(run / "checkpoint.pt")
    assert state["step"] == state["recipe"]["steps"] == 3
    assert state["recipe"]["width"] == 8 and state["recipe"]["mults"] == (1, 2)
    with PIL.open(run / "samples.png") as picture:
        assert picture.format == "PNG" and picture.mode == "L"
        assert picture.size == (8 * 66 + 2, 8 * 66 + 2)  # 64 digits of 8 x 8, magnified 8 times
        picture.load()


def test_same_settings_give_the_same_run_and_another_seed_another(run, tmp_path):
    assert train(tmp_path / "again", "--steps", "3") == 0
    assert same(learned(run), learned(tmp_path / "again"))
    assert train(tmp_path / "other", "--steps", "3", "--seed", "1") == 0
    assert not same(learned(run)["net"], learned(tmp_path / "other")["net"])


@pytest.mark.parametrize("extra", [[], ["--conditional", "--dropout", "0.3"]])
def test_an_interrupted_and_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    tmp_path, extra, monkeypatch
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    extra = ["--batch", "128", "--steps", "15", *extra]  # an epoch has 1437 // 128 = 11 batches
    assert train(whole, *extra) == 0
    stop_at(monkeypatch, 5, signal.SIGINT)
    assert train(parts, *extra) == 130
    assert load_checkpoint(parts / "checkpoint.pt")["step"] == 5
    stop_at(monkeypatch, 13, signal.SIGTERM)
    assert cli.main(["train", "--resume", "--out", str(parts)]) == 143
    monkeypatch.undo()
    assert cli.main(["train", "--resume", "--out", str(parts)]) == 0
    assert same(learned(whole), learned(parts))
    for name in ("log.jsonl", "samples.png"):
        assert (whole / name).read_bytes() == (parts / name).read_bytes()


def stop_at(monkeypatch, last, number):
    """Send the signal to this process in the middle of a step."""
    advance = cli.Run.advance

    def interrupted(self, x, y):
        for step, loss in advance(self, x, y):
            if step == last:
                signal.raise_signal(number)
            yield step, loss

    monkeypatch.setattr(cli.Run, "advance", interrupted)


def test_the_handlers_of_signals_are_put_back(run, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert train(tmp_path / "run", "--steps", "2") == 0
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))


def test_a_second_signal_stops_at_once(tmp_path, monkeypatch):
    advance = cli.Run.advance

    def impatient(self, x, y):
        for step, loss in advance(self, x, y):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            yield step, loss

    monkeypatch.setattr(cli.Run, "advance", impatient)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's & has it ignored
    try:
        assert train(tmp_path / "run", "--steps", "5") == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_minutes_become_the_steps_that_fit():
    """By a clock that goes on by 0.5 s at each look: steps are timed until more than 90 / 30 = 3 s
    have gone, which is 7 steps in 4 s after a look too many. 85.5 of 90 s are left for 149."""
    x, y = torch.zeros(64, 1, 8, 8), torch.zeros(64, dtype=torch.int64)
    recipe = cli.replace(cli.RECIPES["digits"], width=4, mults=(1,), batch=2, minutes=1.5)
    ticks = itertools.count()
    assert cli.plan(recipe, x, y, clock=lambda: next(ticks) / 2) == int(85.5 * 7 / 4) == 149


def test_planning_does_not_change_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "plan", lambda *_, plan=cli.plan: plan(*_) and 4)
    assert train(tmp_path / "planned", "--minutes", "0.01") == 0
    assert train(tmp_path / "direct", "--steps", "4") == 0
    a, b = learned(tmp_path / "planned"), learned(tmp_path / "direct")
    assert a["step"] == b["step"] == 4 and same(a["net"], b["net"])


def test_checkpoints_are_written_on_the_way(tmp_path, monkeypatch):
    written = []
    save = cli.Run.save
    monkeypatch.setattr(
        cli.Run, "save", lambda self, path: (written.append(self.step), save(self, path))
    )
    assert train(tmp_path / "run", "--steps", "3", "--every", "0") == 0
    assert written == [1, 2, 3, 3]


def test_every_recipe_fits_its_images():
    assert list(cli.RECIPES) == list(cli.SHAPES)
    for name, recipe in cli.RECIPES.items():
        assert recipe.data == name
        factor = 2 ** (len(recipe.mults) - 1)
        assert all(side % factor == 0 for side in cli.SHAPES[name][1:])


def test_the_network_of_the_cifar10_recipe_is_that_of_the_paper():
    with torch.device("meta"):
        recipe = cli.RECIPES["cifar10"]
        net = cli.UNet(
            3, recipe.width, recipe.mults, recipe.blocks, recipe.attention, dropout=recipe.dropout
        )
    assert sum(p.numel() for p in net.parameters()) == 35_746_307


def test_resuming_a_finished_run_changes_nothing(run, tmp_path):
    before = learned(run)
    assert cli.main(["train", "--resume", "--out", str(run)]) == 0
    assert same(before, learned(run))


def test_averaged_weights_are_drawn_with(run):
    loaded = cli.Run.load(run / "checkpoint.pt")
    with torch.no_grad():
        for parameter in loaded.net.parameters():
            parameter.fill_(float("nan"))
    assert loaded.draw(2, steps=2).isfinite().all()


# Drawing


def png(path):
    with PIL.open(path) as picture:
        picture.load()
        return picture


def test_sample_draws_the_same_for_a_seed(run, tmp_path):
    a, b, c = (tmp_path / f"{name}.png" for name in "abc")
    for path, seed in ((a, 5), (b, 5), (c, 6)):
        argv = ["sample", "--run", str(run), "--n", "6", "--steps", "2", "--out", str(path)]
        assert cli.main([*argv, "--seed", str(seed)]) == 0
    assert a.read_bytes() == b.read_bytes() != c.read_bytes()
    assert png(a).size == (3 * 66 + 2, 2 * 66 + 2)


def test_ddim_without_fresh_noise_depends_on_the_first_noise_only(run):
    loaded = cli.Run.load(run / "checkpoint.pt")
    step = cli.partial(cli.ddim_step, eta=0.0)
    torch.manual_seed(3)
    expected = cli.sample(loaded.model(), loaded.schedule, torch.randn(4, 1, 8, 8), 5, step)
    assert torch.equal(loaded.draw(4, 5, step, seed=3), expected)


def test_samplers_are_those_of_the_name(run, tmp_path):
    pictures = []
    for more in (["ddpm"], ["ddim"], ["ddim", "--eta", "0.5"], ["dpm"]):
        argv = ["sample", "--run", run, "--n", 4, "--steps", 4, "--out", tmp_path / "x.png"]
        assert cli.main([*map(str, argv), "--sampler", *more]) == 0
        pictures.append((tmp_path / "x.png").read_bytes())
    assert len(set(pictures)) == 4


def test_labels_are_drawn_in_turn_and_guidance_pushes_further(labelled):
    loaded = cli.Run.load(labelled / "checkpoint.pt")
    seen = []
    model = loaded.model
    loaded.model = lambda y, w: (seen.append((y.tolist(), w)), model(y, w))[1]
    plain = loaded.draw(5, 2, labels=[3, 7])
    assert seen == [([3, 7, 3, 7, 3], 0.0)]
    assert not torch.equal(plain, loaded.draw(5, 2, labels=[4, 8]))
    assert not torch.equal(plain, loaded.draw(5, 2, labels=[3, 7], w=3.0))


def test_a_large_number_is_drawn_in_parts(run):
    loaded = cli.Run.load(run / "checkpoint.pt")
    images = loaded.draw(501, steps=1)
    assert images.shape == (501, 1, 8, 8) and images.isfinite().all()


def test_colour_and_odd_numbers_make_a_grid(tmp_path):
    images = torch.linspace(-2, 2, 5 * 3 * 32 * 32).view(5, 3, 32, 32)
    cli.save_grid(tmp_path / "x.png", images)
    picture = png(tmp_path / "x.png")
    assert picture.mode == "RGB" and picture.size == (3 * 66 + 2, 2 * 66 + 2)
    assert picture.getpixel((2, 2)) == (0, 0, 0)  # values outside are cut off
    assert picture.getpixel((3 * 66 - 2, 2 * 66 - 2)) == (255, 255, 255)  # an empty place


# Scores


@pytest.fixture(scope="module")
def reference():
    """The reference of digits."""
    return cli.Reference("digits")


def test_images_without_a_shipped_classifier_get_one_fitted(monkeypatch):
    """On the training part alone; here images of another name are the digits."""
    load = cli.load_images
    monkeypatch.setattr(cli, "load_images", lambda name, *a, **k: load("digits", *a, **k))
    monkeypatch.setattr(cli, "fit_classifier", cli.partial(cli.fit_classifier, steps=60))
    assert cli.Reference("fashion_mnist").accuracy > 0.9


def test_real_digits_score_as_real_and_noise_does_not(reference):
    assert reference.accuracy > 0.95
    everything = torch.cat([reference.train, reference.test])
    order = torch.randperm(len(everything), generator=torch.Generator().manual_seed(5))[:1000]
    real = reference.score(everything[order])
    assert real["distance"] < reference.real.mean()
    assert real["entropy"] > 0.99 and real["confidence"] > 0.9
    noise = reference.score(torch.rand(1000, 1, 8, 8) * 2 - 1)
    assert noise["distance"] > 10 * reference.real.mean()


def test_copies_and_a_missing_variety_are_found(reference):
    assert reference.score(reference.test)["copies"] == 0
    assert reference.score(reference.test)["nearness"] == pytest.approx(1)
    copies = reference.score(reference.train[:100])
    assert copies["copies"] == 100 and copies["nearness"] == 0
    one = reference.train[:1].expand(50, 1, 8, 8)
    assert reference.score(one)["entropy"] == 0


def test_evaluate_prints_scores_with_their_protocol(run, reference, capsys, monkeypatch):
    monkeypatch.setattr(cli, "Reference", lambda name, root: reference)
    assert cli.main(["evaluate", "--run", str(run), "--n", "70", "--steps", "2"]) == 0
    said = capsys.readouterr().out
    for word in ("Fréchet", "times", "entropy", "confidence", "copies", "N = 70", "2 steps of ddpm",
                 "1797 real", "1437", "20 random halves", "seed 0"):  # fmt: skip
        assert word in said


# Words


def test_info_tells_what_a_run_is(run, capsys):
    assert cli.main(["info", "--run", str(run)]) == 0
    said = capsys.readouterr().out
    net = cli.Run.load(run / "checkpoint.pt").net
    for word in ("3 of 3", "digits", f"{sum(p.numel() for p in net.parameters()):,}", "cpu", "20"):
        assert word in said


def test_info_alone_tells_the_recipes(capsys):
    assert cli.main(["info"]) == 0
    said = capsys.readouterr().out
    assert torch.__version__ in said and all(name in said for name in cli.RECIPES)
    assert all(f.name in said for f in fields(cli.Recipe))


@pytest.mark.parametrize("command", ["train", "sample", "evaluate", "info"])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    said = capsys.readouterr().out
    assert stop.value.code == 0 and len(said) > 300 and "--debug" in said
    options = [line for line in said.splitlines() if line.startswith("  -")]
    explained = said.split("options:")[1]
    assert len(options) >= 2 and "SUPPRESS" not in explained and "%" not in explained


def test_help_shows_the_settings_of_digits(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for name, value in asdict(cli.RECIPES["digits"]).items():
        assert f"--{name.replace('_', '-')}" in said
        assert f"({cli.shown(value)})" in said


def test_settings_are_shown_as_one_would_type_them():
    values = {"1 2": (1, 2), "none": (), "no": False, "yes": True, "1": 1, "0": 0, "0.004": 4e-3}
    for text, value in values.items():
        assert cli.shown(value) == text


def test_help_names_the_commands_and_examples(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert "python -m ddpm_lite train --data digits --minutes 1 --out runs/digits" in said
    assert all(f"    {name} " in said for name in cli.COMMANDS)


# Faults: one sentence, nothing overwritten


def test_a_second_run_in_a_folder_is_refused(run, capsys):
    before = listing(run)
    fails(capsys, ["train", "--out", run, *TINY, "--steps", 3], 1, run, "--resume", "--out")
    assert listing(run) == before


@pytest.mark.parametrize("name, value", [
    ("data", "mnist"), ("width", "16"), ("mults", "1"), ("blocks", "2"), ("attention", "0"),
    ("conditional", None), ("dropout", "0.5"), ("schedule", "linear"), ("T", "500"),
    ("target", "eps"), ("flip", None), ("batch", "32"), ("lr", "0.5"), ("ema", "0.5"),
    ("seed", "9"), ("threads", "2"), ("channels_last", None), ("minutes", "7"), ("steps", "50"),
])  # fmt: skip
def test_resuming_with_other_settings_is_refused_by_name(run, capsys, name, value):
    before, old = listing(run), load_checkpoint(run / "checkpoint.pt")["recipe"][name]
    flag = f"--{name.replace('_', '-')}"
    argv = ["train", "--resume", "--out", run, flag, *([value] if value else [])]
    fails(capsys, argv, 2, f"{name} {cli.shown(old)}, now {value or 'yes'}")
    assert listing(run) == before


def test_every_setting_is_compared():
    marks = test_resuming_with_other_settings_is_refused_by_name.pytestmark
    compared = {name for name, _ in marks[0].args[1]}
    assert compared == {f.name for f in fields(cli.Recipe)} - set(cli.ADAPT)


def test_what_only_suits_the_machine_may_change_when_a_run_goes_on(tmp_path, monkeypatch):
    """The same run to rounding, in parts of a batch from the third step on."""
    stop_at(monkeypatch, 2, signal.SIGINT)
    assert train(tmp_path / "a", "--steps", "4") == 130
    monkeypatch.undo()
    assert cli.main(["train", "--resume", "--out", str(tmp_path / "a"), "--accumulate", "4"]) == 0
    assert train(tmp_path / "b", "--steps", "4") == 0
    a, b = learned(tmp_path / "a"), learned(tmp_path / "b")
    assert a["recipe"] == b["recipe"] | {"accumulate": 4}
    assert all(torch.allclose(a["net"][k], b["net"][k], atol=1e-4) for k in b["net"])


def test_resuming_with_the_same_settings_is_not_refused(run):
    assert train(run, "--resume", "--steps", "3") == 0


def test_there_must_be_something_to_resume(capsys, tmp_path):
    fails(capsys, ["train", "--resume", "--out", tmp_path / "none"], 1, "none", "train")
    assert not listing(tmp_path)


@pytest.mark.parametrize("argv, words", [
    (["train", "--data", "imagenet"], ["--data", "imagenet", "digits", "cifar10"]),
    (["train", "--width", "many"], ["--width", "many", "whole number"]),
    (["train", "--width", "0"], ["--width", "0"]),
    (["train", "--width", "7"], ["--width", "7", "even"]),
    (["train", "--lr", "-1"], ["--lr", "-1"]),
    (["train", "--lr", "nan"], ["--lr", "nan"]),
    (["train", "--minutes", "0"], ["--minutes"]),
    (["train", "--minutes", "1", "--steps", "3"], ["--steps", "--minutes"]),
    (["train", "--steps", "0"], ["--steps"]),
    (["train", "--device", "tpu"], ["--device", "tpu"]),
    (["sample"], ["--run"]),
    (["sample", "--run", "x", "--n", "0"], ["--n"]),
    (["sample", "--run", "x", "--label", "10"], ["--label", "10", "9"]),
    (["sample", "--run", "x", "--sampler", "euler"], ["--sampler", "euler", "ddim"]),
    (["paint"], ["paint", "train"]),
    ([], ["command"]),
])  # fmt: skip
def test_bad_arguments(capsys, argv, words):
    fails(capsys, argv, 2, *words, "--help")


@pytest.mark.parametrize("more, words", [
    (["--mults", "1", "2", "2", "2", "2"], ["8 x 8", "multiples of 16"]),
    (["--batch", "5000"], ["5000", "1437"]),
    (["--ema", "1"], ["decay"]),
])  # fmt: skip
def test_settings_that_do_not_fit(capsys, tmp_path, more, words):
    argv = ["train", "--out", tmp_path / "run", "--steps", "2", "--device", "cpu", *more]
    fails(capsys, argv, 2, *words)
    assert not listing(tmp_path)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there(capsys, tmp_path, device, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    argv = ["train", "--out", tmp_path / "run", "--steps", "2", "--device", device]
    fails(capsys, argv, 2, device, "cpu")
    assert not listing(tmp_path)
    assert cli.device_named("auto") == "cpu"


def test_no_network(capsys, tmp_path, monkeypatch):
    from torchvision import datasets

    def refuse(*_, **__):
        raise RuntimeError("Error downloading train-images-idx3-ubyte.gz")

    monkeypatch.setattr(datasets.MNIST, "download", refuse)
    argv = ["train", "--data", "mnist", "--root", tmp_path / "data", "--out", tmp_path / "run"]
    fails(capsys, [*argv, "--device", "cpu"], 1, "mnist", tmp_path / "data", "digits")
    assert not (tmp_path / "run").exists()


def test_the_loss_becomes_nan(capsys, tmp_path, monkeypatch):
    loss, calls = cli.Run.loss, []

    def spoiled(self, net, x, rest):
        calls.append(1)
        return loss(self, net, x, rest) * (float("nan") if len(calls) == 4 else 1)

    assert train(tmp_path / "good", "--steps", "9", "--lr", "0.001") == 0
    monkeypatch.setattr(cli.Run, "loss", spoiled)
    argv = ["train", "--out", tmp_path / "bad", *TINY, "--steps", 9, "--lr", 0.001]
    fails(capsys, argv, 1, "step 4", "nan")
    monkeypatch.undo()
    assert load_checkpoint(tmp_path / "bad" / "checkpoint.pt")["step"] == 3
    assert cli.main(["train", "--resume", "--out", str(tmp_path / "bad")]) == 0
    assert same(learned(tmp_path / "good"), learned(tmp_path / "bad"))
    assert log(tmp_path / "good") == log(tmp_path / "bad")


def test_nan_at_the_first_step_leaves_no_checkpoint(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(cli.Run, "loss", lambda self, net, x, rest: net(x, rest[1]).sum() / 0)
    fails(capsys, ["train", "--out", tmp_path, *TINY, "--steps", 2], 1, "step 1")
    assert not listing(tmp_path)


def damaged(tmp_path, data):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(data)
    return tmp_path / "run"


@pytest.mark.parametrize("keep", [0, 1, 31, 100, 0.5, 0.99])
def test_a_truncated_checkpoint(run, tmp_path, capsys, keep):
    data = (run / "checkpoint.pt").read_bytes()
    folder = damaged(tmp_path, data[: keep if isinstance(keep, int) else int(keep * len(data))])
    before = listing(tmp_path)
    for argv in (["sample", "--out", tmp_path / "x.png"], ["evaluate"], ["info"]):
        fails(capsys, [*argv, "--run", folder], 1, "checkpoint.pt")
    fails(capsys, ["train", "--resume", "--out", folder], 1, "checkpoint.pt")
    assert listing(tmp_path) == before


def test_a_foreign_checkpoint(tmp_path, capsys):
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, buffer)
    folder = damaged(tmp_path, buffer.getvalue())
    fails(capsys, ["info", "--run", folder], 1, "checkpoint.pt")


@pytest.mark.parametrize("change", [
    lambda state: {"weight": torch.zeros(3)},
    lambda state: state | {"recipe": state["recipe"] | {"depth": 3}},
    lambda state: state | {"recipe": state["recipe"] | {"width": 12}},
    lambda state: {k: v for k, v in state.items() if k != "ema"},
])  # fmt: skip
def test_a_checkpoint_of_another_make(run, tmp_path, capsys, change):
    (tmp_path / "run").mkdir()
    state = change(load_checkpoint(run / "checkpoint.pt"))
    save_checkpoint(tmp_path / "run" / "checkpoint.pt", **state)
    fails(capsys, ["info", "--run", tmp_path / "run"], 1, "checkpoint.pt", "not a run")


def test_a_run_that_is_not_there(capsys, tmp_path):
    for argv in (["sample", "--out", tmp_path / "x.png"], ["evaluate"], ["info"]):
        fails(capsys, [*argv, "--run", tmp_path / "none"], 1, "none", "train")
    assert not listing(tmp_path)


def test_labels_of_a_run_without_labels(run, capsys, tmp_path):
    for more in (["--label", "3"], ["--guidance", "2"]):
        argv = ["sample", "--run", run, "--out", tmp_path / "x.png", *more]
        fails(capsys, argv, 2, "--conditional")
    argv = ["sample", "--run", run, "--out", tmp_path / "x.png", "--eta", "0.5"]
    fails(capsys, argv, 2, "--sampler ddim")
    fails(capsys, ["sample", "--run", run, "--steps", 1001], 2, "1001", "1000")
    assert not listing(tmp_path)


def test_a_folder_that_cannot_be_written(run, capsys, tmp_path):
    (tmp_path / "file").write_text("mine")
    below = tmp_path / "file" / "run"
    fails(capsys, ["train", "--out", below, *TINY, "--steps", 2], 1, "file", "nothing")
    fails(capsys, ["sample", "--run", run, "--out", below / "x.png"], 1, "file", "nothing")
    assert [p.read_text() for p in listing(tmp_path)] == ["mine"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_a_read_only_folder(run, capsys, tmp_path):
    tmp_path.chmod(0o500)
    fails(capsys, ["train", "--out", tmp_path, *TINY, "--steps", 2], 1, "denied", "nothing")
    fails(capsys, ["train", "--out", tmp_path / "x", *TINY, "--steps", 2], 1, "denied", "nothing")


@pytest.mark.skipif(os.name == "nt", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_the_old_files(run, capsys):
    """For a moment no file may grow beyond 2,000 bytes: the system's own error, in mid-file."""
    from resource import RLIMIT_FSIZE, getrlimit, setrlimit

    before, (soft, hard) = listing(run), getrlimit(RLIMIT_FSIZE)
    setrlimit(RLIMIT_FSIZE, (2000, hard))
    try:
        fails(capsys, ["train", "--resume", "--out", run], 1, run, "nothing was overwritten")
        argv = ["sample", "--run", run, "--steps", 1, "--out", run / "samples.png"]
        fails(capsys, argv, 1, run, "nothing was overwritten")
    finally:
        setrlimit(RLIMIT_FSIZE, (soft, hard))
    assert listing(run) == before


def test_out_of_memory(run, capsys, monkeypatch):
    def draw(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")

    monkeypatch.setattr(cli.Run, "draw", draw)
    fails(capsys, ["sample", "--run", run], 1, "memory", "--n")


def test_a_missing_package(run, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    fails(capsys, ["sample", "--run", run, "--steps", 1, "--n", 1], 1, "PIL", "pip install")


def test_debug_shows_the_traceback(run, tmp_path):
    with pytest.raises(FileExistsError):
        train(run, "--steps", "3", "--debug")
    with pytest.raises(FileNotFoundError):
        cli.main(["info", "--run", str(tmp_path), "--debug"])


def test_a_bug_is_not_dressed_up(run, monkeypatch):
    monkeypatch.setattr(cli, "save_grid", lambda *_: [][1])
    with pytest.raises(IndexError):
        cli.main(["sample", "--run", str(run), "--n", "1", "--steps", "1"])


def test_expected_errors_are_the_packages_own():
    for kind in (DataError, NonFiniteLossError, cli.CheckpointError, FileNotFoundError, ValueError):
        assert issubclass(kind, cli.EXPECTED)


# In a process of its own


def command(*argv):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return [sys.executable, "-m", "ddpm_lite", *map(str, argv)], environment


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_finishes_the_step_saves_and_says_how_to_go_on(tmp_path):
    argv, environment = command("train", "--out", tmp_path, *TINY, "--steps", 100000, "--every", 0)
    with subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(tmp_path / "checkpoint.pt")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    step = load_checkpoint(tmp_path / "checkpoint.pt")["step"]
    assert f"step {step} of 100000" in out and f"--resume --out {tmp_path}" in out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint.pt", "log.jsonl"]


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert train(whole, "--steps", "60") == 0
    argv, environment = command("train", "--out", killed, *TINY, "--steps", 60, "--every", 0)
    with subprocess.Popen(argv, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for(killed / "checkpoint.pt")
        process.kill()
    assert load_checkpoint(killed / "checkpoint.pt")["step"] < 60
    assert cli.main(["train", "--resume", "--out", str(killed)]) == 0
    assert same(learned(whole), learned(killed))


def test_the_module_runs_in_a_plain_locale(tmp_path):
    """No encoding of the console stops it, and a pipe gets plain lines."""
    argv, environment = command("train", "--out", tmp_path / "é", *TINY, "--steps", 2)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(argv, cwd=ROOT, env=environment | plain, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().splitlines()[-1].startswith("step 2 of 2, loss ")
    assert b"\r" not in done.stderr


def test_nothing_of_a_checkpoint_is_executed(tmp_path, capsys):
    class Canary:
        def __reduce__(self):
            return (Path(tmp_path / "canary").touch, ())

    torch.save({"recipe": Canary()}, buffer := io.BytesIO())
    data = buffer.getvalue() + hashlib.sha256(buffer.getvalue()).digest()
    (tmp_path / "checkpoint.pt").write_bytes(data)
    fails(capsys, ["info", "--run", tmp_path], 1, "checkpoint.pt")
    assert not (tmp_path / "canary").exists()
    json.dumps(asdict(cli.Recipe()))  # a recipe is made of plain values
