"""Drawings of attention: the weights of a pixel, of the words, and of each head."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_lite.pretrained import load_dit

from .images import digit, noised, velocity
from .kit import Box, Drawing, drawing


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


def head_weights(number: int, t: int, block: int, token: int) -> tuple[Tensor, Tensor]:
    """x_t of a digit, and where a token looks in each head of a shipped block: (4, 4, 4)."""
    xt, seen, net = velocity(number, t)[0], [], load_dit()
    attention = net.blocks[block].attention
    attention.register_forward_hook(lambda layer, args, out: seen.append(layer.weights(*args)))
    with torch.no_grad():
        net(xt[None, None], torch.tensor([t]), torch.tensor([number]))
    return xt, seen[0][0, :, token].view(-1, 4, 4)


@drawing(height=306)
def heads(d: Drawing) -> None:
    """Attention with four heads.

    The 48 numbers of a token are cut into four parts. In each head, the part of the marked patch
    looks at all 16 patches with other weights, and receives the weighted mean of their values. The
    four means are joined, and a linear layer follows.
    """
    xt, weights = head_weights(2, 300, 1, 5)
    d.tile(6, 116, 80, xt)
    d.rect(26, 136, 20, 20, "noise mark")
    d.text(46, 216, "a patch", "noise")
    d.text(126, 14, "token", "bold")
    d.text(209, 14, "weights", "bold")
    d.text(320, 14, "mean of $v$", "bold")
    d.arrow((86, 156), (110, 156), gap=1)
    for k in range(4):
        y = 32 + 66 * k
        d.box(110, y, 32, 60, "12", kind="noise")
        d.tile(182, y + 3, 54, weights[k] / weights[k].max() * 2 - 1)
        mean = d.box(264, y + 8, 112, 44, f"head {k + 1}", kind="model")
        d.arrow((142, y + 30), (182, y + 30), gap=1)
        d.arrow((236, y + 30), mean.left, gap=1)
        d.arrow(mean.right, (400, y + 30), gap=1)
        d.box(400, y, 32, 60, "12", kind="model")
    out = d.box(450, 134, 66, 44, "Linear", kind="model")
    d.arrow((432, 156), out.left, gap=1)
