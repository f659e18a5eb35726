"""Recipes: all settings that affect the result of a training run."""

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ..data import IMAGES
from ..diffusion import TARGETS
from ..pretrained import SCHEDULES

CLOTHES = "t-shirt trouser pullover dress coat sandal shirt sneaker bag boot"
THINGS = "airplane automobile bird cat deer dog frog horse ship truck"
ADAPT = ("accumulate", "amp", "compile")  # to the machine: a resumed run may change these


def number(low: float, high: float = 10**9, kind: type = int) -> Callable[[str], float]:
    """An argument type: a number from ``low`` to ``high``."""

    def number(text: str) -> float:
        if not low <= (value := kind(text)) <= high:
            raise argparse.ArgumentTypeError(f"got {text}, expected {low:g} to {high:g}")
        return value

    return number


def place(text: str) -> str:
    """An argument type: the name of a data set, or the absolute path of a file or folder."""
    return text if text in IMAGES else str(Path(text).expanduser().absolute())


count, real, positive = number(1), number(0, 1e6, float), number(1e-9, 1e6, float)


def argument(default: Any, help: str, kind: Any = count) -> dict[str, Any]:
    """The arguments of argparse for an option. ``kind`` is a function of the text, or a set of
    choices."""
    if isinstance(default, bool):
        return {"help": help, "action": argparse.BooleanOptionalAction}
    many = {"nargs": "*"} if isinstance(default, tuple) else {}
    return {"help": help, "type" if callable(kind) else "choices": kind} | many


def option(default: Any, help: str, kind: Any = count) -> Any:
    """A field of ``Recipe`` that is also an option of ``train``."""
    return field(default=default, metadata=argument(default, help, kind))


@dataclass(frozen=True)
class Recipe:
    """All settings that affect the result of a training run. The weights depend on nothing else."""

    data: str = option("digits", f"{', '.join(IMAGES)}, or a folder, .npy or .npz file", place)
    image_size: tuple = option((8, 8), "height and width; your own images are resized to this")
    channels: int = option(1, "1 for grey images, 3 for colour")
    source: str = option("", "start from the weights of a run folder, or from digits or mnist",
                         place)  # fmt: skip
    width: int = option(16, "channels of the first level, an even number")
    mults: tuple = option((1, 2), "channels of each level, as multiples of the width")
    blocks: int = option(1, "residual blocks per level")
    attention: tuple = option((), "levels with attention; 0 is the first", number(0))
    conditional: bool = option(False, "train with labels, so that you can choose what to sample")
    dropout: float = option(0.0, "dropout probability", real)
    schedule: str = option("cosine", "noise schedule", SCHEDULES.keys())
    T: int = option(1000, "number of noise levels", number(1, 10**5))
    target: str = option("v", "what the network predicts", TARGETS.keys())
    flip: bool = option(False, "mirror half of the images left to right")
    batch: int = option(64, "images per step, over all devices")
    lr: float = option(4e-3, "peak learning rate; it falls to 0 by the end", positive)
    ema: float = option(0.99, "decay of the averaged weights, which are used for sampling", real)
    seed: int = option(0, "seed of weights, batches, timesteps and noise", number(0, 4000))
    threads: int = option(0, "CPU threads; 0 means one for a small network, otherwise all",
                          number(0, 1024))  # fmt: skip
    accumulate: int = option(1, "split each batch into this many parts to save memory")
    amp: bool = option(False, "compute in bfloat16 where that is safe: faster on a GPU")
    channels_last: bool = option(False, "use the channels_last memory format: faster on a GPU")
    compile: bool = option(False, "compile the network: faster after a slow first step")
    minutes: float | None = option(1.0, "how long to train, in minutes", positive)
    steps: int | None = option(None, "how many steps to train, instead of minutes")
    classes: tuple = tuple("0123456789")

    @property
    def num_classes(self) -> int:
        """How many labels the network learns."""
        return len(self.classes) if self.conditional else 0

    def values(self) -> dict[str, Any]:
        """The recipe as plain values, for a checkpoint."""
        return asdict(self) | {"num_classes": self.num_classes}

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Recipe":
        """The recipe with these values, the inverse of ``values``."""
        return cls(**{k: v for k, v in values.items() if k != "num_classes"})


MNIST = Recipe("mnist", (28, 28), width=32, mults=(1, 2, 2), lr=2e-3, ema=0.995, minutes=10)
RECIPES = {
    "digits": Recipe(conditional=True, lr=6e-3),
    "mnist": MNIST,
    "fashion_mnist": replace(MNIST, data="fashion_mnist", classes=tuple(CLOTHES.split())),
    "cifar10": Recipe(  # the network of the DDPM paper, for a GPU
        "cifar10", (32, 32), 3, width=128, mults=(1, 2, 2, 2), blocks=2, attention=(1,),
        dropout=0.1, schedule="linear", target="eps", flip=True, batch=128, lr=2e-4, ema=0.9999,
        amp=True, channels_last=True, compile=True, minutes=600, classes=tuple(THINGS.split()),
    ),
}  # fmt: skip
OWN = {  # for your own images: the longer side up to which a recipe suits them
    16: Recipe(width=24, minutes=5),
    32: replace(MNIST, width=24, batch=32),
    64: replace(MNIST, mults=(1, 2, 2, 2), batch=32, lr=1e-3, ema=0.999, minutes=60),
    10**9: replace(MNIST, mults=(1, 1, 2, 2, 4), batch=16, lr=5e-4, ema=0.999, minutes=600),
}


def shown(value: Any) -> str:
    """A setting as you would type it on the command line."""
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return {"None": "none", "False": "no", "True": "yes", "": "none"}.get(text, text)


def recipe_for(name: str, shape: tuple, classes: tuple) -> Recipe:
    """The recipe of a data set, or one that suits your images of this shape (C, H, W)."""
    facts = {"channels": shape[0], "image_size": shape[1:], "classes": classes}
    if name in RECIPES:
        return replace(RECIPES[name], **facts)
    base = next(recipe for side, recipe in OWN.items() if max(shape[1:]) <= side)
    levels = [n for n in range(len(base.mults)) if not any(side % 2**n for side in shape[1:])]
    many = {"mults": base.mults[: levels[-1] + 1], "conditional": len(classes) > 1}
    return replace(base, data=name, **facts, **many)
