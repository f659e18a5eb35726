"""What the tests share: one thread, a fixed seed, and the digits with their classifier."""

import pytest
import torch

from ddpm_lite import fit_classifier, load_images

torch.set_num_threads(1)


def pytest_configure(config):
    config.addinivalue_line("markers", "mutation: puts bugs into the package, on purpose")
    config.addinivalue_line("markers", "cuda: needs a GPU")


@pytest.fixture(autouse=True)
def seed():
    """Each test draws the same numbers, alone or among the others."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def digits():
    """Training images (1437, 1, 8, 8) in [-1, 1] and their labels."""
    return load_images("digits")


@pytest.fixture(scope="session")
def classifier(digits):
    """One classifier for all tests that need features."""
    return fit_classifier(*digits, steps=120)
