"""Plant a bug: change one line of the package, and keep the rest."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any


def plant(thing: Callable[..., Any], right: str, wrong: str) -> ModuleType:
    """A copy of the file that defines a function or class, with one change in it.

    Args:
        thing: the function or class to change, such as ``ddpm_step``.
        right: code that its source contains once.
        wrong: what stands there instead.

    ``plant(ddpm_loss, "randn_like", "rand_like").ddpm_loss`` is the loss with uniform noise. The
    package itself isn't touched.

    Raises:
        ValueError: the code isn't there, or more than once.
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
