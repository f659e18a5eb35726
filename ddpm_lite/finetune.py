"""Teach a trained network something new: LoRA, a new label, prior preservation, a control branch.

LoRA: Hu et al. 2021, arXiv 2106.09685. Learned embeddings: Gal et al. 2022, arXiv 2208.01618.
Prior preservation: Ruiz et al. 2022, arXiv 2208.12242. ControlNet: Zhang et al. 2023,
arXiv 2302.05543.
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

from .diffusion import Schedule, check, check_data, cosine_schedule, ddpm_loss, v_target
from .nets import Block, UNet, zero

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
    """Images (N, 1, H, W) in [-1, 1] from text: "." is black, "+" is grey and "#" is white. Blanks
    separate images side by side, and an empty line separates strips. Used in chapter 21."""
    check(isinstance(text, str), f"text is {text!r:.60}; expected one text")
    strips = [strip.split("\n") for strip in text.strip().split("\n\n")]
    beside = [{len(line.split()) for line in strip} for strip in strips]
    check(max(map(len, beside)) == 1, "expected as many images in each line of a strip")
    images = [image for strip in strips for image in zip(*map(str.split, strip), strict=True)]
    lengths = {len(row) for image in images for row in image}
    well = {*text} <= {*".+# \n"} and len(lengths) == 1 and len({len(i) for i in images}) == 1
    check(well, "expected drawings of the signs . + and #, all of one height and width")
    grey = [[[[".+#".index(c) - 1.0 for c in row] for row in image]] for image in images]
    return torch.tensor(grey)


class LoRA(nn.Module):
    """A layer with a small trainable matrix beside it: W x + (alpha / rank) B A x (LoRA, Eq. 3).

    Args:
        layer: an ``nn.Linear`` or ``nn.Conv2d``. Its weights W and bias are frozen.
        rank: rows of A and columns of B.
        alpha: the strength. At alpha = rank the scale alpha / rank is 1.

    A is random and B is 0, so the layer starts as it was.

    Raises:
        TypeError: another kind of layer, or a convolution with groups, dilation or a padding other
            than zeros.

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
        """W + (alpha / rank) B A, in the shape of W."""
        B = self.B.weight.flatten(1)  # (out, rank)
        delta = einsum(B, self.A.weight, "o r, r ... -> o ...")
        return self.layer.weight + self.scale * delta


