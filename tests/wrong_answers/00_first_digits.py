"""Wrong answers to the exercise of chapter 0, by what is wrong."""

WRONG = {
    1: {
        "without the division": """
def clean(schedule, xt, t, eps):
    alpha_bar = schedule.alpha_bar[t]
    return xt - (1 - alpha_bar).sqrt() * eps
""",
        "variance for deviation": """
def clean(schedule, xt, t, eps):
    alpha_bar = schedule.alpha_bar[t]
    return (xt - (1 - alpha_bar) * eps) / alpha_bar.sqrt()
""",
        "it subtracts all of the noise": """
def clean(schedule, xt, t, eps):
    return xt - eps
""",
    },
}
