"""The folder of a run: its lock, its log, its checkpoint and its samples."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .. import save_images, write_atomic
from .distributed import averaged, rank
from .run import Run

HALF = r"(checkpoint\.pt|log\.jsonl|lock\.txt|samples.*\.png)\.\d+\.part"  # of a killed process
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)  # of some network folders
LINE = rb'\{"step": (\d+), "loss": .*\}\n'


class RunLockedError(RuntimeError):
    """Another process trains in this folder."""


class RunFolder:
    """Enter it once for a whole run: no other process can train here meanwhile.

    Args:
        path: made if it isn't there, and removed if nothing was written into it.
        resume: go on with the run that it holds. Otherwise it must be new or empty.

    Of several processes, only process 0 writes.

    Raises:
        RunLockedError: another process trains here.
        FileExistsError: it holds a run, or somebody else's files.
    """

    def __init__(self, path: Path, resume: bool = False):
        self.path, self.resume = path, resume
        self.lock = self.lines = self.board = None

    def __enter__(self) -> RunFolder:
        self.made = not rank() and not self.path.exists()
        try:
            rank() or self.take()
            averaged(0.0)  # the others wait until it is locked
        except BaseException:
            self.__exit__()
            raise
        return self

    def take(self) -> None:
        """Lock the folder, look at what it holds, and remove half-written files."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.lock = locked(self.path / "lock")
        files = set(self.path.iterdir()) - {self.path / "lock", self.path / "lock.txt"}
        halves = {file for file in files if re.fullmatch(HALF, file.name)}
        if not self.resume:
            self.check_new(files - halves)
        for file in halves:
            file.unlink()

    def check_new(self, files: set[Path]) -> None:
        """A run that was killed before its first checkpoint may be started again."""
        if self.path / "checkpoint.pt" in files:
            raise FileExistsError(f"{self.path} holds a run already: add --resume to go on with "
                                  "it, or choose another --out")  # fmt: skip
        log = self.path / "log.jsonl"
        if files - {log} or files and not re.match(LINE, log.read_bytes()):
            raise FileExistsError(f"{self.path} holds other files: choose a new folder as --out")

    def __exit__(self, *_: Any) -> None:
        for thing in filter(None, (self.lines, self.board)):
            thing.close()
        if self.lock:
            for name in ("lock.txt", "lock"):
                with suppress(OSError):  # Windows keeps a file that is open
                    (self.path / name).unlink(missing_ok=True)
            self.lock.release()
        with suppress(OSError):  # only an empty folder goes
            self.made and self.path.rmdir()

    def log(self, run: Run, loss: float) -> None:
        """A line of log.jsonl, and TensorBoard's, where it is installed. Nothing in it depends on
        the clock, so that a resumed run has the log of one that never stopped."""
        if rank():
            return
        if not self.lines:
            self.open_log(run.step)
        numbers = {"loss": loss, "lr": run.optimizer.param_groups[0]["lr"]}
        self.lines.write(json.dumps({"step": run.step, **numbers}).encode() + b"\n")
        for name, value in numbers.items() if self.board else ():
            self.board.add_scalar(name, value, run.step)

    def open_log(self, step: int) -> None:
        """Cut the lines of steps that are made once more, and half a line at the end."""
        path = self.path / "log.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        kept = [line for line in lines if (m := re.fullmatch(LINE, line)) and int(m[1]) < step]
        write_atomic(path, b"".join(kept))
        self.lines = open(path, "ab", buffering=0)
        with suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(self.path / "tensorboard", purge_step=step)

    def save(self, run: Run) -> None:
        """The checkpoint. The lines of its steps are in the log before that."""
        if rank():
            return
        if self.lines:
            with suppress(OSError):  # the checkpoint matters more
                os.fsync(self.lines.fileno())
        run.save(self.path / "checkpoint.pt")

    def samples(self, run: Run, name: str = "samples.png") -> None:
        """64 samples of the averaged weights as they are now."""
        if not rank():
            save_images(self.path / name, run.draw(64))


def locked(path: Path) -> FileLock:
    """Lock it, and write down who holds it. The operating system releases the lock when the process
    exits, so a leftover lock file is harmless."""
    lock, owner = FileLock(path), path.with_name("lock.txt")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        name = owner.read_text("utf-8") if owner.exists() else "another process"
        raise RunLockedError(f"{path.parent} is in use by {name}: wait until it ends, or choose "
                             "another --out") from error  # fmt: skip
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        print(f"{path.parent} cannot be locked: train in it once at a time", file=sys.stderr)
    since = datetime.now().astimezone().isoformat(" ", "seconds")
    write_atomic(owner, f"process {os.getpid()} on {socket.gethostname()} since {since}".encode())
    return lock
