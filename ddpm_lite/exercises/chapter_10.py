"""The checks of the exercises of chapter 10."""

import torch

from ddpm_lite import cosine_schedule, ddim_step, ddpm_loss, load_images
from ddpm_lite.diagnose import linear_error, told

from .plant import plant

UNIFORM = "(torch.rand_like(x0) - 0.5) * 12**0.5"  # of variance 1
LOSSES = {
    "right": ("F.mse_loss", "F.mse_loss"),
    "L1": ("F.mse_loss", "F.l1_loss"),
    "uniform noise": ("torch.randn_like(x0)", UNIFORM),
    "never T": ("schedule.T + 1", "schedule.T"),
    "another noise": ("target(schedule, x0, t, eps)", "torch.randn_like(eps)"),
}


def images(n):
    return load_images("digits")[0][:n]


def listener(answer):
    """A stand-in for a network, and a list that records its inputs."""
    asked = []

    def net(xt, t, *labels, **named):
        asked.append((xt, t))
        return answer(xt, t)

    return net, asked


def expect(well, sentence):
    if not well:
        raise ValueError(sentence)


def exercise_1(my_loss):
    """Check the timesteps, the noise, and the losses of two stand-ins."""
    torch.manual_seed(0)
    short, known = cosine_schedule(20), images(64)
    zero, asked = listener(lambda xt, t: torch.zeros_like(xt))
    losses = [float(my_loss(zero, short, known)) for _ in range(50)]
    t = torch.stack([t for _, t in asked])
    low, high = t.min().item(), t.max().item()
    expect((low, high) == (1, 20), f"t runs from {low} to {high}; expected 1 to 20")
    expect(t.unique().numel() == 20, "some t are never drawn")
    eps = torch.cat([told(known, short)(xt, t) for xt, t in asked])
    fourth = ((eps**4).mean() / eps.square().mean() ** 2).item()
    sentence = f"the noise has mean {eps.mean():.2f} and kurtosis {fourth:.1f}: it isn't Gaussian"
    expect(abs(eps.mean()) < 0.02 and abs(fourth - 3) < 0.1, sentence)
    expect(abs(eps.var() - 1) < 0.02, f"the noise has variance {eps.var():.2f}, not 1")
    mean = sum(losses) / len(losses)
    expect(abs(mean - 1) < 0.02, f"the loss of predicting 0 is {mean:.2f}, not 1")
    answer = float(my_loss(told(known, short), short, known))
    expect(answer < 1e-6, f"the loss of the right prediction is {answer:.4f}, not 0")


def exercise_2(my_ddim):
    """Check the timesteps, the end with a model that knows the images, and two steps."""
    torch.manual_seed(0)
    known, short = images(16), cosine_schedule(60)
    for n in (1, 7, 60):
        model, asked = listener(told(known, short))
        end = my_ddim(model, short, torch.randn_like(known), n)
        times = [int(t[0]) for _, t in asked]
        expect(len(times) == n, f"with n = {n}, it calls the model {len(times)} times")
        expect(times[0] == 60, f"it starts at t = {times[0]}, not at T = 60")
        off = (end - known).abs().max().item()
        expect(off < 1e-2, f"it ends {off:.3f} from the images that the model knows")
    xT = torch.randn_like(known)
    two = my_ddim(lambda xt, t: 0.5 * xt, short, xT, 2)
    right = ddim_step(short, xT, 60, 30, 0.5 * xT)
    right = ddim_step(short, right, 30, 0, 0.5 * right)
    expect((two - right).abs().max() < 1e-3, "its steps aren't those of DDIM")


def exercise_3(name_of):
    """Each of the five losses must be identified, with two seeds."""
    schedule, x0 = cosine_schedule(), images(128)
    for seed in (2, 3):
        for name, lines in LOSSES.items():
            program = plant(ddpm_loss, *lines)
            torch.manual_seed(seed)
            mine = name_of(lambda net, x0, p=program: p.ddpm_loss(net, schedule, x0), schedule, x0)
            expect(mine == name, f"for the loss called {name!r}, your answer is {mine!r}")


def exercise_4(wiener_error):
    """Check independent pixels, equal pixels, and the digits."""
    torch.manual_seed(0)
    apart = torch.randn(5000, 3) * torch.tensor([0.5, 1.0, 2.0]) + 1
    for a in (0.2, 0.9):
        mine, line = wiener_error(apart, a), linear_error(apart, torch.tensor(a)).item()
        expect(mine is not None, "it returns nothing")
        sentence = f"for independent pixels it's {mine:.2f}, but the line's error is {line:.2f}"
        expect(abs(mine - line) < 0.01, sentence)
    equal = apart[:, 1:2].expand(-1, 4)  # four equal pixels: one direction
    right, mine = 0.5 * 4 / (0.5 * 4 + 0.5) / 4, wiener_error(equal, 0.5)
    expect(abs(mine - right) < 0.02, f"for four equal pixels it's {mine:.2f}, not {right}")
    x = images(2000)
    better = wiener_error(x, 0.5) < linear_error(x, torch.tensor(0.5))
    expect(better, "on the digits it isn't below the line's error, but other pixels should help")
