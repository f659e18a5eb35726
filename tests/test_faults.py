"""What plain PyTorch lets through in silence is refused in one sentence, with python -O too.

Each row: what is done, the exception, and words that name what was given and what was expected.
"""

import traceback

import pytest
import torch
from mutants import load, package

import ddpm_lite as d

SCHEDULE = d.linear_schedule()
X = torch.zeros(4, 1, 28, 28)
POINTS = torch.zeros(4, 2)
ROWS = torch.ones(4, dtype=torch.int64)


def at(t, x=X):
    return lambda: d.q_sample(SCHEDULE, x, t, x)


def loss(x, model=lambda x, t: x):
    return lambda: d.ddpm_loss(model, SCHEDULE, x)


def unet(*shape):
    return lambda: d.UNet(1, 8, (1, 2))(torch.zeros(shape), torch.ones(shape[0], dtype=torch.int64))


FAULTS = {
    "t is -1, the last row to PyTorch": (at(-1), ValueError, "-1", "0 … T = 1000"),
    "t of a row is -1": (at(torch.tensor([1, 2, -1, 3])), ValueError, "-1", "0 … T = 1000"),
    "t is beyond T": (at(1001), ValueError, "1001", "0 … T = 1000"),
    "t of a row is beyond T": (at(ROWS * 1001), ValueError, "1001", "0 … T = 1000"),
    "t is True, a mask": (at(True), TypeError, "True", "an int"),
    "t is a mask": (at(ROWS.bool()), TypeError, "torch.bool", "int64"),
    "t is a float": (at(0.5), TypeError, "0.5", "an int"),
    "t are floats": (at(ROWS.float()), TypeError, "torch.float32", "4 int64"),
    "t are 32-bit": (at(ROWS.int()), TypeError, "torch.int32", "4 int64"),
    "t is None": (at(None), TypeError, "None", "an int"),
    "t has too few rows": (at(ROWS[:3]), TypeError, "(3,)", "4 int64"),
    "t has one row, which would broadcast": (at(ROWS[:1]), TypeError, "(1,)", "4 int64"),
    "t runs over the width": (at(torch.arange(28)), TypeError, "(28,)", "one for each row"),
    "t is a column": (at(ROWS[:, None]), TypeError, "(4, 1)", "one for each row"),
    "s is -1": (lambda: d.ddpm_step(SCHEDULE, POINTS, 1, -1, POINTS), ValueError, "-1", "0 … T"),
    "t is beyond T in ddim": (
        lambda: d.ddim_step(SCHEDULE, POINTS, 2000, 1, POINTS), ValueError, "2000", "0 … T"),
    "t is beyond T in a wrapper": (
        lambda: d.from_v(lambda x, t: x, SCHEDULE)(POINTS, ROWS * 2000), ValueError, "2000", "T"),
    "x is bytes": (at(3, X.byte()), TypeError, "torch.uint8", "127.5"),
    "x is whole numbers": (at(3, X.long()), TypeError, "torch.int64", "expected floats"),
    "training data are bytes": (loss(X.byte()), TypeError, "torch.uint8", "127.5"),
    "training data are bytes up to 255": (loss(X.byte() + 255), TypeError, "torch.uint8", "127.5"),
    "training data are a mask": (loss(X.bool()), TypeError, "torch.bool", "expected floats"),
    "training data are 0 … 255": (loss(X + 255), ValueError, "255", "127.5"),
    "training data have a NaN": (loss(X / 0), ValueError, "nan", "no NaN"),
    "training data are infinite": (loss((X + 1) / 0), ValueError, "inf", "-1 … 1"),
    "the batch is empty": (loss(X[:0]), ValueError, "(0, 1, 28, 28)", "B >= 1"),
    "the model answers one for each row": (
        loss(POINTS, lambda x, t: x[:, 0]), ValueError, "(4,)", "(4, 2)"),
    "the model answers one for all rows": (
        loss(X, lambda x, t: x.mean(0, True)), ValueError, "(1, 1, 28, 28)", "(4, 1, 28, 28)"),
    "an image has no batch axis": (unet(1, 8, 8), ValueError, "(1, 8, 8)", "(B, 1, H, W)"),
    "images have their channels last": (unet(2, 8, 8, 1), ValueError, "(2, 8, 8, 1)", "(B, 1"),
    "images have the wrong colours": (unet(2, 3, 8, 8), ValueError, "(2, 3, 8, 8)", "(B, 1"),
    "images are of odd size": (unet(2, 1, 7, 7), ValueError, "7 x 7", "multiples of 2"),
    "points have the wrong size": (
        lambda: d.MLP(2)(torch.zeros(4, 3), ROWS), ValueError, "(4, 3)", "(B, 2)"),
    "labels for a net without": (
        lambda: d.MLP(2)(POINTS, ROWS, ROWS), ValueError, "without classes", "num_classes"),
    "beta is 1": (lambda: d.Schedule(torch.ones(3)), ValueError, "1 … 1", "(0, 1)"),
    "steps are 0": (
        lambda: d.sample(lambda x, t: x, SCHEDULE, POINTS, 0), ValueError, "steps is 0", "1 … T"),
    "steps are more than T": (
        lambda: d.sample(lambda x, t: x, SCHEDULE, POINTS, 2000), ValueError, "2000", "1 … T"),
    "eta is 2": (
        lambda: d.ddim_step(SCHEDULE, POINTS, 2, 1, POINTS, 2.0), ValueError, "2.0", "0 (determ"),
    "a batch is larger than the data": (
        lambda: next(d.batches(X, size=64)), ValueError, "64", "1 … 4"),
    "a stream of bytes": (lambda: next(d.batches(X.byte(), size=2)), TypeError, "uint8", "floats"),
    "a stream of 0 … 255": (lambda: next(d.batches(X + 255, size=2)), ValueError, "255", "-1 … 1"),
    "labels are fewer than images": (
        lambda: next(d.batches(X, ROWS[:3], 2)), ValueError, "3 rows", "x 4"),
    "no such data": (lambda: d.load_images("imagenet"), ValueError, "'imagenet'", "digits"),
    "no such points": (lambda: d.load_points("spiral"), ValueError, "'spiral'", "swiss_roll"),
    "no such checkpoint": (
        lambda: d.load_checkpoint("none.pt"), FileNotFoundError, "none.pt", "ddpm_lite train"),
    "a file that is no checkpoint": (
        lambda: d.load_checkpoint(__file__), d.CheckpointError, "test_faults.py", "checkpoint of"),
    "an average with decay 1": (lambda: d.EMA(d.MLP(), 1.0), ValueError, "1.0", "[0, 1)"),
    "a training step with NaN": (
        lambda: next(d.train(d.MLP(), [(POINTS, None)], lambda n, x, y: n(x, ROWS).sum() / 0, 1)),
        d.NonFiniteLossError, "step 1", "Lower the learning rate"),
    "features of one row": (
        lambda: d.frechet_distance(POINTS[:1], POINTS), ValueError, "(1, 2)", "at least 2"),
}  # fmt: skip


