"""Drawings of the networks: U-Net, residual block, attention, and the blocks of transformers."""

from __future__ import annotations

import torch.nn.functional as F

from .images import digit, noised, sampled
from .kit import Box, Drawing, drawing


@drawing(height=470)
def unet(d: Drawing) -> None:
    """The U-Net.

    A U of three levels, 28 by 28, 14 by 14 and 7 by 7 pixels. On the way down each level has a
    convolution and a residual block, on the way up two residual blocks. The maps of the way
    down are concatenated to those of the way up as skips. The middle has attention between two
    residual blocks. The timestep enters every residual block.
    """
    _time(d)
    xt, eps, _ = sampled("mnist", 5)[400]
    d.tile(2, 92, 56, xt, 6)
    d.tile(462, 92, 56, eps, 6)
    d.text(30, 78, "$x_t$")
    d.text(490, 78, "$ε_θ$", "model")
    d.arrow((58, 120), (72, 120), gap=1)
    d.arrow((448, 120), (462, 120), gap=1)
    levels = [_level(d, 72, 78, 84), _level(d, 98, 200, 56), _level(d, 124, 294, 36)]
    for (left, right), (left_low, right_low) in zip(levels, levels[1:], strict=False):
        d.arrow((left.x + 38, left.bottom[1]), (left_low.x + 12, left_low.y))
        d.arrow((right_low.x + 38, right_low.y), (right.x + 12, right.bottom[1]), kind="model")
    d.box(424, 78, 24, 84)
    for x in (210, 262):
        _block(d, x, 368, 36)
    d.box(236, 368, 24, 36, kind="solid")
    d.arrow((162, 330), (162, 386), (210, 386))
    d.arrow((286, 386), (334, 386), (334, 330), kind="model")
    _names(d)


def _names(d: Drawing) -> None:
    """Sizes, and what a colour stands for."""
    for x, y, size in ((260, 94, "28 × 28"), (260, 202, "14 × 14"), (248, 286, "7 × 7")):
        d.text(x, y, size)
    d.text(260, 147, "skips: concatenated", "data")
    for y, x in ((181, 98), (276, 124)):
        d.text(x, y, "half size", "muted end")
        d.text(520 - x - 20, y, "double size", "muted start")
    d.box(20, 434, 24, 24)
    d.text(52, 446, "convolution", "start")
    _block(d, 176, 434, 24)
    d.text(208, 446, "residual block", "start")
    d.box(360, 434, 24, 24, kind="solid")
    d.text(392, 446, "attention", "start")


def _time(d: Drawing) -> None:
    """From the timestep to the vector that enters each block."""
    d.box(8, 6, 36, 34, "$t$")
    d.box(70, 6, 90, 34, "sin, cos")
    d.box(186, 6, 62, 34, "MLP", kind="model")
    for x in (44, 160, 248):
        d.arrow((x, 23), (x + 26, 23))
    d.dot(284, 23, "exact")
    d.text(298, 23, "$c$, into every residual block", "start")


def _block(d: Drawing, x: float, y: float, h: float) -> Box:
    """A residual block, with the dot of the condition."""
    box = d.box(x, y, 24, h, kind="model")
    d.dot(x + 12, y + h / 2, "exact", r=4)
    return box


def _level(d: Drawing, x: float, y: float, h: float) -> tuple[Box, Box]:
    """Two maps of the way down, two blocks of the way up, and the skips between them."""
    right = 446 - x
    for dy in (-9, 9):
        d.arrow((x + 50, y + h / 2 + dy), (right, y + h / 2 + dy), kind="data")
    d.box(x, y, 24, h)
    for at in (x + 26, right, right + 26):
        _block(d, at, y, h)
    return Box(x, y, 50, h), Box(right, y, 50, h)


