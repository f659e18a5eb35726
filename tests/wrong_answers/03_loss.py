"""Usual wrong answers to the exercises of chapter 3; the checks must reject each."""

WRONG = {
    1: {
        "the sign of the noise's part": """
def x0_from_v(schedule, xt, t, v):
    alpha_bar = schedule.at(t, xt)
    return alpha_bar.sqrt() * xt + (1 - alpha_bar).sqrt() * v
""",
        "the formula for the noise": """
def x0_from_v(schedule, xt, t, v):
    alpha_bar = schedule.at(t, xt)
    return alpha_bar.sqrt() * v + (1 - alpha_bar).sqrt() * xt
""",
        "v taken for the noise": """
def x0_from_v(schedule, xt, t, v):
    alpha_bar = schedule.at(t, xt)
    return (xt - (1 - alpha_bar).sqrt() * v) / alpha_bar.sqrt()
""",
        "the roots forgotten": """
def x0_from_v(schedule, xt, t, v):
    alpha_bar = schedule.at(t, xt)
    return alpha_bar * xt - (1 - alpha_bar) * v
""",
    },
    2: {
        "the share of the noise": """
def gaussian_floor(schedule, t, s):
    a = schedule.alpha_bar[t]
    return (1 - a) / (a * s**2 + 1 - a)
""",
        "data of variance 1 assumed": """
def gaussian_floor(schedule, t, s):
    return schedule.alpha_bar[t]
""",
        "the standard deviation taken for the variance": """
def gaussian_floor(schedule, t, s):
    a = schedule.alpha_bar[t]
    return a * s / (a * s + 1 - a)
""",
        "answering 0": """
def gaussian_floor(schedule, t, s):
    return 1.0
""",
    },
    3: {
        "the maximum for the minimum": """
def weighted_loss(model, schedule, x0, gamma=5.0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = torch.randn_like(x0)
    error = (model(q_sample(schedule, x0, t, eps), t) - eps) ** 2
    weight = (gamma / schedule.snr[t]).clamp(min=1)
    return (weight * error.flatten(1).mean(1)).mean()
""",
        "the weight of the x0-loss": """
def weighted_loss(model, schedule, x0, gamma=5.0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = torch.randn_like(x0)
    error = (model(q_sample(schedule, x0, t, eps), t) - eps) ** 2
    weight = schedule.snr[t].clamp(max=gamma)
    return (weight * error.flatten(1).mean(1)).mean()
""",
        "the weight of the v-loss": """
def weighted_loss(model, schedule, x0, gamma=5.0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = torch.randn_like(x0)
    error = (model(q_sample(schedule, x0, t, eps), t) - eps) ** 2
    weight = schedule.snr[t].clamp(max=gamma) / (schedule.snr[t] + 1)
    return (weight * error.flatten(1).mean(1)).mean()
""",
        "the average weight times the average error": """
def weighted_loss(model, schedule, x0, gamma=5.0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = torch.randn_like(x0)
    error = (model(q_sample(schedule, x0, t, eps), t) - eps) ** 2
    return (gamma / schedule.snr[t]).clamp(max=1).mean() * error.mean()
""",
        "no mean over the batch": """
def weighted_loss(model, schedule, x0, gamma=5.0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = torch.randn_like(x0)
    error = (model(q_sample(schedule, x0, t, eps), t) - eps) ** 2
    return (gamma / schedule.snr[t]).clamp(max=1) * error.flatten(1).mean(1)
""",
    },
    4: {
        "the constants of the divergences forgotten": """
def gaussian_bound(schedule, s):
    abar = schedule.alpha_bar.double()
    alpha = abar[1:] / abar[:-1]
    beta, signal = 1 - alpha, abar[1:] * s**2
    floor = signal / (signal + 1 - abar[1:])
    weight = beta / (2 * alpha * (1 - abar[1:]))
    L_0 = 0.5 * (2 * math.pi * beta[0]).log()
    return (weight * floor).sum() + L_0
""",
        "the simple loss: no weights": """
def gaussian_bound(schedule, s):
    signal = schedule.alpha_bar[1:].double() * s**2
    return (signal / (signal + 1 - schedule.alpha_bar[1:])).sum()
""",
        "the entropy alone": """
def gaussian_bound(schedule, s):
    return 0.5 * math.log(2 * math.pi * math.e * s**2)
""",
        "the sign of the logarithm": """
def gaussian_bound(schedule, s):
    abar = schedule.alpha_bar.double()
    alpha = abar[1:] / abar[:-1]
    beta, signal = 1 - alpha, abar[1:] * s**2
    floor = signal / (signal + 1 - abar[1:])
    weight = beta / (2 * alpha * (1 - abar[1:]))
    ratio = (1 - abar[1:-1]) / (1 - abar[2:])
    C = 0.5 * (ratio - 1 + ratio.log())
    L_0 = 0.5 * (2 * math.pi * beta[0]).log()
    return (weight * floor).sum() + C.sum() + L_0
""",
    },
}
