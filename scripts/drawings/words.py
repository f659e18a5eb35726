"""Drawings of tokens: captions, what reads what, masks in time, and the table of labels."""

from __future__ import annotations

import torch
from torch import Tensor

from ddpm_lite.pretrained import load_text, load_tokens
from ddpm_lite.text import attention_weights
from ddpm_lite.tokens import MASK, decode, encode

from .kit import Drawing, drawing

CAPTION = "red seven above blue two"


@drawing(height=250)
def caption_tokens(d: Drawing) -> None:
    """From a caption to vectors.

    The caption two red sixes becomes the pieces start, two, red, six, es and padding. Each piece
    has a number, which is its row in a table of vectors. A vector for its position is added.
    """
    _, _, tokenizer = load_text()
    caption = "two red sixes"
    numbers = tokenizer([caption])[0, :7].tolist()
    d.text(260, 14, f"“{caption}”", "bold")
    for i, number in enumerate(numbers):
        x, pad = 8 + 73 * i, number == 0
        piece = d.box(x, 44, 66, 34, tokenizer.pieces[number], kind="" if pad else "data")
        d.text(x + 33, 108, str(number), "muted" if pad else "data")
        d.arrow(piece.bottom, (x + 33, 98), gap=1)
        e = d.box(x, 136, 66, 34, f"$e_{{{number}}}$", kind="model")
        d.arrow((x + 33, 118), e.top, gap=1)
        d.text(x + 33, 184, "+")
        d.box(x, 198, 66, 34, f"$p_{i}$", kind="noise")
    d.arrow((260, 24), (260, 44), gap=1)


def reading(layer: int, head: int, length: int = 8) -> tuple[list[str], Tensor]:
    """The pieces of CAPTION, and the weights (length, length) of one head."""
    net, _, tokenizer = load_text()
    y, encoder = tokenizer([CAPTION])[:, :length], net.condition.text
    pieces, mask = [tokenizer.pieces[n] for n in y[0].tolist()], y != 0
    with torch.no_grad():
        h = encoder.embed(y) + encoder.positions[:length]
        for earlier in encoder.layers[:layer]:
            h = earlier(h, mask)
        at = encoder.layers[layer]
        q, k, _ = at.qkv(at.norm1(h)).view(length, 3, at.heads, -1).permute(1, 2, 0, 3)
        return pieces, attention_weights(q[None], k[None], mask)[0, head]


@drawing(height=372)
def word_weights(d: Drawing) -> None:
    """Which word reads which.

    A table of attention weights of the trained text encoder, for red seven above blue two. Rows
    read and columns are read. Bright squares are large weights. The columns of the padding are
    black: their weights are zero.
    """
    pieces, A = reading(0, 3)
    side = 38
    d.tile(126, 50, 8 * side, A / A.max() * 2 - 1)
    for i, piece in enumerate(pieces):
        kind = "muted" if piece == "<pad>" else "data"
        d.text(126 + side * (i + 0.5), 16 + 20 * (i % 2), piece, kind)
        d.text(116, 50 + side * (i + 0.5), piece, f"{kind} end")
    d.text(8, 36, "reads ↓", "bold start")
    d.text(440, 70, "weight 0:", "muted start")
    d.text(440, 90, "padding", "muted start")


@drawing(height=312)
def text_unet(d: Drawing) -> None:
    """Where the text enters the U-Net.

    The caption goes through the text encoder. Its vectors reach the blocks at 8 by 8 and 4 by 4
    pixels, which have cross-attention. The blocks at 16 by 16 pixels don't read them.
    """
    words = d.box(56, 262, 112, 40, "caption", kind="data")
    encoder = d.box(196, 262, 128, 40, "text encoder", kind="model")
    d.arrow(words.right, encoder.left, kind="data")
    d.text(336, 282, "a vector for each word", "data start")
    d.line(encoder.top, (260, 236), kind="data")
    d.line((64, 236), (456, 236), kind="data")
    levels = ((16, 24, 4, 4), (8, 48, 44, 84), (4, 48, 84, 164))
    for side, channels, x, y in levels:
        left, right = (d.box(at, y, 116, 40, f"{channels} channels", kind="model")
                       for at in (x, 404 - x))  # fmt: skip
        d.arrow(left.right, right.left)
        d.text(260, y + 6, f"{side} × {side}", "muted")
        if side > 4:
            d.arrow((x + 78, y + 40), (x + 78, y + 80), gap=1)
            d.arrow((442 - x, y + 80), (442 - x, y + 40), kind="model", gap=1)
        for at in () if side == 16 else (20, 500 - 2 * x):
            d.arrow((x + at, 236), (x + at, y + 40), kind="data", gap=1)


