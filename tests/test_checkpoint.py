"""Checkpoints survive anything, and nothing in a file is executed; images are written whole."""

import builtins
import hashlib
import io
import os
import pickle
import signal
import zipfile
from pathlib import Path
from traceback import format_exception

import pytest
import torch

from ddpm_lite import (
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
    save_images,
    write_atomic,
)

STATE = {"net": {"w": torch.arange(12.0).view(3, 4)}, "step": 7, "lr": 1e-3, "names": ["a", None]}


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "model.pt"
    save_checkpoint(path, **STATE)
    return path


def refused(path) -> str:
    """The one sentence with which a bad file is refused."""
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    message = str(error.value)
    assert str(path) in message and "\n" not in message
    assert "weights_only" not in "".join(format_exception(error.value))  # torch's advice
    return message


def test_a_checkpoint_comes_back_as_it_was(saved):
    """Tensors to the bit, and numbers, strings, lists and dicts."""
    back = load_checkpoint(saved)
    assert torch.equal(back["net"].pop("w"), STATE["net"]["w"])
    assert back == {**STATE, "net": {}}


def test_a_cut_checkpoint_is_refused_at_every_length(saved):
    """The last 32 bytes are the SHA-256 of the rest: no shorter file has it."""
    whole = saved.read_bytes()
    for length in [
        *range(0, 80),
        *range(80, len(whole) - 80, 37),
        *range(len(whole) - 80, len(whole)),
    ]:
        saved.write_bytes(whole[:length])
        assert "checksum" in refused(saved)


def test_a_checkpoint_with_one_wrong_bit_is_refused(saved):
    """torch alone loads a flipped bit in a weight silently."""
    whole = saved.read_bytes()
    for bit in range(0, 8 * len(whole), 131):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        saved.write_bytes(damaged)
        refused(saved)


def test_a_foreign_file_is_refused(saved):
    """What torch.save, a text editor or git-lfs wrote is not ours."""
    torch.save(STATE, saved)
    refused(saved)
    for text in (b"", b"version https://git-lfs.github.com/spec/v1\n", b"<!DOCTYPE html>" * 9):
        saved.write_bytes(text)
        refused(saved)


