"""Things to move in Jupyter: each shows one idea of the book (needs ipywidgets, matplotlib).

They take the functions that they explore as arguments or work on precomputed states, so that
moving a slider never waits for a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.axes import Axes


def explore(draw: Callable[[Axes, Any], None], states: Sequence[tuple[Any, Any]], name: str = "t"):
    """A slider over states (label, value), each drawn by ``draw(ax, value)``.

    Used for the forward process (chapter 1), trajectories (chapters 2 and 6), and whatever has
    been computed as a list.
    """
    labels = [label for label, _ in states]
    slider = ipywidgets.SelectionSlider(
        options=[(str(label), i) for i, label in enumerate(labels)],
        description=name,
        continuous_update=False,
    )

    def show(i: int) -> None:
        _, ax = plt.subplots(figsize=(4, 3))
        draw(ax, states[i][1])
        ax.set_title(f"{name} = {labels[i]}")
        plt.show()

    return ipywidgets.interactive(show, i=slider)


def explore_schedules(schedules: Mapping[str, Any]):
    """Choose schedules by name and what to see of them: beta, alpha_bar or the SNR (chapter 1)."""

    def show(what: str, names: tuple[str, ...]) -> None:
        _, ax = plt.subplots(figsize=(6, 3))
        for name in names:
            schedule = schedules[name]
            ax.plot(range(1, schedule.T + 1), getattr(schedule, what)[1:].cpu(), label=name)
        ax.set(xlabel="t", ylabel=what, yscale="log" if what == "snr" else "linear")
        ax.legend()
        plt.show()

    return ipywidgets.interactive(
        show,
        what=ipywidgets.ToggleButtons(options=["beta", "alpha_bar", "snr"], description="show"),
        names=ipywidgets.SelectMultiple(options=list(schedules), value=list(schedules)),
    )
