"""A stream of batches from data in memory or on disk (needs torch)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .diffusion import check, check_data


def batches(data: Tensor | Dataset, y: Tensor | None = None, size: int = 64, seed: int = 0,
            start: int = 0, workers: int = 0, rank: int = 0, world: int = 1,
            ) -> Iterator[tuple[Tensor, Tensor | None]]:  # fmt: skip
    """An endless stream of batches (x, y) with ``size`` rows each. Each epoch visits the rows once,
    in a new random order. If the last batch would be incomplete, its rows are skipped.

    Args:
        data: x (N, …), floats in about [-1, 1]; or a dataset of (x, y) such as ``image_folder``.
        y: (N,) labels, or conditions (N, …) such as vectors or images. A dataset has its own.
        size: rows in a batch.
        seed: seed of the order, which is the same for a tensor and a dataset.
        start: how many batches to skip, to continue where a stream with the same seed stopped.
            Skipped images aren't read.
        workers: how many processes read the images of a dataset in advance. With 0, this process
            reads them.
        rank, world: split each batch into ``world`` equal parts and yield only part ``rank``, so
            that each of several processes reads only its own images.

    Raises:
        TypeError, ValueError: the data or the labels have the wrong type, shape or range, or a
            number is out of range. If an image can't be read, it's a DataError, which is a
            ValueError.

    Used from chapter 3 on.
    """
    _check_data(data, y)
    _check_sizes(len(data), size, start, rank, world)
    device = data.device if isinstance(data, Tensor) else "cpu"
    order = (rows.chunk(world)[rank] for rows in _order(len(data), size, seed, start, device))
    if isinstance(data, Tensor):
        return ((data[rows], None if y is None else y[rows]) for rows in order)
    return _read(DataLoader(data, batch_sampler=map(Tensor.tolist, order), num_workers=workers,
                            generator=torch.Generator()))  # fmt: skip


def _order(n: int, size: int, seed: int, start: int, device) -> Iterator[Tensor]:
    """The rows of each batch from batch ``start`` on."""
    per_epoch = n // size
    while True:
        epoch, skip = divmod(start, per_epoch)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
        order = torch.randperm(n, generator=generator)[: per_epoch * size].to(device)
        yield from order.view(per_epoch, size)[skip:]
        start = (epoch + 1) * per_epoch


def _read(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor]]:
    try:
        yield from map(tuple, loader)
    except ValueError as error:
        if "Traceback" not in str(error):
            raise  # only an error from a worker has a traceback, with our sentence as the last line
        raise type(error)(str(error).strip().splitlines()[-1].partition(": ")[2]) from None


# Checks: each error says in one sentence what was given, what was expected, and what to do


def _check_data(data: Tensor | Dataset, y: Tensor | None) -> None:
    if isinstance(data, Tensor):
        x = data
    else:
        mapped = isinstance(data, Dataset) and hasattr(data, "__len__") and len(data) and y is None
        item = data[0] if mapped else None
        pair = isinstance(item, (tuple, list)) and len(item) == 2 and isinstance(item[0], Tensor)
        check(pair, f"data is a {type(data).__name__}; expected a tensor, or a dataset of pairs "
               "(tensor, label): for the result of load_images, write batches(*load_images(…))",
               TypeError)  # fmt: skip
        x = item[0][None]
    check_data(x)
    check(x.dtype == torch.float32, f"data is {x.dtype}; expected float32: x.float()", TypeError)
    if y is not None:
        _check_conditions(y, len(data), x.device)


def _check_sizes(n: int, size: int, start: int, rank: int, world: int) -> None:
    check(type(size) is int and 1 <= size <= n,
           f"size is {size!r}; expected 1 … {n}, the number of rows")  # fmt: skip
    check(start >= 0 and 0 <= rank < world and size % world == 0, f"start is {start}, rank {rank}"
           f" and world {world}; expected 0 or more, 0 … world - 1, and a divisor of {size}")


def _check_conditions(y: Tensor, n: int, device: torch.device) -> None:
    given = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
    kind = (y.dtype, min(y.ndim, 2)) if isinstance(y, Tensor) else None
    check(kind in [(torch.int64, 1), (torch.float32, 2)] and len(y) == n,
           f"y is {given}; expected {n} labels, int64 (N,), as one_hot.argmax(1) or "
           "y.flatten().long() gives; or conditions, float32 (N, d), as value[:, None] gives")
    check(y.device == device, f"y is on {y.device} and x on {device}; expected y.to(x.device)")
    check(y.is_floating_point() or y.min() >= 0, f"y has the label {y.min()}; expected 0, 1, …")
