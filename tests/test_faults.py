"""What used to pass in silence, or failed with a riddle, and the sentence that it gives now.

Each row of the tables says what is done, which exception or warning comes, and its words. The same
rows hold for ``python -O``.
"""

import importlib.util
import math
import os
import sys
import tempfile
import traceback
import warnings
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pytest
import torch
from mutants import PACKAGE, load, package

import ddpm_lite as d
from ddpm_lite import editing

S = d.linear_schedule()
X = torch.zeros(4, 1, 28, 28)
POINTS = torch.zeros(4, 2)
T = torch.ones(4, dtype=torch.int64)  # a time, or a label, for each row
NAN = X + math.nan
TEMPORARY = tempfile.TemporaryDirectory()
FOLDER = Path(TEMPORARY.name)

mlp, unet = d.MLP(2, 16, 1), d.UNet(1, 8, (1, 2))
classes = d.UNet(1, 8, (1, 2), num_classes=3)
vectors, second = d.MLP(2, 16, 1, cond_dim=3), d.UNet(1, 8, (1, 2), cond_channels=2)


def model(x, t):
    return x


def at(t, x=X):
    return lambda: d.q_sample(S, x, t, x)


def loss(x, model=model, **given):
    return lambda: d.ddpm_loss(model, S, x, **given)


def sampled(steps=5, model=model, **more):
    return lambda: d.sample(model, S, POINTS, steps, **more)


def total(net, x, y):
    return net(x, T).sum()


def trained(batches, net=mlp, steps=3, loss=total, **more):
    return lambda: list(d.train(net, batches, loss, steps, **more))


@torch.no_grad()
def trained_without_gradients():
    trained([POINTS])()


def plotted_without_matplotlib():
    """Import plot.py anew, as where matplotlib isn't installed."""
    spec = importlib.util.spec_from_file_location("plot_again", PACKAGE / "plot.py")
    names = [n for n in sys.modules if n.partition(".")[0] == "matplotlib"] + ["matplotlib"]
    before = {name: sys.modules.get(name) for name in names}
    sys.modules.update(dict.fromkeys(names))  # now importing them fails
    try:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))
    finally:
        del sys.modules["matplotlib"]
        sys.modules.update({name: module for name, module in before.items() if module})


class Code:
    """What torch.load with weights_only=False would run."""

    def __reduce__(self):
        return os.getcwd, ()


def forged():
    """A file with a correct checksum, whose content is more than tensors and numbers."""
    torch.save({"net": Code()}, buffer := BytesIO())
    data = buffer.getvalue()
    (FOLDER / "forged.pt").write_bytes(data + sha256(data).digest())
    return d.load_checkpoint(FOLDER / "forged.pt")


def shown(x):
    from ddpm_lite import plot

    return plot.show_images(x)


FLOATS = "expected a tensor of floats; for bytes, use x.float() / 127.5 - 1"
IN_0_T = "expected 0 … T = 1000"

