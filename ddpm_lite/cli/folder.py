"""The folder of a run: its lock, its log, its checkpoint and its samples."""

import errno
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from .. import save_images, write_atomic
from .distributed import averaged, rank
from .run import Run

HALF = r"(checkpoint\.pt|log\.jsonl|lock\.txt|samples.*\.png)\.\d+\.part"  # of a killed process
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # in some network folders
LINE = rb'\{"step": (\d+), "loss": .*\}\n'


class RunFolder:
    """Write the files of a run. If there are several processes, only process 0 writes."""

    def __init__(self, path: Path):
        self.path = path
        self.lines = self.board = None

    @classmethod
    @contextmanager
    def entered(cls, path: Path, resume: bool = False) -> Iterator["RunFolder"]:
        """Lock the folder for a whole run. The folder is created if it doesn't exist, and removed
        again if nothing was written into it. Without ``resume``, it must be new or empty.

        Raises:
            OSError: another process is training in the folder, or it has other files in it.
        """
        folder, made, lock = cls(path), not rank() and not path.exists(), None
        try:
            if not rank():
                path.mkdir(parents=True, exist_ok=True)
                lock = locked(path / "lock")
                tidy(path, resume)
            averaged(0.0)  # the other processes wait for the lock
            yield folder
        finally:
            for thing in filter(None, (folder.lines, folder.board)):
                thing.close()
            unlock(path, lock, made)

    def log(self, run: Run, loss: float) -> None:
        """Write a line to log.jsonl, and to TensorBoard's log if TensorBoard is installed. Lines
        don't depend on the clock, so a resumed run has the same log as one that never stopped."""
        if rank():
            return
        if not self.lines:
            self.open_log(run.step)
        numbers = {"loss": loss, "lr": run.optimizer.param_groups[0]["lr"]}
        self.lines.write(json.dumps({"step": run.step, **numbers}).encode() + b"\n")
        for name, value in numbers.items() if self.board else ():
            self.board.add_scalar(name, value, run.step)

    def open_log(self, step: int) -> None:
        """Open the log, after removing the lines of steps that will be repeated and an incomplete
        line at the end."""
        path = self.path / "log.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if (m := re.fullmatch(LINE, line)) and int(m[1]) < step]
        write_atomic(path, b"".join(kept))
        self.lines = open(path, "ab", buffering=0)
        with suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(self.path / "tensorboard", purge_step=step)

    def save(self, run: Run) -> None:
        """Write the checkpoint, after the log lines of its steps are on disk."""
        if rank():
            return
        if self.lines:
            with suppress(OSError):  # save the checkpoint even if the log fails
                os.fsync(self.lines.fileno())
        run.save(self.path / "checkpoint.pt")

    def samples(self, run: Run, name: str = "samples.png") -> None:
        """Draw and save 64 samples with the averaged weights."""
        if not rank():
            save_images(self.path / name, run.draw(64))


def tidy(path: Path, resume: bool) -> None:
    """Remove half-written files, and refuse a folder with other files unless the run is resumed. A
    run that was killed before its first checkpoint leaves at most a log, and may be started
    again."""
    files = set(path.iterdir()) - {path / "lock", path / "lock.txt"}
    halves = {file for file in files if re.fullmatch(HALF, file.name)}
    log = path / "log.jsonl"
    ours = {log} if log in files and re.match(LINE, log.read_bytes()) else set()
    if not resume and (others := files - halves - ours):
        what = "a run" if path / "checkpoint.pt" in others else "other files"
        raise FileExistsError(f"{path} already contains {what}: choose another --out, or add "
                              "--resume to continue a run")  # fmt: skip
    for file in halves:
        file.unlink()


def locked(path: Path) -> FileLock:
    """Lock the folder, and write which process has the lock. The operating system releases the lock
    when the process exits, so a leftover lock file is harmless."""
    lock, owner = FileLock(path), path.with_name("lock.txt")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        name = owner.read_text("utf-8") if owner.exists() else "another process"
        raise OSError(f"{path.parent} is in use by {name}: wait until it finishes, or choose "
                      "another --out") from error  # fmt: skip
    except (NotImplementedError, OSError) as error:
        if getattr(error, "errno", errno.ENOSYS) not in NO_LOCKS:
            raise
        print(f"{path.parent} can't be locked: train only one run in it at a time", file=sys.stderr)
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    write_atomic(owner, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
    return lock


def unlock(path: Path, lock: FileLock | None, made: bool) -> None:
    """Leave the folder, and remove it if nothing was written into it."""
    if lock:
        for name in ("lock.txt", "lock"):
            with suppress(OSError):  # Windows refuses to delete an open file
                (path / name).unlink()
        lock.release()
    if made:
        with suppress(OSError):  # fails if something is in it
            path.rmdir()
