"""Load trained networks: the weights that come with the package, and those of your own runs.

The page "Results" of the book describes how the shipped weights were made, and how good they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .audio import from_mu_law
from .checkpoint import CheckpointError, load_checkpoint
from .classifier import Classifier
from .control import Control
from .diffusion import Schedule, cosine_schedule, linear_schedule
from .finetune import add_label, add_lora, plain
from .gan import small_generator
from .nets import UNet
from .scenes import PIECES, Reader
from .text import TextUNet
from .token_net import TokenNet
from .tokenizer import Tokenizer
from .tokens import encode
from .transformer import DiT
from .vae import VAE, conv_vae

FOLDER = Path(__file__).with_name("weights")
NAMES = ("digits", "mnist")
SCHEDULES = {"linear": linear_schedule, "cosine": cosine_schedule}
LORA = ("conv1", "conv2")  # the layers that chapter 21 adapts
STUDENTS = {  # the file, and the teacher, whose sizes the student has
    "progressive": ("students.pt", "digits"),
    "consistency": ("students.pt", "digits"),
    "mnist": ("mnist_student.pt", "mnist"),
}
SIZES = ("channels", "width", "mults", "blocks", "attention", "num_classes", "dropout")

SOUNDS = {
    "drums": {"channels": 8, "width": 24, "mults": (1, 2, 2), "num_classes": 3, "dims": 1},
    "spoken": {"channels": 1, "width": 24, "mults": (1, 2, 2), "num_classes": 10},
}


def load_pretrained(
    name: str = "digits", frozen: bool = True
) -> tuple[UNet, Schedule, dict[str, Any]]:
    """A trained network with the averaged weights, its schedule, and the recipe of its training.

    Args:
        name: "digits", for images (N, 1, 8, 8), or "mnist", for images (N, 1, 28, 28). Both take
            the labels 0 to 9, or y = None for no label.
        frozen: True turns off gradients and sets evaluation mode. Use False to train the network
            further.

    Both networks predict v, so ``recipe["target"]`` is "v", and ``from_v(net, schedule)`` is the
    model.

    Raises:
        ValueError: there are no weights of this name.

    Used from chapter 7 on.
    """
    return _assembled(read_run(_name(name, NAMES)), frozen)


def load_run(folder: str | Path, frozen: bool = True) -> tuple[UNet, Schedule, dict[str, Any]]:
    """The network, schedule and recipe of one of your own runs, such as
    ``load_run("runs/digits")``, which ``python -m ddpm_lite train`` wrote. The weights are the
    averaged ones. ``frozen`` is as in ``load_pretrained``.

    Raises:
        FileNotFoundError: the folder has no run.
        CheckpointError: the checkpoint is damaged, or a newer version wrote it.

    Used from chapter 5 on.
    """
    return _assembled(read_run(Path(folder)), frozen)


def read_run(place: str | Path, device: str = "cpu") -> dict[str, Any]:
    """Read and check the checkpoint of a run folder, or of the shipped weights with that name.

    Raises:
        FileNotFoundError, CheckpointError: as for ``load_run``.
    """
    if place in NAMES:
        state = _shipped(f"{place}.pt", "recipe", "net", device=device)
        decay, steps = state["recipe"]["ema"], state["recipe"]["steps"]
        ema = {"decay": decay, "n": steps, "model": state["net"]}
        return state | {"ema": ema, "step": steps, "about": {}}
    path = Path(place) / "checkpoint.pt"
    state = load_checkpoint(path, device)
    try:
        _check_run(path, state)
    except (KeyError, TypeError, AttributeError):
        raise CheckpointError(f"{path} is not a run of this version of ddpm_lite") from None
    return state


def _check_run(path: Path, state: dict[str, Any]) -> None:
    """Check the version, the step and the weights of a run."""
    from . import __version__

    theirs, step, steps = state["about"]["version"], state["step"], state["recipe"]["steps"]
    if _version(theirs) > _version(__version__):
        raise CheckpointError(f"{path} was written by ddpm_lite {theirs}: upgrade ddpm_lite, "
                              f"which is {__version__} here")  # fmt: skip
    if type(step) is not int or not 0 <= step <= steps <= 10**9:
        raise CheckpointError(f"{path} says that it is at step {step} of {steps}")
    weights = [*state["net"].values(), *state["ema"]["model"].values()]
    if not all(weight.isfinite().all() for weight in weights):
        raise CheckpointError(f"the weights in {path} are NaN or infinite")


def build(recipe: dict[str, Any]) -> tuple[UNet, Schedule]:
    """The untrained network and the schedule that a recipe describes."""
    net = UNet(**{size: recipe[size] for size in SIZES})
    net.image_size = tuple(recipe["image_size"])
    return net, SCHEDULES[recipe["schedule"]](recipe["T"])


def load_classifier(name: str = "digits") -> Classifier:
    """The classifier whose features the Fréchet distances of the book use, "digits" or "mnist".

    ``fit_classifier(*load_images(name))`` made it. Another fit, with another seed or on another
    machine, would have different features, and you can compare scores only if they use the same
    features. That's why the classifier comes with the package. Used from chapter 7 on."""
    return _network(Classifier, f"{_name(name, NAMES)}_classifier.pt")