FAULTS = {
    # timesteps
    "t is -1, the last row to PyTorch": (at(-1), ValueError, "t is -1; " + IN_0_T),
    "t of a row is -1": (at(torch.tensor([1, 2, -1, 3])), ValueError, "t is -1; " + IN_0_T),
    "t is beyond T": (at(1001), ValueError, "t is 1001; " + IN_0_T),
    "t of a row is beyond T": (at(T * 1001), ValueError, "t is 1001; " + IN_0_T),
    "t is True, a mask": (at(True), TypeError, "t is True; expected an int, or 4 int64"),
    "t is a mask": (at(T.bool()), TypeError, "t is torch.bool of shape (4,); expected an int"),
    "t is a float": (at(0.5), TypeError, "t is 0.5; expected an int, or 4 int64, one per row"),
    "t are floats": (at(T.float()), TypeError, "t is torch.float32 of shape (4,); expected an int"),
    "t are 32-bit": (at(T.int()), TypeError, "t is torch.int32 of shape (4,); expected an int"),
    "t is None": (at(None), TypeError, "t is None; expected an int"),
    "t has too few rows": (at(T[:3]), TypeError, "t is torch.int64 of shape (3,); expected an int"),
    "t has one row, which would broadcast": (
        at(T[:1]), TypeError, "of shape (1,); expected an int"),
    "t runs over the width": (at(torch.arange(28)), TypeError, "of shape (28,); expected an int"),
    "t is a column": (at(T[:, None]), TypeError, "of shape (4, 1); expected an int"),
    "s is -1": (
        lambda: d.ddpm_step(S, POINTS, 1, -1, POINTS), ValueError, "t is -1; " + IN_0_T),
    "s after t in a step": (
        lambda: d.ddpm_step(S, POINTS, 5, 9, POINTS), ValueError,
        "(t, s) is (5, 9); expected s < t"),
    "s after t in a step of DDIM": (
        lambda: d.ddim_step(S, POINTS, 5, 9, POINTS), ValueError,
        "(t, s) is (5, 9); expected s < t"),
    "s = t in a posterior": (
        lambda: d.q_posterior(S, POINTS, POINTS, 5, 5), ValueError, "(t, s) is (5, 5); expected s"),
    "the noise at t = 0, where there is none": (
        lambda: d.predict_eps(S, POINTS, 0, POINTS), ValueError,
        "(t, s) is (0, 0); expected s < t"),
    "t is beyond T in DDIM": (
        lambda: d.ddim_step(S, POINTS, 2000, 1, POINTS), ValueError, "t is 2000; " + IN_0_T),
    "t is beyond T in a wrapper": (
        lambda: d.from_v(model, S)(POINTS, T * 2000), ValueError, "t is 2000; " + IN_0_T),
    # data
    "a schedule that stayed on the CPU": (
        at(3, X.to("meta")), ValueError,
        "x.device is device(type='meta'); expected cpu, where the schedule is: use .to(…)"),
    "x is bytes": (
        at(3, X.byte()), TypeError, "x is torch.uint8 of shape (4, 1, 28, 28); " + FLOATS),
    "x is whole numbers": (at(3, X.long()), TypeError, "x is torch.int64 of shape (4, 1, 28, 28);"),
    "training data are bytes": (
        loss(X.byte()), TypeError,
        "x0 is torch.uint8 of shape (4, 1, 28, 28); expected at least one row in a tensor of"),
    "training data are a mask": (loss(X.bool()), TypeError, "x0 is torch.bool of shape (4, 1,"),
    "training data are NumPy's": (
        loss(X.numpy()), TypeError, "at least one row in a tensor of floats"),
    "training data are 0 … 255": (
        loss(X + 255), ValueError, "the range of x0 is (255.0, 255.0); expected about -1 … 1"),
    "raw digits are 0 … 16": (
        loss(torch.arange(17.0).expand(4, 1, 17)), ValueError, "the range of x0 is (0.0, 16.0);"),
    "training data have a NaN": (loss(NAN), ValueError, "is (nan, nan); expected about -1 … 1"),
    "training data are infinite": (loss((X + 1) / 0), ValueError, "is (inf, inf); expected about"),
    "the batch is empty": (
        loss(X[:0]), TypeError,
        "x0 is torch.float32 of shape (0, 1, 28, 28); expected at least one row in"),
    # shapes that would broadcast
    "one noise for four images": (
        lambda: d.q_sample(S, X, 3, X[:1]), ValueError,
        "eps or x0 is torch.float32 of shape (1, 1, 28, 28); expected the shape (4, 1, 28, 28)"),
    "one noise for four images in the loss": (
        loss(X, t=T, eps=X[:1]), ValueError, "(1, 1, 28, 28)"),
    "one noise for four rows in x0": (
        lambda: d.predict_x0(S, POINTS, 3, POINTS[:1]), ValueError, "expected the shape (4, 2)"),
    "one x0 for four rows in the noise": (
        lambda: d.predict_eps(S, POINTS, 3, POINTS[:1]), ValueError, "expected the shape (4, 2)"),
    "one noise for four rows in a step": (
        lambda: d.ddpm_step(S, POINTS, 3, 2, POINTS[:1]), ValueError, "expected the shape (4, 2)"),
    "one x0 for four rows in a posterior": (
        lambda: d.q_posterior(S, POINTS[:1], POINTS, 3, 2), ValueError,
        "expected the shape (4, 2)"),
    "one noise for four rows in v": (
        lambda: d.v_target(S, POINTS, 3, POINTS[:1]), ValueError, "expected the shape (4, 2)"),
    "the model predicts one number a row": (
        loss(POINTS, lambda x, t: x[:, 0]), ValueError,
        "eps or x0 is torch.float32 of shape (4,); expected the shape (4, 2)"),
    "the model predicts one image for all": (
        loss(X, lambda x, t: x.mean(0, True)), ValueError, "expected the shape (4, 1, 28, 28)"),
    "the model predicts a number a row in sampling": (
        sampled(model=lambda x, t: x[:, 0]), ValueError,
        "of shape (4,); expected the shape (4, 2)"),
    "the model returns a dict": (
        sampled(model=lambda x, t: {"sample": x}), ValueError, "eps or x0 is {'sample': tensor("),
    "the model returns a dict, unclipped": (
        sampled(model=lambda x, t: {"sample": x}, clip=None), ValueError, "eps or x0 is {'sample'"),
    "the model predicts NaN": (
        sampled(model=lambda x, t: x / 0), ValueError,
        "eps is nan; expected numbers: check the weights"),
    # schedules and ways of sampling
    "beta is 1": (
        lambda: d.Schedule(torch.ones(3)), ValueError,
        "beta[:3] is [1.0, 1.0, 1.0]; expected T numbers in (0, 1), small enough that"),
    "beta is one number": (lambda: d.Schedule(0.5), ValueError, "beta[:3] is [0.5]; expected T"),
    "half a step": (
        lambda: d.cosine_schedule(1.5), ValueError, "T is 1.5; expected a whole number of steps"),
    "no step": (
        lambda: d.cosine_schedule(0), ValueError, "T is 0; expected a whole number of steps"),
    "half a linear step": (
        lambda: d.linear_schedule(1.5), ValueError,
        "T is 1.5; expected a whole number, and beta_1"),
    "betas that fall": (
        lambda: d.linear_schedule(10, 0.02, 1e-4), ValueError,
        "expected a whole number, and beta_1"),
    "so many steps that nothing is left of any row": (
        lambda: d.linear_schedule(10**5), ValueError,
        "small enough that alpha_bar stays above"),
    "steps are 0": (
        sampled(0), ValueError, "steps is 0; expected a whole number from 1 to T = 1000"),
    "steps are more than T": (sampled(2000), ValueError, "steps is 2000; expected a whole number"),
    "steps are True": (sampled(True), ValueError, "steps is True; expected a whole number"),
    "steps are a float": (sampled(10.0), ValueError, "steps is 10.0; expected a number up to T"),
    "steps are a text": (sampled("950"), ValueError, "steps is '950'; expected a number up to T"),
    "steps are floats": (
        sampled([10.5, 5.2, 0]), ValueError,
        "[10.5, 5.2, 0]; expected a number up to T = 1000, or whole numbers that fall to 0"),
    "steps rise": (sampled([0, 5, 9]), ValueError, "steps is [0, 5, 9]; expected a number up to T"),
    "steps end before 0": (sampled([9, 5]), ValueError, "steps is [9, 5]; expected a number up to"),
    "steps begin beyond T": (sampled([2000, 0]), ValueError, "t is 2000; " + IN_0_T),
    "samples clipped to -1": (sampled(clip=-1.0), ValueError, "clip is -1.0; expected the largest"),
    "samples clipped to 0": (sampled(clip=0), ValueError, "clip is 0; expected the largest value"),
    "eta is 2": (
        lambda: d.ddim_step(S, POINTS, 2, 1, POINTS, 2.0), ValueError,
        "eta is 2.0; expected 0 (deterministic) to 1 (as random as DDPM)"),
    "spacing of power 0": (
        lambda: d.spaced(9, 3, 0), ValueError, "power is 0; expected a number ab"),
    "inversion over rising times": (
        lambda: d.ddim_invert(model, S, POINTS, [0, 5, 9]), ValueError,
        "steps is [0, 5, 9]; expected falling timesteps, such as spaced(T, 50)"),
    "inversion over a number of steps": (
        lambda: d.ddim_invert(model, S, POINTS, 50), ValueError,
        "steps is 50; expected falling time"),
    "no round of an inversion, which returned x0": (
        lambda: d.ddim_invert(model, S, POINTS, d.spaced(1000, 5), 0), ValueError,
        "rounds is 0; expected 1 or more"),
    # editing
    "an edit of strength 2": (
        lambda: editing.sdedit(model, S, POINTS, 2.0), ValueError,
        "strength is 2.0; expected 0 (keep the image) to 1 (ignore it)"),
    "a mask of numbers": (
        lambda: editing.replaced(POINTS, POINTS), ValueError,
        "mask is torch.float32; expected bool: True where a pixel is kept"),
    "no round of RePaint": (
        lambda: editing.repaint(model, POINTS, POINTS > 0, 0), ValueError,
        "rounds is 0; expected 1 (replacement only) or more"),
    "noise taken away": (
        lambda: editing.renoised(S, POINTS, 5, 5), ValueError,
        "(s, t) is (5, 5); expected s < t: noise is added from s up to t"),
    "the matrix of x + 1": (
        lambda: editing.matrix_of(lambda x: x + 1, (2,)), ValueError,
        "f(0) is not 0; expected a linear function"),
    "a measurement of another size": (
        lambda: editing.residual(torch.ones(3, 5), POINTS, POINTS), ValueError,
        "(A, y) is ((3, 5), (4, 2)); expected A (m, 2) and y (4, m)"),
    "a certain measurement of certain data": (
        lambda: editing.likelihood(model, S, torch.ones(1, 2), POINTS[:, :1], 0, 0), ValueError,
        "(sigma, std) is (0, 0); expected one of them above 0"),
    # networks
    "one t for all rows of a network": (
        lambda: unet(X, 7), TypeError, "t is 7; expected 4 timesteps 1 … T, one for each row of x"),
    "a network without t": (lambda: unet(X, None), TypeError, "t is None; expected 4 timesteps"),
    "t / T for a network": (
        lambda: unet(X, T / 1000), ValueError,
        "t is at most 0.001; expected timesteps 1 … T, not t / T"),
    "a t on another device": (
        lambda: unet(X, T.to("meta")), ValueError,
        "x is on cpu, t on meta, and the network on cpu; expected one device"),
    "images on another device": (
        lambda: unet(X.to("meta"), T), ValueError, "x is on meta, t on cpu, and the network on"),
    "a mask for a network's t": (
        lambda: unet(X, T.bool()), TypeError, "t is torch.bool of shape (4,)"),
    "one row of t for a network": (
        lambda: unet(X, T[:1]), TypeError, "t is torch.int64 of shape (1,)"),
    "a network in float32, data in float64": (
        lambda: unet(X.double(), T), ValueError,
        "x is torch.float64 of shape (4, 1, 28, 28); expected torch.float32 of shape (B, 1, H, W)"),
    "NumPy for a network": (
        lambda: unet(X.numpy(), T), ValueError, "expected torch.float32 of shape"),
    "an image without a batch axis": (
        lambda: unet(X[0], T[:1]), ValueError,
        "(1, 28, 28); expected torch.float32 of shape (B, 1, H"),
    "images with their channels last": (
        lambda: unet(X.movedim(1, -1), T), ValueError, "(4, 28, 28, 1); expected torch.float32 of"),
    "images of odd size": (
        lambda: unet(X[..., :7, :7], T), ValueError,
        "x is 7 x 7 pixels; expected multiples of 2: pad or resize the images, or use fewer mults"),
    "images of a size that the weights don't know": (
        lambda: sized(8)(X, T), ValueError, "these weights are for images of size (8, 8)"),
    "noise of 8 x 8 for the network of MNIST": (
        lambda: d.load_pretrained("mnist")[0](X[..., :8, :8], T), ValueError,
        "x has shape (4, 1, 8, 8); these weights are for images of size (28, 28)"),
    "no such weights": (
        lambda: d.load_pretrained("mnits"), ValueError,
        "there are no weights 'mnits'; expected one of digits, mnist"),
    "no such run": (
        lambda: d.load_run(FOLDER / "none"), FileNotFoundError, "none"),
    "points with too many coordinates": (
        lambda: mlp(torch.zeros(4, 3), T), ValueError,
        "(4, 3); expected torch.float32 of shape (B, 2"),
    "labels for a network without": (
        lambda: unet(X, T, T), ValueError,
        "y is given to a network without conditions: set num_classes or cond_dim"),
    "labels that are floats": (
        lambda: classes(X, T, T.float()), TypeError,
        "y is torch.float32 of shape (4,); expected torch.int64 of shape (4,)"),
    "labels of 32 bits": (
        lambda: classes(X, T, T.int()), TypeError, "y is torch.int32 of shape (4,)"),
    "labels as one-hot rows": (
        lambda: classes(X, T, torch.eye(4)[:, :3]), TypeError,
        "y is torch.float32 of shape (4, 3)"),
    "labels as a column": (
        lambda: classes(X, T, T[:, None]), TypeError, "y is torch.int64 of shape (4, 1); expected"),
    "one label for all": (
        lambda: classes(X, T, 1), TypeError, "y is 1; expected torch.int64 of shape"),
    "a negative label": (
        lambda: classes(X, T, -T), ValueError,
        "labels are -1 … -1; expected 0 … 2, or 3 for no label"),
    "a label that is too large": (
        lambda: classes(X, T, 4 * T), ValueError, "labels are 4 … 4; expect"),
    "a vector of another length": (
        lambda: vectors(POINTS, T, POINTS), TypeError,
        "y is torch.float32 of shape (4, 2); expected torch.float32 of shape (4, 3)"),
    "a second image of another size": (
        lambda: second(X, T, X), TypeError,
        "(4, 1, 28, 28); expected a second image, torch.float32 of shape (4, 2, 28, 28)"),
    "a network without levels": (
        lambda: d.UNet(mults=()), ValueError,
        "mults is (), blocks 1, dims 2; expected numbers of at least 1"),
    "a number for levels": (
        lambda: d.UNet(mults=2), TypeError, "mults is 2, attention (); expected t"),
    "blocks are -1": (lambda: d.UNet(blocks=-1), ValueError, "blocks -1, dims 2; expected numbers"),
    "attention at a level that isn't there": (
        lambda: d.UNet(1, 8, (1, 2), attention=(2,)), ValueError,
        "attention is (2,); expected levels among 0 … 1"),
    "two kinds of condition": (
        lambda: d.UNet(num_classes=3, cond_dim=2), ValueError,
        "set only one of num_classes, cond_dim and cond_channels, not several"),
    "an odd width": (lambda: d.MLP(2, 15), ValueError, "width is 15; expected an even number"),
    # training
    "training under no_grad": (
        trained_without_gradients, ValueError,
        "gradients are off: call train outside torch.no_grad()"),
    "a frozen network": (
        trained([POINTS], d.MLP(2, 16, 1).requires_grad_(False)), ValueError,
        "every weight of net is frozen: call net.requires_grad_(True) first"),
    "steps of training are 0": (
        trained([POINTS], steps=0), ValueError, "steps is 0, lr 0.001, clip"),
    "a learning rate of -1": (
        trained([POINTS], lr=-1), ValueError, "lr -1, clip 1.0; expected numb"),
    "a learning rate of NaN": (
        trained([POINTS], lr=math.nan), ValueError, "lr nan, clip 1.0; expec"),
    "gradients clipped to -1": (
        trained([POINTS], clip=-1), ValueError, "clip -1; expected numbers"),
    "a generator that ends": (
        trained(POINTS for _ in range(2)), ValueError,
        "the batches ended after 2; expected a DataLoader, a list, or an endless generator"),
    "no batches": (trained([]), ValueError, "the batches ended after 0; expected a DataLoader"),
    "batches that are dicts": (
        trained([{"image": X}]), TypeError,
        "a batch is dict of dict; expected tensors x or (x, y)"),
    "batches of NumPy": (
        trained([(POINTS.numpy(), T)]), TypeError,
        "a batch is tuple of ndarray; expected tensors x"),
    "batches of three": (
        trained([(POINTS, T, T)]), TypeError, "a batch is tuple of Tensor; expected"),
    "a loss of NaN": (
        lambda: next(d.train(mlp, [POINTS], lambda n, x, y: n(x, T).sum() / 0 * 0, 1)),
        d.NonFiniteLossError, "step 1: the loss is nan"),
    "a loss that is a number": (
        trained([POINTS], loss=lambda n, x, y: 1.5), TypeError,
        "loss_fn returned 1.5; expected a scalar that depends on the weights, such as ddpm_loss("),
    "a loss for each row": (
        trained([POINTS], loss=lambda n, x, y: n(x, T).sum(1)), TypeError,
        "loss_fn returned a tensor of shape (4,); expected a scalar that depends on the weights"),
    "a loss without a gradient": (
        trained([POINTS], loss=lambda n, x, y: n(x, T).sum().detach()), TypeError,
        "loss_fn returned a tensor of shape (); expected a scalar that depends on the weights"),
    "a warm-up in steps": (
        lambda: d.warmup_cosine(1e-3, 500), ValueError,
        "warmup is 500; expected a share of the run in [0, 1), such as 0.05"),
    "a warm-up that is the whole run": (
        lambda: d.warmup_cosine(1e-3, 1.0), ValueError, "warmup is 1.0; expected a share of th"),
    "an average on another device": (
        lambda: d.EMA(mlp).update(d.MLP(2, 16, 1).to("meta")), ValueError,
        "differ in shape or device; expected the same net: make EMA(net) after net.to(device)"),
    "an average with decay 1": (
        lambda: d.EMA(mlp, 1.0), ValueError,
        "decay is 1.0; expected a number in [0, 1), such as 0.999"),
    # files
    "no such checkpoint": (
        lambda: d.load_checkpoint("none.pt"), FileNotFoundError,
        "none.pt is not a file; `python -m ddpm_lite train` makes one"),
    "a file that is no checkpoint": (
        lambda: d.load_checkpoint(__file__), d.CheckpointError,
        "is damaged, or not a ddpm_lite checkpoint: wrong checksum"),
    "a forged checkpoint": (
        forged, d.CheckpointError,
        "forged.pt contains more than tensors, numbers and strings, so it is not loaded"),
    "a state that could not be loaded": (
        lambda: d.save_checkpoint(FOLDER / "x.pt", net=mlp), TypeError,
        "the state['net'] is a ddpm_lite.nets.MLP; expected tensors, numbers, strings, lists"),
    "images with NaN in a file": (
        lambda: d.save_images(FOLDER / "x.png", NAN), ValueError,
        "x has NaN or infinite values, so there is no image to write"),
    "images with NaN in a figure": (
        lambda: shown(NAN), ValueError,
        "x has NaN or infinite values, so there is no image to draw"),
    "images in a file of another kind": (
        lambda: d.save_images("checkpoint.pt", X), ValueError,
        "checkpoint.pt ends in .pt; expected .png, .jpg, .webp, .npy, .npz, or a folder without"),
    "one image in a file": (
        lambda: d.save_images(FOLDER / "x.png", X[0]), ValueError,
        "x has shape (1, 28, 28); expected images (N, 1 or 3, H, W)"),
    "bytes in a file": (
        lambda: d.save_images(FOLDER / "x.png", X.byte()), TypeError,
        "x is torch.uint8; expected a tensor of floats; for bytes, use x / 127.5 - 1"),
    "0 … 255 in a file": (
        lambda: d.save_images(FOLDER / "x.png", X + 255), ValueError,
        "x has values 255 … 255; expected about -1 … 1: use x / 127.5 - 1"),
    "NumPy in a file": (
        lambda: d.save_images(FOLDER / "x.png", X.numpy()), TypeError,
        "x is ndarray; expected a tensor of floats"),
    "no image in a file": (
        lambda: d.save_images(FOLDER / "x.png", X[:0]), ValueError, "x has shape (0, 1, 28, 28);"),
    "a folder as a file": (
        lambda: d.write_atomic(FOLDER, b""), FileExistsError, "This is not a regular file"),
    "a device as a file": (
        lambda: d.write_atomic(os.devnull, b""), FileExistsError, "This is not a regular file"),
    "a figure without matplotlib": (
        plotted_without_matplotlib, ImportError,
        "figures need matplotlib: run `pip install matplotlib`"),
    "a figure of one image": (
        lambda: shown(X[0]), ValueError,
        "x has shape (1, 28, 28); expected images (B, 1 or 3, H, W)"),
    # data sets and scores
    "a batch is larger than the data": (
        lambda: next(d.batches(X, size=64)), ValueError,
        "size is 64; expected 1 … 4, the number of rows"),
    "a stream of bytes": (
        lambda: next(d.batches(X.byte(), size=2)), TypeError, "x0 is torch.uint8 of shape (4, 1,"),
    "a stream of 0 … 255": (
        lambda: next(d.batches(X + 255, size=2)), ValueError,
        "the range of x0 is (255.0, 255.0); expected about -1 … 1 without NaN"),
    "a stream of float64": (
        lambda: next(d.batches(X.double(), size=2)), TypeError,
        "data is torch.float64; expected float32: x.float()"),
    "a stream of pairs in one": (
        lambda: next(d.batches(d.load_images("digits"))), TypeError,
        "for the result of load_images, write batches(*load_images(…))"),
    "labels are fewer than images": (
        lambda: next(d.batches(X, T[:3], 2)), ValueError,
        "y is torch.int64 of shape (3,); expected 4 labels, int64 (N,)"),
    "labels of a stream as a column": (
        lambda: next(d.batches(X, T[:, None], 2)), ValueError,
        "y is torch.int64 of shape (4, 1); expected 4 labels, int64 (N,)"),
    "no such data": (
        lambda: d.load_images("imagenet"), ValueError,
        "there is no data set 'imagenet'; expected digits, mnist, fashion_mnist, cifar10, or a"),
    "False for a folder": (
        lambda: d.load_images("digits", False), ValueError,
        "the data is 'digits', root False and train True; expected a name or a path, a fold"),
    "a name for a part": (
        lambda: d.load_images("digits", train="test"), ValueError,
        "train 'test'; expected a name or a path, a folder, and train=True or False"),
    "no such points": (
        lambda: d.load_points("spiral"), ValueError, "there is no data set 'spiral'; expected one"),
    "features of one row": (
        lambda: d.frechet_distance(POINTS[:1], POINTS), ValueError,
        "features is torch.float32 of shape (1, 2); expected finite floats (N, D), N at least 2"),
}  # fmt: skip

