"""Measure how good samples are: distances between two sets of features or points (needs torch).

A score depends on the number of samples, on the reference and on the features, so report them with
it. See chapter 9.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .diffusion import check_data, expect

Features = Callable[[Tensor], Tensor]  # images (N, C, H, W) to rows (N, D)


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Fréchet distance between the Gaussians that fit the rows of a (N, D) and b (M, D), squared as
    in the FID (Heusel et al. 2017, arXiv 1706.08500, Eq. 6). With few rows it's too large, by an
    amount proportional to 1 / N. Built in chapter 9."""
    _check_pair(a, b)
    a, b = a.double(), b.double()
    cov_a, cov_b = (torch.atleast_2d(x.T.cov()) for x in (a, b))  # 1 feature: a number
    return frechet_gaussians(a.mean(0), cov_a, b.mean(0), cov_b)


def frechet_gaussians(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> float:
    """|mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)) for two Gaussians with means (D,) and
    covariances A and B (D, D) (Dowson and Landau 1982, Eq. 4). Built in chapter 9."""
    _check_gaussians(mean_a, cov_a, mean_b, cov_b)
    root = _sqrt(cov_a)
    cross = _sqrt(root @ cov_b @ root).trace()  # tr((A B)^(1/2))
    shift = (mean_a - mean_b).square().sum()
    return (shift + cov_a.trace() + cov_b.trace() - 2 * cross).item()


def mmd(a: Tensor, b: Tensor) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy between a (N, D) and b (M, D), with
    the kernel (x y / D + 1)^3 of the KID (Binkowski et al. 2018, arXiv 1801.01401, section 4). It
    can be below 0. Built in chapter 9."""
    _check_pair(a, b)
    a, b = a.double(), b.double()
    aa, bb, ab = (_kernel(x, y) for x, y in ((a, a), (b, b), (a, b)))
    off = [(k.sum() - k.trace()) / (len(k) * (len(k) - 1)) for k in (aa, bb)]
    return (off[0] + off[1] - 2 * ab.mean()).item()


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> tuple[float, float]:
    """Precision and recall, each from 0 to 1 (Kynkäänniemi et al. 2019, arXiv 1904.06991, Eq. 1 and
    2).

    Put a ball around each row of ``real`` (N, D) that reaches to its k-th neighbour. Precision is
    the share of rows of ``fake`` (M, D) inside at least one ball. Recall is the same with the roles
    exchanged. Built in chapter 9."""
    _check_pair(real, fake)
    _check_k(k, min(len(real), len(fake)) - 1)
    return _covered(fake, real, k), _covered(real, fake, k)


def nearest(x: Tensor, data: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """Distances and indices (N, k) of the k rows of data (M, …) that are nearest to each row of x
    (N, …). If x has samples and the data are training images, a distance of 0 means that the sample
    is a copy. Built in chapter 9."""
    _check_k(k, len(data))
    distance = torch.cdist(
        x.flatten(1), data.flatten(1), compute_mode="donot_use_mm_for_euclid_dist"
    )
    return distance.topk(k, largest=False)


def score(samples: Tensor, train: Tensor, test: Tensor, features: Features,
          halves: int = 20) -> dict[str, float]:  # fmt: skip
    """How close samples are to real images. ``python -m ddpm_lite evaluate`` prints these numbers.

    Args:
        samples, train, test: images (N, C, H, W); the model was trained on ``train``.
        features: what to compare: a ``Classifier``, or a function from images to features (N, D).
        halves: the distances are means over this many random halves of the real images.

    Returns:
        A dictionary of numbers.

        - ``distance``: Fréchet distance between the samples and a half of the real images.
        - ``real``, ``real_std``: mean and standard deviation of the distance between two halves.
        - ``nearness``: mean distance from a sample to its nearest training image, divided by the
          same for ``test``.
        - ``copies``: how many samples are at most a third as far from their nearest training image
          as from the next one. So a copy counts, also of an image that's in the data twice.
        - ``entropy``, ``confidence`` (with a classifier): how evenly the classes occur (1: all
          equally often), and the mean confidence of the classifier, from 0 to 1.
    """
    _check_score(samples, train, test, features, halves)
    look = getattr(features, "features", features)  # those of a Classifier
    ours, pairs = look(samples), _halves(look(torch.cat([train, test])), halves)
    apart = [(frechet_distance(ours, a), frechet_distance(a, b)) for a, b in pairs]
    fake, real = torch.tensor(apart).unbind(1)
    near, usual = nearest(samples, train, 2)[0], nearest(test[:1000], train)[0]
    return {
        "distance": fake.mean().item(),
        "real": real.mean().item(),
        "real_std": real.std().item(),
        "nearness": (near[:, 0].mean() / usual.mean()).item(),
        "copies": int((near[:, 0] <= near[:, 1] / 3).sum()),
    } | (_classes(features.probabilities(samples)) if look is not features else {})


def coarse_pixels(x: Tensor) -> Tensor:
    """Features without a network: images (N, C, H, W) averaged down to 8 x 8 pixels."""
    return F.adaptive_avg_pool2d(x, 8).flatten(1)


def inception_features() -> Features:
    """Features of torchvision's Inception v3 for images (N, 1 or 3, H, W). Its weights differ from
    those used for published FIDs, so the numbers differ a little.

    Raises:
        FileNotFoundError: torchvision hasn't downloaded the weights yet.
    """
    from torchvision import models

    weights = models.Inception_V3_Weights.DEFAULT
    path = Path(torch.hub.get_dir(), "checkpoints", weights.url.rpartition("/")[2])
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: download it from {weights.url}, or use other "
                                "features")  # fmt: skip
    net = _inception(path, weights).eval()
    net.fc, net.transform_input = nn.Identity(), False

    @torch.no_grad()
    def features(x: Tensor) -> Tensor:
        large = partial(F.interpolate, size=299, mode="bilinear", antialias=True)
        return torch.cat([net(large(part.expand(-1, 3, -1, -1))) for part in x.split(50)])

    return features


def _inception(path: Path, weights) -> nn.Module:
    from torchvision import models

    try:
        return models.inception_v3(weights=weights)
    except Exception as error:  # a damaged file can fail in any way
        hint = f"delete it, and download it again from {weights.url}"
        raise ValueError(f"{path} is damaged: {hint}") from error


def _classes(probabilities: Tensor) -> dict[str, float]:
    shares = probabilities.argmax(1).bincount(minlength=probabilities.shape[1]) / len(probabilities)
    entropy = torch.special.entr(shares).sum().item() / math.log(len(shares))
    return {"entropy": entropy, "confidence": probabilities.amax(1).mean().item()}


def _halves(x: Tensor, n: int) -> list[tuple[Tensor, Tensor]]:
    """n random splits of the rows of x into two halves."""
    draws = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(x), generator=draws) for _ in range(n)]
    return [(x[order[: len(x) // 2]], x[order[len(x) // 2 :]]) for order in orders]


def _sqrt(matrix: Tensor) -> Tensor:
    """The root of a symmetric matrix without negative eigenvalues."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    return (a @ b.T / a.shape[1] + 1) ** 3


def _covered(x: Tensor, data: Tensor, k: int) -> float:
    """The share of the rows of x that are in a ball around some row of data."""
    x, data = x.double(), data.double()
    radius = torch.cdist(data, data).kthvalue(k + 1).values  # the nearest is the row itself
    return (torch.cdist(x, data) <= radius).any(1).double().mean().item()


def _check_pair(a: Tensor, b: Tensor) -> None:
    for x in (a, b):
        rows = isinstance(x, Tensor) and x.is_floating_point() and x.ndim == 2 and len(x) > 1
        hint = "finite floats (N, D), N at least 2"
        expect(rows and x.isfinite().all(), "features", x, hint)
    columns = a.shape[1], b.shape[1]
    expect(columns[0] == columns[1] > 0, "D of the two sets", columns, "the same features in both")


def _check_gaussians(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> None:
    d = len(mean_a)
    shapes = [tuple(a.shape) for a in (mean_a, cov_a, mean_b, cov_b)]
    well = shapes == [(d,), (d, d)] * 2
    expect(well, "(mean, covariance) of two", shapes, "(D,), (D, D), (D,) and (D, D)")
    for c in (cov_a, cov_b):
        symmetric = (c - c.T).abs().max() <= 1e-4 * c.abs().max() and c.diagonal().min() >= 0
        expect(symmetric, "a covariance", c, "a symmetric one without NaN, x.T.cov()")


def _check_k(k: int, most: int) -> None:
    expect(type(k) is int and 0 < k <= most, "k", k, f"1 … {most}, fewer than the rows")


def _check_score(samples: Tensor, train: Tensor, test: Tensor, features, halves: int) -> None:
    for x in (samples, train, test):
        check_data(x)
    shapes = [tuple(x.shape) for x in (samples, train, test)]
    same = len({shape[1:] for shape in shapes}) == 1 and min(len(train), len(samples)) > 1
    expect(same, "(samples, train, test)", shapes, "images of one size, two or more of each")
    well = callable(features) and type(halves) is int and halves > 1
    hint = "a function or a Classifier, and at least two halves"
    expect(well, "(features, halves)", (features, halves), hint)