class Canary:
    """Unpickling it in full writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def attacks(canary: Canary) -> list[bytes]:
    files = [pickle.dumps(canary, protocol) for protocol in range(6)]
    for zipped in (True, False):
        for state in (canary, {"net": {"w": canary}}, {"optimizer": [{"state": canary}]}):
            buffer = io.BytesIO()
            torch.save(state, buffer, _use_new_zipfile_serialization=zipped)
            files.append(buffer.getvalue())
    return files


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_malicious_checkpoint_is_never_executed(saved, tmp_path):
    """Not even with a valid checksum behind it: weights_only=True unpickles no code."""
    canary = tmp_path / "executed"
    for attack in attacks(Canary(canary)):
        for data in (attack, attack + hashlib.sha256(attack).digest()):
            saved.write_bytes(data)
            refused(saved)
            assert not canary.exists()
    pickle.loads(pickle.dumps(Canary(canary)))
    assert canary.exists()  # the canary itself works


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_forged_checksum_lets_nothing_but_a_checkpoint_error_out(saved):
    """Damage under a valid checksum: loaded, or refused; never an IndexError from the unpickler."""
    pickled = pickle.dumps({"step": [1, 2.5, "x"]}, 2)
    for data in (pickled, saved.read_bytes()[:-32]):
        for i in range(0, len(data), 1 + len(data) // 40):
            forged = data[:i] + bytes([(data[i] + 83) % 256]) + data[i + 1 :]
            for file in (forged, forged[: i + 1]):
                saved.write_bytes(file + hashlib.sha256(file).digest())
                try:
                    load_checkpoint(saved)
                except CheckpointError:
                    pass


@pytest.mark.parametrize("bad, words", [
    ({"loss": pytest.importorskip("numpy").float64(0.5)}, "['loss'] is a numpy.float64"),
    ({"net": {"parts": [1, {2}]}}, "['net']['parts'][1] is a builtins.set"),
    ({"file": Path("x")}, "['file'] is a pathlib"),
    ({"by": {(1, b"x"): 2}}, "a key of the state['by'][1] is a builtins.bytes"),
])  # fmt: skip
def test_what_could_not_be_loaded_is_not_saved(saved, bad, words):
    """It is named, with its place, before the old checkpoint is touched."""
    with pytest.raises(TypeError) as error:
        save_checkpoint(saved, **STATE | bad)
    assert words in str(error.value) and "float(x)" in str(error.value)
    assert load_checkpoint(saved)["step"] == 7 and os.listdir(saved.parent) == ["model.pt"]


def test_a_device_that_is_not_there_is_not_the_fault_of_the_file(saved, monkeypatch):
    """Whatever PyTorch says then."""
    empty = torch.empty
    for kind in (AssertionError, RuntimeError):

        def refuse(*size, device="cpu", kind=kind, **how):
            if device == "cuda":
                raise kind("Torch not compiled with CUDA enabled")
            return empty(*size, device=device, **how)

        monkeypatch.setattr(torch, "empty", refuse)
        with pytest.raises(ValueError, match="find device 'cuda' here") as error:
            load_checkpoint(saved, device="cuda")
        assert not isinstance(error.value, CheckpointError)
    with pytest.raises(ValueError, match="find device 'tpu' here"):
        load_checkpoint(saved, device="tpu")


def test_a_small_file_that_unpacks_to_a_large_one_is_refused(saved):
    """A forged checkpoint of 100 MB of zeros, packed into a thousandth of that."""
    torch.save({"w": torch.zeros(25_000_000)}, buffer := io.BytesIO())
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(packed := io.BytesIO(), "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name), zipfile.ZIP_DEFLATED)
    data = packed.getvalue()
    assert len(data) < 1_000_000
    saved.write_bytes(data + hashlib.sha256(data).digest())
    assert "unpacks to more" in refused(saved)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    """FileNotFoundError with the path and how to make a checkpoint."""
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(FileNotFoundError, match="is not a file; `python -m ddpm_lite train`"):
            load_checkpoint(path)


@pytest.mark.parametrize("where", ["torch.save", "os.fsync", "os.replace"])
def test_a_failed_write_leaves_the_old_checkpoint_and_no_litter(saved, monkeypatch, where):
    """Disk full, at any stage: the old file loads, and no .part is left."""

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr({"torch.save": torch, "os.fsync": os, "os.replace": os}[where],
                        where.split(".")[1], full)  # fmt: skip
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(saved, step=8)
    assert load_checkpoint(saved)["step"] == 7
    assert os.listdir(saved.parent) == ["model.pt"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a forked child")
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_a_process_killed_while_it_writes_leaves_the_old_checkpoint(saved, share):
    """kill -9 after that share of the bytes: the old file is whole, being replaced at the end."""
    child = os.fork()
    if child == 0:  # the writer dies inside write()

        class Dying(io.FileIO):
            def write(self, data):
                super().write(data[: int(len(data) * share)])
                os.kill(os.getpid(), signal.SIGKILL)

        builtins.open = lambda path, mode: Dying(path, mode)
        try:
            save_checkpoint(saved, step=8)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert load_checkpoint(saved)["step"] == 7


def test_a_saved_checkpoint_replaces_the_old_one(saved):
    """The other side of atomic: when it returns, the new one is there, alone."""
    save_checkpoint(str(saved), step=8)
    assert load_checkpoint(str(saved)) == {"step": 8}
    assert os.listdir(saved.parent) == ["model.pt"]


# Any file, and images


@pytest.mark.parametrize("kind", ["folder", "device", "pipe"])
def test_what_is_no_file_is_not_written_over(tmp_path, kind):
    """A folder, a device or a pipe is named, and stays what it is."""
    path = Path(os.devnull) if kind == "device" else tmp_path / "x"
    if kind == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("no pipes here")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    before = path.stat().st_mode
    with pytest.raises(FileExistsError, match="not a regular file") as error:
        write_atomic(path, b"data")
    assert str(path) in str(error.value) and path.stat().st_mode == before
    assert os.listdir(tmp_path) == ([] if kind == "device" else ["x"])


def test_a_link_stays_a_link(tmp_path):
    """The file that it names is replaced, wherever that is."""
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomic(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").read_bytes() == b"new"
    assert sorted(os.listdir(tmp_path)) == ["link", "real"]


IMAGES = torch.linspace(-1, 1, 5)[:, None, None, None].expand(5, 1, 4, 3)  # five grey tones
TONES = [0, 64, 128, 191, 255]


@pytest.mark.parametrize("suffix, magic", [
    (".png", b"\x89PNG"), (".jpg", b"\xff\xd8\xff"), (".jpeg", b"\xff\xd8\xff"),
    (".webp", b"RIFF"), (".PNG", b"\x89PNG"), (".npy", b"\x93NUMPY"), (".npz", b"PK"),
])  # fmt: skip
def test_a_file_holds_what_its_suffix_says(tmp_path, suffix, magic):
    save_images(tmp_path / f"x{suffix}", IMAGES)
    assert (tmp_path / f"x{suffix}").read_bytes().startswith(magic)
    assert os.listdir(tmp_path) == [f"x{suffix}"]


def test_a_grid_has_the_images_in_reading_order_with_white_lines_between(tmp_path):
    """Five images: three columns and two rows, each image enlarged by a whole number."""
    from PIL import Image

    save_images(tmp_path / "x.png", IMAGES, pixels=6)  # twice as large
    written = Image.open(tmp_path / "x.png").tobytes()
    grid = torch.tensor([*written]).view(2 + 2 * (8 + 2), 2 + 3 * (6 + 2))
    cells = [grid[10 * (i // 3) + 2 :, 8 * (i % 3) + 2 :][:8, :6] for i in range(5)]
    assert [cell.unique().tolist() for cell in cells] == [[tone] for tone in TONES]
    assert (grid[:2] == 255).all() and (grid[10:12] == 255).all() and (grid[:, 8:10] == 255).all()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_has_each_image_with_channels_last(tmp_path, suffix):
    """Bytes (N, H, W, C); what is outside of [-1, 1] is black or white."""
    np = pytest.importorskip("numpy")
    save_images(tmp_path / f"x{suffix}", torch.cat([3 * IMAGES[:1], IMAGES[1:]]))
    array = np.load(tmp_path / f"x{suffix}")
    array = array if suffix == ".npy" else array["images"]
    assert array.shape == (5, 4, 3, 1) and array.dtype == np.uint8
    assert array[:, 0, 0, 0].tolist() == TONES


def test_a_folder_has_a_file_for_each_image(tmp_path):
    """Numbered; the folder is made."""
    from PIL import Image

    save_images(tmp_path / "out" / "samples", IMAGES)
    files = sorted((tmp_path / "out" / "samples").iterdir())
    assert [file.name for file in files] == [f"0000{i}.png" for i in range(5)]
    assert [Image.open(file).getpixel((0, 0)) for file in files] == TONES
    assert Image.open(files[0]).size == (3, 4)


def test_colour_and_gradients_are_no_obstacle(tmp_path):
    """(N, 3, H, W), straight out of a network that trains; the channels stay in order."""
    from PIL import Image

    red = torch.tensor([1.0, -1, -1])[:, None, None].expand(1, 3, 4, 4).requires_grad_()
    save_images(tmp_path / "x.png", red, pixels=4)
    assert Image.open(tmp_path / "x.png").getpixel((3, 3)) == (255, 0, 0)
