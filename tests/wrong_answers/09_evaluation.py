"""Usual wrong answers to the exercises of chapter 9; the checks must reject each."""

WRONG = {
    1: {
        "the covariance scales with s": """
def scaled_distance(x, s):
    return (1 - s) ** 2 * x.mean(0).square().sum() + (1 - s) * x.T.cov().trace()
""",
        "the mean stays": """
def scaled_distance(x, s):
    return (1 - s) ** 2 * x.T.cov().trace()
""",
    },
    2: {
        "the score of the largest N": """
def at_infinity(ns, scores):
    return scores[-1]
""",
        "a line in N, not in 1 / N": """
def at_infinity(ns, scores):
    n, d = (torch.tensor(v, dtype=torch.float64) for v in (ns, scores))
    slope = (n - n.mean()) @ d / (n - n.mean()).square().sum()
    return (d.mean() - slope * n.mean()).item()
""",
        "the last two points only": """
def at_infinity(ns, scores):
    u, v = 1 / ns[-2], 1 / ns[-1]
    return scores[-1] - (scores[-2] - scores[-1]) / (u - v) * v
""",
    },
    3: {
        "biased: the diagonal counts": """
def gaussian_mmd(a, b, h):
    k = lambda x, y: (-torch.cdist(x, y) ** 2 / (2 * h**2)).exp()
    return (k(a, a).mean() + k(b, b).mean() - 2 * k(a, b).mean()).item()
""",
        "the cross term once": """
def gaussian_mmd(a, b, h):
    k = lambda x, y: (-torch.cdist(x, y) ** 2 / (2 * h**2)).exp()
    n, m = len(a), len(b)
    within_a = (k(a, a).sum() - n) / (n * (n - 1))
    within_b = (k(b, b).sum() - m) / (m * (m - 1))
    return (within_a + within_b - k(a, b).mean()).item()
""",
    },
    4: {
        "balls around the samples": """
def density_coverage(real, fake, k):
    radius = torch.cdist(fake, fake).kthvalue(min(k + 1, len(fake))).values
    inside = torch.cdist(real, fake) <= radius
    density = inside.sum() / (k * len(fake))
    return density.item(), inside.any(1).double().mean().item()
""",
        "coverage of the samples": """
def density_coverage(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k + 1).values
    inside = torch.cdist(real, fake) <= radius[:, None]
    density = inside.sum() / (k * len(fake))
    return density.item(), inside.any(0).double().mean().item()
""",
        "the row is its own neighbour": """
def density_coverage(real, fake, k):
    radius = torch.cdist(real, real).kthvalue(k).values
    inside = torch.cdist(real, fake) <= radius[:, None]
    density = inside.sum() / (k * len(fake))
    return density.item(), inside.any(1).double().mean().item()
""",
    },
}
