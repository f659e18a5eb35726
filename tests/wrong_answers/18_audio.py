"""Usual wrong answers to the exercises of chapter 18; the checks must reject each."""

WRONG = {
    1: {
        "the other way round": """
import math

def semitones(rate, played):
    return 12 * math.log2(rate / played)
""",
        "the ratio itself": """
import math

def semitones(rate, played):
    return 12 * (played / rate - 1)
""",
        "the natural logarithm": """
import math

def semitones(rate, played):
    return 12 * math.log(played / rate)
""",
        "octaves": """
import math

def semitones(rate, played):
    return math.log2(played / rate)
""",
    },
    2: {
        "20 times, as for amplitudes": """
def snr_in_db(schedule, x0, t):
    b = schedule.alpha_bar[t]
    return 20 * torch.log10(b * x0.square().mean(1) / (1 - b))
""",
        "the sound's own loudness forgotten": """
def snr_in_db(schedule, x0, t):
    b = schedule.alpha_bar[t]
    return 10 * torch.log10(b / (1 - b)) + 0 * x0.mean(1)
""",
        "alpha for alpha_bar": """
def snr_in_db(schedule, x0, t):
    a = schedule.alpha[t]
    return 10 * torch.log10(a * x0.square().mean(1) / (1 - a))
""",
        "one number for the batch": """
def snr_in_db(schedule, x0, t):
    b = schedule.alpha_bar[t]
    return 10 * torch.log10(b * x0.square().mean() / (1 - b))
""",
        "the variance, not the mean square": """
def snr_in_db(schedule, x0, t):
    b = schedule.alpha_bar[t]
    return 10 * torch.log10(b * x0.var(1) / (1 - b))
""",
    },
    3: {
        "strides forgotten": """
def receptive_field(kernels, strides):
    return 1 + sum(kernel - 1 for kernel in kernels)
""",
        "a layer's own stride included": """
def receptive_field(kernels, strides):
    field, width = 1, 1
    for kernel, stride in zip(kernels, strides):
        width *= stride
        field += (kernel - 1) * width
    return field
""",
        "only one side": """
def receptive_field(kernels, strides):
    field, width = 1, 1
    for kernel, stride in zip(kernels, strides):
        field += (kernel - 1) // 2 * width
        width *= stride
    return field
""",
        "kernels multiplied": """
import math

def receptive_field(kernels, strides):
    return math.prod(kernels)
""",
    },
    4: {
        "no shift": """
def best_correlation(a, b):
    return ((a * b).sum() / (a.norm() * b.norm())).item()
""",
        "wraps around": """
def best_correlation(a, b):
    A, B = torch.fft.rfft(a), torch.fft.rfft(b)
    sums = torch.fft.irfft(A * B.conj(), n=len(a))
    return (sums.max() / (a.norm() * b.norm())).item()
""",
        "a convolution": """
def best_correlation(a, b):
    A, B = (torch.fft.rfft(v, n=2 * len(v)) for v in (a, b))
    sums = torch.fft.irfft(A * B, n=2 * len(a))
    return (sums.max() / (a.norm() * b.norm())).item()
""",
        "the sign ignored": """
def best_correlation(a, b):
    A, B = (torch.fft.rfft(v, n=2 * len(v)) for v in (a, b))
    sums = torch.fft.irfft(A * B.conj(), n=2 * len(a))
    return (sums.abs().max() / (a.norm() * b.norm())).item()
""",
        "not normalised": """
def best_correlation(a, b):
    A, B = (torch.fft.rfft(v, n=2 * len(v)) for v in (a, b))
    return torch.fft.irfft(A * B.conj(), n=2 * len(a)).max().item()
""",
    },
}