@drawing(height=346)
def resblock(d: Drawing) -> None:
    """A residual block.

    The input x goes two ways. The long way is group normalisation, SiLU and a convolution;
    then the condition c is added; then normalisation, SiLU, dropout and a convolution that
    starts at zero. The short way is the skip. Both are added.
    """
    c = d.box(366, 6, 128, 40, "SiLU, Linear", kind="model")
    d.arrow((326, 26), c.left)
    d.text(314, 26, "$c$")
    add = d.node(430, 118, "+")
    d.arrow(c.bottom, add.top)
    total = d.node(40, 262, "+")
    row = [d.box(x, 96, w, 44, name, kind=kind) for x, w, name, kind in (
        (80, 108, "GroupNorm", ""), (208, 56, "SiLU", ""),
        (284, 108, "conv 3 × 3", "model"))]  # fmt: skip
    back = [d.box(x, 240, w, 44, name, kind=kind) for x, w, name, kind in (
        (384, 108, "GroupNorm", ""), (306, 56, "SiLU", ""), (202, 82, "Dropout", ""),
        (74, 108, "conv 3 × 3", "model"))]  # fmt: skip
    d.arrow((40, 118), row[0].left)
    for a, b in zip(row, [*row[1:], add], strict=True):
        d.arrow(a.right, b.left)
    d.arrow(add.bottom, (430, 240))
    for a, b in zip(back, [*back[1:], total], strict=True):
        d.arrow(a.left, b.right)
    d.text(40, 72, "$x$")
    d.arrow((40, 84), total.top, kind="data", gap=2)
    d.text(56, 190, "skip: $x$ itself, or a 1 × 1 convolution", "data start")
    d.text(56, 212, "of $x$ where the channels change", "data start")
    d.arrow(total.bottom, (40, 318))
    d.text(40, 332, "out")
    d.text(128, 304, "starts at 0", "muted")


@drawing(height=190)
def resample(d: Drawing) -> None:
    """Shrinking and enlarging.

    A digit of 8 by 8 pixels becomes 4 by 4 through a convolution with stride 2. Repeating each
    pixel makes it 8 by 8 again, with visible squares, and a convolution smooths them. Here the
    convolutions take means; in the network they are trained.
    """
    x = digit(0)[None, None]
    small = F.avg_pool2d(x, 2)
    large = F.interpolate(small, scale_factor=2)
    smooth = F.avg_pool2d(F.pad(large, (1, 1, 1, 1), mode="replicate"), 3, 1)
    for left, image, size in ((8, x, "8 × 8"), (252, large, "8 × 8"), (432, smooth, "8 × 8")):
        d.text(d.tile(left, 76, 80, image[0, 0]).top[0], 174, size)
    d.text(d.tile(150, 96, 40, small[0, 0]).top[0], 174, "4 × 4")
    for start, end, *names in ((88, 150, "conv 3 × 3,", "stride 2"), (190, 252, "repeat"),
                               (332, 432, "conv 3 × 3")):  # fmt: skip
        d.arrow((start, 116), (end, 116), kind="model" if "conv" in names[0] else "")
        for i, name in enumerate(names):
            d.text((start + end) / 2, 60 - 21 * (len(names) - 1 - i), name)
    d.text(119, 12, "`Downsample`", "bold")
    d.text(311, 12, "`Upsample`", "bold")


@drawing(height=292)
def norms(d: Drawing) -> None:
    """Which numbers a normalisation mixes.

    Two grids with a row for each of four images, which have more and more noise, and a column for
    each of four channels. Batch normalisation marks a whole column: one channel of all images.
    Group normalisation marks two neighbouring channels of a single image.
    """
    for row, image in enumerate(noised(digit(3), 20, 100, 200, 400)):
        d.tile(8, 44 + 54 * row, 44, image)
    d.text(32, 18, "images")
    d.text(165, 18, "batch", "bold")
    d.text(401, 18, "group", "bold")
    for row in range(4):
        for column in range(4):
            for left, marked, kind in ((76, column == 1, "noise"),
                                       (312, row == 1 and column < 2, "model")):  # fmt: skip
                d.rect(left + 46 * column, 46 + 54 * row, 40, 40, kind if marked else "", 4)
    d.text(165, 276, "one channel, all images", "noise")
    d.text(401, 276, "one image, a few channels", "model")


