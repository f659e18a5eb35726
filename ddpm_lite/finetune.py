"""Teach a trained network something new: LoRA, a new label, and prior preservation.

LoRA: Hu et al. 2021, arXiv 2106.09685. Learned embeddings: Gal et al. 2022, arXiv 2208.01618.
Prior preservation: Ruiz et al. 2022, arXiv 2208.12242.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from functools import partial

import torch
from einops import einsum
from torch import Tensor, nn
from torch.nn import functional as F

from .diffusion import Schedule, check, cosine_schedule, ddpm_loss, v_target
from .nets import UNet, zero

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
    Spaces separate images side by side, and an empty line separates rows of images. Used in
    chapter 21."""
    check(isinstance(text, str), f"text is {text!r:.60}; expected one text")
    strips = [strip.split("\n") for strip in text.strip().split("\n\n")]
    beside = [{len(line.split()) for line in strip} for strip in strips]
    check(max(map(len, beside)) == 1, "expected as many images in each line of a strip")
    images = [image for strip in strips for image in zip(*map(str.split, strip), strict=True)]
    lengths = {len(row) for image in images for row in image}
    well = {*text} <= {*".+# \n"} and len(lengths) == 1 and len({len(i) for i in images}) == 1
    check(well, "expected drawings of the signs . + and #, all of the same height and width")
    grey = [[[[".+#".index(c) - 1.0 for c in row] for row in image]] for image in images]
    return torch.tensor(grey)


class LoRA(nn.Module):
    """A frozen layer plus a trainable matrix of low rank: W x + (alpha / rank) B A x (LoRA, Eq. 3).

    Args:
        layer: an ``nn.Linear`` or ``nn.Conv2d``. Its weights W and bias are frozen.
        rank: number of rows of A and of columns of B.
        alpha: the strength. With alpha = rank, the factor alpha / rank is 1.

    A is random and B is 0, so the output doesn't change at first.

    Raises:
        TypeError: the layer has another type, or is a convolution with groups, dilation or padding
            other than zeros.
        ValueError: rank isn't a whole number of at least 1, or alpha isn't above 0.

    Built in chapter 21.
    """

    def __init__(self, layer: nn.Module, rank: int = 4, alpha: float = 4.0):
        super().__init__()
        _check_lora(layer, rank)
        check(0 < alpha < float("inf"), f"alpha is {alpha}; expected a number above 0")
        self.layer, self.scale = layer.requires_grad_(False), alpha / rank
        if isinstance(layer, nn.Linear):
            self.A = nn.Linear(layer.in_features, rank, bias=False)
            self.B = nn.Linear(rank, layer.out_features, bias=False)
        else:
            how = layer.kernel_size, layer.stride, layer.padding
            self.A = nn.Conv2d(layer.in_channels, rank, *how, bias=False)
            self.B = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        zero(self.B)

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
    found = [name for name, _ in net.named_modules() if name.rpartition(".")[2] in names]
    _check_names(net, names, found)
    for name in found:
        parent, _, last = name.rpartition(".")
        layer = net.get_submodule(name)
        setattr(net.get_submodule(parent), last, LoRA(layer, rank, alpha))
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
            _put(net, name, part.layer)
        elif isinstance(part, NewLabel):
            _put(net, name, nn.Embedding.from_pretrained(part.weight.detach()))
    return net


def without_lora(net: nn.Module) -> nn.Module:
    """A copy of ``net`` with the layers as they were before ``add_lora``. It's equal bit for bit,
    because it uses the kept W instead of subtracting B A. Used in chapter 21."""
    net = copy.deepcopy(net)
    for name, part in [*net.named_modules()]:
        if isinstance(part, LoRA):
            _put(net, name, part.layer)
    return net


def _put(net: nn.Module, name: str, layer: nn.Module) -> None:
    """Replace the layer with this full name."""
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, layer)


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
    check(weight >= 0, f"weight is {weight}; expected 0 or more")
    subject, prior = (ddpm_loss(partial(net, y=y), schedule, x, target) for x, y in (new, old))
    return subject + weight * prior


