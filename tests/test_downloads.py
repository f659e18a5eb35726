"""What a server can do to a download: one sentence within the time limit, and the next try is good.

A small server on this machine stands for the mirrors of torchvision.
"""

import gzip
import hashlib
import socket
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
import torch

from ddpm_lite import DataError, load_images
from ddpm_lite.metrics import inception_features


def packed(part: str, kind: str) -> bytes:
    """A file of MNIST with four images, gzipped."""
    axes = (4, 28, 28) if kind == "images-idx3" else (4,)
    array = np.arange(np.prod(axes), dtype=np.uint32).astype(np.uint8).reshape(axes) % 10
    head = bytes([0, 0, 8, len(axes)]) + b"".join(n.to_bytes(4, "big") for n in axes)
    return gzip.compress(head + array.tobytes())


FILES = {
    f"{part}-{kind}-ubyte.gz": packed(part, kind)
    for part in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
}


class Server(BaseHTTPRequestHandler):
    way = "good"

    def do_GET(self) -> None:
        file = FILES[self.path.rpartition("/")[2]]
        if self.way == "silent":
            return time.sleep(1)
        if self.way == "gone":
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(file)))
        self.end_headers()
        page = b"<html>Please log in</html>".ljust(len(file))
        parts = {"page": page, "breaks": file[: len(file) // 2], "other": file[:-9] + bytes(9)}
        if self.way == "stalls":
            self.wfile.write(file[:20])
            return time.sleep(1)
        self.wfile.write(parts.get(self.way, file))

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def mirror(monkeypatch):
    """The address of a server that answers as ``Server.way`` says; half a second is the limit."""
    from torchvision.datasets import MNIST

    with served() as port:
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{port}/"])
        sums = [(name, hashlib.md5(file).hexdigest()) for name, file in FILES.items()]
        monkeypatch.setattr(MNIST, "resources", sums)
        real = socket.setdefaulttimeout
        monkeypatch.setattr(socket, "setdefaulttimeout", lambda s: real(s and min(s, 0.5)))
        monkeypatch.setenv("no_proxy", "*")
        yield


@contextmanager
def served():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.daemon_threads = True
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("way", ["silent", "stalls", "gone", "page", "breaks", "other"])
def test_a_server_that_fails_is_told_in_a_sentence_and_the_next_try_is_good(
    mirror, tmp_path, monkeypatch, way
):
    """Silent, silent in the middle, 404, a page in place of data, a connection that breaks, a file
    with other content. What it left does no harm."""
    monkeypatch.setattr(Server, "way", way)
    began = time.monotonic()
    with pytest.raises(DataError, match="^mnist could not be downloaded. Put its files into") as e:
        load_images("mnist", tmp_path)
    assert time.monotonic() - began < 4 and len(str(e.value).splitlines()) == 1
    monkeypatch.setattr(Server, "way", "good")
    x, y = load_images("mnist", tmp_path)
    assert x.shape == (4, 1, 28, 28) and y.tolist() == [0, 1, 2, 3]


def test_what_is_there_is_not_downloaded_again(mirror, tmp_path, monkeypatch):
    x, _ = load_images("mnist", tmp_path)
    monkeypatch.setattr(Server, "way", "gone")
    assert torch.equal(load_images("mnist", tmp_path)[0], x)


def test_an_archive_unpacked_by_half_is_unpacked_again(mirror, tmp_path, monkeypatch):
    """As after Ctrl+C in the middle: the archive is whole, and the file next to it is cut."""
    x, _ = load_images("mnist", tmp_path)
    file = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte"
    file.write_bytes(file.read_bytes()[:1000])
    monkeypatch.setattr(Server, "way", "gone")
    with pytest.warns(UserWarning, match="is damaged and was renamed"):
        assert torch.equal(load_images("mnist", tmp_path)[0], x)


def test_damaged_weights_of_inception_are_told_in_a_sentence(tmp_path, monkeypatch):
    from torchvision.models import Inception_V3_Weights

    name = Inception_V3_Weights.DEFAULT.url.rpartition("/")[2]
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / name).write_bytes(b"<html>moved</html>")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=f"{name} is damaged: delete it, and download it again"):
        inception_features()
