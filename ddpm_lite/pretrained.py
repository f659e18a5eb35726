"""Trained weights that come with the package, so that a chapter can begin where training ends.

How they were made, and how good they are, is on the page "Results" of the book.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from .checkpoint import load_checkpoint
from .diffusion import SCHEDULES, Schedule
from .metrics import Classifier
from .nets import UNet

FOLDER = Path(__file__).with_name("weights")
NAMES = ("digits", "mnist")
SIZES = ("channels", "width", "mults", "blocks", "attention", "num_classes", "dropout")


def load_pretrained(name: str = "digits") -> tuple[UNet, Schedule, dict[str, Any]]:
    """A trained network with the averaged weights, its schedule, and the recipe that made it.

    Args:
        name: "digits", for images (N, 1, 8, 8), or "mnist", for images (N, 1, 28, 28). Both know
            labels 0 to 9, and y = None for none.

    ``recipe["target"]`` says what the network guesses: of one that guesses "v", as both do,
    ``from_v(net, schedule)`` is the model. Used from chapter 7 on.
    """
    state = load_checkpoint(_file(name))
    recipe = state["recipe"]
    net = UNet(**{size: recipe[size] for size in SIZES})
    return _frozen(net, state["net"]), SCHEDULES[recipe["schedule"]](recipe["T"]), recipe


def load_classifier(name: str = "digits") -> Classifier:
    """The classifier whose features the Fréchet distances of the book use, "digits" or "mnist". It
    was fitted by ``fit_classifier(*load_images(name))``; it ships because a second fit, of another
    seed or on another machine, has other features, and scores compare only within one set of
    features. Used from chapter 7 on."""
    state = load_checkpoint(_file(name, "_classifier"))
    return _frozen(Classifier(**state["sizes"]), state["net"])


def _file(name: str, kind: str = "") -> Path:
    if name not in NAMES:
        raise ValueError(f"there are no weights {name!r}; expected one of {', '.join(NAMES)}")
    return FOLDER / f"{name}{kind}.pt"


def _frozen(net: nn.Module, weights: dict[str, Any]) -> Any:
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)
