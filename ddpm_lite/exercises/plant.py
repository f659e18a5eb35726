"""Plant a bug: change one line in a copy of a file of the package."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any


def plant(thing: Callable[..., Any], right: str, wrong: str) -> ModuleType:
    """A copy of the module that defines a function or class, with one change in it.

    Args:
        thing: the function or class to change, such as ``ddpm_step``.
        right: code that occurs once in its source.
        wrong: the code that replaces it.

    For example, ``plant(ddpm_loss, "randn_like", "rand_like").ddpm_loss`` is the loss with uniform
    noise. The package itself doesn't change. Used in chapter 10.

    Raises:
        ValueError: the code doesn't occur exactly once.
    """
    module, source = inspect.getmodule(thing), inspect.getsource(thing)
    if source.count(right) != 1:
        count, name = source.count(right), thing.__name__
        raise ValueError(f"{right!r} is {count} times in {name}; expected once")
    broken = ModuleType(module.__name__)
    broken.__package__ = module.__package__
    text = inspect.getsource(module).replace(source, source.replace(right, wrong))
    exec(compile(text, f"{module.__name__}, changed", "exec"), vars(broken))
    return broken
