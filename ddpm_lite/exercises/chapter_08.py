"""The checks of the exercises of chapter 8."""

import torch

from ddpm_lite import cosine_schedule


def exercise_1(our_weight):
    """The guidance scale of an unknown convention."""
    rulers = {
        "diffusers, 7.5": (lambda y, n: n + 7.5 * (y - n), 6.5),
        "guidance that is off": (lambda y, n: y, 0.0),
        "the unconditional model": (lambda y, n: n, -1.0),
        "the paper's w = 3": (lambda y, n: 4 * y - 3 * n, 3.0),
    }
    for name, (combine, right) in rulers.items():
        yours = _given(our_weight(combine))
        if not abs(float(yours) - right) < 1e-6:
            raise ValueError(f"{name}: you return {float(yours):g}; expected {right:g}")


def exercise_2(composed):
    """Two independent labels in one model."""
    schedule, calls = cosine_schedule(), []
    x, t = torch.tensor([[0.3, -0.2]] * 4), torch.tensor([100, 400, 700, 900])
    y1, y2 = torch.tensor([[0, 1, 0, 1], [2, 2, 3, 3]])

    def net(x, t, y=None):
        calls.append(y)
        return _two_sides(schedule, x, t, y)

    left, below, none = (_two_sides(schedule, x, t, y) for y in (y1, y2, None))
    both = torch.stack([left[:, 0], below[:, 1]], 1)
    model = _given(composed(net, y1, y2))
    if not (_given(model(x, t)) - both).abs().max() < 1e-5:
        raise ValueError("with w1 = w2 = 0 it isn't the model of both labels together")
    if len(calls) != 3:
        raise ValueError(f"the network was called {len(calls)} times; three predictions are enough")
    for w1, w2, right in ((1.0, 0.0, both + left - none), (0.0, 2.0, both + 2 * (below - none))):
        if not (composed(net, y1, y2, w1=w1, w2=w2)(x, t) - right).abs().max() < 1e-5:
            raise ValueError(f"with w1 = {w1:g} and w2 = {w2:g} the prediction is wrong")


def exercise_3(guided_by):
    """A guidance scale for each time."""

    def net(x, t, y=None):
        return x * (1.0 if y is None else 3.0)

    def hat(t):
        return 4 * ((t > 300) & (t <= 700)).float()

    t, y = torch.tensor([100, 500, 900]), torch.tensor([0, 1, 2])
    for shape in ((3, 2), (3, 1, 8, 8), (3, 3, 3, 3)):
        got = _given(_given(guided_by(net, y, hat))(torch.ones(shape), t))
        if got.shape != shape:
            raise ValueError(f"for x of shape {shape} the result has shape {tuple(got.shape)}")
        for image, time, right in zip(got.flatten(1), t, (3.0, 11.0, 3.0), strict=True):
            if not (image - right).abs().max() < 1e-5:
                raise ValueError(f"x of shape {shape}, t = {time}: {image[0]:g}, not {right:g}; "
                                 f"each image needs the scale of its own time")  # fmt: skip


def exercise_4(push):
    """The gradient of log p(y | x_t) of a Gaussian mixture, without autograd."""
    schedule, generator = cosine_schedule(), torch.Generator().manual_seed(0)
    m = torch.randn(4, 3, generator=generator)
    x = torch.randn(64, 3, generator=generator).requires_grad_()
    t = torch.randint(1, 1001, (64,), generator=generator)
    y = torch.randint(4, (64,), generator=generator)
    for c in (0.4, 1.0):
        alpha_bar = schedule.at(t, x)
        z = x[:, None] - alpha_bar.sqrt()[..., None] * m
        logits = -z.square().sum(2) / (2 * (alpha_bar * c**2 + 1 - alpha_bar))
        wanted = logits.log_softmax(1)[torch.arange(64), y].sum()
        right = torch.autograd.grad(wanted, x)[0]
        yours = _given(push(schedule, m, c, x.detach(), t, y))
        if yours.shape != right.shape:
            raise ValueError(f"the shape is {tuple(yours.shape)}; expected {tuple(right.shape)}")
        off = ((yours - right).abs() / (1 + right.abs())).max()
        if not off < 1e-4:
            raise ValueError(f"with c = {c} your gradient is off by up to {off:.2g}")


def _two_sides(schedule, x, t, y):
    """The best prediction if each coordinate is near -1 or 1, with standard deviation 0.3. Labels 0
    and 1 fix the first coordinate, and labels 2 and 3 the second."""
    side, alpha_bar = torch.tensor([-1.0, 1.0]), schedule.at(t, x)
    v = alpha_bar * 0.09 + 1 - alpha_bar
    z = x[..., None] - alpha_bar.sqrt()[..., None] * side
    share = (-z.square() / (2 * v[..., None])).softmax(2)
    for i, k in enumerate([] if y is None else y.tolist()):
        share[i, k // 2] = torch.eye(2)[k % 2]
    return (1 - alpha_bar).sqrt() * (share * z).sum(2) / v


def _given(answer):
    if answer is None:
        raise ValueError("it returns nothing")
    return answer
