"""The checks of the exercises of chapter 4."""

import torch
import torch.nn.functional as F
from einops import rearrange

from ddpm_lite import ResBlock, time_embedding


def exercise_1(res_block_size):
    """The number of parameters of a residual block."""
    for sizes in ((16, 32, 64), (48, 16, 64), (32, 32, 128)):
        true = sum(p.numel() for p in ResBlock(*sizes).parameters())
        mine = res_block_size(*sizes)
        if mine != true:
            raise ValueError(f"ResBlock{sizes} has {true:,} parameters; you return {mine}")


def exercise_2(distance):
    """The distance between two embeddings, from the difference of their times."""
    for gap, dim in ((1, 32), (7, 16), (400, 64)):
        early, late = time_embedding(torch.tensor([100.0, 100.0 + gap]).double(), dim)
        true, mine = float((early - late).norm()), distance(gap, dim)
        if mine is None:
            raise ValueError("it returns nothing")
        if not abs(mine - true) < 1e-3:
            raise ValueError(f"for a gap of {gap} and {dim} coordinates the distance is "
                             f"{true:.3f}; you return {float(mine):.3f}")  # fmt: skip


def exercise_3(multi_head):
    """Attention with several heads."""
    q, k, v = torch.randn(3, 2, 10, 12, generator=torch.Generator().manual_seed(0))
    heads = [rearrange(z, "b n (m c) -> b m n c", m=3) for z in (q, k, v)]
    true = rearrange(F.scaled_dot_product_attention(*heads), "b m n c -> b n (m c)")
    mine = multi_head(q, k, v, 3)
    if mine is None:
        raise ValueError("it returns nothing")
    if mine.shape != true.shape:
        raise ValueError(f"the shape is {tuple(mine.shape)}; expected {tuple(true.shape)}")
    if not torch.allclose(mine, true, atol=1e-5):
        raise ValueError(f"the shape is right, but values are off by up to "
                         f"{(mine - true).abs().max():.2f}: check the split, the root and the axis "
                         "of the softmax")  # fmt: skip


class Echo:
    """Adds t to its input instead of predicting, and remembers what it was given."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x, t):
        if x.shape[2] % self.factor or x.shape[3] % self.factor:
            raise ValueError(f"the network was given {tuple(x.shape[2:])}; expected multiples of "
                             f"{self.factor}")  # fmt: skip
        self.seen = x
        return x + t.reshape(-1, 1, 1, 1)


def exercise_4(any_size):
    """A network that accepts any size."""
    generator = torch.Generator().manual_seed(0)
    for h, w, full, factor in (
        (7, 10, (8, 12), 4), (8, 8, (8, 8), 4), (9, 4, (12, 4), 4), (5, 6, (6, 6), 2),
    ):  # fmt: skip
        net = Echo(factor)
        x = torch.randn(2, 1, h, w, generator=generator)
        out = any_size(net, x, torch.ones(2))
        if out is None:
            raise ValueError("it returns nothing")
        if out.shape != x.shape:
            raise ValueError(f"for x of {tuple(x.shape)} the result has {tuple(out.shape)}")
        if tuple(net.seen.shape[2:]) != full:
            raise ValueError(f"{h} x {w} was padded to {tuple(net.seen.shape[2:])}, not to {full}")
        if not torch.equal(out, x + 1):
            raise ValueError("the result is shifted: pad at the right and at the bottom only")
        if not (net.seen[:, :, h:] == -1).all() or not (net.seen[:, :, :, w:] == -1).all():
            raise ValueError("the padding isn't -1 everywhere")