def add_lora(net: nn.Module, names: tuple[str, ...], rank: int = 4, alpha: float = 4.0) -> list:
    """Freeze a network and put a ``LoRA`` around each layer whose last name is among ``names``.

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
    """A frozen table of labels with one new row, the only part that learns: y (B,) to (B, out).

    Args:
        table: rows 0 … n - 1 for the labels, and row n for "no label", as ``Conditioning`` has it.

    The new label is n, and "no label" moves to n + 1. The new row starts as "no label", so the
    network starts with the images that it draws without one. Built in chapter 21.
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
    """Give a network of labels 0 … n - 1 the new label n, which is returned (``NewLabel``).

    From now on "no label" is n + 1, or y = None. The rest of the network keeps its setting: freeze
    it to learn the row alone.

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
    """A copy with each ``LoRA`` merged into its layer (W + alpha / rank B A), and each ``NewLabel``
    as a table. It has the same layers as before fine-tuning, and ``net`` keeps W and the adapter.
    Used in chapter 21."""
    net = copy.deepcopy(net)
    for name, part in [*net.named_modules()]:
        if isinstance(part, LoRA):
            part.layer.weight.data = part.weight.detach()
            _put(net, name, part.layer)
        elif isinstance(part, NewLabel):
            _put(net, name, nn.Embedding.from_pretrained(part.weight.detach()))
    return net


def without_lora(net: nn.Module) -> nn.Module:
    """A copy with the layers as they were before ``add_lora``, bit for bit: the kept W, not a
    difference of rounded numbers."""
    net = copy.deepcopy(net)
    for name, part in [*net.named_modules()]:
        if isinstance(part, LoRA):
            _put(net, name, part.layer)
    return net


def _put(net: nn.Module, name: str, layer: nn.Module) -> None:
    """Put a layer in the place of that full name."""
    parent, _, last = name.rpartition(".")
    setattr(net.get_submodule(parent), last, layer)


def prior_loss(net: Callable, schedule: Schedule, new: Batch, old: Batch, weight: float = 1.0,
               target: Callable = v_target) -> Tensor:  # fmt: skip
    """The loss on what's new, plus ``weight`` times the loss on what must stay (DreamBooth, Eq. 2).

    Args:
        net: the network, ``net(x, t, y)``.
        new: images (B, …) and their labels (B,).
        old: images that the network drew before fine-tuning, each with the label it was drawn for.

    Built in chapter 21.
    """
    check(weight >= 0, f"weight is {weight}; expected 0 or more")
    subject, prior = (ddpm_loss(partial(net, y=y), schedule, x, target) for x, y in (new, old))
    return subject + weight * prior


def skip_widths(net: UNet) -> list[int]:
    """Channels of each skip of a U-Net, followed by those of its middle. Built in chapter 21d."""
    last = [layer.res.conv2 if isinstance(layer, Block) else layer.conv
            for layer in [*net.down, net.mid[-1]]]  # fmt: skip
    return [net.conv_in.out_channels, *(conv.out_channels for conv in last)]


class Branch(nn.Module):
    """A trainable copy of a U-Net's way down and middle that also sees a hint (ControlNet, Eq. 2).

    Args:
        net: a ``UNet``.
        channels: of the hint.

    From x (B, C, H, W), the condition's vector c (B, dim) and the hint (B, channels, H, W), it
    makes a list of what is added at each skip and, as the last entry, in the middle. Each entry
    goes through a 1 × 1 convolution that starts at zero. Built in chapter 21d.
    """

    def __init__(self, net: UNet, channels: int = 1):
        super().__init__()
        width, convs = net.conv_in.out_channels, skip_widths(net)
        last = zero(nn.Conv2d(width, width, 3, padding=1))
        self.see = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.SiLU(), last)
        parts = copy.deepcopy(nn.ModuleList([net.conv_in, net.down, net.mid]))
        self.conv_in, self.down, self.mid = parts.requires_grad_(True)
        self.zeros = nn.ModuleList([zero(nn.Conv2d(c, c, 1)) for c in convs])

    def forward(self, x: Tensor, c: Tensor, hint: Tensor) -> list[Tensor]:
        seen = [h := self.conv_in(x) + self.see(hint)]
        for layer in self.down:
            seen.append(h := layer(h, c))
        for layer in self.mid:
            h = layer(h, c)
        return [zeros(h) for zeros, h in zip(self.zeros, [*seen, h], strict=True)]


class Control(nn.Module):
    """A frozen U-Net with a ``Branch``: ``net(x, t, y, hint)``. Without a hint it's the U-Net, and
    before training also with one. Built in chapter 21d."""

    def __init__(self, net: UNet, channels: int = 1):
        super().__init__()
        self.net = net.requires_grad_(False)
        self.branch = Branch(net, channels)

    def forward(
        self, x: Tensor, t: Tensor, y: Tensor | None = None, hint: Tensor | None = None
    ) -> Tensor:
        if hint is None:
            return self.net(x, t, y)
        _check_hint(x, hint, self.branch.see[0].in_channels)
        _check_input(self.net, x, t)
        c = self.net.condition(t, y)
        return self.added(x, c, list(self.branch(x, c, hint)))

    def added(self, x: Tensor, c: Tensor, extra: list[Tensor]) -> Tensor:
        """The U-Net, with what the branch adds to its skips and, last, to its middle."""
        skips = [h := self.net.conv_in(x)]
        for layer in self.net.down:
            skips.append(h := layer(h, c))
        for layer in self.net.mid:
            h = layer(h, c)
        h = h + extra.pop()
        for layer in self.net.up:
            if isinstance(layer, Block):
                h = torch.cat([h, skips.pop() + extra.pop()], 1)
            h = layer(h, c)
        return self.net.conv_out(h)


def edges(x: Tensor) -> Tensor:
    """The outline of the strokes: images (B, C, H, W) in [-1, 1] to hints in [0, 1]. A pixel is
    bright where a pixel beside it is brighter than itself. Built in chapter 21."""
    check_data(x)
    return (F.max_pool2d(x, 3, stride=1, padding=1) - x) / 2


def playground_file(net: UNet, schedule: Schedule, names: tuple[str, ...] = ()) -> str:
    """A network of the digits as the text of a file for the page "Denoise in your browser".

    Args:
        net: of images (B, 1, 8, 8), with ``LoRA`` and a new label or without.
        schedule: ``cosine_schedule(1000)``, the only one that the page has.
        names: what the page calls the labels after 9, such as ("♥",).

    Each weight takes two bytes: a whole number up to 32767, in a unit that is stored for each
    tensor.
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


def _check_hint(x: Tensor, hint: Tensor, channels: int) -> None:
    expected = (len(x), channels, *x.shape[2:])
    given = f"the hint has shape {tuple(hint.shape)}"
    check(hint.shape == expected, f"{given}; expected {expected}, as x has")
    well = hint.dtype == x.dtype and (hint.is_cuda or hint.isfinite().all())
    check(well, f"the hint is {hint.dtype} or has a NaN; expected {x.dtype} without")


def _check_input(net: UNet, x: Tensor, t: Tensor) -> None:
    """What the U-Net would refuse, which isn't called as a whole."""
    kind, factor = net.conv_in.weight.dtype, net.factor
    times = isinstance(t, Tensor) and t.shape == x.shape[:1] and t.dtype != torch.bool
    times = times and (t.is_cuda or not t.is_floating_point() or t.max() > 1)
    check(times, f"t isn't {len(x)} timesteps 1 … T; expected one for each row, not t / T")
    well = x.dtype == kind and x.ndim == 4 and not any(n % factor for n in x.shape[2:])
    expected = f"expected {kind} and sides that are multiples of {factor}"
    check(well, f"x is {x.dtype} of shape {tuple(x.shape)}; {expected}")


def _check_playground(state: dict[str, Tensor], names: tuple[str, ...]) -> None:
    table, first = state.get("condition.label.weight"), state.get("conv_in.weight")
    if table is None or first is None or first.shape[1] != 1 or len(table) != 11 + len(names):
        rows = "no" if table is None else len(table) - 1
        raise ValueError(f"the network has {rows} labels, and there are {len(names)} names; "
                         "expected grey digits and a name for each label after 9")  # fmt: skip
    finite = all(value.isfinite().all() for value in state.values())
    check(finite, "the weights are NaN or infinite; expected a network that has learned")


def _check_schedule(schedule: Schedule) -> None:
    same = schedule.T == 1000 and torch.allclose(
        schedule.alpha_bar.cpu().float(), cosine_schedule(1000).alpha_bar, atol=1e-4
    )
    check(same, f"the schedule has T = {schedule.T}, or isn't cosine; expected "
           "cosine_schedule(1000), the only one that the page has")  # fmt: skip
