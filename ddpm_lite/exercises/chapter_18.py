"""The checks of the exercises of chapter 18."""

import torch
from torch import nn

from ddpm_lite.diffusion import cosine_schedule, linear_schedule


def exercise_1(semitones):
    """Check four pairs of rates."""
    for rate, played, right in ((8000, 16000, 12.0), (8000, 8000, 0.0), (22050, 32000, 6.448),
                                (48000, 44100, -1.467)):  # fmt: skip
        mine = semitones(rate, played)
        if mine is None:
            raise ValueError("it returns nothing")
        if not abs(float(mine) - right) < 0.01:
            raise ValueError(f"{rate} played at {played} gives {float(mine):.2f}; expected "
                             f"{right:.2f} semitones")  # fmt: skip


def exercise_2(snr_in_db):
    """Compare with the energies of signal and noise, for rows of different loudness."""
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(3, 1000, generator=generator) * torch.tensor([[1.0], [0.1], [0.01]]) + 0.05
    for schedule, t in ((cosine_schedule(1000), 300), (linear_schedule(1000), 20)):
        mine = snr_in_db(schedule, x0, t)
        if mine is None:
            raise ValueError("it returns nothing")
        mine = torch.as_tensor(mine)
        if mine.shape != (3,):
            raise ValueError(f"the shape is {tuple(mine.shape)}; expected (3,), one for each row")
        b = schedule.alpha_bar[t].double()
        signal = (b.sqrt() * x0.double()).square().mean(1)
        right = 10 * torch.log10(signal / (1 - b))
        if not (mine - right).abs().max() < 0.01:
            raise ValueError(f"at t = {t} the loudest row has {float(mine[0]):.1f} dB; expected "
                             f"{right[0]:.1f}, and {right[2]:.1f} for the quietest, not "
                             f"{float(mine[2]):.1f}")  # fmt: skip


def exercise_3(receptive_field):
    """Compare with the gradients of real convolutions with weights of 1."""
    for kernels, strides in (((3,), (1,)), ((3, 3, 3), (1, 1, 1)), ((3, 3, 3, 3), (1, 2, 1, 2)),
                             ((5, 3, 1, 7), (2, 3, 1, 2)), ((1, 1), (4, 2))):  # fmt: skip
        mine = receptive_field(list(kernels), list(strides))
        if mine is None:
            raise ValueError("it returns nothing")
        right = _measured(kernels, strides)
        if int(mine) != right:
            raise ValueError(f"kernels {kernels} with strides {strides} give {int(mine)}; an output"
                             f" really depends on {right} positions")  # fmt: skip


def _measured(kernels, strides):
    """The number of positions from the first to the last input that changes one output."""
    x = torch.ones(1, 1, 400, requires_grad=True)
    out = x
    for kernel, stride in zip(kernels, strides, strict=True):
        layer = nn.Conv1d(1, 1, kernel, stride, bias=False)
        nn.init.ones_(layer.weight)
        out = layer(out)
    out[0, 0, out.shape[2] // 2].backward()
    where = x.grad[0, 0].nonzero()[:, 0]
    return int(where[-1] - where[0]) + 1


def exercise_4(best_correlation):
    """Check shifted copies, and sounds that match only if they wrap around."""
    for name, (x, y) in _pairs().items():
        mine = best_correlation(x, y)
        if mine is None:
            raise ValueError("it returns nothing")
        right = _slow(x, y)
        if not abs(float(mine) - right) < 1e-3:
            raise ValueError(f"{name}: it gives {float(mine):.2f}; expected {right:.2f}")


def _pairs():
    """Pairs of waveforms, by name."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(60, generator=generator)
    a = torch.cat([torch.zeros(10), noise, torch.zeros(30)])
    return {
        "a sound and itself": (a, a),
        "a sound and itself, 25 samples later": (a, a.roll(25)),
        "a sound and itself, quieter and earlier": (a, 0.1 * a.roll(-10)),
        "a sound and its negative": (a, -a),
        "two different sounds": (a, torch.randn(100, generator=generator)),
        "a sound and its halves in the wrong order": (
            a, torch.cat([noise[30:], torch.zeros(40), noise[:30]])),
    }  # fmt: skip


def _slow(a, b):
    """The best correlation, by a loop over all shifts."""
    n, sums = len(a), []
    for k in range(-n + 1, n):
        x, y = (a[k:], b[: n - k]) if k >= 0 else (a[: n + k], b[-k:])
        sums.append((x * y).sum())
    return (max(sums) / (a.norm() * b.norm())).item()
