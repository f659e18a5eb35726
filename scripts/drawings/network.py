"""Drawings of the networks: U-Net, residual block, attention, and the blocks of transformers."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .images import digit, noised, sampled, velocity
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


def weights(image: Tensor, row: int, column: int) -> Tensor:
    """Attention by hand, as chapter 4 begins it: how alike is the patch around each pixel?"""
    patches = F.unfold(F.pad(image[None, None], (1, 1, 1, 1), value=-1), 3)[0].T  # (64, 9)
    return (patches @ patches[row * 8 + column] / 3).softmax(0).view(8, 8)


@drawing(height=338)
def attention(d: Drawing) -> None:
    """Self-attention.

    Every position of the image gives a query, a key and a value. The query of one position
    meets the keys of all; the softmax turns the products into weights; the output is the
    weighted mean of the values, added to the input.
    """
    _mark(d, d.tile(8, 52, 76, digit(0)))
    d.text(8, 30, "$x$ at $N$ pixels", "start")
    d.arrow((84, 90), (98, 90), gap=1)
    norm = d.box(98, 72, 54, 36, "norm")
    q, k, v = (d.box(180, y, 92, 36, name, kind="model") for y, name in (
        (8, "query $q$"), (72, "keys $k$"), (136, "values $v$")))  # fmt: skip
    for box in (q, k, v):
        d.arrow(norm.right, (162, 90), (162, box.left[1]), box.left, gap=1)
    soft = d.box(304, 40, 104, 52, "softmax of", "$q · k / √C$")
    d.arrow(q.right, (286, 26), (286, 56), (304, 56), kind="noise", gap=1)
    d.arrow(k.right, (286, 90), (286, 76), (304, 76), gap=1)
    scores = weights(digit(0), 3, 2)
    _mark(d, d.tile(436, 28, 76, scores / scores.max() * 2 - 1))
    d.arrow(soft.right, (436, 66))
    d.text(474, 120, "weights")
    mean = d.box(288, 230, 152, 52, "weighted mean", "of the values")
    d.arrow(v.right, (352, 154), (352, 230))
    d.arrow((474, 132), (474, 256), mean.right)
    out = d.box(140, 234, 112, 44, "conv 1 × 1", kind="model")
    d.arrow(mean.left, out.right)
    _sum(d, out, 46, (46, 128), 256)


def _sum(d: Drawing, out: Box, x: float, start: tuple, y: float) -> None:
    """The skip from the input down to the sum, and what comes out."""
    add = d.node(x, y, "+")
    d.arrow(out.left, add.right)
    d.arrow(start, add.top, kind="data")
    d.text(x + 12, y - 50, "skip", "data start")
    d.arrow(add.bottom, (x, y + 58))
    d.text(x, y + 72, "out")


def _mark(d: Drawing, tile: Box) -> None:
    """A frame around the position whose query is drawn."""
    side = tile.w / 8
    d.rect(tile.x + 2 * side, tile.y + 3 * side, side, side, "noise mark")


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
def zero_start(d: Drawing) -> None:
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


@drawing(height=378)
def cross_attention(d: Drawing) -> None:
    """Cross-attention.

    Queries come from the pixels of the image, keys and values from the tokens of the text.
    Each pixel takes a weighted mean of the values of the tokens, which is added to it.
    """
    d.tile(8, 92, 88, noised(digit(0), 150)[0])
    d.text(52, 72, "pixels", "bold")
    d.text(164, 25, "tokens", "bold end")
    x = 176
    for word, w in (("a", 32), ("small", 64), ("zero", 56)):
        token = d.box(x, 8, w, 34, word, kind="data")
        x += w + 6
    encoder = d.box(372, 4, 140, 42, "text encoder", kind="model")
    d.arrow(token.right, encoder.left, kind="data")
    q = d.box(132, 114, 96, 44, "queries $q$", kind="model")
    d.arrow((96, 136), q.left)
    soft = d.box(268, 176, 112, 52, "softmax of", "$q · k / √C$")
    k = d.box(280, 92, 88, 36, "keys $k$", kind="model")
    v = d.box(412, 92, 100, 36, "values $v$", kind="model")
    d.arrow((442, 46), (442, 68), (324, 68), k.top, kind="data")
    d.arrow((462, 46), v.top, kind="data")
    d.arrow(k.bottom, soft.top)
    d.arrow(q.right, (248, 136), (248, 202), soft.left)
    mean = d.box(268, 270, 152, 52, "weighted mean", "of the values")
    d.arrow(soft.bottom, (324, 270))
    d.text(312, 249, "a weight for each token", "muted end")
    d.arrow(v.bottom, (462, 296), mean.right)
    out = d.box(128, 274, 104, 44, "linear", kind="model")
    d.arrow(mean.left, out.right)
    _sum(d, out, 52, (52, 180), 296)


@drawing(height=384)
def dit_block(d: Drawing) -> None:
    """A block of a diffusion transformer.

    The image is cut into patches, each patch becomes a token. A block normalises the tokens,
    scales and shifts them, lets them attend to each other, and multiplies the result by a gate
    before it is added; then the same with an MLP. Scales, shifts and gates come from the
    condition through a linear layer that starts at zero.
    """
    image = noised(digit(0), 100)[0]
    d.tile(432, 8, 80, image)
    for i in (20, 40, 60):
        d.line((432 + i, 8), (432 + i, 88), kind="noise")
        d.line((432, 8 + i), (512, 8 + i), kind="noise")
    for i in range(6):
        d.tile(18 + 50 * i, 14, 36, image[2 * (i // 4) :, 2 * (i % 4) :][:2, :2])
    d.text(328, 32, "…")
    d.arrow((432, 32), (350, 32), kind="noise")
    d.text(180, 72, "a token for each patch", "muted")
    c = d.box(112, 226, 336, 40, "SiLU, Linear that starts at 0", kind="model")
    d.text(74, 246, "$c$")
    d.arrow((84, 246), c.left)
    _branch(d, 36, 484, 160, "attention", 1)
    _branch(d, 484, 36, 332, "MLP", 2)
    d.arrow((36, 50), (36, 160), (64, 160))
    d.arrow((484, 173), (484, 332), (456, 332))
    d.arrow((36, 319), (36, 290))
    d.text(36, 276, "out")


def _branch(d: Drawing, start: float, end: float, y: float, layer: str, number: int) -> None:
    """Norm, scale and shift, a layer, and a gate; the way around them; a sum at the end."""
    sign, x = (1 if end > start else -1), start
    x, boxes = start + 28 * sign, []
    for name, w in (("norm", 56), ("scale, shift", 108), (layer, 92), ("gate", 56)):
        kind = "model" if name == layer else ""
        boxes.append(d.box(min(x, x + sign * w), y - 22, w, 44, name, kind=kind))
        x += sign * (w + 20)
    add = d.node(end, y, "+")
    ends = [(b.left, b.right)[::sign] for b in boxes] + [(add.left, add.right)[::sign]]
    for (_, a), (b, _) in zip(ends, ends[1:], strict=False):
        d.arrow(a, b)
    far = y - 44 * sign
    d.arrow((start, y), (start, far), (end, far), (end, y - 14 * sign), kind="data", gap=1)
    for box, names in ((boxes[1], f"$γ_{number}, δ_{number}$"), (boxes[3], f"$g_{number}$")):
        middle, edge = box.top[0], y + 22 * sign
        d.arrow((middle, edge + 44 * sign), (middle, edge), kind="model")
        d.text(middle + 10, edge + 24 * sign, names, "model start")


@drawing(height=196)
def dit(d: Drawing) -> None:
    """The whole diffusion transformer.

    The patches of a noisy image are embedded, and each gets its position added. Four blocks
    follow, then a norm with scale and shift, and a linear layer that makes a patch of the
    prediction from each token. The condition goes into the blocks and the last norm.
    """
    xt, v = velocity(2, 400)
    for x, image, kind in ((4, xt, "noise"), (460, v, "model")):
        d.tile(x, 66, 60, image)
        for i in (15, 30, 45):
            d.line((x + i, 66), (x + i, 126), kind=kind)
            d.line((x, 66 + i), (x + 60, 66 + i), kind=kind)
    d.text(34, 142, "$x_t$", "noise")
    d.text(490, 142, "$v$", "model")
    embed = d.box(80, 74, 62, 44, "embed", kind="model")
    add = d.node(170, 96, "+")
    blocks = d.box(198, 72, 68, 48, "blocks", "1 to 4", kind="model")
    norm = d.box(280, 68, 94, 56, "norm,", "scale, shift")
    out = d.box(386, 74, 58, 44, "Linear", kind="model")
    d.text(170, 30, "positions", "data")
    d.text(140, 172, "condition $c$")
    d.arrow((170, 40), add.top, kind="data")
    ends = [embed, add, blocks, norm, out]
    starts = [(64, 96), *(box.right for box in ends)]
    for start, end in zip(starts, [*(box.left for box in ends), (460, 96)], strict=True):
        d.arrow(start, end, gap=1)
    for end in (blocks.bottom, norm.bottom):
        d.arrow((190, 172), (end[0], 172), end)
