"""Theorems about the stream of batches: each row once, the same order everywhere, resumed."""

import re
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from ddpm_lite import DataError, batches, image_folder, load_images
from ddpm_lite.data import ImageFolder

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


# From disk


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """23 grey images of 4 x 4 pixels in two classes, no two alike."""
    folder = tmp_path_factory.mktemp("folder")
    for i in range(23):
        (folder / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 4), 10 * i, np.uint8)).save(folder / "ab"[i % 2] / f"{i}.png")
    return folder


def same(a, b):
    pairs = [pair for m, n in zip(a, b, strict=True) for pair in zip(m, n, strict=True)]
    return all(torch.equal(p, q) for p, q in pairs)


@pytest.mark.parametrize("workers, start", [(0, 0), (0, 5), (0, 17), (1, 6)])
def test_a_folder_is_streamed_in_the_order_of_memory(folder, workers, start):
    """Bit for bit, across epochs, resumed anywhere, read here or by a worker."""
    memory = islice(batches(*load_images(folder, size=4), size=4, seed=3), start, start + 12)
    disk = batches(image_folder(folder, 4), size=4, seed=3, start=start, workers=workers)
    assert same(memory, islice(disk, 12))
    disk.close()


def test_only_the_images_that_are_needed_are_read(folder, monkeypatch):
    """None when the stream is made but the first, which is checked; none of what is skipped."""
    read, pixels = [], ImageFolder.pixels
    monkeypatch.setattr(ImageFolder, "pixels", lambda s, path: read.append(path) or pixels(s, path))
    stream = batches(image_folder(folder, 4), size=4, start=1003)
    assert len(read) == 1
    next(stream)
    assert len(read) == 1 + 4
    next(batches(image_folder(folder, 4), size=4, rank=1, world=2))
    assert len(read) == 5 + 1 + 2


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_the_parts_of_several_processes_make_the_batch(folder, kind):
    """rank 0's rows, then rank 1's."""
    data = load_images(folder, size=4) if kind == "memory" else [image_folder(folder, 4)]
    whole = batches(*data, size=4, seed=1)
    parts = [batches(*data, size=4, seed=1, rank=rank, world=2) for rank in (0, 1)]
    for _ in range(8):
        halves = [next(part) for part in parts]
        assert len(halves[0][0]) == 2
        assert same([next(whole)], [[torch.cat(pair) for pair in zip(*halves, strict=True)]])


@pytest.mark.parametrize("workers", [0, 1])
def test_a_file_that_breaks_later_is_named_in_one_sentence(folder, tmp_path, workers):
    """Also by a worker, whose traceback PyTorch would put before it."""
    for i in range(6):
        Image.effect_noise((40, 40), 50).save(tmp_path / f"{i}.jpg")
    data = image_folder(tmp_path, 4)
    broken = tmp_path / "2.jpg"
    broken.write_bytes(broken.read_bytes()[:700])
    with pytest.raises(DataError, match=r"^1 of 1 images.*2.jpg \(image file is tru") as error:
        list(islice(batches(data, size=5, workers=workers), 4))
    assert len(str(error.value).splitlines()) == 1


def test_streaming_moves_no_random_generator(folder):
    before = torch.get_rng_state()
    list(islice(batches(image_folder(folder, 4), size=4), 9))
    assert torch.equal(before, torch.get_rng_state())


def test_any_dataset_of_pairs_will_do():
    """As long as it has a length."""
    data = TensorDataset(X, Y)
    assert same(islice(batches(data, size=3), 9), islice(batches(X, Y, size=3), 9))


def test_conditions_may_be_vectors_or_images():
    """(N, d) or (N, C, H, W) floats come with their rows; NaN means no condition."""
    y = torch.stack([Y / 10, Y * torch.nan], 1)
    x, rows = next(batches(X, y, size=5))
    assert torch.equal(x[:, 0], rows[:, 0]) and rows[:, 1].isnan().all()


# What cannot be

IMAGES = torch.rand(10, 1, 4, 4) * 2 - 1
REFUSED = {
    "too large": ((X, Y, 11), "size is 11; expected 1 … 10"),
    "no rows": ((X, Y, 0), "size is 0"),
    "half a row": ((X, Y, 2.0), "size is 2.0"),
    "labels missing": ((X, Y[:9], 2), r"shape \(9,\); expected 10 labels"),
    "0 … 255": ((X * 255, Y, 2), r"229\.5.*expected about -1 … 1"),
    "0 … 16": ((IMAGES * 8 + 8, Y, 2), "expected about -1 … 1"),
    "not finite": ((X / 0, Y, 2), "nan.*expected"),
    "one NaN": ((torch.cat([X[:9], X[:1] * torch.nan]), Y, 2), "nan.*expected"),
    "empty": ((X[:0], None, 1), "expected"),
    "bytes": (((X * 10).byte(), Y, 2), "torch.uint8.*expected .*floats"),
    "float64": ((X.double(), Y, 2), r"torch.float64; expected float32: x.float\(\)"),
    "a pair": (((X, Y),), r"tuple; expected a tensor.*batches\(\*load_images"),
    "an array": ((X.numpy(),), "ndarray; expected a tensor"),
    "a list": (([X, Y],), "list; expected a tensor"),
    "float labels": ((X, Y.float(), 2), r"torch.float32 of shape \(10,\).*value\[:, None\]"),
    "one-hot": ((X, torch.eye(10).long(), 2), r"argmax\(1\)"),
    "column": ((X, Y[:, None], 2), r"flatten\(\)"),
    "int32": ((X, Y.int(), 2), "torch.int32.*long"),
    "float64 vectors": ((X, X.double(), 2), "torch.float64.*float32"),
    "negative": ((X, Y - 1, 2), "label -1"),
    "another device": ((X, Y.to("meta"), 2), r"y is on meta and x on cpu; expected y.to\(x.device"),
    "labels as a list": ((X, Y.tolist(), 2), "y is list"),
    "y with a dataset": ((TensorDataset(X, Y), Y, 2), "TensorDataset; expected"),
    "items alone": ((TensorDataset(X),), "expected .*pairs"),
    "start": ((X, Y, 2, 0, -1), "start is -1"),
    "world": ((X, Y, 3, 0, 0, 0, 0, 2), "world 2.*divisor of 3"),
    "rank": ((X, Y, 4, 0, 0, 0, 2, 2), "rank 2"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_stream_that_cannot_be_is_refused_at_once(name):
    """Before the first batch is asked for, in one sentence."""
    arguments, words = REFUSED[name]
    with pytest.raises((TypeError, ValueError)) as error:
        batches(*arguments)
    assert re.search(words, str(error.value)) and len(str(error.value).splitlines()) == 1


def test_images_from_zero_to_one_are_let_through_with_a_word():
    """They may be right, such as saturated images."""
    with pytest.warns(UserWarning, match=r"scale \[0, 1\] by 2 \* x - 1"):
        batches((IMAGES - IMAGES.min()) / (IMAGES.max() - IMAGES.min()), size=2)
