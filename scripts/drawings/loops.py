"""Drawings of the loops around the network: training, sampling, and what a batch shares."""

from __future__ import annotations

from .images import digit, noised, sampled, stepped
from .kit import WIDTH, Drawing, drawing


@drawing(height=340)
def training_loop(d: Drawing) -> None:
    """The training loop.

    A batch of data x_0, random timesteps t and noise epsilon go through q_sample to x_t. The
    network predicts the noise, the loss is the mean squared error, and a gradient step changes
    the weights. Then the next batch comes. Beside the loop, an exponential moving average of
    the weights is kept for sampling.
    """
    d.text(46, 18, "batch $x_0$", "data")
    d.tile(12, 34, 68, digit(0))
    q = d.box(120, 46, 112, 44, "`q_sample`")
    d.text(306, 18, "$x_t$")
    d.tile(272, 34, 68, noised(digit(0), 200)[0])
    net = d.box(384, 36, 128, 64, "network", "$ε_θ(x_t, t)$", kind="model")
    d.arrow((80, 68), q.left, kind="data")
    d.arrow(q.right, (272, 68))
    d.arrow((340, 68), net.left)
    draw = d.box(112, 148, 128, 56, "random $t$", "random $ε$", kind="noise")
    d.arrow(draw.top, q.bottom, kind="noise")
    loss = d.box(352, 148, 160, 56, "loss", "$‖ε − ε_θ(x_t, t)‖^2$")
    d.arrow(draw.right, loss.left, kind="noise")
    d.text(296, 162, "$ε$", "noise")
    d.arrow(net.bottom, (448, 148), kind="model")
    step = d.box(352, 252, 160, 52, "gradient step", "on the weights")
    d.arrow((432, 204), step.top)
    ema = d.box(112, 252, 188, 52, "EMA of the weights,", "for sampling", kind="model")
    d.arrow(step.left, ema.right, kind="dash")
    d.arrow((432, 304), (432, 330), (46, 330), (46, 105), gap=0)
    d.text(58, 226, "next batch", "muted start")


@drawing(height=366)
def sampler_loop(d: Drawing) -> None:
    """The sampler loop.

    Start with noise x_T. The network predicts the noise in x_t, which implies a prediction of
    x_0. A step mixes that prediction with x_t, and in DDPM with fresh noise, to x_s. The loop
    repeats from there until s is 0.
    """
    states = sampled("digits", 4)
    for x, y, name, image, kind in (
        (12, 34, "noise $x_T$", states[1000][0], "noise"), (136, 34, "$x_t$", states[500][0], ""),
        (444, 34, "$x̂_0$", states[500][2], "model"), (212, 172, "", states[300][0], ""),
        (212, 292, "", states[0][0], ""),
    ):  # fmt: skip
        d.tile(x, y, 68, image)
        d.text(x + 34, 18, name, kind) if name else None
    net = d.box(256, 36, 136, 64, "network", "$ε_θ(x_t, t)$", kind="model")
    d.arrow((80, 68), (136, 68), kind="noise")
    d.arrow((204, 68), net.left)
    d.arrow(net.right, (444, 68), kind="model")
    step = d.box(340, 174, 172, 64, "step from $t$ to $s$:", "mix $x̂_0$ and $x_t$")
    d.arrow((478, 102), (478, 174), kind="model")
    d.arrow(step.left, (280, 206))
    d.arrow((426, 300), step.bottom, kind="noise")
    d.text(426, 316, "fresh noise", "noise")
    d.text(426, 338, "(DDPM)", "noise")
    d.arrow((212, 206), (170, 206), (170, 102))
    d.text(246, 154, "$x_s$")
    d.text(158, 160, "repeat with", "muted end")
    d.text(158, 182, "$t = s$", "muted end")
    d.arrow((246, 240), (246, 292), kind="data")
    d.text(200, 326, "at $s = 0$: the sample $x_0$", "data end")


@drawing(height=268)
def ddpm_step(d: Drawing) -> None:
    """A step of the sampler, and the last one.

    Two rows of images. From t = 500 to 400, x_t minus part of the predicted noise, divided by the
    root of alpha, is the mean. With fresh noise it is x_s, as noisy as an image at 400 should be.
    From t = 100 to 0, the mean is the predicted x_0 and the fresh noise is zero.
    """
    last = {2: "mean $= x̂_0$", 3: "$σ = 0$", 4: "$x_0$"}
    for y, t, s, changed in ((0, 500, 400, {}), (140, 100, 0, last)):
        d.text(8, y + 14, f"from $t$ = {t} to $s$ = {s}", "bold start")
        names = {0: "$x_t$", 1: "part of $ε_θ$", 2: "mean", 3: "$σz$", 4: "$x_s$"} | changed
        kinds = ("", "model", "", "noise", "data" if s == 0 else "")
        for k, image in enumerate(stepped("digits", 4, t, s)):
            x = 8 + 110 * k
            d.tile(x, y + 32, 64, image)
            d.text(x + 32, y + 112, names[k], kinds[k])
        for k, sign in ((0, "−"), (2, "+"), (3, "=")):
            d.text(95 + 110 * k, y + 64, sign, "bold")
        d.text(205, y + 48, "$÷√α$")
        d.arrow((182, y + 68), (228, y + 68))