@drawing(height=256)
def text_to_image(d: Drawing) -> None:
    """From a prompt to an image, and the chapter of each part.

    The prompt becomes tokens, and then vectors in the text encoder, chapter 17. From noise in the
    latent space the network, chapters 4 and 16, guidance, chapter 8, and the sampler, chapter 7,
    take one step after the other. At the end the decoder, chapter 15, makes the image.
    """
    d.lane(2, 78, 516, 112)
    prompt = d.box(4, 22, 84, 40, "prompt", kind="data")
    encoder = d.chapter(130, 22, 178, 40, "17", "tokens, text encoder", kind="model")
    d.arrow(prompt.right, encoder.left, kind="data")
    network = d.chapter(66, 112, 108, 44, "4, 16", "network", kind="model")
    guidance = d.chapter(212, 112, 100, 44, "8", "guidance")
    sampler = d.chapter(350, 112, 92, 44, "7", "sampler")
    d.arrow((158, 62), (158, 112), kind="data")
    d.text(170, 88, "a vector for each token", "data start")
    d.text(28, 134, "$z_T$", "noise")
    d.text(490, 134, "$z_0$", "data")
    d.arrow((40, 134), network.left, kind="noise")
    d.arrow(network.right, guidance.left, kind="model")
    d.arrow(guidance.right, sampler.left, kind="model")
    d.arrow(sampler.right, (476, 134), kind="data")
    d.arrow(sampler.bottom, (396, 176), (120, 176), network.bottom)
    d.text(258, 167, "repeat", "muted")
    decoder = d.chapter(340, 206, 100, 40, "15", "decoder", kind="model")
    image = d.box(200, 206, 84, 40, "image", kind="data")
    d.arrow((490, 148), (490, 226), decoder.right, kind="data")
    d.arrow(decoder.left, image.right, kind="data")


@drawing(height=176)
def token_times(d: Drawing) -> None:
    """Masks at two times.

    Each token has a random number between 0 and 1. Below s it is a mask at both times. Between
    s and u it is a mask at u and visible at s, so the step back reveals it. Above u it is visible
    at both times.
    """
    left, s, u, right = 16, 208, 372, 504
    d.text(left, 14, "a random number $r$ for each token", "bold start")
    for a, b, kind, *lines in (
        (left, s, "noise", "a mask at $u$,", "a mask at $s$"),
        (s, u, "model", "a mask at $u$,", "visible at $s$"),
        (u, right, "data", "visible at $u$,", "visible at $s$"),
    ):
        d.rect(a, 34, b - a, 56, kind)
        for i, line in enumerate(lines):
            d.text((a + b) / 2, 52 + 20 * i, line)
    for x, name in ((left, "0"), (s, "$s$"), (u, "$u$"), (right, "1")):
        d.line((x, 90), (x, 98))
        d.text(x, 110, name)
    for a, b, name, kind in ((left, s, "stays: $s/u$", "noise"),
                             (s, u, "revealed: $1 − s/u$", "model")):  # fmt: skip
        d.line((a + 3, 132), (a + 3, 138), (b - 3, 138), (b - 3, 132), kind=kind)
        d.text((a + b) / 2, 158, name, kind)


