"""Train in several processes, started by torchrun. Without torchrun, there's only one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist


def device_named(name: str) -> str:
    """The device that ``--device`` names. "auto" picks the first one available."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = ["cuda"] * cuda + ["mps"] * mps + ["cpu"]
    if name not in ("auto", *there):
        raise ValueError(f"PyTorch can't find a {name} device here: use --device cpu or auto")
    return there[0] if name == "auto" else name


@contextmanager
def team(device: str) -> Iterator[None]:
    """Join the processes that torchrun started. On GPUs, each gets its own."""
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        yield
        return
    if device != "cpu":
        local, here = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= here:
            raise ValueError(f"more processes than GPUs ({here}): use --device cpu, or "
                             f"--nproc-per-node={here}")  # fmt: skip
        torch.cuda.set_device(local)  # from now on, "cuda" means this one
    dist.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def rank() -> int:
    """The number of this process. Only process 0 writes files and prints."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def say(text: str) -> None:
    """Print a line, from process 0 only."""
    if not rank():
        print(text, flush=True)


def averaged(value: float) -> float:
    """The mean of a number over all processes, which wait here for each other."""
    if world() == 1:
        return value
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    total = torch.tensor(value, dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return total.item() / world()


def check_shares(batch: int, parts: int, images: int) -> None:
    """Refuse a batch that's larger than the data, or that can't be split equally among processes
    and parts. With equal parts, the mean of their means is the mean over the batch."""
    if batch > images:
        raise ValueError(f"a batch of {batch} is larger than the data, which have {images} images "
                         "for training: choose a smaller --batch")  # fmt: skip
    if batch % (world() * parts):
        raise ValueError(f"a batch of {batch} can't be split equally among {world()} "
                         f"process(es) with {parts} part(s) each: choose another --batch or "
                         "--accumulate")  # fmt: skip
