"""Teach a trained network something new: LoRA, a new label, and prior preservation.

LoRA: Hu et al. 2021, arXiv 2106.09685. Learned embeddings: Gal et al. 2022, arXiv 2208.01618.
Prior preservation: Ruiz et al. 2022, arXiv 2208.12242.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from functools import partial

import torch
from einops import einsum
from torch import Tensor, nn
from torch.nn import functional as F

from .diffusion import Schedule, ddpm_loss, expect, v_target
from .nets import zero

Batch = tuple[Tensor, Tensor]  # images (B, …) and labels (B,)

HEARTS = """
........ ........ ........ .##..##. ........
.##.##.. ..##.##. ........ #++##++# .##..##.
#++#++#. .#++#++# .##.##.. #..++..# #++##++#
#..+..#. .#..+..# #++#++#. #......# #..++..#
#+...+#. .#.....# #..+..#. #+....+# #......#
.#+.+#.. ..#...#. .#...#.. .#+..+#. .##..##.
..#+#... ...#.#.. ..#.#... ..#++#.. ..####..
...#.... ....#... ...#.... ...##... ...##...

........ .##.##.. ........ ........ .+#..#+.
..#...#. ##+#+##. .#...#.. .##.##.. +#+##+#+
.#+#.#+# #.....#. #+#.#+#. ##+#+##. #......#
.#..#..# #.....#. #..#..#. #.....#. #......#
.#.....# .#...#.. #.....#. ##...##. #+....+#
..#...#. .##.##.. .#...#.. .##.##.. .#+..+#.
...#.#.. ..###... ..#.#... ..###... ..+##+..
....#... ...#.... ...#.... ...#.... ....#...
"""


def drawings(text: str) -> Tensor:
    """Turn text into images (N, 1, H, W) in [-1, 1]: "." is black, "+" is grey and "#" is white.
    Spaces separate images side by side, and empty lines separate rows of images.

    Raises:
        ValueError: there are other signs, or images of several sizes.

    Used in chapter 21.
    """
    strips = [[*map(str.split, s.splitlines())] for s in re.split(r"\n\s*\n", text.strip())]
    even = all(len({*map(len, strip)}) == 1 for strip in strips)
    same = len({*map(len, strips)}) == len({*map(len, text.split())}) == 1
    well = even and same and {*text} <= {*".+# \n"}
    expect(well, "text", text, "drawings of the signs . + and #, all of the same width and height")
    images = [image for strip in strips for image in zip(*strip, strict=True)]
    grey = [[[[".+#".index(c) - 1.0 for c in row] for row in image]] for image in images]
    return torch.tensor(grey)


class LoRA(nn.Module):
    """A frozen layer plus a trainable matrix of low rank: W x + (alpha / rank) B A x (LoRA, Eq. 3).

    Args:
        layer: an ``nn.Linear`` or ``nn.Conv2d``. Its weights W and bias are frozen.
        rank: number of rows of A and of columns of B.
        alpha: the strength. With alpha = rank, the factor alpha / rank is 1.

    A is random and B is 0, so the output doesn't change at first. Both are on the layer's
    device, in its precision.

    Raises:
        TypeError: the layer has another type, or is a convolution with groups, dilation or padding
            other than zeros.
        ValueError: rank isn't a whole number of at least 1, or alpha isn't above 0.

    Built in chapter 21.
    """

    def __init__(self, layer: nn.Module, rank: int = 4, alpha: float = 4.0):
        super().__init__()
        _check_lora(layer, rank, alpha)
        self.layer, self.scale = layer.requires_grad_(False), alpha / rank
        if isinstance(layer, nn.Linear):
            self.A = nn.Linear(layer.in_features, rank, bias=False)
            self.B = nn.Linear(rank, layer.out_features, bias=False)
        else:
            how = layer.kernel_size, layer.stride, layer.padding
            self.A = nn.Conv2d(layer.in_channels, rank, *how, bias=False)
            self.B = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        zero(self.B)
        self.to(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.scale * self.B(self.A(x))

    @property
    def weight(self) -> Tensor:
        """The merged weights W + (alpha / rank) B A, in the shape of W."""
        B = self.B.weight.flatten(1)  # (out, rank)
        delta = einsum(B, self.A.weight, "o r, r ... -> o ...")
        return self.layer.weight + self.scale * delta


def add_lora(net: nn.Module, names: tuple[str, ...], rank: int = 4, alpha: float = 4.0) -> list:
    """Freeze a network, and put a ``LoRA`` around each layer whose last name is in ``names``, such
    as ("conv1", "qkv").

    Returns:
        The full names of these layers, such as "mid.0.res.conv1".

    Raises:
        ValueError: no layer has one of these names.

    Built in chapter 21.
    """
    net.requires_grad_(False)
    _check_names(net, names)
    found = [name for name, _ in net.named_modules() if name.rpartition(".")[2] in names]
    for name in found:
        lora = LoRA(net.get_submodule(name), rank, alpha)
        net.set_submodule(name, lora)
    return found


class NewLabel(nn.Module):
    """A frozen table of labels with one new, trainable row: y (B,) to (B, out).

    Args:
        table: rows 0 … n - 1 for the labels, and row n for "no label", as in ``Conditioning``.

    The new label is n, and "no label" moves to n + 1. The new row starts as a copy of "no label",
    so the new label first draws what the network draws without a label. Built in chapter 21.
    """

    def __init__(self, table: nn.Embedding):
        super().__init__()
        self.table = table.requires_grad_(False)
        self.row = nn.Parameter(table.weight[-1:].detach().clone())  # (1, out)

    @property
    def weight(self) -> Tensor:
        """The whole table, (n + 2, out)."""
        old = self.table.weight
        return torch.cat([old[:-1], self.row, old[-1:]])

    def forward(self, y: Tensor) -> Tensor:
        return F.embedding(y, self.weight)


def add_label(net: nn.Module) -> int:
    """Give a network with labels 0 … n - 1 the new label n (see ``NewLabel``), and return n.

    From then on, "no label" is n + 1, or y = None. Other weights stay as they are, frozen or
    trainable. To train the new row alone, freeze them first.

    Raises:
        ValueError: the network has no table of labels, or already has a new one.

    Built in chapter 21.
    """
    _check_label(net)
    condition = net.condition
    condition.label = NewLabel(condition.label)
    condition.num_classes += 1
    return condition.num_classes - 1


def plain(net: nn.Module) -> nn.Module:
    """A copy of ``net`` with each ``LoRA`` merged into its layer, W + (alpha / rank) B A, and each
    ``NewLabel`` turned into an ordinary table. It has the same layers as before fine-tuning.
    ``net`` itself keeps W and the adapter. Used in chapter 21."""
    net = copy.deepcopy(net)
    for name, part in [*net.named_modules()]:
        if isinstance(part, LoRA):
            part.layer.weight.data = part.weight.detach()
            net.set_submodule(name, part.layer)
        elif isinstance(part, NewLabel):
            net.set_submodule(name, nn.Embedding.from_pretrained(part.weight.detach()))
    return net


def without_lora(net: nn.Module) -> nn.Module:
    """A copy of ``net`` with the layers as they were before ``add_lora``. It's equal bit for bit,
    because it uses the kept W instead of subtracting B A. Used in chapter 21."""
    net = copy.deepcopy(net)
    for name, part in [*net.named_modules()]:
        if isinstance(part, LoRA):
            net.set_submodule(name, part.layer)
    return net


def prior_loss(net: Callable, schedule: Schedule, new: Batch, old: Batch, weight: float = 1.0,
               target: Callable = v_target) -> Tensor:  # fmt: skip
    """The loss on new images, plus ``weight`` times the loss on old ones, so that the network
    doesn't forget them (DreamBooth, Eq. 2).

    Args:
        net: the network, ``net(x, t, y)``.
        schedule: the noise levels.
        new: images (B, …) and their labels (B,).
        old: images that the network drew before fine-tuning, and the labels that it drew them for.
        weight: weight of the old images, 0 or more.
        target: what the network predicts, such as ``v_target``.

    Built in chapter 21.
    """
    subject, prior = (ddpm_loss(partial(net, y=y), schedule, x, target) for x, y in (new, old))
    return subject + weight * prior


def _check_lora(layer: nn.Module, rank: int, alpha: float) -> None:
    how = [getattr(layer, name, None) for name in ("groups", "dilation", "padding_mode")]
    conv = isinstance(layer, nn.Conv2d) and how == [1, (1, 1), "zeros"]
    hint = "nn.Linear, or nn.Conv2d without groups or dilation and padded with zeros"
    expect(conv or isinstance(layer, nn.Linear), "the layer", layer, hint, TypeError)
    well = type(rank) is int and rank > 0 and alpha > 0
    expect(well, "(rank, alpha)", (rank, alpha), "a whole number and a number, both above 0")


def _check_names(net: nn.Module, names: tuple[str, ...]) -> None:
    parts = net.named_modules()
    there = {n.rpartition(".")[2] for n, part in parts if isinstance(part, nn.Linear | nn.Conv2d)}
    well = names and not isinstance(names, str) and {*names} <= there
    expect(well, "names", names, f"a tuple of some of {sorted(there)}")


def _check_label(net: nn.Module) -> None:
    table = getattr(getattr(net, "condition", None), "label", None)
    hint = "that of a network with num_classes and without a new label: see plain"
    expect(isinstance(table, nn.Embedding), "the table of labels", table, hint)
