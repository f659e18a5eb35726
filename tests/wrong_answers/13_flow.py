"""Usual wrong answers to the exercises of chapter 13; the checks must reject each."""

WRONG = {
    1: {
        "the direction of most papers": """
def velocity_from_eps(x, u, eps):
    return (x - eps) / (1 - u)
""",
        "divided by u": """
def velocity_from_eps(x, u, eps):
    return (eps - x) / u
""",
        "u forgotten at the noise": """
def velocity_from_eps(x, u, eps):
    return eps - x / (1 - u)
""",
        "x taken for the data": """
def velocity_from_eps(x, u, eps):
    return eps - x
""",
    },
    2: {
        "the standard deviation taken for the variance": """
def gaussian_velocity(x, u, m, c):
    variance = (1 - u) ** 2 * c + u**2
    return -m + (u - (1 - u) * c) / variance * (x - (1 - u) * m)
""",
        "the mean forgotten": """
def gaussian_velocity(x, u, m, c):
    variance = (1 - u) ** 2 * c**2 + u**2
    return (u - (1 - u) * c**2) / variance * x
""",
        "x not centred": """
def gaussian_velocity(x, u, m, c):
    variance = (1 - u) ** 2 * c**2 + u**2
    return -m + (u - (1 - u) * c**2) / variance * x
""",
        "the covariance with a plus": """
def gaussian_velocity(x, u, m, c):
    variance = (1 - u) ** 2 * c**2 + u**2
    return -m + (u + (1 - u) * c**2) / variance * (x - (1 - u) * m)
""",
        "the velocity of one path": """
def gaussian_velocity(x, u, m, c):
    return (x - m) / u
""",
    },
    3: {
        "Euler's method": """
def heun_flow(velocity, x1, steps):
    x, times = x1, torch.linspace(1, 0, steps + 1)
    for u, s in zip(times, times[1:]):
        x = x + (s - u) * velocity(x, u.expand(len(x)))
    return x
""",
        "the second velocity at the old time": """
def heun_flow(velocity, x1, steps):
    x, times = x1, torch.linspace(1, 0, steps + 1)
    for u, s in zip(times, times[1:]):
        first = velocity(x, u.expand(len(x)))
        there = x + (s - u) * first
        x = x + (s - u) * (first + velocity(there, u.expand(len(x)))) / 2
    return x
""",
        "one step too few": """
def heun_flow(velocity, x1, steps):
    x, times = x1, torch.linspace(1, 0, steps)
    for u, s in zip(times, times[1:]):
        first = velocity(x, u.expand(len(x)))
        there = x + (s - u) * first
        x = x + (s - u) * (first + velocity(there, s.expand(len(x)))) / 2
    return x
""",
        "the midpoint method": """
def heun_flow(velocity, x1, steps):
    x, times = x1, torch.linspace(1, 0, steps + 1)
    for u, s in zip(times, times[1:]):
        first = velocity(x, u.expand(len(x)))
        half = x + (s - u) / 2 * first
        x = x + (s - u) * velocity(half, ((u + s) / 2).expand(len(x)))
    return x
""",
        "the second step from the first one's end": """
def heun_flow(velocity, x1, steps):
    x, times = x1, torch.linspace(1, 0, steps + 1)
    for u, s in zip(times, times[1:]):
        first = velocity(x, u.expand(len(x)))
        x = x + (s - u) * first
        x = x + (s - u) * (first + velocity(x, s.expand(len(x)))) / 2
    return x
""",
        "forwards": """
def heun_flow(velocity, x1, steps):
    x, times = x1, torch.linspace(0, 1, steps + 1)
    for u, s in zip(times, times[1:]):
        first = velocity(x, u.expand(len(x)))
        there = x + (s - u) * first
        x = x + (s - u) * (first + velocity(there, s.expand(len(x)))) / 2
    return x
""",
    },
}
