"""Drawings of what is added to a trained network: LoRA, and a control branch."""

from __future__ import annotations

from ddpm_lite.control import edges

from .images import digit, noised
from .kit import Drawing, drawing


@drawing(height=236)
def lora(d: Drawing) -> None:
    """A layer with LoRA.

    The input goes through the frozen weights W, and beside them through two small trainable
    matrices, A and then B. Their result is scaled by alpha over r and added. A is random and B
    starts at zero.
    """
    d.text(28, 118, "$x$")
    d.line((40, 118), (76, 118))
    w = d.box(128, 30, 236, 60, "$W$: out × in", "frozen", kind="data")
    a = d.box(112, 146, 112, 60, "$A$: $r$ × in", "random", kind="model")
    b = d.box(248, 146, 124, 60, "$B$: out × $r$", "starts at 0", kind="model")
    scale = d.box(396, 150, 52, 52, "$α/r$")
    add = d.node(472, 60, "+")
    d.arrow((76, 118), (76, 60), w.left)
    d.arrow((76, 118), (76, 176), a.left, kind="model")
    d.arrow(a.right, b.left, kind="model")
    d.arrow(b.right, scale.left, kind="model")
    d.arrow(scale.right, (472, 176), add.bottom, kind="model")
    d.arrow(w.right, add.left)
    d.line((485, 60), (512, 60))
    d.text(246, 226, "trained: $r$ · (in + out) numbers", "muted")


@drawing(height=344)
def control_branch(d: Drawing) -> None:
    """A control branch.

    Above, the frozen U-Net: way down, middle, way up. Below, a trainable copy of its way down and
    its middle, which also sees the edges. Two arrows lead up from the copy, each through a
    convolution that starts at zero, to the skips and to the middle of the U-Net.
    """
    image = noised(digit(3), 250)[0]
    d.lane(2, 2, 516, 128, "data")
    d.text(20, 22, "the U-Net, frozen", "bold start")
    d.tile(16, 48, 64, image)
    d.text(48, 121, "$x_t$", "noise")
    down = d.box(116, 56, 92, 48, "way down", kind="data")
    mid = d.box(256, 56, 72, 48, "middle", kind="data")
    up = d.box(384, 56, 92, 48, "way up", kind="data")
    d.arrow((80, 80), down.left)
    d.arrow(down.right, mid.left)
    add = d.node(356, 80, "+", r=11)
    d.arrow(mid.right, add.left)
    d.arrow(add.right, up.left)
    d.arrow(up.right, (510, 80))
    join = d.node(232, 36, "+", r=11)
    d.arrow((162, 56), (162, 36), join.left)
    d.arrow(join.right, (430, 36), up.top)
    d.text(330, 22, "skips", "muted")
    one = d.box(180, 166, 104, 44, "zero conv", kind="model")
    two = d.box(304, 166, 104, 44, "zero conv", kind="model")
    d.arrow(one.top, join.bottom, kind="model")
    d.arrow(two.top, add.bottom, kind="model")
    d.lane(2, 238, 516, 104, "model")
    d.text(504, 324, "the copy, trained", "bold end")
    d.tile(16, 248, 64, 2 * edges(digit(3)[None, None])[0, 0] - 1)
    d.text(48, 327, "hint", "data")
    below = d.box(128, 258, 92, 48, "way down", kind="model")
    under = d.box(320, 258, 72, 48, "middle", kind="model")
    d.arrow((80, 282), below.left)
    d.arrow((48, 130), (48, 190), (104, 190), (104, 270), (128, 270), kind="noise")
    d.arrow(below.right, under.left)
    d.arrow((200, 258), (200, 210), kind="model")
    d.arrow(under.top, two.bottom, kind="model")
