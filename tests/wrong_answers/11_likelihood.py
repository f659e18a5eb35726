"""Usual wrong answers to the exercises of chapter 11; the checks must reject each."""

WRONG = {
    1: {
        "the offset of [-1, 1] for every range": """
def bits_of_bytes(nats, dims, low, high):
    return nats / dims / math.log(2) + 7
""",
        "no offset": """
def bits_of_bytes(nats, dims, low, high):
    return nats / dims / math.log(2)
""",
        "the sign of the offset": """
def bits_of_bytes(nats, dims, low, high):
    return (nats / dims + math.log((high - low) / 255)) / math.log(2)
""",
        "the offset divided by the dimensions": """
def bits_of_bytes(nats, dims, low, high):
    return (nats - math.log((high - low) / 255)) / dims / math.log(2)
""",
        "256 gaps": """
def bits_of_bytes(nats, dims, low, high):
    return (nats / dims - math.log((high - low) / 256)) / math.log(2)
""",
        "the offset of [0, 1] for every range": """
def bits_of_bytes(nats, dims, low, high):
    return nats / dims / math.log(2) + math.log2(255)
""",
    },
    2: {
        "one term taken for the bound": """
def one_term(reverse, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    return bound_term(reverse, schedule, x0, t, t - 1, torch.randn_like(x0))
""",
        "the last step left out": """
def one_term(reverse, schedule, x0):
    t = torch.randint(2, schedule.T + 1, x0.shape[:1])
    return schedule.T * bound_term(reverse, schedule, x0, t, t - 1, torch.randn_like(x0))
""",
        "the mean of the batch": """
def one_term(reverse, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    return schedule.T * bound_term(reverse, schedule, x0, t, t - 1, torch.randn_like(x0)).mean()
""",
        "T / 1000": """
def one_term(reverse, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    term = bound_term(reverse, schedule, x0, t, t - 1, torch.randn_like(x0))
    return schedule.T / 1000 * term
""",
        "t never reaches T": """
def one_term(reverse, schedule, x0):
    t = torch.randint(1, schedule.T, x0.shape[:1])
    return schedule.T * bound_term(reverse, schedule, x0, t, t - 1, torch.randn_like(x0))
""",
        "steps straight to the data": """
def one_term(reverse, schedule, x0):
    t = torch.randint(1, schedule.T + 1, x0.shape[:1])
    return schedule.T * bound_term(reverse, schedule, x0, t, 0 * t, torch.randn_like(x0))
""",
    },
    3: {
        "the full score": """
def ode_drift(beta, x, score):
    return -0.5 * beta * x - beta * score
""",
        "the sign of the score": """
def ode_drift(beta, x, score):
    return -0.5 * beta * (x - score)
""",
        "no half at all": """
def ode_drift(beta, x, score):
    return -beta * (x + score)
""",
        "the forward drift alone": """
def ode_drift(beta, x, score):
    return -0.5 * beta * x
""",
        "the time reversed": """
def ode_drift(beta, x, score):
    return 0.5 * beta * (x + score)
""",
        "the score alone": """
def ode_drift(beta, x, score):
    return -0.5 * beta * score
""",
    },
    4: {
        "in proportion to the mean": """
def best_shares(terms):
    size = terms.mean(1).abs()
    return size / size.sum()
""",
        "in proportion to the mean square": """
def best_shares(terms):
    size = terms.square().mean(1)
    return size / size.sum()
""",
        "evenly": """
def best_shares(terms):
    return torch.ones(len(terms)) / len(terms)
""",
        "not normalised": """
def best_shares(terms):
    return terms.square().mean(1).sqrt()
""",
        "in proportion to the standard deviation": """
def best_shares(terms):
    return terms.std(1) / terms.std(1).sum()
""",
        "in proportion to the mean size": """
def best_shares(terms):
    size = terms.abs().mean(1)
    return size / size.sum()
""",
    },
}
