"""Check the functions that you build, and your answers to exercises.

``same_as_package(q_sample)`` compares your function with the package's on the same numbers.
``grade("3.1", x0_from_v)`` checks your answer to exercise 1 of chapter 3. The checks are in files
such as ``chapter_03.py``. Read them only after you've tried the exercises.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .plant import plant
from .same import same_as_package

__all__ = ["grade", "plant", "same_as_package"]


def grade(exercise: str | Callable[[], None], *answers: Any) -> None:
    """Print whether the answer to an exercise is right, wrong (and why), or not tried yet.

    Args:
        exercise: the exercise's number, such as "3.1".
        answers: what the exercise asks for, such as the function that you wrote.

    You can also use ``grade`` as a decorator of a function without arguments. It runs the asserts
    in the function at once.

    Raises:
        ValueError: there's no exercise of that number.
    """
    if callable(exercise):
        return _verdict(exercise.__name__.replace("_", " "), exercise)
    chapter, _, number = exercise.partition(".")
    if any(_is_stub(answer) for answer in answers):
        print(f"⬜ exercise {exercise}: not tried yet.")
        return
    try:
        checks = importlib.import_module(f"ddpm_lite.exercises.chapter_{int(chapter):02d}")
        check = getattr(checks, f"exercise_{number}")
    except (ValueError, ModuleNotFoundError, AttributeError):
        sentence = f"there's no exercise {exercise!r}; expected a number such as '3.1'"
        raise ValueError(sentence) from None
    _verdict(f"exercise {exercise}", lambda: check(*answers))


def _verdict(name: str, check: Callable[[], None]) -> None:
    """Run a check and print its verdict. If it raises an error, the answer isn't right yet."""
    try:
        check()
    except Exception as error:
        print(f"❌ {name}: not yet. {str(error) or type(error).__name__}")
    else:
        print(f"✅ {name}: right.")


def _stub(*args: Any) -> None: ...


def _is_stub(answer: Any) -> bool:
    """Whether an answer is still None, ``...``, or a function or class with ``...`` as a body."""
    if isinstance(answer, type):
        return any(_is_stub(part) for part in vars(answer).values() if hasattr(part, "__code__"))
    if code := getattr(answer, "__code__", None):
        texts = [c for c in code.co_consts if c is not None and c != answer.__doc__]
        return code.co_code[::2] == _stub.__code__.co_code[::2] and not texts  # the same operations
    return answer is None or answer is ...
