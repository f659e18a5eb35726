"""Turn each error into one sentence."""

import os
import re
import sys

import torch

from .. import CheckpointError, DataError, NonFiniteLossError

# These errors are expected and get a sentence without a traceback. Any other error is a bug.
EXPECTED = (OSError, ValueError)
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
FAILURES = (CheckpointError, DataError, NonFiniteLossError)  # other arguments would not avoid these


def sentence(error: BaseException) -> str:
    """A sentence that says what went wrong and what to do. It's empty for an unexpected error."""
    text, home = str(error), type(error).__module__
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is not installed: pip install -r requirements.txt"
    if isinstance(error, OUT_OF_MEMORY) or "can't allocate memory" in text:
        return "out of memory: try a smaller --batch, --width or --n, or a larger --accumulate"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; nothing was overwritten. Choose another path"
    if home.startswith(("torch._dynamo", "torch._inductor")):
        return "PyTorch can't compile the network here: add --no-compile"
    if "RANK" in os.environ and re.search("gloo|NCCL", text):
        return "another process of this run has stopped; --resume continues from the last save"
    return text if home.startswith("ddpm_lite") or isinstance(error, EXPECTED) else ""


def tell(error: Exception, who: str) -> int:
    """Print what went wrong, from process 0 only, and return the exit status: 2 if other arguments
    would avoid the error, otherwise 1. An unexpected error is raised again."""
    if not (text := sentence(error)):
        raise error
    if os.environ.get("RANK", "0") == "0":
        print(f"{who}: {text}", file=sys.stderr)
    return 2 if isinstance(error, ValueError) and not isinstance(error, FAILURES) else 1
