"""Write checkpoints and images to disk, completely or not at all.

Needs torch; images need torchvision, Pillow and NumPy too. Chapter 5 builds the checkpoints.
"""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class CheckpointError(ValueError):
    """Not a ddpm_lite checkpoint, or a damaged one."""


def write_atomic(path: str | os.PathLike, data: bytes) -> None:
    """Write ``data`` to ``path``. The file ends up either complete or unchanged, even if the disk
    fills up or the process is killed. Built in chapter 5.

    Raises:
        OSError: the folder or the disk can't be written to, or ``path`` is a device or a folder.
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise FileExistsError(errno.EEXIST, "This is not a regular file", str(path))
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def save_checkpoint(path: str | os.PathLike, **state: Any) -> None:
    """Write tensors, numbers, strings, lists and dicts, completely or not at all.

    The file contains the bytes of ``torch.save``, followed by their SHA-256, which reveals damage.

    Raises:
        TypeError: the state contains something that ``load_checkpoint`` would refuse.
        OSError: as for ``write_atomic``.

    Built in chapter 5.
    """
    _check_state(state, "the state")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    data = buffer.getvalue()
    write_atomic(path, data + hashlib.sha256(data).digest())


def load_checkpoint(path: str | os.PathLike, device: str = "cpu") -> dict[str, Any]:
    """Load the state that ``save_checkpoint`` wrote. Nothing in the file is executed.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the file is truncated or changed, or ``save_checkpoint`` didn't write it.
        ValueError: PyTorch can't use this device here.

    Built in chapter 5.
    """
    _check_device(device)
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file; `python -m ddpm_lite train` makes one")
    blob = path.read_bytes()
    if hashlib.sha256(blob[:-32]).digest() != blob[-32:]:
        raise CheckpointError(f"{path} is damaged, or not a ddpm_lite checkpoint: wrong checksum")
    _check_size(path, blob)
    try:
        return torch.load(io.BytesIO(blob[:-32]), map_location=device, weights_only=True)
    except Exception:  # a forged file can make the unpickler fail in any way
        sentence = f"{path} contains more than tensors, numbers and strings, so it is not loaded"
        raise CheckpointError(sentence) from None  # torch's message advises running the contents


def save_images(path: str | os.PathLike, x: Tensor, pixels: int = 64) -> None:
    """Write images (N, C, H, W) in [-1, 1] in the format that the suffix of ``path`` names.

    Args:
        path: ``grid.png``, ``.jpg`` or ``.webp`` becomes one grid with about sqrt(N) columns,
            ``x.npy`` or ``x.npz`` an array of bytes (N, H, W, C), and a path without a suffix a
            folder of PNG files.
        x: the images, floats. Values outside [-1, 1] are written as black or white.
        pixels: each image of a grid is enlarged to about this many pixels in width.

    Raises:
        TypeError: x isn't a tensor of floats.
        ValueError: x isn't a batch of images or has a NaN, or the suffix is unknown.
        OSError: as for ``write_atomic``, or a file is where the folder should be.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    _check_images(path, x)
    small = ((x.detach().cpu().float().clamp(-1, 1) + 1) * 127.5).round().byte()  # (N, C, H, W)
    if suffix in (".npy", ".npz"):
        write_atomic(path, _array_file(small.permute(0, 2, 3, 1).numpy(), suffix))
    elif suffix:
        write_atomic(path, _image_file(_grid(small, pixels), suffix))
    else:
        path.mkdir(parents=True, exist_ok=True)
        for i, image in enumerate(small):
            write_atomic(path / f"{i:05d}.png", _image_file(image, ".png"))


def _grid(images: Tensor, pixels: int) -> Tensor:
    """Bytes (N, C, H, W) as one image (C, H', W') with white lines between them."""
    from torchvision.utils import make_grid

    n, c, _, w = images.shape
    big = F.interpolate(images, scale_factor=max(1, pixels // w), mode="nearest")
    return make_grid(big, nrow=math.isqrt(n - 1) + 1, pad_value=255)[:c]


def _image_file(image: Tensor, suffix: str) -> bytes:
    """An image, bytes (C, H, W), as the contents of a file in the format that the suffix names."""
    from torchvision.transforms.functional import to_pil_image

    buffer = io.BytesIO()
    to_pil_image(image).save(buffer, format="jpeg" if suffix == ".jpg" else suffix[1:])
    return buffer.getvalue()


def _array_file(array: Any, suffix: str) -> bytes:
    """An array as the contents of a ``.npy`` or ``.npz`` file."""
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, array) if suffix == ".npy" else np.savez_compressed(buffer, images=array)
    return buffer.getvalue()


def check_image_path(path: Path) -> None:
    """Refuse a path that ``save_images`` wouldn't write.

    Raises:
        ValueError: its suffix is unknown.
        FileExistsError: the path is a device or a pipe, a folder where a file is expected, or a
            file where a folder is expected.
    """
    if path.suffix.lower() not in ("", ".png", ".jpg", ".jpeg", ".webp", ".npy", ".npz"):
        raise ValueError(f"{path} ends in {path.suffix}; expected .png, .jpg, .webp, .npy, .npz, "
                         "or a folder without a suffix")  # fmt: skip
    if path.exists() and not (path.is_file() if path.suffix else path.is_dir()):
        raise FileExistsError(f"{path} exists and isn't an image file or a folder: choose another")


def _check_images(path: Path, x: Tensor) -> None:
    check_image_path(path)
    array = path.suffix.lower() in (".npy", ".npz")
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"x is {kind}; expected a tensor of floats; for bytes, use x / 127.5 - 1")
    if x.ndim != 4 or not len(x) or not (array or x.shape[1] in (1, 3)):
        raise ValueError(f"x has shape {tuple(x.shape)}; expected images (N, 1 or 3, H, W)")
    if not x.isfinite().all():
        raise ValueError("x has NaN or infinite values, so there is no image to write")
    if 0 <= x.min() and 20 < x.max():
        raise ValueError(f"x has values {x.min():g} … {x.max():g}; expected about -1 … 1: use "
                         "x / 127.5 - 1")  # fmt: skip


def _check_state(value: Any, name: str) -> None:
    """Refuse to save what loading would refuse, such as a NumPy number."""
    if type(value) in (dict, OrderedDict):
        for key, part in value.items():
            _check_state(key, f"a key of {name}")
            _check_state(part, f"{name}[{key!r}]")
    elif type(value) in (list, tuple):
        for i, part in enumerate(value):
            _check_state(part, f"{name}[{i}]")
    elif type(value) not in (int, float, str, bool, type(None)) and not isinstance(value, Tensor):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        hint = "expected tensors, numbers, strings, lists and dicts: convert it, say by float(x)"
        raise TypeError(f"{name} is a {kind}; {hint}")


def _check_device(device: str) -> None:
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        message = f"PyTorch can't find device '{device}' here: load to another, such as 'cpu'"
        raise ValueError(message) from error


def _check_size(path: Path, blob: bytes) -> None:
    """Refuse an archive that unpacks to more bytes than it has. Our files aren't compressed, so a
    larger size means a forged file."""
    try:
        members = zipfile.ZipFile(io.BytesIO(blob[:-32])).infolist()
    except Exception as error:  # a forged file can make it fail in any way
        raise CheckpointError(f"{path} isn't a ddpm_lite checkpoint (not an archive)") from error
    if sum(member.file_size for member in members) > len(blob):
        raise CheckpointError(f"{path} is not a ddpm_lite checkpoint: it unpacks to more bytes")
