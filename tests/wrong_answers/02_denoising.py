"""Usual wrong answers to the exercises of chapter 2; the checks must reject each."""

WRONG = {
    1: {
        "the variance, not its root": """
def step_noise(schedule, t, s):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return ((1 - a_s) / (1 - a) * (1 - a / a_s)).item()
""",
        "beta, which adds noise at the last step too": """
def step_noise(schedule, t, s):
    return schedule.beta[t].sqrt().item()
""",
        "the beta of a single step for a longer one": """
def step_noise(schedule, t, s):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return ((1 - a_s) / (1 - a) * schedule.beta[t]).sqrt().item()
""",
        "a tensor, not a float": """
def step_noise(schedule, t, s):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return ((1 - a_s) / (1 - a) * (1 - a / a_s)).sqrt()
""",
    },
    2: {
        "the alpha of a single step for a longer one": """
def mean_from_eps(schedule, xt, t, s, eps):
    a, alpha = schedule.alpha_bar[t], schedule.alpha[t]
    return (xt - (1 - alpha) / (1 - a).sqrt() * eps) / alpha.sqrt()
""",
        "the root of beta before the noise": """
def mean_from_eps(schedule, xt, t, s, eps):
    a = schedule.alpha_bar[t]
    alpha = a / schedule.alpha_bar[s]
    return (xt - ((1 - alpha) / (1 - a)).sqrt() * eps) / alpha.sqrt()
""",
        "the prediction of the image taken for the mean": """
from ddpm_lite import predict_x0

def mean_from_eps(schedule, xt, t, s, eps):
    return predict_x0(schedule, xt, t, eps)
""",
    },
    3: {
        "the images not shrunk": """
def class_probabilities(schedule, xt, t, data, labels):
    a = schedule.at(t, xt).flatten(1)
    d2 = torch.cdist(xt.flatten(1), data.flatten(1)) ** 2
    w = (-d2 / (2 * (1 - a))).softmax(1)
    return w @ torch.nn.functional.one_hot(labels, 10).to(w.dtype)
""",
        "the distance, not its square": """
def class_probabilities(schedule, xt, t, data, labels):
    a = schedule.at(t, xt).flatten(1)
    d = a.sqrt() * torch.cdist(xt.flatten(1) / a.sqrt(), data.flatten(1))
    w = (-d / (2 * (1 - a))).softmax(1)
    return w @ torch.nn.functional.one_hot(labels, 10).to(w.dtype)
""",
        "a softmax by hand, which underflows": """
def class_probabilities(schedule, xt, t, data, labels):
    a = schedule.at(t, xt).flatten(1)
    d2 = a * torch.cdist(xt.flatten(1) / a.sqrt(), data.flatten(1)) ** 2
    w = (-d2 / (2 * (1 - a))).exp()
    w = w / w.sum(1, keepdim=True)
    return w @ torch.nn.functional.one_hot(labels, 10).to(w.dtype)
""",
        "the largest weight of a class, not the sum": """
def class_probabilities(schedule, xt, t, data, labels):
    a = schedule.at(t, xt).flatten(1)
    d2 = a * torch.cdist(xt.flatten(1) / a.sqrt(), data.flatten(1)) ** 2
    w = (-d2 / (2 * (1 - a))).softmax(1)
    return (w[:, :, None] * torch.nn.functional.one_hot(labels, 10)).amax(1)
""",
        "the mean weight of a class": """
def class_probabilities(schedule, xt, t, data, labels):
    a = schedule.at(t, xt).flatten(1)
    d2 = a * torch.cdist(xt.flatten(1) / a.sqrt(), data.flatten(1)) ** 2
    w = (-d2 / (2 * (1 - a))).softmax(1)
    classes = torch.nn.functional.one_hot(labels, 10).to(w.dtype)
    return w @ classes / classes.sum(0).clamp(min=1)
""",
        "as many classes as the labels happen to have": """
def class_probabilities(schedule, xt, t, data, labels):
    a = schedule.at(t, xt).flatten(1)
    d2 = a * torch.cdist(xt.flatten(1) / a.sqrt(), data.flatten(1)) ** 2
    w = (-d2 / (2 * (1 - a))).softmax(1)
    return w @ torch.nn.functional.one_hot(labels).to(w.dtype)
""",
        "the nearest image alone": """
def class_probabilities(schedule, xt, t, data, labels):
    a = schedule.at(t, xt).flatten(1)
    d = torch.cdist(xt.flatten(1) / a.sqrt(), data.flatten(1))
    return torch.nn.functional.one_hot(labels[d.argmin(1)], 10).float()
""",
    },
    4: {
        "the variance towards one image": """
def reverse_variance(schedule, xt, t, s, data):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    return float((1 - a_s) / (1 - a) * (1 - a / a_s))
""",
        "beta": """
def reverse_variance(schedule, xt, t, s, data):
    return float(1 - schedule.alpha_bar[t] / schedule.alpha_bar[s])
""",
        "the factor of x0 not squared": """
def reverse_variance(schedule, xt, t, s, data):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    beta = 1 - a / a_s
    w = (-((xt - a.sqrt() * data) ** 2) / (2 * (1 - a))).softmax(0)
    spread = (w * data**2).sum() - (w * data).sum() ** 2
    c = a_s.sqrt() * beta / (1 - a)
    return float((1 - a_s) / (1 - a) * beta + c * spread)
""",
        "the spread of the data, whatever xt says": """
def reverse_variance(schedule, xt, t, s, data):
    a, a_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
    beta = 1 - a / a_s
    c = a_s.sqrt() * beta / (1 - a)
    return float((1 - a_s) / (1 - a) * beta + c**2 * data.var(unbiased=False))
""",
    },
}
