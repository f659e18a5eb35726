"""The checks of the exercises of chapter 16."""

import torch
from einops import rearrange
from torch import nn

from ddpm_lite.transformer import DiTBlock, modulate, patchify


def exercise_1(block_size):
    """Compare with the parameters of real blocks."""
    for d in (8, 48, 100):
        mine = block_size(d)
        if mine is None:
            raise ValueError("it returns nothing")
        right = sum(weight.numel() for weight in DiTBlock(d, 2).parameters())
        if mine != right:
            raise ValueError(f"a block of width {d} has {right:,} parameters; you return {mine:,}")


def exercise_2(reordered):
    """Compare with tokens in the other order."""
    generator = torch.Generator().manual_seed(0)
    for channels, patch in ((3, 2), (1, 2), (4, 4)):
        x = torch.randn(2, channels, 8, 4, generator=generator)
        theirs = rearrange(x, "b c (h p) (w q) -> b (h w) (c p q)", p=patch, q=patch)
        mine, right = reordered(theirs, patch), patchify(x, patch)
        if mine is None:
            raise ValueError("it returns nothing")
        if mine.shape != right.shape:
            raise ValueError(f"it gives the shape {tuple(mine.shape)}; "
                             f"expected {tuple(right.shape)}")  # fmt: skip
        if not torch.equal(mine, right):
            kept = (mine == right).double().mean()
            raise ValueError(f"with {channels} channels and patches of {patch} x {patch}, "
                             f"only {kept:.0%} of the numbers are in the right place")  # fmt: skip


def exercise_3(guided_output):
    """Every channel of the noise must be guided, and the variance must not."""
    generator = torch.Generator().manual_seed(0)
    for channels in (4, 6):
        given = torch.randn(2, 3, 2 * channels, 2, 2, generator=generator)
        cond, none = given.clone()
        mine = guided_output(cond, none, 0.0)
        _check_conditional(mine, given[0])
        mine = guided_output(cond, none, 1.5)
        if not torch.equal(torch.stack([cond, none]), given):
            raise ValueError("it changes its inputs: make a new tensor instead")
        right = none + 2.5 * (cond - none)
        for channel in range(channels):
            if not torch.allclose(mine[:, channel], right[:, channel], atol=1e-4):
                raise ValueError(f"channel {channel} of {channels} channels of noise "
                                 "isn't guided with w = 1.5")  # fmt: skip
        if not torch.allclose(mine[:, channels:], cond[:, channels:], atol=1e-5):
            raise ValueError("the second half should be that of the conditional output")


def _check_conditional(mine, cond):
    if mine is None:
        raise ValueError("it returns nothing")
    if mine.shape != cond.shape:
        raise ValueError(f"it gives the shape {tuple(mine.shape)}; expected {tuple(cond.shape)}")
    if not torch.allclose(mine, cond, atol=1e-5):
        raise ValueError("with w = 0 the output should be the conditional one")


def exercise_4(folded):
    """The new layer on h must equal the old one on the modulated h."""
    torch.manual_seed(0)
    layer, h = nn.Linear(6, 4), torch.randn(2, 5, 6)
    scale, shift = torch.randn(2, 6)
    right = layer(modulate(h, scale, shift)).detach()
    before = [weight.detach().clone() for weight in layer.parameters()]
    new = folded(layer, scale, shift)
    if new is None:
        raise ValueError("it returns nothing")
    if not isinstance(new, nn.Linear):
        raise ValueError(f"it returns a {type(new).__name__}; expected an nn.Linear")
    if not all(torch.equal(*pair) for pair in zip(layer.parameters(), before, strict=True)):
        raise ValueError("it changes the given layer: make a new one instead")
    off = (new(h) - right).abs().max()
    if not off < 1e-4:
        raise ValueError(f"your layer is off by up to {off:.2f}")
