"""The green light of an exercise (needs nothing but Python)."""

from __future__ import annotations

from collections.abc import Callable


def grade(check: Callable[[], None]) -> bool:
    """Run ``check`` at once and print a green tick, or the sentence of its first failed assert.

    Use it as a decorator above a function without arguments whose asserts describe a right answer.
    An answer that raises, as an untouched stub does, is not right yet. Returns whether it passed.
    """
    name = check.__name__.replace("_", " ")
    try:
        check()
    except Exception as error:
        print(f"❌ {name}: not yet. {error or type(error).__name__}")
        return False
    print(f"✅ {name}: right.")
    return True
