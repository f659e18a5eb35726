"""The checks of the exercises of chapter 22."""

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from ddpm_lite import Attention, Schedule, cosine_schedule, linear_schedule


def exercise_1(attention_flops: Callable, change: Callable) -> None:
    """The FLOPs of an attention layer, and how they grow with the side."""
    for C, side in ((64, 8), (256, 16), (128, 32)):
        with torch.device("meta"), FlopCounterMode(display=False) as counted:
            Attention(C)(torch.empty(1, C, side, side))
        yours, right = attention_flops(C, side), counted.get_total_flops()
        if yours != right:
            raise ValueError(f"for C = {C}, side {side} you return {yours}; PyTorch counts {right}")
    grown = change(256, 16, 32)
    if grown is None or abs(grown - 8) > 1e-6:
        raise ValueError(f"from side 16 to 32 with C = 256 you return {grown}; expected 8")


def exercise_2(largest_batch: Callable) -> None:
    """The batch that fits, with and without parts."""
    ddpm, image = 35_746_307, 50_655_488
    cases = {
        (16e9, ddpm, image, 1): 301, (16e9, ddpm, image, 4): 1204, (80e9, ddpm, image, 1): 1565,
        (200, 5, 50, 1): 2, (249, 5, 50, 3): 6, (120, 5, 50, 2): 0, (50, 5, 50, 1): 0,
    }  # fmt: skip
    for case, right in cases.items():
        yours = largest_batch(*case)
        if yours != right:
            what = "memory {:g}, {} parameters, {} bytes an image and {} part(s)".format(*case)
            raise ValueError(f"with {what}, {right} images fit; you return {yours}")


def exercise_3(mfu: Callable) -> None:
    """The utilisation from a log whose first steps are slow."""
    log = [(1, 60.0), (5, 62.0), (10, 64.0), (60, 89.0), (110, 114.0)]
    sparse = [(1, 60.0), (20, 70.0), (120, 120.0)]  # both make 2 steps a second
    for entries in (log, sparse):
        for devices in (1, 8):
            right = 2 * 128 * 3 * 12.4e9 / (100e12 * devices)
            yours = mfu(entries, 128, 12.4e9, 100e12, devices)
            if yours is None or abs(yours / right - 1) > 1e-9:
                given = f"for the log {entries} on {devices} device(s)"
                raise ValueError(f"{given} you return {yours}; expected {right:.4f}")
    if not mfu(log, 128, 12.4e9, 100e12, skip=60) > 0:
        raise ValueError("with skip = 60 there is no speed; expected that of steps 60 to 110")


def exercise_4(shifted: Callable) -> None:
    """The signal-to-noise ratio after averaging must be that of the old schedule."""
    for old in (cosine_schedule(), linear_schedule(200)):
        for m in (1, 2, 8, 0.5):
            new = shifted(old, m)
            if not isinstance(new, Schedule) or new.T != old.T:
                raise ValueError(
                    f"you return {type(new).__name__}; expected a Schedule of the same T"
                )
            if new.alpha_bar[0] != 1:
                raise ValueError("row 0 is not clean data: alpha_bar[0] must be 1")
            off = (new.snr[1:-1] * m**2 / old.snr[1:-1] - 1).abs().max()
            if not off < 1e-2:
                raise ValueError(f"for m = {m} the SNR after averaging is off by up to {off:.0%}")
