"""The drawings of the book, one function each: ``python -m scripts.drawings`` writes them all."""

from . import geometry, network, process
from .kit import DRAWINGS

__all__ = ["DRAWINGS", "geometry", "network", "process"]
