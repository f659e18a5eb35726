"""The images that a command works on, by name or path."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from ..data import IMAGES, image_folder, load_images
from .distributed import averaged, rank
from .recipes import RECIPES

MEMORY = 5e8  # bytes: a larger folder is read image by image


def images(name: str, root: Path, size: Any = None, channels: int | None = None,
           workers: int | None = None) -> tuple[Tensor | Dataset, Tensor | None, dict]:  # fmt: skip
    """The training images, their labels, and the settings that they decide.

    They are tensors. A large folder, or any with ``workers``, is a dataset that reads each image
    when it's needed. Where several processes train, the first downloads.
    """
    if rank():
        averaged(0.0)  # wait for it
    if Path(name).is_dir():
        x, y = image_folder(name, size, channels), None
        shape, classes = x.shape, x.classes
        if not workers and (workers == 0 or 4 * len(x) * math.prod(shape) < MEMORY):
            x, y = x.read_all()
    else:
        x, y = load_images(name, root, True, size, channels)
        shape, known = x.shape[1:], range(int(y.max()) + 1)
        classes = RECIPES[name].classes if name in IMAGES else map(str, known)
    if not rank():
        averaged(0.0)
    facts = {"channels": shape[0], "image_size": tuple(shape[1:]), "classes": tuple(classes)}
    return x, y, {"data": name} | facts


def some(name: str, root: Path, train: bool, limit: int = 5000, **how: Any) -> tuple:
    """All images of a part and their labels, in memory; of a folder, at most ``limit``."""
    if not Path(name).is_dir():
        return load_images(name, root, train, **how)
    folder = image_folder(name, train=train, **how)
    return replace(folder, files=folder.files[:limit]).read_all()
