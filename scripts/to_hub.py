"""Write a run, or weights that come with the package, as a folder for the Hugging Face Hub.

    python scripts/to_hub.py digits --out hub/digits
    python scripts/to_hub.py runs/shapes --out hub/shapes --label 2

You can then draw images with `DDPMPipeline.from_pretrained("hub/digits")` from diffusers. Its
pipelines don't pass labels, so the network is written for one label, or for no label.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ddpm_lite.checkpoint import write_atomic
from ddpm_lite.interop import to_diffusers, to_scheduler
from ddpm_lite.pretrained import NAMES, load_pretrained, load_run

CARD = """---
license: {license}
library_name: diffusers
pipeline_tag: unconditional-image-generation
tags: [ddpm, diffusion]
---
# {name}

A denoising diffusion model for {kind} images of {size} pixels, trained with `ddpm_lite`.

```python
{first}from diffusers import DDPMPipeline

pipeline = DDPMPipeline.from_pretrained("{out}")
pipeline(batch_size=4, num_inference_steps={T}).images[0].save("image.png")
```

- **Data:** {data}. {labels}
- **Training:** {steps:,} steps of {batch} images with seed {seed}, and averaged weights.
- **Prediction:** {target}, with a {schedule} schedule of {T:,} timesteps.
- **Size:** {parameters:,} parameters.
- **Limits:** it draws images like those of its data, at this size only.
"""
NARROW = "import ddpm_lite.interop  # its narrow networks have group norms of their own\n"


def _narrow(model) -> bool:
    return model.config.norm_num_groups is None


def card(model, recipe: dict, name: str, label: int | None, out: Path) -> str:
    """The text of the model card."""
    known = recipe["num_classes"]
    drawn = "no label" if label == known else f"the label {label}"
    return CARD.format(
        **{key: recipe[key] for key in ("steps", "batch", "seed", "target", "schedule")},
        data=Path(recipe["data"]).name,  # not where it is on this machine
        T=recipe["T"], kind="grey" if recipe["channels"] == 1 else "colour", name=Path(name).name,
        out=out.name, size="×".join(map(str, recipe["image_size"])),
        parameters=model.num_parameters(),
        first=NARROW if _narrow(model) else "",
        license="mit" if name in NAMES else "unknown",
        labels=f"Trained with {known} labels. This copy is for {drawn}." if known else "",
    )  # fmt: skip


def write(name: str, out: Path, label: int | None = None) -> None:
    """The folder: the network with its config, the scheduler, the pipeline and the model card.

    Raises:
        FileExistsError: the folder has something in it, such as a card that you completed.
    """
    if out.is_file() or out.is_dir() and any(out.iterdir()):
        raise FileExistsError(f"{out} exists already and isn't empty: choose another --out")
    net, schedule, recipe = (load_pretrained if name in NAMES else load_run)(name)
    if label is None and recipe["num_classes"]:
        label = recipe["num_classes"]
    model = to_diffusers(net, label)
    scheduler = to_scheduler(schedule, recipe["target"])
    import diffusers  # to_diffusers has said in a sentence if it's missing

    out.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(out)
    scheduler.save_pretrained(out / "scheduler")
    library = "ddpm_lite.interop" if _narrow(model) else "diffusers"
    index = {
        "_class_name": "DDPMPipeline",
        "_diffusers_version": diffusers.__version__,
        "scheduler": ["diffusers", type(scheduler).__name__],
        "unet": [library, type(model).__name__],
    }
    write_atomic(out / "model_index.json", (json.dumps(index, indent=2) + "\n").encode())
    write_atomic(out / "README.md", card(model, recipe, name, label, out).encode())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help=f"{' or '.join(NAMES)}, or the folder of a run")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    parser.add_argument("--label", type=int, help="the label to draw; by default none")
    args = parser.parse_args()
    try:
        write(args.name, args.out, args.label)
    except (ImportError, OSError, ValueError) as error:
        print(f"to_hub: {error}", file=sys.stderr)
        return 1
    print(f"{args.out} is ready: look at its README.md before you upload it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
