"""Drawings of the loss: what it computes for a batch, its network, its floor, and v."""

from __future__ import annotations

from math import cos, radians, sin

import torch

from ddpm_lite import load_pretrained
from ddpm_lite.diffusion import q_sample
from ddpm_lite.sampling import from_v

from .images import digit, noise
from .kit import WIDTH, Drawing, drawing


@drawing(height=304)
def loss_rows(d: Drawing) -> None:
    """One evaluation of the loss.

    Three rows of a batch, three digits. Each has its own timestep t, 100, 300 and 700, and its own
    noise epsilon, which give x_t. The network sees x_t and t and predicts the noise. The loss is
    the mean squared difference between the noise and the prediction, over all rows and pixels.
    """
    net, schedule, _ = load_pretrained("digits")
    y, times = torch.tensor([0, 3, 7]), (100, 300, 700)
    x0, eps = torch.stack([digit(int(k)) for k in y])[:, None], noise(3, 1, 8, 8)
    xt = q_sample(schedule, x0, torch.tensor(times), eps)
    with torch.no_grad():
        guess = from_v(net, schedule)(xt, torch.tensor(times), y=y)
    heads = ((30, "$x_0$", "data"), (88, "$t$", "noise"), (152, "$ε$", "noise"),
             (205, "`q_sample`", ""), (258, "$x_t$", ""),
             (478, "$ε_θ(x_t, t)$", "model"))  # fmt: skip
    for x, name, kind in heads:
        d.text(x, 14, name, kind)
    box = d.box(322, 34, 84, 196, "network", kind="model")
    for k, t in enumerate(times):
        top = 34 + 68 * k
        middle = top + 30
        for x, images in ((0, x0), (122, eps), (228, xt), (448, guess)):
            d.tile(x + 2 if x == 0 else x, top, 60, images[k, 0])
        d.text(90, middle, str(t), "noise")
        d.arrow((182, middle), (228, middle))
        d.arrow((288, middle), (box.x, middle))
        d.arrow((406, middle), (448, middle), kind="model")
    loss = d.box(214, 262, 200, 36, "loss: mean of $(ε − ε_θ)^2$")
    d.arrow((152, 232), (152, loss.left[1]), loss.left, kind="noise")
    d.arrow((478, 232), (478, loss.right[1]), loss.right, kind="model")


@drawing(height=342)
def point_mlp(d: Drawing) -> None:
    """The network for points.

    Above: x_t goes through proj_in, four blocks and proj_out to the predicted noise. The vector c,
    made from t, goes into each block. Below, one block: inject maps c, the result is added to h,
    then come SiLU and a linear layer, and their output is added to the h that came in.
    """
    d.text(14, 36, "$x_t$", "data")
    start = d.box(50, 16, 84, 40, "proj_in")
    blocks = [d.box(160 + 56 * k, 16, 36, 40, str(k + 1), kind="model") for k in range(4)]
    end = d.box(390, 16, 84, 40, "proj_out")
    d.arrow((28, 36), start.left, kind="data")
    for a, b in zip((start, *blocks), (*blocks, end), strict=True):
        d.arrow(a.right, b.left)
    d.arrow(end.right, (498, 36), kind="model")
    d.text(508, 36, "$ε_θ$", "model")
    d.text(14, 116, "$t$", "noise")
    made = d.box(50, 96, 116, 40, "`Conditioning`", kind="noise")
    d.arrow((24, 116), made.left, kind="noise")
    d.line(made.right, (blocks[3].bottom[0], 116), kind="noise")
    for block in blocks:
        d.arrow((block.bottom[0], 116), block.bottom, kind="noise")
    d.text(blocks[3].bottom[0] + 14, 116, "$c$", "noise")
    d.lane(2, 160, WIDTH - 4, 180)
    d.text(16, 180, "one block", "bold start")
    d.text(22, 250, "$h$")
    total, out = d.node(122, 250, "+"), d.node(442, 250, "+")
    act, layer = d.box(186, 230, 72, 40, "SiLU"), d.box(308, 230, 72, 40, "layer", kind="model")
    inject = d.box(78, 292, 88, 36, "inject")
    d.text(22, 310, "$c$", "noise")
    d.arrow((32, 310), inject.left, kind="noise")
    d.arrow(inject.top, total.bottom, kind="noise")
    d.arrow((32, 250), total.left)
    for a, b in ((total, act), (act, layer), (layer, out)):
        d.arrow(a.right, b.left)
    d.arrow(out.right, (492, 250))
    d.text(502, 250, "$h$")
    d.arrow((60, 250), (60, 208), (442, 208), out.top, kind="data", gap=1)
    d.text(260, 190, "the old $h$", "data")


@drawing(height=254)
def floor_triangle(d: Drawing) -> None:
    """The floor and the excess as a right triangle.

    A horizontal line stands for all predictions that use only x_t and t. The best of them and the
    network's prediction are points on it. The true noise is above the line, straight above the
    best prediction. The vertical side squared is the floor, the horizontal side squared is the
    excess, and the side from the noise to the network's prediction squared is the loss.
    """
    noise_at, best, net = (150, 30), (150, 194), (338, 194)
    d.line((20, 194), (500, 194), kind="grid")
    d.line((150, 178), (166, 178), (166, 194))
    d.line(noise_at, best, kind="exact")
    d.line(best, net, kind="model")
    d.line(noise_at, net, kind="noise")
    for point, kind in ((noise_at, "noise"), (best, "exact"), (net, "model")):
        d.dot(*point, kind)
    d.text(134, 30, "true noise $ε$", "noise end")
    d.text(136, 112, "floor", "end")
    d.text(244, 174, "excess", "model")
    d.text(262, 100, "loss", "noise start")
    d.text(150, 216, "best: $ε^*$")
    d.text(338, 216, "network: $ε_θ$", "model")
    d.text(500, 242, "the line: all that can be predicted from $x_t$ and $t$", "muted end")


@drawing(height=262)
def v_rotation(d: Drawing) -> None:
    """The pair x_t and v as the rotated pair x_0 and noise.

    Two axes at a right angle: x_0 to the right and the noise upwards. Rotated by the angle phi,
    they become x_t and v. The cosine of phi is the root of alpha-bar.
    """
    x, y, r, phi = 180, 228, 190, 34

    def at(degrees: float, length: float) -> tuple[float, float]:
        turn = radians(degrees)
        return round(x + length * cos(turn), 1), round(y - length * sin(turn), 1)

    for angle, kind in ((0, "data"), (90, "noise"), (phi, "exact"), (90 + phi, "model")):
        d.arrow((x, y), at(angle, r), kind=kind, gap=0)
    for base in (0, 90):
        d.arc(at(base + phi, 66), at(base, 66), 66)
        d.text(*at(base + phi / 2, 84), "$φ$")
    d.text(x + r + 16, y, "$x_0$", "data")
    d.text(x, y - r - 14, "$ε$", "noise")
    d.text(*at(phi, r + 16), "$x_t$")
    d.text(*at(90 + phi, r + 14), "$v$", "model")
    d.line(at(phi, r), (at(phi, r)[0], y), kind="grid dash")
    d.text((x + at(phi, r)[0]) / 2 + 20, y + 20, "cos $φ$ = $√ᾱ_t$", "data")
    d.text(at(phi, r)[0] + 10, y - 50, "sin $φ$ = $√(1 − ᾱ_t)$", "noise start")
