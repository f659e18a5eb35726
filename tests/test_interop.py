"""Each round trip to another library and back. `pytest -s` prints the largest differences."""

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ddpm_lite import (
    MLP,
    UNet,
    ddim_step,
    from_v,
    linear_schedule,
    load_classifier,
    load_pretrained,
    sample,
)  # fmt: skip
from ddpm_lite.cli.recipes import RECIPES
from ddpm_lite.cli.run import Run
from ddpm_lite.interop import (
    from_diffusers,
    from_safetensors,
    to_diffusers,
    to_safetensors,
    to_scheduler,
)  # fmt: skip
from ddpm_lite.pretrained import build

PAGE = Path(__file__).resolve().parent.parent / "book" / "your_data.md"


def far(name: str, a: torch.Tensor, b: torch.Tensor) -> float:
    """The largest difference, printed."""
    difference = (a - b).abs().max().item()
    print(f"\n{name}: largest difference {difference:.1e}, of values up to {a.abs().max():.1f}")
    return difference


def random(*sizes, **options) -> UNet:
    """A network in which no weight is 0."""
    torch.manual_seed(0)
    net = UNet(*sizes, **options).eval()
    for p in net.parameters():
        torch.nn.init.normal_(p, 0.1 * (p.ndim == 1), p[0].numel() ** -0.5)
    return net.requires_grad_(False)


NETS = {
    "digits": lambda: load_pretrained("digits")[0],
    "mnist": lambda: load_pretrained("mnist")[0],
    "three levels, attention, dropout": lambda: random(
        3, 24, (1, 2, 3), blocks=2, attention=(0, 2), dropout=0.1),
    "width 128, labels": lambda: random(3, 128, (1, 2), attention=(1,), num_classes=3),
    "learned variance": lambda: random(1, 16, (1, 1), out_channels=2),
}
each_net = pytest.mark.parametrize("name", NETS)


def inputs(net: UNet) -> tuple:
    """Noise, times from the first to the last, and labels with "no label" among them."""
    x = torch.randn(4, net.channels, *(net.image_size or (8, 8)))
    n = net.condition.num_classes
    return x, torch.tensor([1, 2, 500, 1000]), torch.tensor([0, n, 1, 2]) if n else None


# diffusers


@each_net
@torch.no_grad()
def test_diffusers_has_the_same_network(name):
    """Outputs agree to 1e-5 there and back, at k = t - 1, and there are equally many weights."""
    pytest.importorskip("diffusers")
    net = NETS[name]()
    model, (x, t, y) = to_diffusers(net), inputs(net)
    assert model.num_parameters() == sum(p.numel() for p in net.parameters())
    assert far(f"{name}, to diffusers", net(x, t, y), model(x, t - 1, y).sample) < 1e-5
    back = from_diffusers(model)
    assert far(f"{name}, and back", net(x, t, y), back(x, t, y)) < 1e-5
    assert (back.dropout, back.image_size) == (net.dropout, net.image_size)
    assert not model.training and not back.training and to_diffusers(net.train()).training


@pytest.mark.parametrize("label", [0, 3, 10])
@torch.no_grad()
def test_one_label_goes_into_the_weights(label):
    pytest.importorskip("diffusers")
    net = NETS["digits"]()
    x, t, _ = inputs(net)
    theirs = to_diffusers(net, label)(x, t - 1).sample
    assert far(f"label {label}", net(x, t, torch.full((4,), label)), theirs) < 1e-5


@torch.no_grad()
def test_their_pipeline_draws_what_our_sampler_draws():
    """DDIMPipeline with our network, our sampler with theirs, and our sampler with ours."""
    diffusers = pytest.importorskip("diffusers")
    net, schedule, recipe = load_pretrained("digits")
    model = to_diffusers(net, 10)
    pipeline = diffusers.DDIMPipeline(model, to_scheduler(schedule, recipe["target"]))
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        8, torch.Generator().manual_seed(0), num_inference_steps=10, output_type="np",
        use_clipped_model_output=True,
    ).images  # fmt: skip
    theirs = 2 * torch.as_tensor(theirs).permute(0, 3, 1, 2) - 1
    xT = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    for name, network in {
        "their sampler with our network": net,
        "our sampler with their network": lambda x, t: model(x, t - 1).sample,
    }.items():
        ours = sample(from_v(network, schedule), schedule, xT, 10, ddim_step)
        assert far(name, ours.clamp(-1, 1), theirs) < 1 / 255  # half a grey level


@pytest.mark.parametrize("kind", ["DDPMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler"])
def test_a_scheduler_has_our_noise_levels(kind):
    pytest.importorskip("diffusers")
    schedule = linear_schedule(300)
    theirs = to_scheduler(schedule, "x0", kind)
    assert far(kind, schedule.alpha_bar[1:], theirs.alphas_cumprod) < 1e-6
    assert theirs.config.prediction_type == "sample"


