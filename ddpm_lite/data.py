"""Data, all of it in about [-1, 1]: points, digits, and the usual image sets (torch and, inside
the functions that need them, scikit-learn and torchvision)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

POINTS = ("two_moons", "swiss_roll", "gaussians", "circles")
IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10")


class DataError(RuntimeError):
    """A data set that cannot be had."""


def load_points(name: str, n: int = 2000, seed: int = 0) -> Tensor:
    """Points (n, 2) in about [-1, 1]: "two_moons", "swiss_roll", "circles", or "gaussians" (eight
    of them on a circle of radius 0.8, standard deviation 0.08). Used from chapter 1 on."""
    _check_name(name, POINTS)
    if name == "gaussians":
        generator = torch.Generator().manual_seed(seed)
        angle = torch.randint(0, 8, (n,), generator=generator) * (math.pi / 4)
        center = 0.8 * torch.stack([angle.cos(), angle.sin()], dim=1)
        return center + 0.08 * torch.randn(n, 2, generator=generator)
    from sklearn import datasets

    if name == "two_moons":
        x = (datasets.make_moons(n, noise=0.06, random_state=seed)[0] - [0.5, 0.25]) / 1.5
    elif name == "circles":
        x = datasets.make_circles(n, noise=0.04, factor=0.5, random_state=seed)[0] * 0.9
    else:
        x = datasets.make_swiss_roll(n, noise=0.3, random_state=seed)[0][:, [0, 2]] / 15
    return torch.as_tensor(x, dtype=torch.float32)


def load_images(name: str, root: str = "data", train: bool = True) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) in [-1, 1] and labels (N,).

    Args:
        name: "digits", scikit-learn's 1,797 scanned digits of 8 x 8 pixels, split here into 1,437
            for training and 360 for testing, needs no download. "mnist" and "fashion_mnist"
            (28 x 28) and "cifar10" (3 x 32 x 32) come through torchvision.
        root: where torchvision keeps its files.
        train: the training part, or the test part.

    Raises:
        ValueError: the name is unknown.
        DataError: the files are not in ``root`` and cannot be downloaded.

    Used from chapter 1 on.
    """
    _check_name(name, IMAGES)
    if name == "digits":
        return _digits(train)
    data = _torchvision(name, root, train)
    x = torch.as_tensor(data.data)
    x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)  # (N, C, H, W), bytes
    return x.float() / 127.5 - 1, torch.as_tensor(data.targets)


def _digits(train: bool) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    x, y = (torch.as_tensor(a) for a in (load_digits().images, load_digits().target))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    part = order[:1437] if train else order[1437:]
    return x[part, None].float() / 8 - 1, y[part].long()


def _torchvision(name: str, root: str, train: bool):
    from torchvision import datasets

    kind = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}[name]
    folder = "cifar-10-batches-py" if name == "cifar10" else f"{kind}/raw"
    try:
        return getattr(datasets, kind)(root, train=train, download=True)
    except (RuntimeError, OSError) as error:
        raise DataError(
            f"{name} could not be downloaded. Put its files into {Path(root) / folder}, or use "
            '"digits", which needs no download.'
        ) from error


def batches(
    x: Tensor, y: Tensor | None = None, size: int = 64, seed: int = 0, start: int = 0
) -> Iterator[tuple[Tensor, Tensor | None]]:
    """An endless stream of (x, y) with ``size`` rows each: every row once, in a new order, before
    any comes again; a short rest of an epoch is left out.

    ``start`` leaves out so many batches, to go on where a stream of the same seed was. A
    generator: it checks its arguments at the first ``next``. Used from chapter 3 on.
    """
    _check_batches(x, y, size)
    per_epoch = len(x) // size
    while True:
        epoch, skip = divmod(start, per_epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(len(x), generator=generator)[: per_epoch * size].to(x.device)
        for rows in order.view(per_epoch, size)[skip:]:
            yield x[rows], None if y is None else y[rows]
        start = (epoch + 1) * per_epoch


def _check_batches(x: Tensor, y: Tensor | None, size: int) -> None:
    if not x.is_floating_point():
        raise TypeError(f"x is {x.dtype}; expected floats: for bytes, x.float() / 127.5 - 1")
    if not 1 <= size <= len(x):
        raise ValueError(f"size is {size}; expected 1 … {len(x)}, the number of rows")
    if not x.abs().max() < 20:
        span = f"{x.min():g} … {x.max():g}"
        raise ValueError(f"x has values {span}; expected about -1 … 1 and no NaN")
    if y is not None and len(y) != len(x):
        raise ValueError(f"y has {len(y)} rows and x {len(x)}; expected as many")


def _check_name(name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        raise ValueError(f"there is no data set {name!r}; expected one of {', '.join(known)}")