@drawing(height=214)
def odd_sizes(d: Drawing) -> None:
    """A size that can't be halved often enough.

    An image of 28 by 28 pixels is halved to 14 by 14, to 7 by 7 and then to 4 by 4. Doubling gives
    8 by 8, and the skip from the way down still has 7 by 7, so the two can't be joined.
    """
    x, tops = 8, {}
    for i, (size, gap) in enumerate(((28, 58), (14, 58), (7, 58), (4, 72), (8, 0))):
        side = 4 * size
        tops[i] = (x + side / 2, 120 - side / 2)
        d.rect(x, 120 - side / 2, side, side, "model" if i < 4 else "noise")
        d.text(x + side / 2, 198, f"{size} × {size}", "" if i < 4 else "noise")
        if gap:
            d.arrow((x + side, 120), (x + side + gap, 120))
            d.text(x + side + gap / 2, 144, "half" if i < 3 else "double", "muted")
        x += side + gap
    d.curve(tops[2], (tops[2][0], 40), (tops[4][0], 40), tops[4], "data")
    d.text((tops[2][0] + tops[4][0]) / 2, 36, "skip: 7 ≠ 8", "data")


@drawing(height=246)
def late_gradients(d: Drawing) -> None:
    """How gradients reach the layers of a network that starts at zero.

    Three rows, one for each of the first three training steps, with the two convolutions of a
    block and the last convolution of the network. At step 1 only the last one gets a gradient. At
    step 2 the second convolution of the block gets one too, and at step 3 the first one as well.
    """
    for x, name in ((285, "starts at 0"), (437, "starts at 0")):
        d.text(x, 14, name, "muted")
    for step in (1, 2, 3):
        y = 34 + 62 * (step - 1)
        d.text(4, y + 20, f"step {step}", "bold start")
        boxes = [d.box(x, y, 110, 40, name, kind="model" if 4 - k <= step else "")
                 for k, (x, name) in enumerate(((78, "conv 1"), (230, "conv 2"),
                                                (382, "last conv")), 1)]  # fmt: skip
        start = (518, y + 20)
        for k in range(step):
            d.arrow(start, boxes[2 - k].right, kind="model", gap=1)
            start = boxes[2 - k].left
    d.text(285, 234, "green: gets a gradient", "model")


@drawing(height=430)
def unet_layers(d: Drawing) -> None:
    """The layers of a small U-Net.

    Left, the way down: conv_in with 16 channels, a block with 16, a downsample with 16, a block
    with 32. Below, the middle: two blocks with 32. Right, the way up: blocks of 32 + 32 and
    32 + 16 channels to 32, an upsample, blocks of 32 + 16 and 16 + 16 to 16, conv_out to 1.
    Each layer of the way down passes its output to the block beside it.
    """
    rows = [28 + 56 * i for i in range(6)]
    left = [d.box(44, y, 132, 36, name, kind=kind) for y, name, kind in zip(
        (rows[1], rows[2], rows[4], rows[5]),
        ("conv 1 → 16", "block 16 → 16", "half size", "block 16 → 32"),
        ("", "model", "", "model"), strict=True)]  # fmt: skip
    up = (("conv 16 → 1", ""), ("block 16 + 16 → 16", "model"), ("block 32 + 16 → 16", "model"),
          ("double size", ""), ("block 32 + 16 → 32", "model"),
          ("block 32 + 32 → 32", "model"))  # fmt: skip
    right = [d.box(320, y, 176, 36, name, kind=kind)
             for y, (name, kind) in zip(rows, up, strict=True)]  # fmt: skip
    for way in (left, right[::-1]):
        for a, b in zip(way, way[1:], strict=False):
            ends = (a.bottom, b.top) if way is left else (a.top, b.bottom)
            d.arrow(*ends, kind="" if way is left else "model")
    for a, b, channels in zip(left, (right[1], right[2], right[4], right[5]), (16, 16, 16, 32),
                              strict=True):  # fmt: skip
        d.arrow(a.right, b.left, kind="data")
        d.text(248, a.right[1] - 14, str(channels), "data")
    mid = d.box(182, 380, 156, 36, "2 blocks 32 → 32", kind="model")
    d.arrow(left[-1].bottom, (110, 398), mid.left)
    d.arrow(mid.right, (408, 398), right[-1].bottom, kind="model")
    d.text(110, 46, "`down_path`", "bold")
    d.text(408, 8, "`up_path`", "bold")
    d.text(260, 362, "`mid_path`", "bold")