def load_flow(name: str = "flow") -> UNet:
    """A network ``net(x, 1000 u, y)`` that predicts the velocity of flow matching for the digits
    (N, 1, 8, 8). "reflow" was trained on pairs of noise and image from "flow". Used in
    chapter 13."""
    return _network(UNet, "flow.pt", _name(name, ("flow", "reflow")))


def load_latent() -> tuple[VAE, UNet, Schedule]:
    """Latent diffusion on MNIST: the VAE, the network and the schedule. The VAE, which includes its
    scale, maps between images (N, 1, 28, 28) and latents (N, 4, 7, 7). The network predicts v of
    the scaled latents, with labels 0 to 9 or without. Used in chapter 15."""
    state = _shipped("latent.pt", "vae_sizes", "vae", "sizes", "net", "T")
    vae = _loaded(conv_vae(**state["vae_sizes"]), state["vae"])
    return vae, _loaded(UNet(**state["sizes"]), state["net"]), SCHEDULES["cosine"](state["T"])


def load_gan() -> nn.Module:
    """The generator of a GAN, which turns noise (N, 32) into digits (N, 1, 8, 8). It comes from the
    benchmark of chapter 15. Used in chapter 15."""
    return _network(small_generator, "gan.pt")


def load_dit() -> DiT:
    """A transformer ``net(x, t, y)`` that predicts v for the digits (N, 1, 8, 8), with
    ``cosine_schedule(1000)``. Label 10 or y = None means "no label". Used in chapter 16."""
    return _network(DiT, "dit.pt")


def load_control() -> Control:
    """The digits' network with a control branch, ``net(x, t, y, hint)``, for drawing along the
    edges in ``hint`` (N, 1, 8, 8), from 0 to 1. It predicts v, like ``load_pretrained("digits")``.
    Used in chapter 21."""
    net = Control(load_pretrained("digits")[0])
    net.load_state_dict(_shipped("finetune.pt", "control")["control"], strict=False)
    return net.eval().requires_grad_(False)


def load_hearts() -> UNet:
    """The digits' network after chapter 21 has taught it to draw a heart, label 10, with the LoRA
    merged into its weights. It predicts v, and "no label" is 11. Used in chapter 21."""
    net = load_pretrained("digits")[0]
    add_lora(net, LORA)
    add_label(net)
    net.load_state_dict(_shipped("finetune.pt", "adapter")["adapter"], strict=False)
    return plain(net).eval().requires_grad_(False)


def load_heart_classifier() -> Classifier:
    """A classifier of the ten digits and, as class 10, the heart of chapter 21. The ten drawings of
    that chapter weren't in its training data. Used in chapter 21."""
    return _network(Classifier, "finetune.pt", "judge")


def load_text(name: str = "text") -> tuple[TextUNet, Schedule, Tokenizer]:
    """The network that draws scenes (N, 3, 16, 16) from captions, its schedule, and its tokenizer.
    It predicts v: ``guided(from_v(net, schedule), tokenizer(captions), w=1)`` is the model.

    "bag" is the same network with its position vectors set to zero. Used in chapter 17."""
    _name(name, ("text", "bag"))
    state = _shipped("text.pt", "sizes", "net")
    net = _loaded(TextUNet(**state["sizes"]), state["net"])
    if name == "bag":
        net.condition.text.positions.zero_()
    return net, SCHEDULES["cosine"](1000), Tokenizer(PIECES)


def load_reader() -> Reader:
    """The network that reads which digits and colours a scene (N, 3, 16, 16) shows. Used in
    chapter 17."""
    return _loaded(Reader(), _shipped("text.pt", "reader")["reader"])


