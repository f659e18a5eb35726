"""The command ``evaluate``."""

from __future__ import annotations

import argparse

from .. import fit_classifier, load_classifier, load_images, score
from ..pretrained import NAMES
from .run import Run
from .sample import drawn
from .words import device_named


def evaluate(args: argparse.Namespace) -> int:
    """Compare samples of a run with real images, and print scores with their protocol.

    The Fréchet distance compares features of a small classifier. Two halves of the real images
    aren't at distance 0 either. Their distance is printed, too, since no score is good or bad
    without it. Scores compare only within one data set.
    """
    run = Run.load(args.run, device_named(args.device))
    train, labels = load_images(run.recipe.data, args.root)
    test, answers = load_images(run.recipe.data, args.root, train=False)
    shipped = run.recipe.data in NAMES
    classifier = load_classifier(run.recipe.data) if shipped else fit_classifier(train, labels)
    result = score(drawn(args, run), train, test, classifier)
    right = (classifier.probabilities(test).argmax(1) == answers).double().mean().item()
    print(report(result))
    guidance = f" with guidance {args.guidance:g}" if args.guidance else ""
    print(f"""\
protocol          N = {args.n}, {args.steps} steps of {args.sampler}{guidance}, seed {args.seed};
                  mean over 20 random halves of {len(train) + len(test)} real images;
                  64 features of a classifier fitted on {len(train)} of them,
                  which is right on {right:.2%} of the others""")
    return 0


def report(result: dict[str, float]) -> str:
    """The scores in sentences."""
    ratio = result["distance"] / result["real"]
    return f"""\
Fréchet distance  {result["distance"]:.2f}, which is {ratio:.2f} times that of real from real images
real from real    {result["real"]:.2f} ± {result["real_std"]:.2f} between two random halves
classes           entropy {result["entropy"]:.3f} (1: all equally often)
confidence        {result["confidence"]:.3f} on average
nearest image     {result["nearness"]:.2f} times as far in training images as for held-out ones
copies            {result["copies"]} (nearest image at a third of the distance of the next)"""
