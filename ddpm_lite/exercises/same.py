"""Compare what a chapter builds with the package, on the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

import ddpm_lite
from ddpm_lite import Schedule

from .uses import USES
from .uses_today import USES_TODAY

TOLERANCE = 1e-5
USES = USES | USES_TODAY
PLACES = (
    "diagnose", "likelihood", "score", "flow", "editing", "vae", "gan", "transformer", "tokenizer",
    "text", "audio", "distill", "tokens", "token_net", "finetune", "control", "pages",
)  # fmt: skip
"""Modules with functions that aren't in ``ddpm_lite`` itself, in the order in which they're
searched."""


def same_as_package(*built: Any) -> None:
    """Compare functions or classes with the package's of the same names, and print the result.

    Raises:
        ValueError: the results differ, or one of them was imported instead of built.
    """
    for mine in built:
        name = mine.__name__
        theirs = of_package(name)
        if mine is theirs:
            raise ValueError(f"{name} is the package's own: run the cell that builds it first")
        _compare(name, _numbers(name, mine), _numbers(name, theirs))
        print(f"{name} agrees with ddpm_lite.{name}")


def of_package(name: str) -> Any:
    """The package's function or class of that name, in ``ddpm_lite`` or one of ``PLACES``."""
    if name in ddpm_lite.__all__:
        return getattr(ddpm_lite, name)
    for place in PLACES:
        if hasattr(leaf := import_module(f"ddpm_lite.{place}"), name):
            return getattr(leaf, name)
    raise ValueError(f"ddpm_lite has nothing called {name!r}")


def _compare(name: str, mine: list[Tensor], theirs: list[Tensor]) -> None:
    shapes = [[tuple(x.shape) for x in numbers] for numbers in (mine, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"{name} gives shapes {shapes[0]}; expected {shapes[1]}, as ddpm_lite has")
    for a, b in zip(mine, theirs, strict=True):
        if not torch.allclose(a, b, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            off = (a - b).abs().max()
            raise ValueError(f"{name} differs from ddpm_lite.{name} by up to {off:.2g}")


def _numbers(name: str, thing: Any) -> list[Tensor]:
    """The numbers that ``USES[name]`` computes with ``thing``, always from the same seed."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        return [torch.as_tensor(x, dtype=torch.float64) for x in _flat(USES[name](thing))]


def _flat(result: Any) -> Iterator[Any]:
    """Yield the tensors and numbers in a result, however it's nested."""
    if isinstance(result, Schedule) or hasattr(result, "alpha_bar"):
        yield from (result.beta, result.alpha, result.alpha_bar)
    elif isinstance(result, Iterable) and not isinstance(result, Tensor):
        for part in result:
            yield from _flat(part)
    else:
        yield result
