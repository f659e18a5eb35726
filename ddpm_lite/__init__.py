"""Denoising diffusion, built piece by piece: the package behind the book.

Figures are in ``ddpm_lite.plot`` and ``ddpm_lite.widgets``, which need matplotlib and ipywidgets.
"""

from .data import DataError, batches, load_images, load_points
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
    mmd,
    nearest,
    precision_recall,
)
from .nets import MLP, Attention, Downsample, ResBlock, UNet, Upsample, time_embedding
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
from .wrappers import clipped, drop_labels, from_v, from_x0, guided

__version__ = "0.1.0"

__all__ = [
    "EMA", "MLP", "Attention", "CheckpointError", "Classifier", "DataError", "Downsample",
    "NonFiniteLossError", "ResBlock", "Schedule", "UNet", "Upsample", "adamw", "annealed",
    "batches", "clipped", "cosine_schedule", "ddim_step", "ddpm_loss", "ddpm_step", "drop_labels",
    "eps_target", "fit_classifier", "frechet_distance", "from_v", "from_x0", "guided",
    "linear_schedule", "load_checkpoint", "load_images", "load_points", "mmd", "nearest",
    "precision_recall", "predict_eps", "predict_x0", "q_posterior", "q_sample", "sample",
    "save_checkpoint", "time_embedding", "train", "trajectory", "v_target", "x0_target",
]  # fmt: skip
