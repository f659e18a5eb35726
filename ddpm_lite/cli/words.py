"""How the commands speak: settings, tables, devices, and one sentence for each error."""

import os
import re
from typing import Any

import torch

from .. import CheckpointError, DataError, NonFiniteLossError

# Errors of these kinds are expected: one sentence, no traceback. All others are bugs.
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
EXPECTED = (DataError, OSError, ValueError)
FAILURES = (CheckpointError, NonFiniteLossError)  # ValueErrors that no argument could avoid


def device_named(name: str) -> str:
    """The device of ``--device``; auto is the first that is there."""
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    there = ["cuda"] * cuda + ["mps"] * mps + ["cpu"]
    if name not in ("auto", *there):
        raise ValueError(f"PyTorch finds no {name} device here: use --device cpu, or auto")
    return there[0] if name == "auto" else name


def table(*columns: dict[str, Any]) -> str:
    """The keys, and beside them the values of each column."""
    rows = [[name, *(shown(column[name]) for column in columns)] for name in columns[0]]
    return "\n".join("".join(f"{cell:<15}" for cell in row).rstrip() for row in rows)


def shown(value: Any) -> str:
    """A setting as one would type it."""
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return {"None": "none", "False": "no", "True": "yes", "": "none"}.get(text, text)


def sentence(error: BaseException) -> str:
    """What went wrong and what to do; nothing for an error that nobody expected."""
    text, home = str(error), type(error).__module__
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install -r requirements.txt"
    if isinstance(error, OUT_OF_MEMORY) or "can't allocate memory" in text:
        return "out of memory: try a smaller --batch, --width or --n, or a larger --accumulate"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; nothing was overwritten. Choose another place"
    if home.startswith(("torch._dynamo", "torch._inductor")):
        return "PyTorch cannot compile the network here: add --no-compile"
    if "RANK" in os.environ and re.search("gloo|NCCL", text):
        return "another process of this run has stopped; --resume goes on from the last save"
    return text if home.startswith("ddpm_lite") or isinstance(error, EXPECTED) else ""
