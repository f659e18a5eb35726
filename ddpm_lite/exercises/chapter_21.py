"""The checks of the exercises of chapter 21."""

import torch
from torch import nn

from ddpm_lite.finetune import LoRA


def exercise_1(lora_numbers):
    """Compare with the parameters of the package's own adapters."""
    for layer in (nn.Linear(5, 7), nn.Conv2d(3, 8, 3), nn.Conv2d(4, 6, (1, 5)), nn.Conv2d(2, 9, 1)):
        for rank in (1, 4):
            lora = LoRA(layer, rank)
            right = sum(part.weight.numel() for part in (lora.A, lora.B))
            mine = lora_numbers(layer, rank)
            if mine != right:
                raise ValueError(f"for {layer} and rank {rank} you return {mine}; expected {right}")


def exercise_2(merged):
    """Check adapters with different ranks and strengths. W must not change."""
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(6, 5, generator=generator)
    adapters = [
        (torch.randn(r, 5, generator=generator), torch.randn(6, r, generator=generator), alpha)
        for r, alpha in ((2, 3.0), (4, 1.0))
    ]
    for used in ([], adapters[:1], adapters):
        before = W.clone()
        mine = merged(W, list(used))
        if mine is None:
            raise ValueError("it returns nothing")
        if not torch.equal(W, before):
            raise ValueError("it changed W itself; return new weights and keep the old ones")
        right = W + sum(alpha / len(A) * B @ A for A, B, alpha in used)
        off = (mine - right).abs().max()
        if not off < 1e-5:
            raise ValueError(f"with {len(used)} adapters your weights are off by up to {off:.2f}")


def exercise_3(lesson):
    """Check the images, the labels and their order."""
    hearts = torch.full((5, 1, 2, 2), 0.5) + torch.arange(5).reshape(-1, 1, 1, 1) / 100
    old_y = torch.arange(40) % 10
    old = -old_y.reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2) / 10 - 0.05
    torch.manual_seed(0)
    pairs = [lesson(hearts, old, old_y, 12, 50) for _ in range(2)]
    if any(pair is None for pair in pairs):
        raise ValueError("it returns nothing")
    x, y = pairs[0]
    if x.shape != (100, 1, 2, 2) or y.shape != (100,):
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"for n = 50 the shapes are {shapes}; expected (100, 1, 2, 2) and (100,)")
    _check_batch(x, y)
    for part, kind, least in (slice(50), "hearts", 5), (slice(50, 100), "old images", 8):
        if len(x[part].unique()) < least or torch.equal(x[part], pairs[1][0][part]):
            raise ValueError(f"the {kind} aren't drawn at random from all of them")


def _check_batch(x, y):
    if y.dtype != torch.long:
        raise ValueError(f"the labels are {y.dtype}; a table of labels needs torch.long")
    if not ((x[:50] > 0).all() and (x[50:] < 0).all()):
        raise ValueError("expected the hearts first, then the old images")
    if not (y[:50] == 12).all():
        raise ValueError("a heart doesn't have the heart's label")
    if (y[50:] == 12).any():
        raise ValueError("an old image has the heart's label; expected its own")
    if not torch.equal((-(x[50:, 0, 0, 0] + 0.05) * 10).round().long(), y[50:]):
        raise ValueError("an old image has another one's label; draw image and label together")


def exercise_4(extract):
    """Compare with the smallest possible error, which the omitted singular values give."""
    generator = torch.Generator().manual_seed(0)
    D = torch.randn(7, 5, generator=generator)
    values = torch.linalg.svdvals(D)
    for rank in (1, 3, 5):
        result = extract(D.clone(), rank)
        if result is None:
            raise ValueError("it returns nothing")
        A, B = result
        if A.shape != (rank, 5) or B.shape != (7, rank):
            shapes = f"{tuple(A.shape)} and {tuple(B.shape)}"
            raise ValueError(f"A and B have shapes {shapes}; expected {(rank, 5)} and {(7, rank)}")
        error, best = (D - B @ A).square().sum(), values[rank:].square().sum()
        if not error < best + 1e-3:
            raise ValueError(f"at rank {rank} the squared error is {error:.2f}; "
                             f"the smallest possible one is {best:.2f}")  # fmt: skip
