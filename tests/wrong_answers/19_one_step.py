"""Usual wrong answers to the exercises of chapter 19; the checks must reject each."""

WRONG = {
    1: {
        "the noise at the end of the step": """
from ddpm_lite import predict_eps, predict_x0
from ddpm_lite.distill import x0_between
def eps_between(schedule, xt, t, xs, s):
    return predict_eps(schedule, xs, max(s, 1), x0_between(schedule, xt, t, xs, s))
""",
        "the target itself": """
from ddpm_lite.distill import x0_between
def eps_between(schedule, xt, t, xs, s):
    return x0_between(schedule, xt, t, xs, s)
""",
        "x_s taken for the target": """
from ddpm_lite import predict_eps
def eps_between(schedule, xt, t, xs, s):
    return predict_eps(schedule, xt, t, xs)
""",
        "the difference of the ends": """
def eps_between(schedule, xt, t, xs, s):
    return xt - xs
""",
        "a step that starts at x_s": """
from ddpm_lite import predict_eps
from ddpm_lite.distill import x0_between
def eps_between(schedule, xt, t, xs, s):
    return predict_eps(schedule, xt, t, x0_between(schedule, xs, t, xt, s))
""",
    },
    2: {
        "a gradient on both sides": """
from ddpm_lite import q_sample
def consistency_error(f, schedule, x0, t, s, eps):
    error = f(q_sample(schedule, x0, t, eps), t) - f(q_sample(schedule, x0, s, eps), s)
    return error.square().flatten(1).mean(1)
""",
        "the target at the higher noise level": """
from ddpm_lite import q_sample
def consistency_error(f, schedule, x0, t, s, eps):
    error = f(q_sample(schedule, x0, s, eps), s) - f(q_sample(schedule, x0, t, eps), t).detach()
    return error.square().flatten(1).mean(1)
""",
        "fresh noise at the lower level": """
import torch
from ddpm_lite import q_sample
def consistency_error(f, schedule, x0, t, s, eps):
    target = f(q_sample(schedule, x0, s, torch.randn_like(eps)), s).detach()
    return (f(q_sample(schedule, x0, t, eps), t) - target).square().flatten(1).mean(1)
""",
        "the image as the target": """
from ddpm_lite import q_sample
def consistency_error(f, schedule, x0, t, s, eps):
    return (f(q_sample(schedule, x0, t, eps), t) - x0).square().flatten(1).mean(1)
""",
        "the target told the wrong time": """
from ddpm_lite import q_sample
def consistency_error(f, schedule, x0, t, s, eps):
    target = f(q_sample(schedule, x0, s, eps), t).detach()
    return (f(q_sample(schedule, x0, t, eps), t) - target).square().flatten(1).mean(1)
""",
        "the mean of all rows": """
from ddpm_lite import q_sample
def consistency_error(f, schedule, x0, t, s, eps):
    target = f(q_sample(schedule, x0, s, eps), s).detach()
    return (f(q_sample(schedule, x0, t, eps), t) - target).square().mean()
""",
    },
    3: {
        "the second call at the same place": """
def shortcut_target(mean, x, u, d):
    return (mean(x, u, u - d) + mean(x, u - d, u - 2 * d)) / 2
""",
        "the second call at the same time": """
def shortcut_target(mean, x, u, d):
    first = mean(x, u, u - d)
    return (first + mean(x - d * first, u, u - d)) / 2
""",
        "the sum of both": """
def shortcut_target(mean, x, u, d):
    first = mean(x, u, u - d)
    return first + mean(x - d * first, u - d, u - 2 * d)
""",
        "away from the data": """
def shortcut_target(mean, x, u, d):
    first = mean(x, u, u - d)
    return (first + mean(x + d * first, u - d, u - 2 * d)) / 2
""",
        "one call over half of the length": """
def shortcut_target(mean, x, u, d):
    return mean(x, u, u - d)
""",
        "what it is to learn": """
def shortcut_target(mean, x, u, d):
    return mean(x, u, u - 2 * d)
""",
    },
    4: {
        "the best prediction of x0": """
def gaussian_consistency(schedule, x, t, m, c):
    ab = schedule.at(t, x)
    return m + ab.sqrt() * c**2 * (x - ab.sqrt() * m) / (ab * c**2 + 1 - ab)
""",
        "the variance taken for the standard deviation": """
def gaussian_consistency(schedule, x, t, m, c):
    ab = schedule.at(t, x)
    return m + c * (x - ab.sqrt() * m) / (ab * c**2 + 1 - ab)
""",
        "the mean not scaled": """
def gaussian_consistency(schedule, x, t, m, c):
    ab = schedule.at(t, x)
    return m + c * (x - m) / (ab * c**2 + 1 - ab).sqrt()
""",
        "the noise forgotten": """
def gaussian_consistency(schedule, x, t, m, c):
    return x / schedule.at(t, x).sqrt()
""",
    },
}
