"""Usual wrong answers to the exercises of chapter 7; the checks must reject each."""

FLOW = """
def flow(schedule, xt, t, s, m, c):
    a_t, a_s = schedule.at(t, xt), schedule.at(s, xt)
    v_t, v_s = (a * c**2 + 1 - a for a in (a_t, a_s))
    return {}
"""

ADAMS = """
def adams():
    last = None

    def step(schedule, xt, t, s, eps):
        nonlocal last
        a_t, a_s = schedule.at(t, xt), schedule.at(s, xt)
        v = (eps - (1 - a_t).sqrt() * xt) / a_t.sqrt()
        if s == 0:
            return {end}
        h = a_s.sqrt().acos() - a_t.sqrt().acos()
        guess = v
        if last and last[0] == t:
            guess = {guess}
        last = s, h, {kept}
        return xt + h * guess

    return step
"""
X0 = "(xt - (1 - a_t).sqrt() * eps) / a_t.sqrt()"
LINE = "v + h / (2 * last[1]) * (v - last[2])"

WRONG = {
    1: {
        "always 1": """
def largest_eta(schedule, t, s):
    return 1.0
""",
        "eta squared": """
def largest_eta(schedule, t, s):
    a_t, a_s = schedule.alpha_bar[[t, s]].double().tolist()
    return (1 - a_t) / (1 - a_t / a_s)
""",
        "the noise of x_s over beta": """
def largest_eta(schedule, t, s):
    a_t, a_s = schedule.alpha_bar[[t, s]].double().tolist()
    return ((1 - a_s) / (1 - a_t / a_s)) ** 0.5
""",
    },
    2: {
        "variances for deviations": FLOW.format(
            "a_s.sqrt() * m + v_s / v_t * (xt - a_t.sqrt() * m)"
        ),
        "only the mean moves": FLOW.format("a_s.sqrt() * m + xt - a_t.sqrt() * m"),
        "the mean is not noised": FLOW.format("m + (v_s / v_t).sqrt() * (xt - m)"),
        "up, not down": FLOW.format("a_s.sqrt() * m + (v_t / v_s).sqrt() * (xt - a_t.sqrt() * m)"),
    },
    3: {
        "Euler: nothing is remembered": ADAMS.format(end=X0, guess="v", kept="v"),
        "the end of the step, not its middle": ADAMS.format(
            end=X0, guess="v + h / last[1] * (v - last[2])", kept="v"
        ),
        "all steps taken for equally long": ADAMS.format(
            end=X0, guess="v + (v - last[2]) / 2", kept="v"
        ),
        "the quotient upside down": ADAMS.format(
            end=X0, guess="v + last[1] / (2 * h) * (v - last[2])", kept="v"
        ),
        "the wrong sign": ADAMS.format(end=X0, guess=LINE.replace("v + h", "v - h"), kept="v"),
        "the guess is remembered": ADAMS.format(end=X0, guess=LINE, kept="guess"),
        "a velocity at s = 0": ADAMS.format(end="xt - a_t.sqrt().acos() * v", guess=LINE, kept="v"),
    },
}