@drawing(height=238)
def shared_batch(d: Drawing) -> None:
    """Two devices share a batch.

    The batch is cut into two equal parts, one for each device. Each device has a copy of the same
    weights and computes the gradient of its part. The mean of both gradients goes back to both
    devices, which take the same step.
    """
    batch = d.box(4, 86, 84, 64, "batch of", "$B$ images", kind="data")
    mean = d.box(412, 92, 102, 52, "all-reduce:", "the mean", kind="noise")
    d.text(330, 106, "the same step", "muted")
    for k, top in ((1, 2), (2, 142)):
        d.lane(104, top, 286, 92)
        d.text(116, top + 18, f"device {k}", "bold start")
        part = d.box(116, top + 34, 64, 44, f"part {k}", kind="data")
        net = d.box(208, top + 34, 88, 44, "weights $θ$", kind="model")
        slope = d.box(324, top + 34, 52, 44, f"$g_{k}$", kind="noise")
        d.arrow(batch.right, (97, 118), (97, part.left[1]), part.left)
        d.arrow(part.right, net.left)
        d.arrow(net.right, slope.left)
        d.arrow(slope.right, (463, slope.right[1]), mean.top if k == 1 else mean.bottom)
        d.arrow(mean.left, (252, 118), net.bottom if k == 1 else net.top)


@drawing(height=292)
def train_turn(d: Drawing) -> None:
    """One turn of the function train.

    Inside train: a batch, clear the gradients, the loss, backward, clip the gradient, check that
    it is finite, set the rate, step, average the weights. Clipping, the check, the rate and the
    average are new. Then train yields the step and the loss to your loop and waits, until your
    loop asks for the next turn.
    """
    d.lane(2, 2, WIDTH - 4, 196)
    d.text(14, 22, "`train`", "bold start")
    d.text(506, 22, "green: not in the five lines", "model end")
    names = [("batch",), ("clear", "gradients"), ("loss",), ("backward", "$g$"), ("clip $g$",)]
    names += [("finite?",), ("rate $r$",), ("step", "on $θ$"), ("average", "of $θ$")]
    boxes = []
    for k, lines in enumerate(names):
        column, y = (k, 42) if k < 5 else (9 - k, 130)
        kind = {0: "data", 4: "model", 5: "model", 6: "model", 8: "model"}.get(k, "")
        boxes.append(d.box(14 + 103 * column, y, 80, 50, *lines, kind=kind))
    for k, (a, b) in enumerate(zip(boxes, boxes[1:], strict=False)):
        ends = (a.right, b.left) if k < 4 else (a.bottom, b.top) if k == 4 else (a.left, b.right)
        d.arrow(*ends)
    yours = d.box(2, 246, WIDTH - 4, 44, "your loop: print, measure, draw, save or stop")
    d.arrow(boxes[8].bottom, (boxes[8].bottom[0], yours.y))
    d.text(boxes[8].bottom[0] + 10, 219, "`yield step, loss`", "start")
    d.arrow((54, yours.y), boxes[0].bottom)
    d.text(64, 219, "next", "muted start")
    d.arrow(boxes[5].bottom, (466, 212))
    d.text(466, 222, "no: error", "muted")


@drawing(height=282)
def resume(d: Drawing) -> None:
    """A run that stops and resumes.

    Above, a run takes twenty steps in one go. Below, a run stops after ten steps. Its checkpoint
    holds the weights, their average with its counter, the optimiser's memory, the step and the
    seed. A new process reads it and takes the other ten steps. Both end with the same weights.
    """
    d.text(4, 14, "never stopped", "bold start")
    d.text(4, 148, "stopped,", "bold start")
    d.text(4, 170, "then resumed", "bold start")
    first, second = (d.box(x, 34, 132, 44, text, kind="model")
                     for x, text in ((4, "steps 1 … 10"), (384, "steps 11 … 20")))  # fmt: skip
    before, after = (d.box(x, 190, 132, 44, text, kind="model")
                     for x, text in ((4, "steps 1 … 10"), (384, "steps 11 … 20")))  # fmt: skip
    d.arrow(first.right, second.left, kind="model")
    d.rect(174, 132, 172, 148, "data", 7)
    d.text(260, 116, "checkpoint", "data bold")
    for i, line in enumerate(("weights $θ$", "average $θ̄$ and its $n$", "optimiser’s memory",
                              "step", "seed")):  # fmt: skip
        d.text(260, 152 + 27 * i, line)
    d.arrow(before.right, (174, 212), kind="data")
    d.arrow((346, 212), after.left, kind="data")
    for start, end in ((118, 78), (150, 190)):
        d.arrow((450, start), (450, end), kind="exact")
    d.text(450, 134, "same weights", "bold")
