"""Drawings of the transformer: its block, its patches, and how it starts."""

from __future__ import annotations

from .images import digit, noised, velocity
from .kit import Drawing, drawing


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


@drawing(height=290)
def zero_start(d: Drawing) -> None:
    """What learns in the first three steps.

    Three rows of the parts of a transformer. In step 1 only the last layer learns. In step 2 the
    embedding, the gates and the last normalisation learn too. From step 3 on all parts learn, the
    condition and what is behind the gates included.
    """
    parts = (("embed", 66, 2), ("condition", 88, 3), ("attention,", 92, 3), ("gates", 60, 2),
             ("last norm", 86, 2), ("Linear", 66, 1))  # fmt: skip
    for step in (1, 2, 3):
        x, y = 6, 96 * step - 94
        d.text(x, y + 12, f"step {step}", "bold start")
        for name, w, first in parts:
            lines = (name, "MLP") if name.endswith(",") else (name,)
            d.box(x, y + 30, w, 50, *lines, kind="model" if first <= step else "")
            x += w + 10


@drawing(height=232)
def patch_seeds(d: Drawing) -> None:
    """Fréchet distances of the U-Net and the DiT.

    An axis from 0 to 4. After 60 seconds the three seeds of the U-Net are from 0.78 to 0.90, those
    of the DiT with patches of 2 by 2 from 2.93 to 4.00, and those with 4 by 4 from 0.83 to 1.00.
    Trained to the end, the U-Net is at 0.30 and the DiT with 2 by 2 at 0.37.
    """
    left, unit = 176, 82
    for i in range(5):
        d.line((left + unit * i, 4), (left + unit * i, 170), kind="grid")
        d.text(left + unit * i, 184, str(i))
    d.text(left + 2 * unit, 216, "Fréchet distance, lower is better", "muted")
    rows = (
        ("U-Net", "1,119 steps", (0.78, 0.80, 0.90), 0.30),
        ("DiT, 2 × 2", "1,183 steps", (2.93, 3.33, 4.00), 0.37),
        ("DiT, 4 × 4", "2,622 steps", (0.83, 0.84, 1.00), None),
    )
    for i, (name, steps, seeds, end) in enumerate(rows):
        y = 30 + 56 * i
        d.text(160, y - 10, name, "bold end")
        d.text(160, y + 10, steps, "muted end")
        d.line((left + unit * seeds[0], y), (left + unit * seeds[2], y), kind="model")
        for seed in seeds:
            d.dot(left + unit * seed, y, "model", 6)
        if end:
            d.dot(left + unit * end, y, "data", 6)
