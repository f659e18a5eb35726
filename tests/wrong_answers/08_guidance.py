"""Usual wrong answers to the exercises of chapter 8; the checks must reject each."""

WRONG = {
    1: {
        "where 1 is off": """
def our_weight(combine):
    return combine(1.0, 0.0)
""",
        "the sign of the second coefficient": """
def our_weight(combine):
    return combine(0.0, 1.0)
""",
        "corrected twice": """
def our_weight(combine):
    return combine(1.0, 0.0) - 2.0
""",
    },
    2: {
        "w and not 1 + w": """
def composed(net, y1, y2, w1=0.0, w2=0.0):
    def eps(x, t):
        none = net(x, t, None)
        return none + w1 * (net(x, t, y1) - none) + w2 * (net(x, t, y2) - none)

    return eps
""",
        "the unconditional guess counted twice": """
def composed(net, y1, y2, w1=0.0, w2=0.0):
    def eps(x, t):
        none = net(x, t, None)
        first = (1 + w1) * net(x, t, y1) - w1 * none
        return first + (1 + w2) * net(x, t, y2) - w2 * none

    return eps
""",
        "the mean of the two guesses": """
def composed(net, y1, y2, w1=0.0, w2=0.0):
    def eps(x, t):
        none = net(x, t, None)
        first = (1 + w1) * (net(x, t, y1) - none)
        return none + (first + (1 + w2) * (net(x, t, y2) - none)) / 2

    return eps
""",
        "the network asked four times": """
def composed(net, y1, y2, w1=0.0, w2=0.0):
    def eps(x, t):
        first = (1 + w1) * (net(x, t, y1) - net(x, t, None))
        none = net(x, t, None)
        return none + first + (1 + w2) * (net(x, t, y2) - none)

    return eps
""",
    },
    3: {
        "the weights spread along the width": """
def guided_by(net, y, w):
    def eps(x, t):
        return (1 + w(t)) * net(x, t, y) - w(t) * net(x, t, None)

    return eps
""",
        "for images only": """
def guided_by(net, y, w):
    def eps(x, t):
        weight = w(t)[:, None, None, None]
        return (1 + weight) * net(x, t, y) - weight * net(x, t, None)

    return eps
""",
        "the weight of the first row for all": """
def guided_by(net, y, w):
    def eps(x, t):
        weight = w(t)[0]
        return (1 + weight) * net(x, t, y) - weight * net(x, t, None)

    return eps
""",
        "a scale whose 1 is off": """
def guided_by(net, y, w):
    def eps(x, t):
        weight = w(t).reshape(-1, *[1] * (x.ndim - 1))
        return weight * net(x, t, y) + (1 - weight) * net(x, t, None)

    return eps
""",
    },
    4: {
        "away from the wanted mean": """
def push(schedule, m, c, x, t, y):
    alpha_bar = schedule.at(t, x)
    v = alpha_bar * c**2 + 1 - alpha_bar
    z = x[:, None] - alpha_bar.sqrt()[..., None] * m
    r = (-z.square().sum(2) / (2 * v)).softmax(1)
    return alpha_bar.sqrt() * (r @ m - m[y]) / v
""",
        "the means do not shrink": """
def push(schedule, m, c, x, t, y):
    alpha_bar = schedule.at(t, x)
    v = alpha_bar * c**2 + 1 - alpha_bar
    z = x[:, None] - m
    r = (-z.square().sum(2) / (2 * v)).softmax(1)
    return (m[y] - r @ m) / v
""",
        "the width of clean data": """
def push(schedule, m, c, x, t, y):
    alpha_bar = schedule.at(t, x)
    z = x[:, None] - alpha_bar.sqrt()[..., None] * m
    r = (-z.square().sum(2) / (2 * c**2)).softmax(1)
    return alpha_bar.sqrt() * (m[y] - r @ m) / c**2
""",
        "of the class alone, without the sum": """
def push(schedule, m, c, x, t, y):
    alpha_bar = schedule.at(t, x)
    v = alpha_bar * c**2 + 1 - alpha_bar
    return -(x - alpha_bar.sqrt() * m[y]) / v
""",
    },
}