WARNINGS = {
    "images in 0 … 1": (
        loss(torch.rand(4, 1, 8, 8)), "x0 has values", "scale [0, 1] by 2 * x - 1"),
    "sampling with dropout on": (
        lambda: d.sample(d.UNet(1, 8, (1,), dropout=0.5), S, torch.randn(1, 1, 4, 4), 2),
        "dropout is on: call net.eval() before sampling", ""),
}  # fmt: skip

MENDED = {
    "the middle of two equal noises was NaN": lambda: (
        torch.equal(d.slerp(X + 1, X + 1, 0.5), X + 1)),
    "a list of one batch ended seven steps of training": lambda: (
        len(trained([POINTS], steps=7)()) == 7),
    "two files drew 10^4 with a cosine schedule": lambda: (
        d.sample(lambda x, t: 0 * x, d.cosine_schedule(), POINTS + 1, 20).abs().max() < 1.2),
    "points were clipped": lambda: (
        d.sample(lambda x, t: 0 * x, S, POINTS + 1, 20, clip=None).abs().max() > 1.2),
}  # fmt: skip


def sized(n):
    """A network whose weights expect images of n x n pixels."""
    net = d.UNet(1, 8, (1, 2))
    net.image_size = (n, n)
    return net


def complaint(fault) -> str | None:
    """What is wrong with the way in which a fault is refused; None if nothing is."""
    do, kind, words = fault
    before = torch.get_rng_state()
    try:
        result = do()
    except kind as error:
        message = str(error)
        raised = Path(traceback.extract_tb(error.__traceback__)[-1].filename).parent
        if words not in message:
            return f"the message does not say {words!r}: {message}"
        if len(message) > 400 or len(message.splitlines()) > 1:
            return f"the message is longer than a line or 400 characters: {message}"
        if raised != PACKAGE:
            return f"it was not ddpm_lite that refused: {message}"
        if kind is TypeError and not torch.equal(before, torch.get_rng_state()):
            return "noise was drawn before the refusal"
        if "weights_only=False" in "".join(traceback.format_exception(error)):
            return "the traceback shows advice that would run what a file holds"
        return None
    except Exception as error:
        return f"{type(error).__name__} instead of {kind.__name__}: {error}"
    return f"nothing was refused; the result is {result!r:.80}"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_refused_in_one_sentence(fault):
    """The right exception, in a line that says what was given and what was expected."""
    assert complaint(fault) is None


