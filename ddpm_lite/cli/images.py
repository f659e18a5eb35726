"""Load the images that a command works on, by name or path."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.utils.data import Dataset

from ..data import IMAGES, image_folder, load_images
from .distributed import averaged, rank, say
from .recipes import RECIPES

MEMORY = 5e8  # bytes; larger folders are read image by image


def images(name: str, root: Path, workers: int | None = None, **how: Any) -> tuple:
    """The training images, their labels, and the names of the labels. If several processes train,
    only process 0 downloads."""
    if rank():
        averaged(0.0)  # wait for process 0
    if is_folder(name):
        x, y, classes = streamed(image_folder(name, **how), workers)
    else:
        x, y = load_images(name, root, **how)
        classes = names_of(name, y)
        if y.min() > 0:
            say(f"no image of {name} has the label 0: count labels from 0, so subtract {y.min()}")
    if not rank():
        averaged(0.0)
    return x, y, tuple(classes)


def names_of(name: str, y: Tensor) -> tuple[str, ...]:
    """The names of the labels of a data set or an array."""
    return RECIPES[name].classes if name in IMAGES else tuple(map(str, range(int(y.max()) + 1)))


def is_folder(name: str) -> bool:
    """Whether the data are a folder of images. A data set's name never means a folder, as in
    ``load_images``."""
    return name not in IMAGES and Path(name).is_dir()


def streamed(folder: Dataset, workers: int | None) -> tuple[Tensor | Dataset, Tensor | None, list]:
    """Return a folder as a dataset that reads images when they're needed, if it's large or
    ``workers`` is set. Otherwise, read all its images now."""
    small = 4 * len(folder) * math.prod(folder.shape) < MEMORY
    if workers or (workers is None and not small):
        return folder, None, folder.classes
    return *folder.read_all(), folder.classes


def some(name: str, root: Path, train: bool, limit: int = 5000, **how: Any) -> tuple:
    """The images of one part and their labels, in memory, and the names of the labels. From a
    folder, at most ``limit`` images are read."""
    if not is_folder(name):
        x, y = load_images(name, root, train, **how)
        return x, y, names_of(name, y)
    folder = image_folder(name, train=train, **how)
    return *replace(folder, files=folder.files[:limit]).read_all(), tuple(folder.classes)
