"""Usual wrong answers to the exercises of chapter 22; the checks must reject each."""

WRONG = {
    1: {
        "multiply-accumulates": """
def attention_flops(C, side):
    p = side**2
    return 2 * p**2 * C + 4 * p * C**2

def change(C, side, new_side):
    return attention_flops(C, new_side) / attention_flops(C, side)
""",
        "the side for the number of positions": """
def attention_flops(C, side):
    return 4 * side**2 * C + 8 * side * C**2

def change(C, side, new_side):
    return attention_flops(C, new_side) / attention_flops(C, side)
""",
        "without the convolution after the mean": """
def attention_flops(C, side):
    p = side**2
    return 4 * p**2 * C + 6 * p * C**2

def change(C, side, new_side):
    return attention_flops(C, new_side) / attention_flops(C, side)
""",
        "all of it grows with the fourth power": """
def attention_flops(C, side):
    p = side**2
    return 4 * p**2 * C + 8 * p * C**2

def change(C, side, new_side):
    return (new_side / side) ** 4
""",
    },
    2: {
        "the average of the weights forgotten": """
def largest_batch(memory, parameters, kept, parts=1):
    return parts * max(0, int((memory - 16 * parameters) // kept))
""",
        "the memory divided by the parts": """
def largest_batch(memory, parameters, kept, parts=1):
    return max(0, int((memory - 20 * parameters) / parts // kept))
""",
        "parts of unequal size": """
def largest_batch(memory, parameters, kept, parts=1):
    return max(0, int(parts * (memory - 20 * parameters) / kept))
""",
        "a negative number of images": """
def largest_batch(memory, parameters, kept, parts=1):
    return parts * int((memory - 20 * parameters) // kept)
""",
    },
    3: {
        "the slow start counted": """
def mfu(log, batch, forward, peak, devices=1, skip=10):
    steps, seconds = log[-1]
    return steps * batch * 3 * forward / (seconds * devices * peak)
""",
        "the forward pass only": """
def mfu(log, batch, forward, peak, devices=1, skip=10):
    log = [entry for entry in log if entry[0] >= skip]
    (first, start), (last, end) = log[0], log[-1]
    return (last - first) * batch * forward / ((end - start) * devices * peak)
""",
        "one device's peak": """
def mfu(log, batch, forward, peak, devices=1, skip=10):
    log = [entry for entry in log if entry[0] >= skip]
    (first, start), (last, end) = log[0], log[-1]
    return (last - first) * batch * 3 * forward / ((end - start) * peak)
""",
        "entries are counted as steps": """
def mfu(log, batch, forward, peak, devices=1, skip=10):
    log = [entry for entry in log if entry[0] >= skip]
    seconds = log[-1][1] - log[0][1]
    return (len(log) - 1) * batch * 3 * forward / (seconds * devices * peak)
""",
    },
    4: {
        "the logit moved by log m": """
from ddpm_lite import Schedule

def shift_schedule(schedule, m):
    alpha_bar = (schedule.alpha_bar.double().logit() - math.log(m)).sigmoid()
    return Schedule(1 - alpha_bar[1:] / alpha_bar[:-1])
""",
        "less noise, not more": """
from ddpm_lite import Schedule

def shift_schedule(schedule, m):
    alpha_bar = (schedule.alpha_bar.double().logit() + 2 * math.log(m)).sigmoid()
    return Schedule(1 - alpha_bar[1:] / alpha_bar[:-1])
""",
        "beta times m squared": """
from ddpm_lite import Schedule

def shift_schedule(schedule, m):
    return Schedule((schedule.beta[1:].double() * m**2).clamp(1e-6, 0.999))
""",
        "alpha_bar itself divided": """
from ddpm_lite import Schedule

def shift_schedule(schedule, m):
    alpha_bar = schedule.alpha_bar.double() / m**2
    alpha_bar[0] = 1
    return Schedule((1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(1e-6, 0.999))
""",
    },
}
