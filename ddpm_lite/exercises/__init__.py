"""Two lines for a reader: is what I built the package's function, and is my answer right?

``same_as_package(q_sample)`` runs both on the same numbers. ``grade("3.1", x0_from_v)`` checks the
answer to exercise 1 of chapter 3. The checks of a chapter are in ``chapter_03.py``: read them only
after you have tried.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .plant import plant
from .same import same_as_package

__all__ = ["grade", "plant", "same_as_package"]


def grade(exercise: str | Callable[[], None], *answers: Any) -> None:
    """Print whether the answer to an exercise is right, not tried yet, or what is wrong with it.

    Args:
        exercise: its number, such as "3.1".
        answers: what the exercise asks for, such as the function that you wrote.

    As a decorator above a function without arguments, ``grade`` runs its asserts at once.
    """
    if callable(exercise):
        return _verdict(exercise.__name__.replace("_", " "), exercise)
    chapter, _, number = exercise.partition(".")
    if any(_is_stub(answer) for answer in answers):
        print(f"⬜ exercise {exercise}: not tried yet.")
        return
    checks = importlib.import_module(f"ddpm_lite.exercises.chapter_{int(chapter):02d}")
    check = getattr(checks, f"exercise_{number}")
    _verdict(f"exercise {exercise}", lambda: check(*answers))


def _verdict(name: str, check: Callable[[], None]) -> None:
    """An answer that raises is not right yet."""
    try:
        check()
    except Exception as error:
        print(f"❌ {name}: not yet. {error or type(error).__name__}")
    else:
        print(f"✅ {name}: right.")


def _stub(*args: Any) -> None: ...


def _is_stub(answer: Any) -> bool:
    """None, ``...``, or a function or class in which a body is still ``...``."""
    if isinstance(answer, type):
        return any(_is_stub(part) for part in vars(answer).values() if hasattr(part, "__code__"))
    if code := getattr(answer, "__code__", None):
        texts = [c for c in code.co_consts if c is not None and c != answer.__doc__]
        return code.co_code[::2] == _stub.__code__.co_code[::2] and not texts  # the same operations
    return answer is None or answer is ...