def test_what_does_not_convert_is_refused_in_a_sentence():
    diffusers = pytest.importorskip("diffusers")
    for net in (UNet(dims=1), UNet(cond_dim=2), UNet(cond_channels=1)):
        with pytest.raises(ValueError, match="for images, with labels or without a condition"):
            to_diffusers(net)
    with pytest.raises(ValueError, match="net is a MLP; expected a UNet"):
        to_diffusers(MLP())
    with pytest.raises(ValueError, match="mults begins with 2"):
        to_diffusers(UNet(mults=(2, 2)))
    with pytest.raises(ValueError, match="label is 11; expected 0 … 10"):
        to_diffusers(NETS["digits"](), 11)
    with pytest.raises(ValueError, match="label is 0; expected None"):
        to_diffusers(UNet(), 0)
    with pytest.raises(ValueError, match="target is 'noise'; expected one of eps, x0, v"):
        to_scheduler(linear_schedule(), "noise")
    with pytest.raises(ValueError, match="kind is 'DDIM'; expected a scheduler of diffusers"):
        to_scheduler(linear_schedule(), "eps", "DDIM")
    with pytest.raises(ValueError, match="model is a UNet; expected a UNet2DModel"):
        from_diffusers(UNet())
    narrow = dict(block_out_channels=(32, 32), down_block_types=["DownBlock2D"] * 2,
                  up_block_types=["UpBlock2D"] * 2, attention_head_dim=None,
                  flip_sin_to_cos=False, freq_shift=1)  # fmt: skip
    with pytest.raises(ValueError, match="norm_num_groups of the model is 8; a UNet has groups of"):
        from_diffusers(diffusers.UNet2DModel(**narrow, norm_num_groups=8))
    sizes = dict(block_out_channels=(128, 128), layers_per_block=1, attention_head_dim=None,
                 down_block_types=["DownBlock2D"] * 2, up_block_types=["UpBlock2D"] * 2,
                 flip_sin_to_cos=False, freq_shift=1)  # fmt: skip
    from_diffusers(diffusers.UNet2DModel(**sizes))
    others = {"downsample_padding": 0, "freq_shift": 0, "norm_eps": 1e-6, "norm_num_groups": 8,
              "attention_head_dim": 8, "center_input_sample": True}  # fmt: skip
    for name, value in others.items():
        with pytest.raises(ValueError, match=f"{name} of the model is {value}; a UNet has"):
            from_diffusers(diffusers.UNet2DModel(**sizes | {name: value}))


# The Hub


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """The digits as a folder, written for label 3."""
    pytest.importorskip("diffusers")
    from to_hub import write

    folder = tmp_path_factory.mktemp("hub")
    write("digits", folder, 3)
    return folder


def test_the_hub_folder_has_its_parts(hub):
    parts = {path.relative_to(hub).as_posix() for path in hub.rglob("*") if path.is_file()}
    assert parts == {"config.json", "diffusion_pytorch_model.safetensors", "model_index.json",
                     "README.md", "scheduler/scheduler_config.json"}  # fmt: skip
    card = (hub / "README.md").read_text(encoding="utf-8")
    assert "163,985 parameters" in card and "for the label 3" in card and "{" not in card
    assert "license: mit" in card


@torch.no_grad()
def test_diffusers_loads_the_hub_folder_and_draws_threes(hub):
    """Most images are a 3 to the classifier, and the network is the one that was written."""
    import diffusers

    pipeline = diffusers.DDPMPipeline.from_pretrained(hub)
    pipeline.set_progress_bar_config(disable=True)
    net = NETS["digits"]()
    x, t, _ = inputs(net)
    ours = net(x, t, torch.full((4,), 3))
    assert far("from the folder", ours, pipeline.unet(x, t - 1).sample) < 1e-5
    images = pipeline(
        32, torch.Generator().manual_seed(0), num_inference_steps=50, output_type="np"
    ).images
    images = 2 * torch.as_tensor(images).permute(0, 3, 1, 2) - 1
    threes = (load_classifier()(images).argmax(1) == 3).float().mean().item()
    print(f"\nthe classifier sees a 3 in {threes:.0%} of 32 images")
    assert threes > 0.8


@pytest.mark.filterwarnings("ignore")
def test_the_code_of_the_card_draws(tmp_path, monkeypatch):
    """With as many steps as the run has timesteps, here 8, and without a label by default."""
    pytest.importorskip("diffusers")
    from to_hub import write

    (tmp_path / "run").mkdir()
    run = Run(replace(RECIPES["digits"], width=8, mults=(1,), T=8, steps=1))
    run.save(tmp_path / "run" / "checkpoint.pt")
    write(str(tmp_path / "run"), tmp_path / "hub")
    card = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    assert "for no label" in card and "license: unknown" in card
    monkeypatch.chdir(tmp_path)
    exec(re.search(r"```python\n(.*?)```", card, re.DOTALL)[1], {})
    assert (tmp_path / "image.png").exists()


