"""Denoising diffusion, built piece by piece: the package behind the book.

Figures are in ``ddpm_lite.plot`` and ``ddpm_lite.widgets``, which need matplotlib and ipywidgets.
"""

from .data import DataError, batches, load_images, load_points
from .diagnose import Finding, Report, diagnose
from .diffusion import (
    Schedule,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    ddpm_step,
    eps_target,
    linear_schedule,
    predict_eps,
    predict_x0,
    q_posterior,
    q_sample,
    sample,
    trajectory,
    v_target,
    x0_target,
)
from .metrics import (
    Classifier,
    fit_classifier,
    frechet_distance,
    frechet_gaussians,
    mmd,
    nearest,
    precision_recall,
)
from .nets import MLP, Attention, Downsample, ResBlock, UNet, Upsample, time_embedding
from .pretrained import load_classifier, load_pretrained
from .solvers import dpm_solver, heun, invert, slerp, spaced
from .train import (
    EMA,
    CheckpointError,
    NonFiniteLossError,
    adamw,
    annealed,
    load_checkpoint,
    save_checkpoint,
    train,
)
from .wrappers import classifier_guided, clipped, drop_labels, from_v, from_x0, guided

__version__ = "0.1.0"

__all__ = [
    "Attention", "CheckpointError", "Classifier", "DataError", "Downsample", "EMA", "Finding",
    "MLP", "NonFiniteLossError", "Report", "ResBlock", "Schedule", "UNet", "Upsample", "adamw",
    "annealed",
    "batches", "classifier_guided", "clipped", "cosine_schedule", "ddim_step", "ddpm_loss",
    "ddpm_step", "diagnose", "dpm_solver", "drop_labels", "eps_target", "fit_classifier",
    "frechet_distance", "frechet_gaussians", "from_v", "from_x0", "guided", "heun", "invert",
    "linear_schedule", "load_checkpoint", "load_classifier", "load_images", "load_points",
    "load_pretrained", "mmd", "nearest", "precision_recall", "predict_eps", "predict_x0",
    "q_posterior", "q_sample", "sample", "save_checkpoint", "slerp", "spaced", "time_embedding",
    "train", "trajectory", "v_target", "x0_target",
]  # fmt: skip
