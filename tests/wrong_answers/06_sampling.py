"""Usual wrong answers to the exercises of chapter 6; the checks must reject each."""

WRONG = {
    1: {
        "T itself is not visited": """
def quadratic_times(T, n):
    return sorted({round(T * (i / n) ** 2) for i in range(n)}, reverse=True)
""",
        "times that come twice": """
def quadratic_times(T, n):
    return [round(T * (i / n) ** 2) for i in range(n, -1, -1)]
""",
        "rising": """
def quadratic_times(T, n):
    return sorted({round(T * (i / n) ** 2) for i in range(n + 1)})
""",
    },
    2: {
        "the variance of the forward step": """
def variance_from_snr(snr_t, snr_s):
    return 1 - (snr_t / (1 + snr_t)) / (snr_s / (1 + snr_s))
""",
        "infinity over infinity at s = 0": """
def variance_from_snr(snr_t, snr_s):
    return (snr_s - snr_t) / (snr_s * (1 + snr_s))
""",
        "the noise of x_t, not of x_s": """
def variance_from_snr(snr_t, snr_s):
    return (1 - snr_t / snr_s) / (1 + snr_t)
""",
    },
    3: {
        "the variance, not its root": """
def mixed_std(w):
    return (1 - w) ** 2 + w**2

def mix(a, b, w):
    return ((1 - w) * a + w * b) / mixed_std(w)
""",
        "standard deviations added": """
def mixed_std(w):
    return (1 - w) + w

def mix(a, b, w):
    return (1 - w) * a + w * b
""",
        "square roots of the weights: another path": """
def mixed_std(w):
    return ((1 - w) ** 2 + w**2) ** 0.5

def mix(a, b, w):
    return (1 - w) ** 0.5 * a + w**0.5 * b
""",
    },
    4: {
        "always the posterior's": """
def reverse_variance(schedule, t, s, c):
    a_t, a_s = schedule.alpha_bar[[t, s]].double().tolist()
    return (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)
""",
        "the weight of x0 is not squared": """
def reverse_variance(schedule, t, s, c):
    a_t, a_s = schedule.alpha_bar[[t, s]].double().tolist()
    beta = 1 - a_t / a_s
    doubt = c**2 * (1 - a_t) / (a_t * c**2 + 1 - a_t)
    tilde = (1 - a_s) / (1 - a_t) * beta
    return tilde + a_s**0.5 * beta / (1 - a_t) * doubt
""",
        "the doubt without x_t": """
def reverse_variance(schedule, t, s, c):
    a_t, a_s = schedule.alpha_bar[[t, s]].double().tolist()
    beta = 1 - a_t / a_s
    tilde = (1 - a_s) / (1 - a_t) * beta
    return tilde + a_s * beta**2 / (1 - a_t) ** 2 * c**2
""",
        "the one-step beta": """
def reverse_variance(schedule, t, s, c):
    a_t, a_s = schedule.alpha_bar[[t, s]].double().tolist()
    beta = schedule.beta[t].item()
    doubt = c**2 * (1 - a_t) / (a_t * c**2 + 1 - a_t)
    tilde = (1 - a_s) / (1 - a_t) * beta
    return tilde + a_s * beta**2 / (1 - a_t) ** 2 * doubt
""",
    },
}