def test_a_narrow_network_is_not_loaded_with_their_groups(hub):
    """Else it would draw, and draw badly."""
    from diffusers import UNet2DModel

    with pytest.raises(TypeError):
        UNet2DModel.from_pretrained(hub)


@torch.no_grad()
def test_a_wide_network_needs_only_diffusers(tmp_path):
    diffusers = pytest.importorskip("diffusers")
    net = NETS["width 128, labels"]()
    to_diffusers(net).save_pretrained(tmp_path)
    model, (x, t, y) = diffusers.UNet2DModel.from_pretrained(tmp_path), inputs(net)
    assert far("from the folder, wide", net(x, t, y), model(x, t - 1, y).sample) < 1e-5


def test_the_script_says_in_a_sentence_what_is_missing(tmp_path, monkeypatch, capsys):
    import to_hub

    monkeypatch.setattr(sys, "argv", ["to_hub", str(tmp_path / "no"), "--out", str(tmp_path)])
    assert to_hub.main() == 1
    assert "is not a file; `python -m ddpm_lite train` makes one" in capsys.readouterr().err


def test_a_card_is_never_written_over(tmp_path, monkeypatch, capsys):
    """Neither somebody's own README, nor a card that was completed."""
    import to_hub

    (tmp_path / "README.md").write_text("mine")
    monkeypatch.setattr(sys, "argv", ["to_hub", "digits", "--out", str(tmp_path)])
    assert to_hub.main() == 1 and "choose another --out" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


# safetensors


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_safetensors_keep_every_bit(name):
    pytest.importorskip("safetensors")
    net, _, recipe = load_pretrained(name)
    weights, again = from_safetensors(to_safetensors(net, recipe))
    assert again == recipe and weights.keys() == net.state_dict().keys()
    copy, schedule = build(again)
    copy.load_state_dict(weights)
    for key, weight in net.state_dict().items():
        assert torch.equal(copy.state_dict()[key], weight), key
    assert schedule.T == recipe["T"] and copy.image_size == net.image_size


def test_bytes_that_are_no_safetensors_are_refused():
    load = pytest.importorskip("safetensors.torch")
    whole = to_safetensors(torch.nn.Linear(2, 2), {"T": 9})
    for data in (b"", b"nonsense" * 9, whole[:-1], load.save({"a": torch.ones(2)})):
        with pytest.raises(ValueError, match="these bytes aren't a safetensors file with a recipe"):
            from_safetensors(data)


def test_a_missing_package_is_named(monkeypatch):
    for name in ("diffusers", "safetensors", "safetensors.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match="^diffusers isn't installed: pip install diff"):
        to_scheduler(linear_schedule())
    with pytest.raises(ModuleNotFoundError, match="^safetensors isn't installed: pip install safe"):
        to_safetensors(UNet(), {})


# torch.export and ONNX


BATCH = [{0: torch.export.Dim("batch")}] * 3


@torch.no_grad()
def test_torch_export_gives_the_same_program_for_any_batch(tmp_path):
    net = NETS["digits"]()
    path = tmp_path / "digits.pt2"
    torch.export.save(torch.export.export(net, inputs(net), dynamic_shapes=BATCH), path)
    x, t, y = (torch.cat([a, a[:3]]) for a in inputs(net))
    assert far("torch.export", net(x, t, y), torch.export.load(path).module()(x, t, y)) < 1e-5


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_the_code_of_the_page_runs(tmp_path, monkeypatch):
    """From the first block to the last, and a runtime runs its ONNX file to 1e-4."""
    pytest.importorskip("diffusers")
    pytest.importorskip("safetensors")
    text = PAGE.read_text(encoding="utf-8").partition("\n## Elsewhere")[2].partition("\n## ")[0]
    names = {"torch": torch}
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        if "onnx" in block:
            for package in ("onnx", "onnxscript", "onnxruntime"):
                pytest.importorskip(package)
        exec(block, names)
        if "images =" in block:
            assert names["images"].shape == (4, 1, 8, 8)
    net, (x, t, y) = names["net"], inputs(names["net"])
    import onnxruntime

    x, t, y = (torch.cat([a, a[:3]]) for a in (x, t, y))
    session = onnxruntime.InferenceSession("digits.onnx")
    (out,) = session.run(None, {"x": x.numpy(), "t": t.numpy(), "y": y.numpy()})
    assert far("ONNX Runtime", net(x, t, y), torch.as_tensor(out)) < 1e-4
