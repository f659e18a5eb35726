"""The two files alone are a working diffusion model: copied into an empty folder, with the defaults
of everything, either schedule and any number of steps gives images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import ddpm_lite

PACKAGE = Path(ddpm_lite.__file__).parent
STEPS = (20, 50, 1000)

# What a new user writes. Each result: the share of pixels beyond ±1.2, the mean and the deviation.
STUDENT = """
import json, torch
from sklearn.datasets import load_digits
from diffusion import cosine_schedule, ddpm_loss, linear_schedule, sample
from nets import MLP, UNet
import bug

def fit(net, schedule, data, steps, batch):
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for step in range(steps):
        loss = ddpm_loss(net, schedule, data[torch.randint(len(data), (batch,))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()

def seen(x):
    return (x.abs() > 1.2).double().mean().item(), x.mean().item(), x.std().item()

torch.set_num_threads(1)
torch.manual_seed(0)
digits = torch.tensor(load_digits().images[:, None]).float() / 8 - 1
result = {"digits": seen(digits)}
for name, schedule in {"cosine": cosine_schedule(), "linear": linear_schedule()}.items():
    net = fit(UNet(1, 8, (1, 2)), schedule, digits, 250, 16)
    for steps in (20, 50, 1000):
        result[f"{name} {steps}"] = seen(sample(net, schedule, torch.randn(4, 1, 8, 8), steps))
    x = bug.sample(net, schedule, torch.randn(4, 1, 8, 8), 20)
    result[f"{name} without clipping"] = seen(x)

shapes = torch.full((90, 3, 32, 32), -1.0)  # a red, a green or a blue square anywhere
for i, (top, left) in enumerate(torch.randint(4, 18, (90, 2)).tolist()):
    shapes[i, i % 3, top : top + 10, left : left + 10] = 1
net = fit(UNet(3, 8, (1, 2)), cosine_schedule(), shapes, 30, 8)
result["shapes"] = seen(sample(net, cosine_schedule(), torch.randn(4, 3, 32, 32), 20))

ring = 2 * torch.nn.functional.normalize(torch.randn(1000, 2))
net, schedule = fit(MLP(), linear_schedule(), ring, 300, 128), linear_schedule()
points = sample(net, schedule, torch.randn(200, 2), 20, clip=None)
result["radius"] = points.norm(dim=1).median().item()
result["clipped points"] = seen(sample(net, schedule, torch.randn(200, 2), 20))
print(json.dumps(result))
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    for file in ("diffusion.py", "nets.py"):
        (folder / file).write_bytes((PACKAGE / file).read_bytes())
    text = (folder / "diffusion.py").read_text(encoding="utf-8")
    bug = text.replace("clip: float | None = 1.0", "clip: float | None = None")
    assert bug != text
    (folder / "bug.py").write_text(bug, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['ddpm_lite'] = None\n" + STUDENT],
        env={**os.environ, "PYTHONPATH": ""},
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_samples_look_like_digits(result, schedule, steps):
    """No pixel beyond ±1.2, and mean and deviation near those of the digits."""
    beyond, mean, std = result[f"{schedule} {steps}"]
    assert beyond == 0
    assert abs(mean - result["digits"][1]) < 0.15 and abs(std - result["digits"][2]) < 0.2


def test_coloured_shapes_stay_in_range(result):
    """32 x 32 pixels, three colours, and a network that has just begun to learn."""
    beyond, mean, std = result["shapes"]
    assert beyond == 0 and std > 0.2


def test_points_need_no_range(result):
    """With clip=None the ring of radius 2 is found; with the default it would be cut at 1."""
    assert 1.7 < result["radius"] < 2.3
    assert result["clipped points"][0] == 0


def test_without_clipping_by_default_this_would_fail(result):
    """The same networks, sampled by a copy whose default is clip=None."""
    assert result["cosine without clipping"][0] > 0.5
    assert result["linear without clipping"][0] > 0
