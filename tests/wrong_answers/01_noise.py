"""Usual wrong answers to the exercises of chapter 1; the checks must reject each."""

WRONG = {
    1: {
        "a tensor, not an int": """
def tipping_point(schedule):
    return (schedule.snr <= 1).nonzero()[0]
""",
        "row 0 left out, so the index is one too small": """
def tipping_point(schedule):
    return int((schedule.snr[1:] <= 1).nonzero()[0])
""",
        "where beta, not the SNR, tips": """
def tipping_point(schedule):
    return int((schedule.beta >= schedule.beta.max() / 2).nonzero()[0])
""",
    },
    2: {
        "the jump from the clean image": """
from ddpm_lite import q_sample

def q_between(schedule, xs, s, t, eps):
    return q_sample(schedule, xs, t, eps)
""",
        "the root is missing": """
def q_between(schedule, xs, s, t, eps):
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return alpha.sqrt() * xs + (1 - alpha) * eps
""",
        "noise of its own": """
def q_between(schedule, xs, s, t, eps):
    alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
    return alpha.sqrt() * xs + (1 - alpha).sqrt() * torch.randn_like(xs)
""",
        "the product from s on, one alpha too early": """
def q_between(schedule, xs, s, t, eps):
    alpha = schedule.alpha[s:t].prod()
    return alpha.sqrt() * xs + (1 - alpha).sqrt() * eps
""",
        "a difference of timesteps instead of a ratio": """
from ddpm_lite import q_sample

def q_between(schedule, xs, s, t, eps):
    return q_sample(schedule, xs, t - s, eps)
""",
    },
    3: {
        "alpha_bar instead of beta": """
def log_snr_schedule(T, high=10.0, low=-10.0):
    return 1 - torch.linspace(high, low, T).sigmoid()
""",
        "a line in the SNR, not in its logarithm": """
def log_snr_schedule(T, high=10.0, low=-10.0):
    snr = torch.linspace(math.exp(high), math.exp(low), T, dtype=torch.float64)
    alpha_bar = torch.cat([torch.ones(1), snr / (1 + snr)])
    return 1 - alpha_bar[1:] / alpha_bar[:-1]
""",
    },
    4: {
        "the arguments exchanged": """
def gaussian_kl(m1, v1, m2, v2):
    return 0.5 * ((v1 / v2).log() - 1 + (v2 + (m1 - m2) ** 2) / v1)
""",
        "standard deviations taken for variances": """
def gaussian_kl(m1, v1, m2, v2):
    return 0.5 * ((v2**2 / v1**2).log() - 1 + (v1**2 + (m1 - m2) ** 2) / v2**2)
""",
        "the means forgotten": """
def gaussian_kl(m1, v1, m2, v2):
    return 0.5 * ((v2 / v1).log() - 1 + v1 / v2)
""",
    },
}
