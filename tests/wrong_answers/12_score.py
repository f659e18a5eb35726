"""Usual wrong answers to the exercises of chapter 12; the checks must reject each."""

WRONG = {
    1: {
        "the sign of papers with noise at 0": """
def score_from_velocity(x, u, v):
    return -(x - (1 - u) * v) / u
""",
        "without the minus": """
def score_from_velocity(x, u, v):
    return (x + (1 - u) * v) / u
""",
        "the noise with a minus": """
def score_from_velocity(x, u, v):
    return -(x + (1 - u) * v)
""",
        "the data, not the noise": """
def score_from_velocity(x, u, v):
    return -(x - u * v) / u
""",
        "divided by the variance": """
def score_from_velocity(x, u, v):
    return -(x + (1 - u) * v) / u**2
""",
        "divided by the signal": """
def score_from_velocity(x, u, v):
    return -(x + (1 - u) * v) / (1 - u)
""",
    },
    2: {
        "the derivative of sigma, not of its square": """
def diffusion(f, noise, u):
    u = u.detach().requires_grad_()
    s = noise(u)
    slope = torch.autograd.grad(s.sum(), u)[0]
    return (slope - 2 * f(u) * s**2).detach()
""",
        "short of a factor 2": """
def diffusion(f, noise, u):
    u = u.detach().requires_grad_()
    s = noise(u)
    slope = torch.autograd.grad(s.sum(), u)[0]
    return (s * slope - 2 * f(u) * s**2).detach()
""",
        "the shrinking is added, not made up for": """
def diffusion(f, noise, u):
    u = u.detach().requires_grad_()
    variance = noise(u) ** 2
    return (torch.autograd.grad(variance.sum(), u)[0] + 2 * f(u) * variance).detach()
""",
        "g, not its square": """
def diffusion(f, noise, u):
    u = u.detach().requires_grad_()
    variance = noise(u) ** 2
    return (torch.autograd.grad(variance.sum(), u)[0] - 2 * f(u) * variance).detach().sqrt()
""",
        "f is forgotten": """
def diffusion(f, noise, u):
    u = u.detach().requires_grad_()
    return torch.autograd.grad((noise(u) ** 2).sum(), u)[0]
""",
        "f once, not twice": """
def diffusion(f, noise, u):
    u = u.detach().requires_grad_()
    variance = noise(u) ** 2
    return (torch.autograd.grad(variance.sum(), u)[0] - f(u) * variance).detach()
""",
    },
    3: {
        "the variances, not the standard deviations": """
def flow_map(x, sigma, end, mean, std):
    return mean + (x - mean) * (std**2 + end**2) / (std**2 + sigma**2)
""",
        "the mean is forgotten": """
def flow_map(x, sigma, end, mean, std):
    return x * ((std**2 + end**2) / (std**2 + sigma**2)) ** 0.5
""",
        "standard deviations are added": """
def flow_map(x, sigma, end, mean, std):
    return mean + (x - mean) * (std + end) / (std + sigma)
""",
        "as if the data had no spread": """
def flow_map(x, sigma, end, mean, std):
    return mean + (x - mean) * end / sigma
""",
        "the wrong way": """
def flow_map(x, sigma, end, mean, std):
    return mean + (x - mean) * ((std**2 + sigma**2) / (std**2 + end**2)) ** 0.5
""",
    },
    4: {
        "Euler": """
def heun_step(sde, score, x, u, s):
    pull = sde.g2(u) * score(x, u.expand(len(x)))
    return x + (s - u) * (sde.f(u) * x - pull / 2)
""",
        "without the half": """
def heun_step(sde, score, x, u, s):
    def slope(x, u):
        return sde.f(u) * x - sde.g2(u) * score(x, u.expand(len(x)))

    first = slope(x, u)
    return x + (s - u) * (first + slope(x + (s - u) * first, s)) / 2
""",
        "the second slope at the old time": """
def heun_step(sde, score, x, u, s):
    def slope(x, u):
        return sde.f(u) * x - sde.g2(u) * score(x, u.expand(len(x))) / 2

    first = slope(x, u)
    return x + (s - u) * (first + slope(x + (s - u) * first, u)) / 2
""",
        "the second slope at the old point": """
def heun_step(sde, score, x, u, s):
    def slope(x, u):
        return sde.f(u) * x - sde.g2(u) * score(x, u.expand(len(x))) / 2

    return x + (s - u) * (slope(x, u) + slope(x, s)) / 2
""",
        "the midpoint method": """
def heun_step(sde, score, x, u, s):
    def slope(x, u):
        return sde.f(u) * x - sde.g2(u) * score(x, u.expand(len(x))) / 2

    middle = (u + s) / 2
    return x + (s - u) * slope(x + (middle - u) * slope(x, u), middle)
""",
        "g of the old time in both slopes": """
def heun_step(sde, score, x, u, s):
    g2 = sde.g2(u)

    def slope(x, u):
        return sde.f(u) * x - g2 * score(x, u.expand(len(x))) / 2

    first = slope(x, u)
    return x + (s - u) * (first + slope(x + (s - u) * first, s)) / 2
""",
        "the slopes are added": """
def heun_step(sde, score, x, u, s):
    def slope(x, u):
        return sde.f(u) * x - sde.g2(u) * score(x, u.expand(len(x))) / 2

    first = slope(x, u)
    return x + (s - u) * (first + slope(x + (s - u) * first, s))
""",
    },
}