@drawing(height=232)
def reveal_step(d: Drawing) -> None:
    """One step that reveals a token.

    The text is the n, two masks, se. The network gives a distribution for each mask, and a letter
    is drawn for each, here the most probable ones, which spell noise. The mask with the higher
    score is revealed, and the other one stays a mask.
    """
    x = encode("the n__se in the image.")
    with torch.no_grad():
        p, drawn = load_tokens("text")(x[None])[0].softmax(-1).max(-1)
    masks = (x == MASK).nonzero()[:, 0]
    first = masks[p[masks].argmax()]
    for y, name in ((8, "$x$"), (70, "drawn"), (124, "score"), (190, "new $x$")):
        d.text(82, y + 17, name, "bold end")
    for i in range(9):
        left, letter = 98 + 46 * i, decode(x[i : i + 1])
        for y in (8, 190):
            new, hidden = y > 8 and i == first, i in masks
            shown = decode(drawn[i : i + 1]) if new else "?" if hidden else letter
            kind = "model" if new else "noise" if hidden else "data"
            d.box(left, y, 40, 34, *shown.split(), kind=kind)
        if i in masks:
            d.arrow((left + 20, 42), (left + 20, 70))
            d.box(left, 70, 40, 34, decode(drawn[i : i + 1]), kind="model")
            d.text(left + 20, 141, f"{p[i]:.2f}", "bold" if i == first else "muted")
    d.arrow((118 + 46 * int(first), 154), (118 + 46 * int(first), 190), kind="model")
    d.text(206, 87, "a letter for each mask", "muted")
    d.text(206, 141, "the highest goes first", "muted")


@drawing(height=268)
def token_sight(d: Drawing) -> None:
    """Who sees whom.

    Two tables for the word noise. Rows predict, columns are seen. In the masked network, two
    letters are hidden, and each of them is predicted from the three visible letters on both sides.
    From left to right, each letter is predicted from all letters before it.
    """
    for x, title, letters, sees in (
        (48, "masks: both sides", "no__e", lambda i, j: j in (0, 1, 4)),
        (312, "left to right", "noise", lambda i, j: j < i),
    ):
        d.text(x + 90, 14, title, "bold")
        for i, letter in enumerate("noise"):
            shown = letters[i] != "_"
            predicted = title[0] == "l" or not shown
            d.text(x + 36 * i + 18, 46, letters[i] if shown else "?", "data" if shown else "noise")
            d.text(x - 20, 80 + 36 * i, letter, "model" if predicted else "muted")
            for j in range(5):
                kind = "model" if predicted and sees(i, j) else ""
                d.rect(x + 36 * j + 2, 64 + 36 * i, 32, 32, kind, 4)
        d.text(x + 90, 254, "2 letters to learn from" if x < 200 else "5 letters to learn from",
               "muted")  # fmt: skip


@drawing(height=335)
def label_rows(d: Drawing) -> None:
    """The table of labels, before and after the heart.

    Before, eleven rows: the digits 0 to 9 and no label, which is row 10. After, the row of the
    heart is inserted as row 10, as a copy of no label, and no label moves to row 11. Only the row
    of the heart learns.
    """
    rows = ("digit 0", "digit 1", "digit 2", "…", "digit 9")
    ys = [34 + 43 * i for i in range(7)]
    d.text(106, 14, "before", "bold")
    d.text(414, 14, "after", "bold")
    for x in (52, 360):
        for name, y, number in zip(rows, ys, ("0", "1", "2", "", "9"), strict=False):
            d.box(x, y, 108, 34, name, kind="data")
            d.text(x - 12, y + 17, number, "end")
    d.box(52, ys[5], 108, 34, "no label", kind="noise")
    d.text(40, ys[5] + 17, "10", "end")
    d.box(360, ys[5], 108, 34, "heart", kind="model")
    d.text(348, ys[5] + 17, "10", "end")
    d.box(360, ys[6], 108, 34, "no label", kind="noise")
    d.text(348, ys[6] + 17, "11", "end")
    for y in ys[:5]:
        d.arrow((166, y + 17), (316, y + 17), kind="data")
    d.text(242, ys[3] - 4, "frozen", "muted")
    d.arrow((166, ys[5] + 17), (316, ys[5] + 17), kind="model")
    d.text(242, ys[5] + 2, "copied, learns", "model")
    d.arrow((106, ys[5] + 34), (106, ys[6] + 17), (316, ys[6] + 17), kind="noise")
    d.text(228, ys[6] + 2, "moves, frozen", "noise")
