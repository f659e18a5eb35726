"""The command ``evaluate``."""

from argparse import Namespace

import torch

from .. import Classifier, fit_classifier, load_classifier
from ..metrics import coarse_pixels, inception_features, random_features, score
from ..pretrained import NAMES
from .distributed import say
from .images import some
from .sample import drawn, label_numbers, loaded

FEATURES = {  # of images x and labels y; what the protocol says; how many random halves
    "classifier": (lambda name, x, y: fitted(name, x, y), "64 features of a classifier", 20),
    "random": (lambda name, x, y: random_features(x.shape[1]), "64 of an untrained network", 20),
    "pixels": (lambda name, x, y: coarse_pixels, "the means of 8 x 8 fields", 20),
    "inception": (lambda name, x, y: inception_features(), "torchvision's Inception", 2),
}


def evaluate(args: Namespace) -> int:
    """Compare samples of a run with real images, and print scores with their protocol.

    The Fréchet distance compares features of the images. By default, these come from a small
    classifier, which comes with the package or is fitted here to images with labels. Without
    labels, they come from an untrained network (--features random). pixels are the means of 8 x 8
    fields, and inception is the usual network, if torchvision's weights are installed already.

    Two halves of the real images aren't at distance 0 either. Their distance is printed, too, since
    no score is good or bad without it. Scores compare only within one data set and one kind of
    features.
    """
    run = loaded(args)
    name, labels = args.data or run.recipe.data, label_numbers(args, run)
    how = {"size": run.recipe.image_size, "channels": run.recipe.channels}
    (x, y), (test, answers) = (some(name, args.root, train, **how) for train in (True, False))
    make, words, halves = FEATURES[args.features or ("classifier" if y.any() else "random")]
    features = make(name, x, y)
    if labels:
        x, test = (a[torch.isin(b, torch.tensor(labels))] for a, b in ((x, y), (test, answers)))
    say(report(score(drawn(args, run), x, test, features, halves)))
    of = f" with label {', '.join(args.label)}" if labels else ""
    say(f"protocol          N = {args.n}{of}, {run.steps(args.steps)} steps of {args.sampler}, "
          f"guidance {args.guidance:g}, seed {args.seed}; mean over {halves} random halves of "
          f"{len(x) + len(test)} real images{of}, {len(x)} of them for training; {words}")
    return 0


def fitted(name: str, x: torch.Tensor, y: torch.Tensor) -> Classifier:
    """The classifier that comes with the package, or one for these images."""
    if not y.any():
        raise ValueError(f"{name} has no labels to fit a classifier to: use --features random")
    return load_classifier(name) if name in NAMES else fit_classifier(x, y)


def report(result: dict[str, float]) -> str:
    """The scores in sentences."""
    lines = {
        "Fréchet distance": "{distance:.2f}, which is {ratio:.2f} times real from real",
        "real from real": "{real:.2f} ± {real_std:.2f} between two random halves",
        "classes": "entropy {entropy:.3f} (1: all equally often)",
        "confidence": "{confidence:.3f} on average",
        "nearest image": "{nearness:.2f} times as far in training images as for held-out ones",
        "copies": "{copies} (nearest training image at a third of the distance of the next)",
    }
    known = result | {"ratio": result["distance"] / result["real"]}
    left = set() if "entropy" in result else {"classes", "confidence"}
    return "\n".join(f"{k:18}{v.format(**known)}" for k, v in lines.items() if k not in left)
