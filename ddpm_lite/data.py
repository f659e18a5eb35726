"""Load data scaled to about [-1, 1]: points, standard image sets, and your own images.

Needs torch. Some functions also import scikit-learn, torchvision, Pillow or NumPy.
"""

from __future__ import annotations

import math
import os
import socket
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from .diffusion import check

POINTS = ("two_moons", "swiss_roll", "gaussians", "circles")
IMAGES = ("digits", "mnist", "fashion_mnist", "cifar10")
WHITE = (1, 16, 255, 1023, 4095, 65535)  # the values that can mean white, if 0 is black
HIDDEN = (".", "__MACOSX")  # prefixes of files that operating systems create
Size = int | tuple[int, int] | None


class DataError(ValueError):
    """The data can't be downloaded or read, or have the wrong format."""


_check = partial(check, kind=DataError)


def load_points(name: str, n: int = 2000, seed: int = 0) -> Tensor:
    """n random points (n, 2) in about [-1, 1]. ``name`` is "two_moons", "swiss_roll", "circles", or
    "gaussians" (eight of them on a circle of radius 0.8, each with standard deviation 0.08).

    Raises:
        ValueError: there is no such data set, or n isn't a whole number above 0.

    Used from chapter 1 on.
    """
    _check_points(name, n)
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


