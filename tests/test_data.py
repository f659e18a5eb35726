"""Theorems about the data: ranges, splits, streams. Nothing is downloaded here."""

import hashlib
import pickle
import socket
import struct
from itertools import islice

import numpy as np
import pytest
import torch

from ddpm_lite import DataError, batches, load_images, load_points
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


# Batches

X = torch.arange(10.0)[:, None] / 10
Y = torch.arange(10)


def test_an_epoch_has_every_row_once():
    """10 rows in batches of 5: two batches make a permutation, another one each epoch."""
    stream = batches(X, Y, size=5)
    epochs = [torch.cat([next(stream)[1] for _ in range(2)]) for _ in range(4)]
    assert all(epoch.sort().values.tolist() == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch.tolist()) for epoch in epochs}) == 4


def test_rows_and_labels_stay_together():
    """x[i] comes with y[i]; without labels y is None."""
    for x, y in islice(batches(X, Y, size=3), 9):
        assert x.shape == (3, 1) and torch.equal(x[:, 0], y / 10)
    assert next(batches(X, size=3))[1] is None


def test_a_short_rest_is_left_out():
    """10 rows in batches of 4: two full batches an epoch, no row twice in it."""
    stream = batches(X, Y, size=4)
    for _ in range(3):
        epoch = torch.cat([next(stream)[1] for _ in range(2)])
        assert len(epoch.unique()) == 8


@pytest.mark.parametrize("start", [0, 1, 2, 3, 7, 20])
def test_start_goes_on_where_the_stream_was(start):
    """batches(start=k) is batches() without its first k, across epochs too."""
    whole = list(islice(batches(X, Y, size=3, seed=5), 25))[start:]
    rest = list(islice(batches(X, Y, size=3, seed=5, start=start), 25 - start))
    assert all(torch.equal(a[1], b[1]) for a, b in zip(whole, rest, strict=True))


def test_a_stream_depends_on_its_seed_alone():
    """Another seed, another order; the global generator is not touched."""
    before = torch.get_rng_state()
    first, again, other = (next(batches(X, Y, size=10, seed=s))[1] for s in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    "x, y, size, kind",
    [(X, Y, 11, ValueError), (X, Y, 0, ValueError), (X, Y[:9], 2, ValueError)]
    + [(X * 255, Y, 2, ValueError), (X / 0, Y, 2, ValueError), (X[:0], None, 1, ValueError)]
    + [((X * 10).byte(), Y, 2, TypeError)],
    ids=["too large", "no rows", "labels missing", "0 … 255", "not finite", "empty", "bytes"],
)
def test_a_stream_that_cannot_be_is_refused(x, y, size, kind):
    """A batch larger than the data would never come; unscaled data would train and draw grey."""
    with pytest.raises(kind, match="expected"):
        next(batches(x, y, size))
