"""The drawings of the book, one function each: ``python -m scripts.drawings`` writes them all."""

import importlib

from .kit import DRAWINGS

__all__ = ["DRAWINGS"]

for subject in (
    "adapters", "attention", "checks", "computers", "curves", "edits", "geometry", "guidance",
    "latents", "loops", "losses", "network", "process", "sounds", "steps", "transformer", "words",
):  # fmt: skip
    importlib.import_module(f".{subject}", __name__)