def playground_file(net: UNet, schedule: Schedule, names: tuple[str, ...] = ()) -> str:
    """The text of a file with a network of the digits, for the page "Denoise in your browser".

    Args:
        net: a network for images (B, 1, 8, 8), with or without ``LoRA`` and a new label.
        schedule: ``cosine_schedule(1000)``, the only schedule that the page supports.
        names: names for the labels after 9, such as ("♥",).

    Each weight takes two bytes: it's a whole number up to 32767, times a unit that is stored once
    per tensor.

    Raises:
        ValueError: the page can't use this network, schedule or number of names.

    Used in chapter 21.
    """
    state = plain(net).cpu().state_dict()
    _check_playground(state, names)
    _check_schedule(schedule)
    units = {key: value.abs().max().item() / 32767 or 1.0 for key, value in state.items()}
    numbers = [(value / units[key]).round().short().flatten() for key, value in state.items()]
    row = bytes(torch.cat(numbers).view(torch.uint8).tolist())  # the low byte first
    shapes = {k: {"shape": list(v.shape), "scale": units[k]} for k, v in state.items()}
    file = {"T": schedule.T, "size": 8, "tensors": shapes, "names": list(names),
            "int16": base64.b64encode(row).decode()}  # fmt: skip
    return json.dumps(file, separators=(",", ":"), ensure_ascii=False)


def _check_lora(layer: nn.Module, rank: int) -> None:
    how = [getattr(layer, name, None) for name in ("groups", "dilation", "padding_mode")]
    conv = isinstance(layer, nn.Conv2d) and how == [1, (1, 1), "zeros"]
    if not (conv or isinstance(layer, nn.Linear)):
        hint = "expected nn.Linear, or nn.Conv2d without groups or dilation and padded with zeros"
        raise TypeError(f"the layer is {type(layer).__name__}; {hint}")
    if type(rank) is not int or rank < 1:
        raise ValueError(f"rank is {rank}; expected a whole number of at least 1")


def _check_names(net: nn.Module, names: tuple[str, ...], found: list[str]) -> None:
    if isinstance(names, str):
        raise TypeError(f"names is {names!r}; expected a tuple, such as ({names!r},)")
    missing = [n for n in names if n not in {f.rpartition(".")[2] for f in found}]
    if missing or not names:
        kinds = nn.Linear | nn.Conv2d
        there = {n.rpartition(".")[2] for n, part in net.named_modules() if isinstance(part, kinds)}
        raise ValueError(f"no layer is called {', '.join(missing)}; there are {sorted(there)}")


def _check_label(net: nn.Module) -> None:
    if not isinstance(getattr(getattr(net, "condition", None), "label", None), nn.Embedding):
        raise ValueError("expected a network with num_classes and without a new label; "
                         "plain(net) makes the table ordinary again")  # fmt: skip


def _check_playground(state: dict[str, Tensor], names: tuple[str, ...]) -> None:
    table, first = state.get("condition.label.weight"), state.get("conv_in.weight")
    if table is None or first is None or first.shape[1] != 1 or len(table) != 11 + len(names):
        rows = "no" if table is None else len(table) - 1
        raise ValueError(f"the network has {rows} labels, and there are {len(names)} names; "
                         "expected grey digits and a name for each label after 9")  # fmt: skip
    finite = all(value.isfinite().all() for value in state.values())
    check(finite, "the weights are NaN or infinite; expected finite weights")


def _check_schedule(schedule: Schedule) -> None:
    same = schedule.T == 1000 and torch.allclose(
        schedule.alpha_bar.cpu().float(), cosine_schedule(1000).alpha_bar, atol=1e-4
    )
    check(same, f"the schedule has T = {schedule.T}, or isn't cosine; expected "
           "cosine_schedule(1000), the only one that the page has")  # fmt: skip