@pytest.mark.parametrize("do, given, advice", WARNINGS.values(), ids=WARNINGS)
def test_what_may_be_meant_is_warned_of(do, given, advice):
    with pytest.warns(UserWarning) as seen:
        do()
    assert given in str(seen[0].message) and advice in str(seen[0].message)


@pytest.mark.parametrize("do", MENDED.values(), ids=MENDED)
def test_what_was_wrong_in_silence_is_right(do):
    assert do()


def test_the_neighbours_of_the_faults_pass_without_a_word():
    """The checks refuse nothing that is right: float64 points, one class, an empty label, T = 1."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        d.ddpm_loss(model, d.cosine_schedule(1).double(), POINTS.double() + 3)
        loss(torch.rand(4, 1, 8, 8) * 2 - 1)()
        loss(X)()  # black images
        loss(X.clone().requires_grad_())()  # of an encoder that is trained as well
        sampled([3, 0])(), sampled(range(9, -1, -1))(), sampled(1000)(), sampled(clip=None)()
        classes(X, T, T * 3), classes(X, T), vectors(POINTS, T, torch.full((4, 3), math.nan))
        unet(X, T.float() * 500), d.drop_labels(T, 0.5, 3)
        trained([POINTS], lr=d.warmup_cosine(1e-3))(), trained([POINTS], clip=math.inf)()
        dropout = d.UNet(1, 8, (1,), dropout=0.5)
        dropout(X[..., :4, :4], T), dropout.eval()
        d.sample(partial(dropout, y=None), S, torch.randn(1, 1, 4, 4), 2)


def test_every_fault_is_refused_without_asserts_as_well():
    """python -O removes asserts, so no check may be one: the package, compiled as -O does it."""
    with package({}, optimize=1):
        faults = load("test_faults.py")
        assert {name: c for name, x in faults.FAULTS.items() if (c := faults.complaint(x))} == {}
