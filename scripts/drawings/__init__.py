"""The drawings of the book, one function each: ``python -m scripts.drawings`` writes them all."""

from . import adapters, computers, curves, geometry, network, process, sounds, words
from .kit import DRAWINGS

__all__ = [
    "DRAWINGS", "adapters", "computers", "curves", "geometry", "network", "process", "sounds",
    "words",
]  # fmt: skip
