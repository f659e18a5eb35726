"""A small classifier. Its features are what distances compare. See chapter 9.

Scores can be compared only within one set of features.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .diffusion import check_data, expect


class Classifier(nn.Module):
    """A small convolutional classifier. The outputs of its last hidden layer are the features that
    distances compare.

    Args:
        channels: for images (B, channels, H, W), with H and W at least 8.
        classes: number of labels.
        dim: number of features.

    Explained in chapter 9.
    """

    def __init__(self, channels: int = 1, classes: int = 10, dim: int = 64):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(),
            nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(),
            nn.AdaptiveMaxPool2d(4), nn.Flatten(),
            nn.Linear(64 * 4 * 4, dim), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(dim, classes)

    def features(self, x: Tensor) -> Tensor:
        """Features (B, dim) of images (B, C, H, W), without gradients and in evaluation mode."""
        well = x.ndim == 4 and x.is_floating_point() and len(x)
        expect(well, "x", x, "at least one image (B, C, H, W) in [-1, 1]")
        self.eval()
        with torch.no_grad():
            return torch.cat([self.body(part) for part in x.split(500)])

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))

    def probabilities(self, x: Tensor) -> Tensor:
        """Class probabilities (B, classes) of images (B, C, H, W), without gradients and in
        evaluation mode."""
        features = self.features(x)
        with torch.no_grad():
            return self.head(features).softmax(1)


def fit_classifier(x: Tensor, y: Tensor, steps: int = 600, seed: int = 0,
                   **sizes: int) -> Classifier:  # fmt: skip
    """Train a ``Classifier`` on images x (N, C, H, W) in [-1, 1], which are shifted by up to one
    pixel, and labels y (N,) of two classes or more. The digits take about twenty seconds on one CPU
    core. See chapter 9."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not a GPU's
        net = Classifier(*_sizes(x, y, steps), **sizes).to(x.device)
        optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.05)
        annealing = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(x), (128,))
            loss = F.cross_entropy(net(_shifted(x[rows])), y[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            annealing.step()
    return net.eval()


def _shifted(x: Tensor) -> Tensor:
    h, w = torch.randint(3, (2,)).tolist()
    return F.pad(x, (1, 1, 1, 1), value=-1.0)[..., h : h + x.shape[2], w : w + x.shape[3]]


def random_features(channels: int, seed: int = 0) -> Callable[[Tensor], Tensor]:
    """Features (N, 64) of an untrained ``Classifier``, for images of any kind."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Classifier(channels).features


def _sizes(x: Tensor, y: Tensor, steps: int) -> tuple[int, int]:
    """Check the images and labels, and return the number of channels and of classes."""
    check_data(x)
    labels = isinstance(y, Tensor) and y.dtype == torch.int64 and y.shape == x.shape[:1]
    labels = labels and x.ndim == 4 and 0 <= y.min() < y.max()
    hint = f"{len(x)} labels 0, 1, … (N,), int64, not all equal, and images (N, C, H, W)"
    expect(labels, "y", y, hint)
    expect(type(steps) is int and steps > 0, "steps", steps, "a whole number")
    return x.shape[1], int(y.max()) + 1
