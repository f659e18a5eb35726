"""The drawings of the book, one function each: ``python -m scripts.drawings`` writes them all."""

from . import adapters, curves, geometry, network, process
from .kit import DRAWINGS

__all__ = ["DRAWINGS", "adapters", "curves", "geometry", "network", "process"]
