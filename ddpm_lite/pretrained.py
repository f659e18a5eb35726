"""Trained weights that come with the package, so that a chapter can begin where training ends.

How they were made, and how good they are, is on the page "Results" of the book.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from .diffusion import Schedule, cosine_schedule, linear_schedule
from .metrics import Classifier
from .nets import UNet
from .train import load_checkpoint

FOLDER = Path(__file__).with_name("weights")
SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
SIZES = ("channels", "width", "mults", "blocks", "attention", "num_classes", "dropout")


def load_pretrained(name: str = "digits") -> tuple[UNet, Schedule, dict[str, Any]]:
    """A trained network with the averaged weights, its schedule, and the recipe that made it.

    ``recipe["target"]`` says what the network guesses: of one that guesses "v",
    ``from_v(net, schedule)`` is the model. "digits" knows labels 0 to 9, and y = None for none.
    Used from chapter 7 on.
    """
    state = load_checkpoint(_file(name))
    recipe = state["recipe"]
    net = UNet(**{size: recipe[size] for size in SIZES})
    return _frozen(net, state["net"]), SCHEDULES[recipe["schedule"]](recipe["T"]), recipe


def load_classifier(name: str = "digits") -> Classifier:
    """The classifier whose features the Fréchet distances of the book use. It was fitted by
    ``fit_classifier(*load_images(name))``; it ships because a second fit, of another seed or on
    another machine, has other features, and scores compare only within one set of features.
    Used from chapter 7 on."""
    state = load_checkpoint(_file(f"{name}_classifier"))
    return _frozen(Classifier(**state["sizes"]), state["net"])


def _file(name: str) -> Path:
    known = sorted(path.stem for path in FOLDER.glob("*.pt"))
    if name not in known:
        raise ValueError(f"there are no weights {name!r}; expected one of {', '.join(known)}")
    return FOLDER / f"{name}.pt"


def _frozen(net: nn.Module, weights: dict[str, Any]) -> Any:
    net.load_state_dict(weights)
    return net.eval().requires_grad_(False)
