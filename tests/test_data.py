"""Theorems about the data: ranges, splits, folders, arrays. Nothing is downloaded here."""

import gzip
import hashlib
import io
import os
import pickle
import re
import socket
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_lite import DataError, image_folder, load_images, load_points
from ddpm_lite.data import POINTS


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Every way out is shut, quickly."""

    def refuse(*args, **kwargs):
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


# Points


@pytest.mark.parametrize("name", POINTS)
def test_points_are_centred_and_of_unit_size(name):
    """(n, 2) float32, in about [-1, 1], the mean near 0, neither axis flat."""
    x = load_points(name, 1000)
    assert x.shape == (1000, 2) and x.dtype == torch.float32
    assert 0.7 < x.abs().max() < 1.5
    assert x.mean(0).abs().max() < 0.15 and x.std(0).min() > 0.3


@pytest.mark.parametrize("name", POINTS)
def test_points_depend_on_the_seed_alone(name):
    """The same seed, the same points, whatever was drawn before; the global generator stays."""
    before = torch.get_rng_state()
    x = load_points(name, 50, seed=3)
    torch.rand(7)
    assert torch.equal(load_points(name, 50, seed=3), x)
    assert not torch.equal(load_points(name, 50, seed=4), x)
    torch.set_rng_state(before)
    load_points(name, 50)
    assert torch.equal(torch.get_rng_state(), before)


def test_gaussians_are_eight_on_a_circle():
    """Means 0.8 (cos, sin)(k pi / 4), standard deviation 0.08, equally often."""
    x = load_points("gaussians", 8000)
    angle = torch.arange(8) * (torch.pi / 4)
    centers = 0.8 * torch.stack([angle.cos(), angle.sin()], 1)
    owner = torch.cdist(x, centers).argmin(1)
    assert (torch.bincount(owner, minlength=8) - 1000).abs().max() < 5 * 1000**0.5
    assert (x - centers[owner]).std().item() == pytest.approx(0.08, rel=0.03)


# Images


def test_digits_lie_in_minus_one_to_one(digits):
    """Real grey values 0 … 16 as -1 … 1, both ends taken, in 17 steps; not 0 … 1."""
    x, y = digits
    assert x.shape == (1437, 1, 8, 8) and x.dtype == torch.float32
    assert x.min() == -1 and x.max() == 1 and x.mean() < 0
    assert len(x.unique()) == 17
    assert y.dtype == torch.int64 and y.unique().tolist() == list(range(10))


def test_the_two_parts_of_the_digits_are_disjoint_and_complete(digits):
    """1,437 + 360 = 1,797 scans, each of scikit-learn's once, with its label."""
    from sklearn.datasets import load_digits

    test = load_images("digits", train=False)
    assert len(test[0]) == 360 and len(test[1].unique()) == 10
    both = [torch.cat(pair) for pair in zip(digits, test, strict=True)]
    rows = {(*x.flatten().mul(8).add(8).int().tolist(), int(y)) for x, y in zip(*both, strict=True)}
    source = load_digits()
    assert rows == {
        (*x.astype(int), int(y)) for x, y in zip(source.data, source.target, strict=True)
    }
    assert len(rows) == len(both[0]) == 1797


def test_digits_are_the_same_every_time(digits):
    """The split depends on nothing, and moves no random generator."""
    before = torch.get_rng_state()
    again = load_images("digits")
    assert all(torch.equal(a, b) for a, b in zip(again, digits, strict=True))
    assert torch.equal(before, torch.get_rng_state())