def load_images(name: str | Path, root: str | Path = "data", train: bool = True, size: Size = None,
                channels: int | None = None) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Images (N, C, H, W) in [-1, 1] and labels (N,), all in memory.

    Args:
        name: "digits" is scikit-learn's 1,797 scanned digits of 8 x 8 pixels, split into 1,437 for
            training and 360 for testing. It needs no download. torchvision downloads "mnist" and
            "fashion_mnist" (28 x 28) and "cifar10" (3 x 32 x 32). Or give the path of your own
            images: a folder (see ``image_folder``), or an array in a ``.npy`` or ``.npz`` file.
        root: where torchvision keeps its files.
        train: True for the training part, False for the held-out part.
        size: pixels of a side, or (height, width). The images are cropped at the centre to this
            aspect ratio, and resized. None means 32 for a folder, and the original size for the
            others.
        channels: 1 for grey, 3 for colour. None keeps what the images have.

    An array of images has the shape (N, H, W), (N, H, W, C) or (N, C, H, W) and numbers of any
    type. Its range is detected from the values of both parts: -1 … 1, 0 … 1, 0 … 16, 0 … 255, or
    10, 12 or 16 bits. A warning says which range was chosen, unless the values are ordinary bytes
    or some are negative. In a ``.npz`` file, the labels are called y, labels or targets, and names
    such as x_train and x_test mark the two parts. Without such names, one image in ten is held out
    at random, with a fixed seed. Arrays of Python objects are refused, so nothing in a file is
    executed.

    Raises:
        ValueError: there is no such data set, or an argument is invalid.
        DataError: the data set can't be downloaded or read. A DataError is also a ValueError.

    Used from chapter 1 on.
    """
    size = _check_choice(name, root, train, size, channels)
    path = Path(name).expanduser()
    if name == "digits":
        x, y = _digits(train)
    elif name in IMAGES:
        x, y = _torchvision(name, Path(root).expanduser(), train)
    elif path.is_dir():
        return image_folder(path, size, channels, train).read_all()
    else:
        x, y = _array(path, train)
    return _fit(x, size, channels), y


def _digits(train: bool) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    x, y = (torch.as_tensor(a) for a in (load_digits().images, load_digits().target))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    part = order[:1437] if train else order[1437:]
    return x[part, None].float() / 8 - 1, y[part].long()


def _torchvision(name: str, root: Path, train: bool) -> tuple[Tensor, Tensor]:
    data = _download(name, root, train)
    x, y = torch.as_tensor(data.data), torch.as_tensor(data.targets).long()
    _check(x.ndim > 2 and len(x) == len(y), f"the files of {name} in {root} don't belong together; "
           "delete them, and try again")  # fmt: skip
    return (x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)).float() / 127.5 - 1, y


def _download(name: str, root: Path, train: bool):
    """A data set of torchvision. The download fails if the server is silent for 30 seconds."""
    from torchvision import datasets

    kind = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST", "cifar10": "CIFAR10"}[name]
    folder = root / ("cifar-10-batches-py" if name == "cifar10" else f"{kind}/raw")
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(30)
    try:
        for path in folder.glob("*-ubyte"):
            _set_aside_if_damaged(path)
        return getattr(datasets, kind)(root, train=train, download=True)
    except Exception as error:  # a connection or a damaged archive can fail in any way
        raise DataError(f"{name} could not be downloaded. Put its files into {folder}, or use "
                        '"digits", which needs no download.') from error  # fmt: skip
    finally:
        socket.setdefaulttimeout(patience)


def _set_aside_if_damaged(path: Path) -> None:
    """Rename an MNIST file whose length doesn't match its header, so that torchvision downloads it
    again."""
    with open(path, "rb") as file:
        head = file.read(16)
    axes = head[3] if head[:3] == b"\0\0\x08" and head[3:] else 0  # of bytes
    shape = [int.from_bytes(head[i : i + 4], "big") for i in range(4, 4 + 4 * axes, 4)]
    if not 0 < axes < 4 or path.stat().st_size != 4 + 4 * axes + math.prod(shape):
        path.replace(f"{path}.damaged")
        warnings.warn(f"{path} is damaged and was renamed to {path.name}.damaged", stacklevel=4)


def image_folder(path: str | Path, size: Size = 32, channels: int | None = None,
                 train: bool = True) -> ImageFolder:  # fmt: skip
    """A folder of images as a dataset of pairs (x, y), for folders larger than memory. Each image
    is read when it's needed. ``load_images`` reads the same images in the same order, all at once.

    Args:
        path: the folder. Each sub-folder is a class, and the labels 0, 1, … follow the alphabetical
            order of their names. Without sub-folders, all labels are 0. If the only sub-folders are
            train/ and test/, val/, valid/ or validation/, these are the two parts. Otherwise, one
            image in ten is held out at random, with a fixed seed. If a folder contains only one
            sub-folder, that one is used instead.
        size: pixels of a side, or (height, width). Each image is rotated as its EXIF entry says,
            cropped at the centre to this aspect ratio, and resized with antialiasing.
        channels: 1 for grey, 3 for colour. None means 1 if every training image was saved as grey,
            else 3, in both parts.
        train: True for the training part, False for the held-out part. Each is in a fixed random
            order.

    All formats are read that Pillow opens without another program, including images with 16 bits,
    palettes or CMYK. Transparent parts become white, and only the first frame of an animation is
    used. Hidden files are skipped. A warning lists other files that aren't images.

    Raises:
        ValueError: there is no such folder, or an argument is invalid.
        DataError: there are no images, or some can't be read. The message names up to five of them.

    The result is one of PyTorch's map-style datasets. See the page "Your own data" and chapter 5.
    """
    size = _check_choice(path, "", train, 32 if size is None else size, channels)
    folder = Path(path).expanduser()
    check(folder.is_dir(), f"there is no folder {str(folder)!r}; expected one with images")
    files, classes = _part(folder, train)
    grey = [*_each(_is_grey, [path for path, _ in files])]  # opens each file
    grey = grey if train or channels else _each(_is_grey, [p for p, _ in _part(folder, True)[0]])
    return ImageFolder(files, classes, (channels or (1 if all(grey) else 3), *size))


@dataclass
class ImageFolder(Dataset):
    """What ``image_folder`` returns. Item i is an image x (C, H, W) in [-1, 1] with its label,
    ``shape`` is (C, H, W), and ``classes`` has the names of the labels."""

    files: list[tuple[str, int]]
    classes: list[str]
    shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Tensor, int]:
        path, label = self.files[i]
        return next(_each(self.pixels, [path])) / 127.5 - 1, label

    def read_all(self) -> tuple[Tensor, Tensor]:
        """Read all images at once: x (N, C, H, W) in [-1, 1] and the labels (N,)."""
        paths, labels = zip(*self.files, strict=True)
        x = torch.stack([*_each(self.pixels, paths)])
        return x.float().div_(127.5).sub_(1), torch.tensor(labels)

    def pixels(self, path: str) -> Tensor:
        """The image in one file, as bytes (C, H, W)."""
        from PIL import ImageOps
        from torchvision.transforms.functional import pil_to_tensor

        channels, h, w = self.shape
        with _open(path) as image:
            image.draft(None, (4 * max(h, w),) * 2)  # decodes a large JPEG at a smaller scale
            ImageOps.exif_transpose(image, in_place=True)
            flat = _opaque(image).convert("L" if channels == 1 else "RGB")
            return pil_to_tensor(ImageOps.fit(flat, (w, h)))


def _each(read: Callable, paths: list[str]) -> Iterator:
    """Yield ``read(path)`` for each path. At the end, one error names all files that failed."""
    failed = []
    for path in paths:
        try:
            yield read(path)
        except Exception as error:  # a damaged file can make Pillow fail in any way
            failed.append(f"{path} ({str(error).replace(f' {path!r}', '')})")
    names = ", ".join(failed[:5]) + ", …" * (len(failed) > 5)
    _check(not failed, f"{len(failed)} of {len(paths)} images can't be read, so delete or replace "
           f"them: {names}")  # fmt: skip


def _formats() -> dict[str, str]:
    """For each suffix, its format, if Pillow can read it without calling another program."""
    from PIL import Image

    others = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
    known = Image.registered_extensions().items()
    return {suffix: kind for suffix, kind in known if kind in Image.OPEN and kind not in others}


def _open(path: str):
    from PIL import Image

    return Image.open(path, formats=[*dict.fromkeys(_formats().values())])


def _is_grey(path: str) -> bool:
    with _open(path) as image:
        if image.mode == "P":
            colours = image.getpalette()
            return colours[::3] == colours[1::3] == colours[2::3]
        return len(image.getbands()) < 3  # L, LA, 1, I and F


def _opaque(image):
    """A Pillow image with 8 bits and no transparency."""
    import numpy as np
    from PIL import Image

    if image.mode[0] == "F":
        raise ValueError("its floats have no fixed range: save such images as one .npy array")
    if image.mode[0] == "I":  # 16 bits
        return Image.fromarray((np.asarray(image).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA"))
    return image


def _part(folder: Path, train: bool) -> tuple[list[tuple[str, int]], list[str]]:
    """The (path, label) of each image in one part, in a fixed random order, and the names of the
    classes."""
    inside = [path for path in folder.iterdir() if not path.name.startswith(HIDDEN)]
    names = {path.name for path in inside if path.is_dir()}
    if len(inside) == len(names) == 1:
        return _part(inside[0], train)
    given = {"train"} < names <= {"train", "test", "val", "valid", "validation"}
    files, classes = _listing(folder / "train" if given else folder)
    if given and not train:
        files, found = _listing(folder / min(names - {"train"}))  # test/ if it's there
        _check(set(found) <= set(classes), f"the held-out part of {folder} has the classes "
               f"[{', '.join(found)}], and the training part [{', '.join(classes)}]")  # fmt: skip
        files = [(path, classes.index(found[label])) for path, label in files]
    rows = _rows(folder, len(files), train, given)
    return [files[i] for i in rows], [name or folder.name for name in classes]


def _listing(folder: Path) -> tuple[list[tuple[str, int]], list[str]]:
    """The (path, label) of each image in a folder, and its classes, [""] without sub-folders."""
    walk, formats = os.walk(folder, followlinks=True), _formats()
    found = [Path(place, name).relative_to(folder) for place, _, names in walk for name in names]
    found = sorted(path for path in found if not any(p.startswith(HIDDEN) for p in path.parts))
    images = [path for path in found if path.suffix.lower() in formats]
    classes = sorted({path.parts[0] for path in images if path.parts[1:]}) or [""]
    images = [path for path in images if path.parts[1:] or classes == [""]]
    _check(images, f"{folder} has no images; expected files such as .png or .jpg")
    if left := sorted({*found} - {*images}):
        names = ", ".join(map(str, left[:5])) + ", …" * (len(left) > 5)
        warnings.warn(f"in {folder}, {len(left)} files are left out, because they aren't images or "
                      f"aren't in the folder of a class: {names}", stacklevel=5)  # fmt: skip
    labels = [classes.index((*path.parts[:-1], "")[0]) for path in images]
    return [*zip([str(folder / path) for path in images], labels, strict=True)], classes


def _rows(path: Path, n: int, train: bool, given: bool) -> list[int]:
    """The rows of a part in a fixed random order: all rows if the file or folder has the two parts,
    otherwise a tenth for testing and the rest for training."""
    _check(n > 9 or train or given, f"{path} has {n} images, too few to hold out one in ten")
    rows = torch.randperm(n, generator=torch.Generator().manual_seed(0)).tolist()
    return rows if given else rows[n // 10 :] if train else rows[: n // 10]


def _array(path: Path, train: bool) -> tuple[Tensor, Tensor]:
    """The images and labels of a part of a ``.npy`` or ``.npz`` file."""
    arrays = _arrays(path)
    kinds = [[key for key in arrays if kind in key.lower()] for kind in ("train", "test", "val")]
    given = bool(kinds[0] and (kinds[1] or kinds[2]))
    keys = (kinds[0] if train else kinds[1] or kinds[2]) if given else arrays
    x, y = _images_and_labels(path, {key: arrays[key] for key in keys})
    rows = _rows(path, len(x), train, given)
    both = [a for a in arrays.values() if given and a.ndim > 2 and a.dtype == x.dtype and a.size]
    return _scaled(path, x, [x, *both])[rows], y[rows]


def _arrays(path: Path) -> dict:
    """All arrays in a file, by name."""
    import numpy as np

    check(path.suffix.lower() in (".npy", ".npz") and path.is_file(), f"there is no data set "
           f"{str(path)!r}; expected {', '.join(IMAGES)}, or a folder, .npy or .npz file")
    try:
        file = np.load(path, allow_pickle=False)
        return {"x": file} if isinstance(file, np.ndarray) else dict(file)
    except Exception as error:  # a damaged file can make NumPy fail in any way
        sentence = "isn't an array file, is damaged, or has Python objects, which aren't loaded"
        raise DataError(f"{path} {sentence}") from error


def _images_and_labels(path: Path, arrays: dict) -> tuple:
    """The array of images as (N, C, H, W) and the labels (N,), which are all 0 if the file has
    none."""
    names = {"y", "label", "labels", "target", "targets"}
    y = [a for key, a in arrays.items() if a.ndim < 3 and names & {*key.lower().split("_")}]
    x = [a[:, None] if a.ndim == 3 else a for a in arrays.values() if a.ndim > 2]
    x = [a if a.ndim != 4 or a.shape[1] in (1, 3) else a.transpose(0, 3, 1, 2) for a in x]
    found = f"{path} has " + ", ".join(f"{key} {a.dtype} {a.shape}" for key, a in arrays.items())
    well = len(x) == 1 and len(y) < 2 and x[0].ndim == 4 and x[0].shape[1] in (1, 3) and len(x[0])
    _check(well and min(x[0].shape[2:]) > 4, f"{found}; expected one array of images (N, H, W), "
           "(N, H, W, C) or (N, C, H, W) with C = 1 or 3, and at most one of labels")  # fmt: skip
    y = y[0] if y else x[0][:, 0, 0, 0].astype(bool) * 0
    _check(y.dtype.kind in "biu" and y.size == len(x[0]) and y.min() >= 0,
           f"{found}; expected {len(x[0])} labels 0, 1, …")  # fmt: skip
    return x[0], torch.from_numpy(y.reshape(-1).astype("int64"))


def _scaled(path: Path, x, parts: list) -> Tensor:
    """Convert an array to float32 in [-1, 1]. Its range is that of both parts together, so that
    they are scaled alike."""
    _check(x.dtype.kind in "biuf", f"{path} has images of {x.dtype}; expected numbers")
    low, high = float(min(a.min() for a in parts)), float(max(a.max() for a in parts))
    if -1.01 <= low < -0.01 and high <= 1.01:
        return torch.from_numpy(x.astype("float32"))
    white = next((top for top in WHITE if high <= 1.01 * top), 0)
    _check(low >= -0.01 * white and white, f"{path} has values {low:g} … {high:g} ({x.dtype}); "
           f"expected -1 … 1, or 0 … one of {', '.join(map(str, WHITE))}")  # fmt: skip
    if x.dtype != "uint8" or high < 128:
        warnings.warn(f"{path} has values {low:g} … {high:g} ({x.dtype}), so it is read as 0 for "
                      f"black … {white} for white", stacklevel=4)  # fmt: skip
    return torch.from_numpy(x.astype("float32")) * (2 / white) - 1


def _fit(x: Tensor, size: tuple[int, int] | None, channels: int | None) -> Tensor:
    """Crop and resize images (N, C, H, W) in [-1, 1], and convert them to grey or colour."""
    if size not in (None, x.shape[2:]):
        from torchvision.transforms.functional import center_crop

        unit = min(x.shape[2] / size[0], x.shape[3] / size[1])
        x = center_crop(x, [max(1, round(unit * side)) for side in size])
        x = F.interpolate(x, size, mode="bicubic", antialias=True).clamp(-1, 1)
    if channels == 1 < x.shape[1]:
        return (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    return x.expand(-1, channels or x.shape[1], -1, -1).contiguous()


# Checks: each error says in one sentence what was given, what was expected, and what to do


def _check_points(name: str, n: int) -> None:
    check(name in POINTS, f"there is no data set {name!r}; expected one of {POINTS}")
    check(type(n) is int and n > 0, f"n is {n!r}; expected a whole number of points")


def _check_choice(name, root, train: bool, size: Size, channels: int | None) -> tuple | None:
    """Check the arguments, and return the size as (height, width), or None."""
    paths = isinstance(name, (str, os.PathLike)) and isinstance(root, (str, os.PathLike))
    sides = (size, size) if type(size) is int else size
    pair = isinstance(sides, (tuple, list)) and [type(side) for side in sides] == [int, int]
    check(paths and type(train) is bool, f"the data is {name!r}, root {root!r} and train {train!r}"
           "; expected a name or a path, a folder, and train=True or False")
    check(size is None or pair and min(sides) > 0,
           f"size is {size!r}; expected pixels such as 32, or (height, width)")
    check(channels in (None, 1, 3),
           f"channels is {channels!r}; expected 1 for grey or 3 for colour")
    return sides and tuple(sides)