def load_student(name: str = "progressive") -> UNet:
    """A student distilled from a network of ``load_pretrained``. ``distill.consistency`` turns it
    into f(x, t). "progressive" draws digits in one call, "consistency" in one call or more, and
    "mnist" draws MNIST with guidance 0.5 in two calls. Used in chapter 19."""
    file, teacher = STUDENTS[_name(name, STUDENTS)]
    net, _ = build(read_run(teacher)["recipe"])
    return _loaded(net, _shipped(file, name)[name])


def load_tokens(name: str = "digits") -> TokenNet:
    """A network for tokens. "digits" fills in the grey levels 0 to 16 of digits (B, 64), given
    labels y (see ``to_levels``). "text" fills in characters like those of ``load_prose``, up to 64
    in a row. "causal" has the same sizes as "text", but was trained from left to right. Used in
    chapter 20."""
    _name(name, ("digits", "text", "causal"))
    state = _shipped("tokens.pt", "sizes", name)
    return _loaded(TokenNet(**state["sizes"][name]), state[name])


def load_prose(train: bool = True) -> Tensor:
    """Sentences from this book as tokens (pieces, 1000); see ``tokens.ALPHABET``. Every tenth piece
    is held out, and ``train=False`` returns the held-out ones. The text is a snapshot that
    ``scripts/make_prose.py`` made. Used in chapter 20."""
    if type(train) is not bool:
        raise ValueError(f"train is {train!r}; expected True or False")
    x = encode((FOLDER / "prose.txt").read_text(encoding="ascii").strip())
    pieces = x[: len(x) // 1000 * 1000].reshape(-1, 1000)
    held_out = torch.arange(len(pieces)) % 10 == 9
    return pieces[~held_out if train else held_out]


def load_sound(name: str) -> UNet:
    """A network for sounds, ``net(x, t, y)``, with ``cosine_schedule(1000)``. "drums" predicts x0
    for blocks of waveforms (N, 8, 400), with labels 0 to 2. "spoken" predicts v for log-mel images
    (N, 1, 32, 32), with labels 0 to 9. Used in chapter 18."""
    _name(name, SOUNDS)
    return _loaded(UNet(**SOUNDS[name]), _shipped("sounds.pt", name)[name])


def load_sound_classifier(name: str) -> Classifier:
    """The classifier of log-mel images (N, 1, 32, n) of "drums" or "spoken" digits. Used in
    chapter 18."""
    _name(name, SOUNDS)
    weights = _shipped("sounds.pt", f"{name}_judge")[f"{name}_judge"]
    return _loaded(Classifier(1, SOUNDS[name]["num_classes"], dim=32), weights)


def load_recordings() -> tuple[Tensor, Tensor]:
    """Two recordings of each spoken digit (20, 5120) and their labels (20,), from the held-out part
    of the Free Spoken Digit Dataset (CC BY-SA 4.0). Used in chapter 18."""
    state = _shipped("sounds.pt", "recordings", "labels")
    return from_mu_law(state["recordings"]), state["labels"]


def _assembled(state: dict[str, Any], frozen: bool) -> tuple[UNet, Schedule, dict[str, Any]]:
    net, schedule = build(state["recipe"])
    return _loaded(net, state["ema"]["model"], frozen), schedule, state["recipe"]


def _name(name: str, names: Collection[str]) -> str:
    if name not in [*names]:
        raise ValueError(f"there are no weights {name!r}; expected one of {', '.join(names)}")
    return name


def _shipped(file: str, *parts: str, device: str = "cpu") -> dict[str, Any]:
    """Load a file of the package's weights, which must have these parts."""
    if not (FOLDER / file).is_file():
        raise FileNotFoundError(f"{FOLDER / file} is missing: install ddpm_lite again")
    state = load_checkpoint(FOLDER / file, device)
    if not {*parts} <= {*state}:
        raise CheckpointError(f"{FOLDER / file} is of another version: install ddpm_lite again")
    return state


def _network(kind: Callable[..., nn.Module], file: str, part: str = "net") -> Any:
    """Load a network of this kind, with the sizes and weights of a file of the package."""
    state = _shipped(file, "sizes", part)
    return _loaded(kind(**state["sizes"]), state[part])


def _loaded(net: nn.Module, weights: dict[str, Any], frozen: bool = True) -> Any:
    net.load_state_dict(weights)
    return net.train(not frozen).requires_grad_(not frozen)


def _version(text: str) -> list[int]:
    """The first two numbers of a version. Releases that differ only in the third one write the same
    files."""
    return [int(part) for part in re.findall(r"\d+", str(text))[:2]]
