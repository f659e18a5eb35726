"""The command ``evaluate``."""

from argparse import Namespace

import torch

from .. import Classifier, fit_classifier, load_classifier
from ..classifier import random_features
from ..metrics import coarse_pixels, inception_features, score
from ..pretrained import NAMES
from .distributed import say
from .images import some
from .recipes import RECIPES
from .sample import drawn, label_numbers, loaded

FEATURES = {  # a function of name, images and labels; its description; the number of random halves
    "classifier": (lambda name, x, y: fitted(name, x, y), "64 features of a classifier", 20),
    "random": (lambda name, x, y: random_features(x.shape[1]), "64 of an untrained network", 20),
    "pixels": (lambda name, x, y: coarse_pixels, "pixels, averaged to 8 x 8", 20),
    "inception": (lambda name, x, y: inception_features(), "torchvision's Inception", 2),
}


def evaluate(args: Namespace) -> int:
    """Compare samples of a run with real images, and print scores with their protocol.

    The Fréchet distance compares features of the images. By default, the features come from a small
    classifier. For digits and mnist at their own size it comes with the package, and for other
    images with labels it is fitted first. For images without labels, the default is an untrained
    network (--features random). "pixels" averages the images to 8 x 8. "inception" is the usual
    network, if torchvision's weights are already installed.

    Even two halves of the real images differ, so their distance is printed for comparison. Compare
    two scores only if they use the same data set and the same features.
    """
    run = loaded(args)
    name, labels = args.data or run.recipe.data, label_numbers(args, run)
    how = {"size": run.recipe.image_size, "channels": run.recipe.channels}
    parts = [some(name, args.root, train, **how) for train in (True, False)]
    x, y, _ = parts[0]
    make, words, halves = FEATURES[args.features or ("classifier" if y.any() else "random")]
    features = make(name, x, y)
    x, test = (labelled(*part, [run.recipe.classes[i] for i in labels]) for part in parts)
    say(report(score(drawn(args, run), x, test, features, halves)))
    of = f" with label {', '.join(args.label)}" if labels else ""
    say(f"protocol          N = {args.n}{of}, {run.steps(args.steps)} steps of {args.sampler}, "
          f"guidance {args.guidance:g}, seed {args.seed}; mean over {halves} random halves of "
          f"{len(x) + len(test)} real images{of}, {len(x)} of them for training; {words}")
    return 0


def labelled(x: torch.Tensor, y: torch.Tensor, names: tuple, wanted: list) -> torch.Tensor:
    """The images whose labels have one of the wanted names; all images if none are wanted. The data
    may number the names in another way than the run."""
    rows = torch.isin(y, torch.tensor([i for i, name in enumerate(names) if name in wanted]))
    if not wanted:
        return x
    if not rows.any():
        raise ValueError("the training or the held-out part of the data has no image with this "
                         "--label: choose another, or leave it out")  # fmt: skip
    return x[rows]


def fitted(name: str, x: torch.Tensor, y: torch.Tensor) -> Classifier:
    """The classifier that comes with the package, or one that is fitted to these images."""
    if not y.any():
        raise ValueError(f"{name} has no labels to fit a classifier to: use --features random")
    own = name in NAMES and x.shape[1:] == (RECIPES[name].channels, *RECIPES[name].image_size)
    return load_classifier(name) if own else fit_classifier(x, y)


def report(result: dict[str, float]) -> str:
    """The scores in sentences."""
    lines = {
        "Fréchet distance": "{distance:.2f}, {ratio:.2f} times that of the real halves",
        "real halves": "{real:.2f} ± {real_std:.2f}, the distance between two random halves",
        "classes": "entropy {entropy:.3f} (1 means that all are equally frequent)",
        "confidence": "{confidence:.3f} on average",
        "nearest image": "{nearness:.2f} times as far away as for held-out images",
        "copies": "{copies} (nearest training image at most a third as far as the next)",
    }
    known = result | {"ratio": result["distance"] / result["real"]}
    left = set() if "entropy" in result else {"classes", "confidence"}
    return "\n".join(f"{k:18}{v.format(**known)}" for k, v in lines.items() if k not in left)