def idx(array: np.ndarray) -> bytes:
    """MNIST's format: 0, 0, type 8 (byte), axes, their lengths as big-endian ints, the bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.mark.parametrize("name, folder", [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_mnist_files_are_read_as_they_lie_there(tmp_path, name, folder):
    """Bytes b become b / 127.5 - 1, (N, 1, 28, 28), with no network."""
    random = np.random.default_rng(0)
    raw = tmp_path / folder / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 5), ("t10k", 3)):
        images = random.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        images[0, 0, :2] = 0, 255
        labels = np.arange(n, dtype=np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    for part, n in (("train", 5), ("t10k", 3)):
        x, y = load_images(name, str(tmp_path), train=part == "train")
        bytes_ = np.frombuffer((raw / f"{part}-images-idx3-ubyte").read_bytes()[16:], np.uint8)
        assert x.shape == (n, 1, 28, 28) and x.min() == -1 and x.max() == 1
        assert torch.equal(((x + 1) * 127.5).round().byte().flatten(), torch.tensor(bytes_))
        assert y.tolist() == list(range(n)) and y.dtype == torch.int64


def test_cifar10_files_are_read_as_they_lie_there(tmp_path, monkeypatch):
    """Rows of 3072 bytes, red then green then blue, become (N, 3, 32, 32) in [-1, 1]."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name: str, content: dict) -> str:
        data = pickle.dumps(content)
        (folder / name).write_bytes(data)
        return hashlib.md5(data).hexdigest()

    def part(name: str, value: int) -> list[str]:
        rows = np.full((2, 3072), value, dtype=np.uint8)
        rows[:, :1024], rows[0, 1] = 255, 0  # red, but for the second pixel of the first image
        return [name, write(name, {"data": rows, "labels": [value, 9]})]

    monkeypatch.setattr(CIFAR10, "train_list", [part("data_batch_1", 0), part("data_batch_2", 1)])
    monkeypatch.setattr(CIFAR10, "test_list", [part("test_batch", 2)])
    meta = write("batches.meta", {"label_names": list("abcdefghij")})
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta})
    x, y = load_images("cifar10", str(tmp_path))
    assert x.shape == (4, 3, 32, 32) and y.tolist() == [0, 9, 1, 9] and y.dtype == torch.int64
    assert (x[1, 0] == 1).all() and (x[1, 1:] == -1).all()
    assert x[0, 0, 0, 1] == -1 and x[0, 0, 1, 0] == 1
    assert load_images("cifar10", str(tmp_path), train=False)[1].tolist() == [2, 9]


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "cifar10"])
def test_without_a_network_one_sentence_says_what_to_do(no_network, tmp_path, name):
    """It names the set, the folder for its files, and the digits, which need no download."""
    with pytest.raises(DataError) as error:
        load_images(name, str(tmp_path / "data"))
    message = str(error.value)
    folder = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}.get(name, "cifar-10")
    assert name in message and str(tmp_path / "data" / folder) in message and '"digits"' in message
    assert len(message.splitlines()) == 1
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]  # no half file is left


def test_an_unknown_name_is_answered_with_the_known_ones():
    """A typing error must not look like a missing file."""
    with pytest.raises(ValueError, match="'mnits'.*digits, mnist, fashion_mnist, cifar10"):
        load_images("mnits")
    with pytest.raises(ValueError, match="'moons'.*two_moons"):
        load_points("moons")


