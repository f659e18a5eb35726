"""The checks of the exercises of chapter 17."""

import torch

from ddpm_lite.text import attention_weights

Y = torch.tensor([[1, 5, 6, 7, 0, 0], [1, 3, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6]])


def _random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _check_shape(mine, right):
    if mine is None:
        raise ValueError("it returns nothing")
    if not hasattr(mine, "shape") or mine.shape != right.shape:
        given = f"shape {tuple(mine.shape)}" if hasattr(mine, "shape") else type(mine).__name__
        raise ValueError(f"it returns {given}; expected shape {tuple(right.shape)}")


def exercise_1(pooled):
    """The mean over what isn't padding must not depend on the padding or on its length."""
    words = _random(3, 6, 4)
    right = torch.stack([words[0, :4].mean(0), words[1, :2].mean(0), words[2].mean(0)])
    mine = pooled(words.clone(), Y)
    _check_shape(mine, right)
    for row, name in enumerate(("4 tokens and 2 times padding", "2 tokens and 4 times padding",
                                "6 tokens and no padding")):  # fmt: skip
        if not (off := (mine[row] - right[row]).abs().max()) < 1e-5:
            raise ValueError(f"for a row of {name}, your mean is off by up to {off:.2f}")
    longer = torch.cat([words, 100 + _random(3, 4, 4, seed=1)], 1)
    padded = torch.cat([Y, torch.zeros(3, 4, dtype=torch.int64)], 1)
    if not (off := (pooled(longer, padded) - right).abs().max()) < 1e-4:
        raise ValueError(f"with more padding, your mean changes by up to {off:.2f}")


def _net(x, t, y=None):
    """An arbitrary network that depends on each token and its place."""
    y = torch.ones(len(x), 1, dtype=torch.int64) if y is None else y
    place = torch.arange(1, y.shape[1] + 1)
    value = (y * place).sum(1).float().sin()
    return x * 0.3 + value.reshape(-1, *[1] * (x.ndim - 1)) + t.reshape(-1, 1, 1, 1) / 1000


def _model(make, *args):
    made = make(_net, *args)
    if not callable(made):
        kind = "nothing" if made is None else type(made).__name__
        raise ValueError(f"it returns {kind}; expected a function eps(x, t)")
    return made


def exercise_2(away_from):
    """Compare with the formula at three guidance scales."""
    x, t = _random(3, 1, 4, 4), torch.tensor([10, 200, 900])
    unwanted = torch.tensor([[1, 9, 9, 0, 0, 0], [1, 8, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]])
    for w in (0.0, 1.0, 4.0):
        right = (1 + w) * _net(x, t, Y) - w * _net(x, t, unwanted)
        mine = _model(away_from, Y, unwanted, w)(x, t)
        _check_shape(mine, right)
        if not (off := (mine - right).abs().max()) < 1e-4:
            hint = "expected (1 + w) times the wanted prediction, minus w times the unwanted one"
            raise ValueError(f"at w = {w:g} you're off by up to {off:.2f}; {hint}")


def exercise_3(causal_weights):
    """Later words and padding must have the weight 0, and the rest its ordinary weights."""
    q, k = _random(3, 2, 6, 4), _random(3, 2, 6, 4, seed=1)
    mask = Y != 0
    mine = causal_weights(q, k, mask)
    _check_shape(mine, torch.empty(3, 2, 6, 6))
    if not mine.isfinite().all():
        raise ValueError("some weights are NaN or infinite")
    ahead = torch.ones(6, 6).triu(1).bool()
    if not mine[..., ahead].abs().max() < 1e-6:
        raise ValueError(f"a word reads a later one with weight {mine[..., ahead].max():.2f}")
    hidden = mine.transpose(2, 3).transpose(1, 2)[~mask]  # the columns of padding
    if not hidden.abs().max() < 1e-6:
        raise ValueError(f"padding is read with weight {hidden.max():.2f}")
    _check_sums(mine)
    for i in range(6):
        right = attention_weights(q[:, :, : i + 1], k[:, :, : i + 1], mask[:, : i + 1])[:, :, i]
        if not (off := (mine[:, :, i, : i + 1] - right).abs().max()) < 1e-5:
            raise ValueError(f"the weights of word {i + 1} are off by up to {off:.2f}")


def _check_sums(weights):
    total = weights.sum(-1)
    if not (total - 1).abs().max() < 1e-5:
        given = f"{total.min():.2f} … {total.max():.2f}"
        hint = "expected 1: put the mask into the scores, before the softmax"
        raise ValueError(f"the weights of a word add up to {given}; {hint}")


def exercise_4(both):
    """Compare with the formula at three guidance scales."""
    x, t = _random(3, 1, 4, 4), torch.tensor([10, 200, 900])
    other = torch.tensor([[1, 9, 9, 0, 0, 0], [1, 8, 0, 0, 0, 0], [1, 4, 3, 0, 0, 0]])
    none = _net(x, t)
    for w in (0.0, 1.0, 3.0):
        right = none + w * (_net(x, t, Y) - none) + w * (_net(x, t, other) - none)
        mine = _model(both, Y, other, w)(x, t)
        _check_shape(mine, right)
        if not (off := (mine - right).abs().max()) < 1e-4:
            hint = "expected none + w (first - none) + w (second - none)"
            raise ValueError(f"at w = {w:g} you're off by up to {off:.2f}; {hint}")