def complaint(fault) -> str | None:
    """What is wrong with the way in which a fault is refused; None if nothing is."""
    do, kind, given, expected = fault
    before = torch.get_rng_state()
    try:
        result = do()
    except kind as error:
        message = str(error)
        if given not in message or expected not in message:
            return f"the message does not name {given!r} and {expected!r}: {message}"
        if len(message) > 400 or len(message.splitlines()) > 3:
            return f"the message is longer than 3 lines or 400 characters: {message}"
        if "ddpm_lite" not in traceback.extract_tb(error.__traceback__)[-1].filename:
            return f"it was not ddpm_lite that refused: {message}"
        if kind is TypeError and not torch.equal(before, torch.get_rng_state()):
            return "noise was drawn before the refusal"
        return None
    except Exception as error:
        return f"{type(error).__name__} instead of {kind.__name__}: {error}"
    return f"nothing was refused; the result is {result!r:.80}"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_silent_trap_of_pytorch_is_refused_in_one_sentence(fault):
    """The right exception, raised here, in at most 3 lines that say what was given and expected."""
    assert complaint(fault) is None


@pytest.mark.parametrize("y", [-1, 11])
def test_a_label_that_does_not_exist_is_refused_by_torch(y):
    """nn.Embedding knows its rows; label 10 of ten classes is "no label"."""
    with pytest.raises(IndexError):
        d.MLP(num_classes=10)(POINTS, ROWS, ROWS * y)


def test_every_trap_is_refused_without_asserts_as_well():
    """python -O removes asserts, so no check may be one: the package, compiled as -O does it."""
    with package({}, optimize=1):
        faults = load("test_faults.py")
        assert {name: c for name, x in faults.FAULTS.items() if (c := faults.complaint(x))} == {}
