"""The command ``sample``, and drawing as its options say."""

from __future__ import annotations

import argparse
from functools import partial

from torch import Tensor

from .. import ddim_step, ddpm_step, dpmpp_2m, save_images
from .run import Run
from .words import device_named


def sample(args: argparse.Namespace) -> int:
    """Draw images: start from noise and remove the noise that the network predicts (Algorithm 2).

    The sampler ddpm adds a little fresh noise at each step. ddim adds none unless you give --eta,
    so the same first noise gives (nearly) the same image whatever the number of steps. dpm is
    DPM-Solver++(2M), for few steps such as ten or twenty.
    """
    run = Run.load(args.run, device_named(args.device))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    save_images(args.out, drawn(args, run))
    print(f"{args.n} images: {args.out}")
    return 0


def drawn(args: argparse.Namespace, run: Run) -> Tensor:
    """The images that the options of ``sample`` and ``evaluate`` ask for."""
    if (args.label or args.guidance) and not run.recipe.conditional:
        raise ValueError(f"{args.run} was trained without labels: leave out --label and "
                         "--guidance, or train with --conditional")  # fmt: skip
    if args.eta and args.sampler != "ddim":
        raise ValueError("--eta is an option of another sampler: add --sampler ddim")
    step = {"ddpm": ddpm_step, "dpm": dpmpp_2m(), "ddim": partial(ddim_step, eta=args.eta)}
    return run.draw(args.n, args.steps, step[args.sampler], args.seed, args.label or (),
                    args.guidance)  # fmt: skip
