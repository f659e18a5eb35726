"""Usual wrong answers to the exercises of chapter 10; the checks must reject each."""

WRONG = {
    1: {
        "as it is printed": """
def my_loss(net, schedule, x0):
    t = torch.randint(0, schedule.T, x0.shape[:1])
    eps = torch.rand_like(x0)
    alpha_bar = schedule.at(t, x0)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar) * eps
    return torch.nn.functional.mse_loss(net(xt, t), eps)
""",
        "T is never drawn": """
def my_loss(net, schedule, x0):
    t = torch.randint(1, schedule.T, x0.shape[:1])
    eps = torch.randn_like(x0)
    alpha_bar = schedule.at(t, x0)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
    return torch.nn.functional.mse_loss(net(xt, t), eps)
""",
        "uniform noise with the right variance": """
def my_loss(net, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = (torch.rand_like(x0) - 0.5) * 12**0.5
    alpha_bar = schedule.at(t, x0)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
    return torch.nn.functional.mse_loss(net(xt, t), eps)
""",
        "the root is still missing": """
def my_loss(net, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = torch.randn_like(x0)
    alpha_bar = schedule.at(t, x0)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar) * eps
    return torch.nn.functional.mse_loss(net(xt, t), eps)
""",
        "Huber for the squared error": """
def my_loss(net, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    eps = torch.randn_like(x0)
    alpha_bar = schedule.at(t, x0)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * eps
    return torch.nn.functional.smooth_l1_loss(net(xt, t), eps)
""",
        "the noise is drawn twice": """
def my_loss(net, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    alpha_bar = schedule.at(t, x0)
    xt = alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * torch.randn_like(x0)
    return torch.nn.functional.mse_loss(net(xt, t), torch.randn_like(x0))
""",
    },
    2: {
        "as it is printed": """
def my_ddim(model, schedule, xt, n):
    times = [schedule.T * i // n for i in range(n)][::-1]
    for t, s in zip(times, times[1:]):
        eps = model(xt, torch.full((len(xt),), t))
        a, b = schedule.alpha_bar[t], schedule.alpha_bar[s]
        x0 = (xt - (1 - a) * eps) / a.sqrt()
        xt = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return xt
""",
        "T is not visited": """
def my_ddim(model, schedule, xt, n):
    times = [schedule.T * i // n for i in range(n)][::-1]
    for t, s in zip(times, times[1:] + [0]):
        eps = model(xt, torch.full((len(xt),), t))
        a, b = schedule.alpha_bar[t], schedule.alpha_bar[s]
        x0 = (xt - (1 - a).sqrt() * eps) / a.sqrt()
        xt = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return xt
""",
        "the variance in x0": """
def my_ddim(model, schedule, xt, n):
    times = [schedule.T * i // n for i in range(n + 1)][::-1]
    for t, s in zip(times, times[1:]):
        eps = model(xt, torch.full((len(xt),), t))
        a, b = schedule.alpha_bar[t], schedule.alpha_bar[s]
        x0 = (xt - (1 - a) * eps) / a.sqrt()
        xt = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return xt
""",
        "the last step is left out": """
def my_ddim(model, schedule, xt, n):
    times = [schedule.T - schedule.T * i // (n + 1) for i in range(n + 1)]
    for t, s in zip(times, times[1:]):
        eps = model(xt, torch.full((len(xt),), t))
        a, b = schedule.alpha_bar[t], schedule.alpha_bar[s]
        x0 = (xt - (1 - a).sqrt() * eps) / a.sqrt()
        xt = b.sqrt() * x0 + (1 - b).sqrt() * eps
    return xt
""",
        "new noise in each step": """
def my_ddim(model, schedule, xt, n):
    times = [schedule.T * i // n for i in range(n + 1)][::-1]
    for t, s in zip(times, times[1:]):
        eps = model(xt, torch.full((len(xt),), t))
        a, b = schedule.alpha_bar[t], schedule.alpha_bar[s]
        x0 = (xt - (1 - a).sqrt() * eps) / a.sqrt()
        xt = b.sqrt() * x0 + (1 - b).sqrt() * torch.randn_like(xt)
    return xt
""",
    },
    3: {
        "only the answer 0 is asked about": """
def name_of(loss, schedule, x0):
    zero = lambda xt, t: torch.zeros_like(xt)
    return "right" if abs(loss(zero, x0) - 1) < 0.1 else "L1"
""",
        "the variance for the shape": """
def name_of(loss, schedule, x0):
    zero, asked = listen(lambda xt, t: torch.zeros_like(xt))
    mean = sum(loss(zero, x0) for _ in range(100)) / 100
    if mean < 0.9:
        return "L1"
    if loss(told(x0, schedule), x0) > 0.1:
        return "another noise"
    if max(t.max() for _, t in asked) < schedule.T:
        return "never T"
    eps = torch.cat([told(x0, schedule)(xt, t) for xt, t in asked])
    return "right" if abs(eps.var() - 1) < 0.1 else "uniform noise"
""",
        "too few draws to know of T": """
def name_of(loss, schedule, x0):
    zero, asked = listen(lambda xt, t: torch.zeros_like(xt))
    if loss(zero, x0) < 0.9:
        return "L1"
    if loss(told(x0, schedule), x0) > 0.1:
        return "another noise"
    if max(t.max() for _, t in asked) < schedule.T:
        return "never T"
    eps = torch.cat([told(x0, schedule)(xt, t) for xt, t in asked])
    return "right" if (eps**4).mean() > 2.5 else "uniform noise"
""",
    },
    4: {
        "each pixel alone": """
def wiener_error(x, alpha_bar):
    return linear_error(x, torch.tensor(alpha_bar)).item()
""",
        "the mean isn't subtracted": """
def wiener_error(x, alpha_bar):
    x = x.flatten(1).double()
    signal = alpha_bar * x.T @ x / len(x)
    noise = (1 - alpha_bar) * torch.eye(len(signal)).double()
    return (torch.linalg.solve(signal + noise, signal).trace() / len(signal)).item()
""",
        "the sum over pixels": """
def wiener_error(x, alpha_bar):
    signal = alpha_bar * x.flatten(1).double().T.cov()
    noise = (1 - alpha_bar) * torch.eye(len(signal)).double()
    return torch.linalg.solve(signal + noise, signal).trace().item()
""",
        "the deviation of the noise": """
def wiener_error(x, alpha_bar):
    signal = alpha_bar * x.flatten(1).double().T.cov()
    noise = (1 - alpha_bar) ** 0.5 * torch.eye(len(signal)).double()
    return (torch.linalg.solve(signal + noise, signal).trace() / len(signal)).item()
""",
    },
}