def mnist(folder, n=4):
    """The four files of MNIST with n images each, gzipped, in ``folder``/MNIST/raw."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part in ("train", "t10k"):
        images = np.arange(n * 784, dtype=np.uint32).astype(np.uint8).reshape(n, 28, 28)
        for kind, array in (("images-idx3", images), ("labels-idx1", images[:, 0, 0] % 10)):
            (raw / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return raw


@pytest.mark.parametrize("damage", ["cut", "longer", "text", "header", "empty"])
def test_a_damaged_mnist_file_is_set_aside_and_the_next_try_is_good(tmp_path, monkeypatch, damage):
    """Without a network: one sentence. With the archive there: unpacked again, nothing deleted."""
    from torchvision.datasets import MNIST

    raw = mnist(tmp_path)
    packed = {path.name: path.read_bytes() for path in raw.glob("*.gz")}
    sums = [(name, hashlib.md5(data).hexdigest()) for name, data in packed.items()]
    monkeypatch.setattr(MNIST, "resources", sums)
    for name, data in packed.items():
        (raw / name[:-3]).write_bytes(gzip.decompress(data))
        (raw / name).unlink()
    x, _ = load_images("mnist", tmp_path)
    broken = raw / "train-images-idx3-ubyte"
    whole = broken.read_bytes()
    bad = {"cut": whole[:-9], "longer": whole + b"x", "text": b"<html>moved</html>"}
    broken.write_bytes({**bad, "header": whole[:7], "empty": b""}[damage])
    with pytest.warns(UserWarning, match="damaged"), pytest.raises(DataError, match="mnist.*raw"):
        load_images("mnist", tmp_path)
    assert (raw / f"{broken.name}.damaged").exists() and not broken.exists()
    for name, data in packed.items():
        (raw / name).write_bytes(data)
    assert torch.equal(load_images("mnist", tmp_path)[0], x)


def test_files_of_mnist_that_do_not_belong_together_are_refused(tmp_path):
    """Five images and four labels, each file whole: one sentence."""
    raw = mnist(tmp_path)
    for path in raw.glob("*.gz"):
        (raw / path.name[:-3]).write_bytes(gzip.decompress(path.read_bytes()))
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(5, np.uint8)))
    with pytest.raises(DataError, match="mnist.*don't belong together"):
        load_images("mnist", tmp_path)


def test_a_silent_server_is_waited_for_half_a_minute(tmp_path, monkeypatch):
    """The limit holds inside the call, and is put back after it, whatever happens."""
    from torchvision import datasets

    def slow(*args, **kwargs):
        seen.append(socket.getdefaulttimeout())
        raise TimeoutError("timed out")

    seen, before = [], socket.getdefaulttimeout()
    monkeypatch.setattr(datasets, "MNIST", slow)
    with pytest.raises(DataError, match="could not be downloaded"):
        load_images("mnist", tmp_path)
    assert seen == [30] and socket.getdefaulttimeout() == before


@pytest.mark.parametrize(
    "arguments, words",
    [({"root": False}, "root False"), ({"train": "test"}, "'test'"), ({"train": 1}, "train 1")]
    + [({"name": None}, "None"), ({"name": 5}, "5"), ({"name": "no/such"}, "no data set 'no/such'")]
    + [({"size": 0}, "size is 0"), ({"size": (8, 0)}, "size is"), ({"size": "8"}, "size is '8'")]
    + [({"size": 8.0}, "size is 8.0"), ({"channels": 4}, "channels is 4")],
)
def test_an_argument_that_makes_no_sense_gets_a_sentence(arguments, words):
    """Not the training part, and not a traceback from the depths of another library."""
    with pytest.raises(ValueError, match=f"{words}.*expected"):
        load_images(**{"name": "digits", **arguments})


def test_any_set_comes_in_the_size_and_the_channels_asked_for(digits):
    """Twice as large, then averaged back: nearly the same. Grey as three equal channels."""
    large = load_images("digits", size=16)[0]
    assert large.shape == (1437, 1, 16, 16) and large.abs().max() <= 1
    assert (torch.nn.functional.avg_pool2d(large, 2) - digits[0]).abs().mean() < 0.1
    colour = load_images("digits", channels=3)[0]
    assert colour.shape == (1437, 3, 8, 8) and (colour == digits[0]).all()
    assert torch.equal(load_images("digits", size=8)[0], digits[0])
    wide = load_images("digits", size=(4, 8))[0]
    assert wide.shape == (1437, 1, 4, 8)


def test_an_array_is_cropped_at_its_centre_and_made_grey_as_eyes_see_it(tmp_path):
    """Of 10 x 30 pixels the middle third remains; green is brighter than red, and red than blue."""
    images = np.zeros((3, 10, 30, 3), np.uint8)
    for i in range(3):
        images[i, :, 10:20, i] = 255
    np.savez(tmp_path / "x.npz", x=images, y=np.arange(3))
    x, y = load_images(tmp_path / "x.npz", size=5)
    assert x.shape == (3, 3, 5, 5) and (x[range(3), y] > 0.99).all()
    grey, y = load_images(tmp_path / "x.npz", size=10, channels=1)
    light = torch.tensor([0.299, 0.587, 0.114])[y] * 2 - 1
    assert (grey - light.view(3, 1, 1, 1)).abs().max() < 0.01


# Folders

HALF = np.zeros((40, 60), np.uint8)
HALF[:20] = 255  # the upper half is white
BLUE = np.stack([HALF, 0 * HALF, 255 - HALF], 2)  # red above blue


def save(path, image, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(path, **options)


def turned():
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    return {"exif": exif}


def palette():
    image = Image.fromarray(HALF // 255, "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    return image


GREY, COLOUR = [[1.0], [-1.0]], [[1.0, -1.0, -1.0], [-1.0, -1.0, 1.0]]  # above and below
FORMATS = {
    "bits": ("a.png", Image.fromarray(HALF).convert("1"), {}, GREY),
    "grey": ("a.png", HALF, {}, GREY),
    "16 bits": ("a.png", HALF.astype("uint16") * 257, {}, GREY),
    "16 bits, big-endian": ("a.tif", (HALF.astype("uint16") * 257).astype(">u2"), {}, GREY),
    "32 bits": ("a.tif", HALF.astype("int32") * 257, {}, GREY),
    "grey palette": ("a.png", Image.fromarray(HALF).convert("P"), {}, GREY),
    "first frame": ("a.gif", HALF, {"save_all": True, "append_images": [palette()]}, GREY),
    "upside down": ("a.jpg", HALF, turned(), GREY[::-1]),
    "large": ("a.jpg", Image.fromarray(BLUE).resize((1500, 1000)), {}, COLOUR),
    "suffix in capitals": ("a.JPG", BLUE, {}, COLOUR),
    "webp": ("a.webp", BLUE, {}, COLOUR),
    "tiff": ("a.tiff", BLUE, {}, COLOUR),
    "palette": ("a.gif", Image.fromarray(BLUE).quantize(4), {}, COLOUR),
    "CMYK": ("a.jpg", Image.fromarray(BLUE).convert("CMYK"), {}, COLOUR),
    "alpha": ("a.png", np.dstack([BLUE, HALF]), {}, [[1.0, -1.0, -1.0], [1.0, 1.0, 1.0]]),
    "grey, alpha": ("a.png", Image.fromarray(np.dstack([0 * HALF, HALF])), {}, GREY[::-1]),
    "palette, alpha": ("a.png", palette(), {"transparency": 1}, [[1.0] * 3, [1.0, -1.0, -1.0]]),
    "one colour transparent": (
        "a.png", Image.fromarray(BLUE), {"transparency": (0, 0, 255)}, [COLOUR[0], [1.0] * 3]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_white_in_a_file_is_one(tmp_path, name):
    """Above and below: each kind of file, as it looks on a white page."""
    file, image, options, expected = FORMATS[name]
    save(tmp_path / file, image, **options)
    x, y = load_images(tmp_path, size=8)
    assert x.shape == (1, len(expected[0]), 8, 8) and x.dtype == torch.float32
    seen = torch.stack([x[0, :, 1, 4], x[0, :, 6, 4]])
    assert (seen - torch.tensor(expected)).abs().max() < 0.05
    assert x.abs().max() <= 1 and y.tolist() == [0]


def test_images_are_cropped_at_the_centre_and_resized_without_aliasing(tmp_path):
    """Stripes of one pixel become grey; a wide image keeps its middle, a circle stays one."""
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    save(tmp_path / "stripes.png", stripes)
    assert load_images(tmp_path, size=8)[0].abs().max() < 0.1
    wide = np.zeros((20, 60), np.uint8)
    wide[:, 20:40] = 255
    save(tmp_path / "stripes.png", wide)
    assert (load_images(tmp_path, size=10)[0][..., 1:-1] == 1).all()
    y, x = np.mgrid[:60, :84]
    save(tmp_path / "stripes.png", (np.hypot(y - 29.5, x - 41.5) < 20).astype(np.uint8) * 255)
    disc = load_images(tmp_path, size=(20, 28))[0][0, 0] > 0
    assert disc.shape == (20, 28) and abs(disc.any(0).sum() - disc.any(1).sum()) <= 1


def shapes(folder, classes=("b", "a", "10"), n=7, names=""):
    """n grey images in a sub-folder for each class; the value says which."""
    for k, name in enumerate(classes):
        for i in range(n):
            value = np.full((8, 8), 10 * k + i, np.uint8)
            save(folder / name / f"{names}{i}.png", value)
    return folder


def test_each_sub_folder_is_a_class_in_the_order_of_names(tmp_path):
    """Labels follow the names; the parts are disjoint and complete, with one in ten held out."""
    data = image_folder(shapes(tmp_path), 8)
    assert data.classes == ["10", "a", "b"] and data.shape == (1, 8, 8) and len(data) == 19
    (x, y), (z, w) = load_images(tmp_path, size=8), load_images(tmp_path, size=8, train=False)
    values = ((torch.cat([x, z])[:, 0, 0, 0] + 1) * 127.5).round().int()
    kind = torch.tensor([2, 1, 0])[values // 10]
    assert torch.equal(kind, torch.cat([y, w])) and len(z) == 2
    assert sorted(values.tolist()) == sorted(10 * k + i for k in range(3) for i in range(7))


def test_a_dataset_reads_the_same_images_in_the_same_order(tmp_path):
    """Lazily and at once, bit for bit; and it can be sent to another process."""
    data = pickle.loads(pickle.dumps(image_folder(shapes(tmp_path), 6, 3)))
    x, y = load_images(tmp_path, size=6, channels=3)
    assert torch.equal(torch.stack([x for x, _ in data]), x) and x.shape[1:] == data.shape
    assert [y for _, y in data] == y.tolist()


def test_without_sub_folders_all_labels_are_zero(tmp_path):
    for i in range(10):
        save(tmp_path / "one" / f"{i}.png", HALF)
    data = image_folder(tmp_path / "one")
    assert data.classes == ["one"] and {y for _, y in data.files} == {0} and len(data) == 9


@pytest.mark.parametrize("held_out", ["test", "val", "valid", "validation"])
def test_sub_folders_train_and_test_are_the_parts(tmp_path, held_out):
    """With the labels of the training part, even if a class is missing, also one folder deeper."""
    shapes(tmp_path / "set" / "train", ("a", "b", "c"), 3)
    shapes(tmp_path / "set" / held_out, ("c", "a"), 2, "new")
    for folder in (tmp_path, tmp_path / "set"):
        assert len(image_folder(folder)) == 9
        data = image_folder(folder, train=False)
        assert data.classes == ["a", "b", "c"] and sorted(y for _, y in data.files) == [0, 0, 2, 2]
        assert all("new" in path for path, _ in data.files)
    shapes(tmp_path / "set" / held_out, ("d",), 2)
    with pytest.raises(DataError, match=r"\[a, c, d\], and the training part \[a, b, c\]"):
        image_folder(tmp_path, train=False)


def test_a_held_out_part_without_classes_is_named(tmp_path):
    """As where a competition hides the labels of its test images."""
    shapes(tmp_path, ("train/a", "train/b"), 2)
    save(tmp_path / "test" / "1.png", HALF)
    assert image_folder(tmp_path).classes == ["a", "b"]
    with pytest.raises(DataError, match=r"has the classes \[\], and the training part \[a, b\]"):
        image_folder(tmp_path, train=False)


def test_of_two_held_out_parts_the_test_part_is_taken(tmp_path):
    shapes(tmp_path, ("train/a", "validation/a", "test/a"), 2)
    data = image_folder(tmp_path, train=False)
    assert len(data) == 2 and all("/test/" in Path(path).as_posix() for path, _ in data.files)


@pytest.mark.parametrize("given", [False, True])
def test_the_training_part_decides_how_many_channels_both_parts_have(tmp_path, given):
    """One image in colour among the others, which are grey."""
    for i in range(30):
        part = ("test" if i < 3 else "train") if given else ""
        save(tmp_path / part / f"{i}.png", BLUE if i == 7 else HALF)
    parts = [image_folder(tmp_path, 8, train=train) for train in (True, False)]
    assert [data.shape[0] for data in parts] == [3, 3]
    assert parts[0][0][0].shape == parts[1][0][0].shape
    assert "7.png" in " ".join(path for path, _ in parts[0].files)


def test_train_among_other_names_is_a_class(tmp_path):
    """Of vehicles, say."""
    data = image_folder(shapes(tmp_path, ("train", "test", "car")))
    assert data.classes == ["car", "test", "train"]


def test_what_is_left_out_is_named_and_what_systems_leave_is_not(tmp_path):
    """Loose images and other files in one warning; hidden files and __MACOSX without a word."""
    shapes(tmp_path)
    for name in ("notes.txt", "b/photo.heic", ".DS_Store", ".cache/x.png", "__MACOSX/._1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("hello")
    save(tmp_path / "preview.png", HALF)
    with pytest.warns(UserWarning, match="3 files.*: b/photo.heic, notes.txt, preview.png$"):
        data = image_folder(tmp_path)
    assert len(data) == 19 and data.classes == ["10", "a", "b"]


def bomb() -> bytes:
    """A PNG file of 200 bytes that claims to be 60,000 pixels wide and high."""

    def chunk(kind, data):
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + body


def cut() -> bytes:
    """Half of a JPEG file; its beginning looks fine."""
    file = io.BytesIO()
    Image.effect_noise((60, 60), 50).save(file, "jpeg")
    return file.getvalue()[:900]


def floats() -> bytes:
    file = io.BytesIO()
    Image.fromarray(HALF.astype("float32")).save(file, "tiff")
    return file.getvalue()


BROKEN = {
    "text": ("x.png", b"hello", "cannot identify image file"),
    "empty": ("x.png", b"", "cannot identify image file"),
    "bomb": ("x.png", bomb(), "decompression bomb"),
    "cut": ("x.jpg", cut(), "truncated"),
    "floats": ("x.tif", floats(), "no fixed range"),
    "postscript": ("x.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "identify"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    """In one sentence, with its reason: when all are read, and when only this one is."""
    file, data, reason = BROKEN[name]
    shapes(tmp_path, ("a",), 5)
    (tmp_path / "a" / file).write_bytes(data)
    with pytest.raises(DataError, match=f"1 of 6 .*{file} .*{reason}") as error:
        load_images(tmp_path)
    assert len(str(error.value).splitlines()) == 1
    if reason in ("truncated", "no fixed range"):  # its header is fine
        data = image_folder(tmp_path)
        row = [path for path, _ in data.files].index(str(tmp_path / "a" / file))
        assert data[row - 1][0].shape == data.shape
        with pytest.raises(DataError, match=f"{file} .*{reason}"):
            data[row]
    else:
        with pytest.raises(DataError, match=f"1 of 6 .*{file} .*{reason}"):
            image_folder(tmp_path)


def test_many_files_that_cannot_be_read_are_counted(tmp_path):
    shapes(tmp_path, ("a",), 5)
    for i in range(9):
        (tmp_path / "a" / f"bad{i}.png").write_text("hello")
    with pytest.raises(DataError, match=r"9 of 1[34] images.*bad\d.png.*, …$"):
        load_images(tmp_path)


def test_a_folder_that_cannot_be_used_gets_a_sentence(tmp_path):
    """Missing, empty, without images, a file, or too few to hold any out."""
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("hello")
    shapes(tmp_path / "few", ("a",), 9)
    for name, words in {"missing": "no folder", "notes/a.txt": "no folder"}.items():
        with pytest.raises(ValueError, match=f"{words}.*{name}.*expected one with images"):
            image_folder(tmp_path / name)
    with pytest.raises(ValueError, match="a.txt.*expected digits.*folder.*npy"):
        load_images(tmp_path / "notes" / "a.txt")
    for name in ("empty", "notes"):
        with pytest.raises(DataError, match="no images; expected files such as"):
            load_images(tmp_path / name)
    with pytest.raises(DataError, match="few.* 9 images, too few"):
        load_images(tmp_path / "few", train=False)
    assert len(load_images(tmp_path / "few")[0]) == 9


# Arrays

RAMP = np.linspace(0, 1, 20 * 6 * 8).reshape(20, 6, 8)  # 0 to 1, in this order
RANGES = {
    "bytes": ((255 * RAMP).round().astype("uint8"), None),
    "unit": (RAMP.astype("float32"), "0 … 1 "),
    "signed": (2 * RAMP - 1, None),
    "16": ((16 * RAMP).round().astype("int64"), "0 … 16 "),
    "12 bits": ((4095 * RAMP).round().astype("uint16"), "0 … 4095 "),
    "16 bits": ((65535 * RAMP).round().astype(">u2"), "0 … 65535 "),
    "float bytes": (255 * RAMP, "0 … 255 "),
    "signed masks": ((2 * (RAMP > 0.5) - 1).astype("int8"), None),
    "masks": (RAMP > 0.5, "0 … 1 "),
    "masks as bytes": ((RAMP > 0.5).astype("uint8"), "0 … 1 "),
}


@pytest.mark.parametrize("name", RANGES)
def test_the_range_of_an_array_is_found_and_said(tmp_path, name):
    """Black is -1 and white is 1, whatever they were, and a guess is told."""
    array, words = RANGES[name]
    np.save(tmp_path / "x.npy", array)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        parts = [load_images(tmp_path / "x.npy", train=train)[0] for train in (True, False)]
    assert [len(part) for part in parts] == [18, 2] and parts[0].dtype == torch.float32
    if words:
        assert len(seen) == 2
        assert re.search(rf"x.npy has values {words}.*black", str(seen[0].message))
    else:
        assert not seen
    x = torch.cat(parts).flatten(1).sort(0).values.flatten()
    expected = torch.tensor((RAMP > 0.5) * 2.0 - 1 if "masks" in name else 2 * RAMP - 1)
    assert (x - expected.flatten()).abs().max() < {"16": 0.07}.get(name, 0.005)


@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW", "NHW1", "N1HW"])
def test_the_channels_of_an_array_are_found(tmp_path, layout):
    """Where a pixel is, it stays."""
    colour = np.random.default_rng(0).integers(0, 256, (10, 3, 6, 8), dtype=np.uint8)
    grey = colour[:, :1]
    array = {"NHW": grey[:, 0], "NHWC": colour.transpose(0, 2, 3, 1), "NCHW": colour,
             "NHW1": grey.transpose(0, 2, 3, 1), "N1HW": grey}[layout]  # fmt: skip
    np.savez(tmp_path / "x.npz", images=array, labels=np.arange(10))
    x, y = load_images(tmp_path / "x.npz")
    expected = torch.tensor(colour if "C" in layout else grey)[y]
    assert torch.equal(((x + 1) * 127.5).round().byte(), expected) and len(x) == 9


@pytest.mark.parametrize(
    "names",
    ["x y x y", "images labels images labels", "x_train y_train x_test y_test"]
    + ["train_images train_labels test_images test_labels"]
    + ["X_train targets_train X_val targets_val"],
)
def test_the_usual_names_of_arrays_are_known(tmp_path, names):
    """Keras' names, MedMNIST's, and our own; labels (N, 1) as well."""
    x, y, z, w = names.split()
    images = np.arange(30, dtype=np.uint8)[:, None, None] + np.full((30, 6, 6), 200, np.uint8)
    arrays = {z: images[:10], w: np.arange(10)[:, None], x: images, y: np.arange(30)[:, None]}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    for train, n in ((True, 30 if z != x else 27), (False, 10 if z != x else 3)):
        x_, y_ = load_images(tmp_path / "x.npz", train=train)
        assert len(x_) == n and y_.shape == (n,) and y_.dtype == torch.int64
        assert ((x_[:, 0, 0, 0] + 1) * 127.5 - 200).round().int().tolist() == y_.tolist()


def test_both_parts_of_an_array_are_scaled_alike(tmp_path):
    """By the larger range: here 16 bits, though the values of one part would fit into 12."""
    train, test = np.full((3, 6, 6), 60_000, np.uint16), np.full((2, 6, 6), 4_000, np.uint16)
    np.savez(tmp_path / "x.npz", x_train=train, x_test=test, y_test=[0, 1], notes=np.array(["a"]))
    for part, value in ((True, 60_000), (False, 4_000)):
        with pytest.warns(UserWarning, match="4000 … 60000 .* 65535 for white"):
            x, _ = load_images(tmp_path / "x.npz", train=part)
        assert x.unique().item() == pytest.approx(2 * value / 65535 - 1, abs=1e-6)


class Evil:
    def __reduce__(self):
        return os.mkdir, ("executed",)


def npz(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


IMAGES = np.full((9, 6, 6), 200, np.uint8)
NO_ARRAYS = {
    "objects": (npz(x=np.array([Evil()], dtype=object)), "objects"),
    "text": (b"hello", "isn't an array file"),
    "empty": (b"", "isn't an array file"),
    "cut": (npz(x=IMAGES)[:-30], "damaged"),
    "flat": (npz(x=np.zeros((9, 64))), r"x float64 \(9, 64\)"),
    "a photo": (npz(x=np.zeros((60, 80, 3), np.uint8)), r"\(60, 80, 3\)"),
    "five channels": (npz(x=np.zeros((9, 5, 8, 8))), r"\(9, 5, 8, 8\)"),
    "no images": (npz(x=IMAGES[:0]), r"\(0, 6, 6\)"),
    "two sets": (npz(a=IMAGES, b=IMAGES), r"a uint8 \(9, 6, 6\), b"),
    "nan": (npz(x=IMAGES * np.nan), "values nan"),
    "standardized": (npz(x=np.random.default_rng(0).normal(size=(9, 6, 6))), "values -[23]"),
    "complex": (npz(x=IMAGES * 1j), "complex128"),
    "text in place of numbers": (npz(x=IMAGES.astype(str)), "<U3"),
    "short labels": (npz(x=IMAGES, y=np.arange(8)), "expected 9 labels"),
    "one-hot": (npz(x=IMAGES, y=np.eye(9)), "expected 9 labels"),
    "negative": (npz(x=IMAGES, y=np.full(9, -1)), "expected 9 labels"),
    "words": (npz(x=IMAGES, y=np.array(["a"] * 9)), "expected 9 labels"),
}


@pytest.mark.parametrize("name", NO_ARRAYS)
def test_an_array_that_is_no_image_set_gets_a_sentence(tmp_path, monkeypatch, name):
    """Nothing in it is executed."""
    monkeypatch.chdir(tmp_path)
    data, words = NO_ARRAYS[name]
    for suffix in ("npz", "npy")[: 1 + (data[:2] != b"PK")]:
        (tmp_path / f"x.{suffix}").write_bytes(data)
        with pytest.raises(DataError, match=f"x.{suffix}.*{words}") as error:
            load_images(tmp_path / f"x.{suffix}")
        assert len(str(error.value).splitlines()) == 1
    assert not (tmp_path / "executed").exists()
