"""Denoising diffusion, built piece by piece: the package behind the book.

Figures and widgets are in ``ddpm_lite.plot``, which needs matplotlib, and ipywidgets for the
widgets.
"""

import signal
import sys

if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # python -m ddpm_lite: Ctrl-C ends it quietly

from .batches import batches
from .checkpoint import (
    CheckpointError,
    load_checkpoint,
    save_checkpoint,
    save_images,
    write_atomic,
)
from .classifier import Classifier, fit_classifier
from .data import DataError, image_folder, load_images, load_points
from .diagnose import Finding, Report, diagnose
from .diffusion import (
    Schedule,
    clipped,
    cosine_schedule,
    ddim_step,
    ddpm_loss,
    ddpm_step,
    eps_target,
    linear_schedule,
    posterior_variance,
    predict_eps,
    predict_x0,
    q_posterior,
    q_sample,
    sample,
    spaced,
    trajectory,
    v_target,
    x0_target,
)
from .metrics import frechet_distance, frechet_gaussians, mmd, nearest, precision_recall
from .nets import MLP, Attention, Downsample, ResBlock, UNet, Upsample, time_embedding
from .pretrained import load_classifier, load_pretrained, load_run
from .sampling import (
    classifier_guided,
    ddim_invert,
    dpmpp_2m,
    drop_labels,
    from_v,
    from_x0,
    guided,
    heun,
    slerp,
)
from .train import EMA, NonFiniteLossError, adamw, train, warmup_cosine

__version__ = "0.1.0"

__all__ = [
    "Attention", "CheckpointError", "Classifier", "DataError", "Downsample", "EMA", "Finding",
    "MLP", "NonFiniteLossError", "Report", "ResBlock", "Schedule", "UNet", "Upsample", "adamw",
    "batches", "classifier_guided", "clipped", "cosine_schedule", "ddim_invert", "ddim_step",
    "ddpm_loss", "ddpm_step", "diagnose", "dpmpp_2m", "drop_labels", "eps_target",
    "fit_classifier", "frechet_distance", "frechet_gaussians", "from_v", "from_x0", "guided",
    "heun", "image_folder", "linear_schedule", "load_checkpoint", "load_classifier", "load_images",
    "load_points", "load_pretrained", "load_run", "mmd", "nearest", "posterior_variance",
    "precision_recall", "predict_eps", "predict_x0", "q_posterior", "q_sample", "sample",
    "save_checkpoint", "save_images", "slerp", "spaced", "time_embedding", "train",
    "trajectory", "v_target", "warmup_cosine", "write_atomic", "x0_target",
]  # fmt: skip
