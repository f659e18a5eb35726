"""The command ``sample``, and how its options affect drawing."""

import tempfile
from argparse import Namespace
from functools import partial
from pathlib import Path

from torch import Tensor

from .. import ddim_step, ddpm_step, dpmpp_2m, save_images
from ..checkpoint import check_image_path
from .distributed import device_named, say
from .run import Run


def loaded(args: Namespace) -> Run:
    """The run that ``--run`` or ``--pretrained`` names."""
    if bool(args.run) == bool(args.pretrained):
        raise ValueError("expected either --run or --pretrained, for example --pretrained digits")
    return Run.load(args.run or args.pretrained, device_named(args.device))


def sample(args: Namespace) -> int:
    """Draw images: start from noise and remove the noise that the network predicts (Algorithm 2).

    The sampler ddpm adds a little fresh noise at each step. ddim adds none unless you set --eta, so
    the same starting noise gives nearly the same image with any number of steps. dpm is
    DPM-Solver++(2M), which suits few steps, such as ten or twenty.

    --out decides the format. grid.png, .jpg or .webp is one image with all samples, x.npy or .npz
    is an array of bytes, and a name without a suffix is a folder of PNG files.
    """
    run = loaded(args)
    check_out(args.out, args.overwrite, args.n)
    save_images(args.out, drawn(args, run))
    say(f"{args.n} images: {args.out}")
    return 0


def check_out(path: Path, overwrite: bool, n: int) -> None:
    """Refuse a path that can't be written, or a folder in which old images would stay beside the n
    new ones, before drawing."""
    check_image_path(path)
    taken = any(path.iterdir()) if path.is_dir() else path.exists()
    if taken and not overwrite:
        raise FileExistsError(f"{path} exists already: choose another --out, or add --overwrite if "
                              "it may be replaced")  # fmt: skip
    if old := {file.name for file in path.glob("*.png")} - {f"{i:05d}.png" for i in range(n)}:
        raise FileExistsError(f"{path} has {len(old)} other images, which would stay beside the "
                              "new ones: choose another --out")  # fmt: skip
    folder = path.parent if path.suffix else path
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def drawn(args: Namespace, run: Run) -> Tensor:
    """Draw images as the options of ``sample`` or ``evaluate`` say."""
    if (args.label or args.guidance) and not run.recipe.conditional:
        raise ValueError(f"{args.run} was trained without labels: leave out --label and "
                         "--guidance, or train with --conditional")  # fmt: skip
    if args.eta and args.sampler != "ddim":
        raise ValueError("--eta works only with ddim: add --sampler ddim")
    step = {"ddpm": ddpm_step, "dpm": dpmpp_2m(), "ddim": partial(ddim_step, eta=args.eta)}
    labels = label_numbers(args, run)
    return run.draw(args.n, args.steps, step[args.sampler], args.seed, labels, args.guidance)


def label_numbers(args: Namespace, run: Run) -> list[int]:
    """The numbers of the labels in ``--label``, which are given by name or number."""
    names = {name: i for i, name in enumerate(run.recipe.classes)}
    known = {str(i): i for i in names.values()} | names
    if unknown := [label for label in args.label if label not in known]:
        raise ValueError(f"there is no label {unknown[0]}; expected one of {', '.join(names)}")
    return [known[label] for label in args.label]
