"""Usual wrong answers to the exercises of chapter 14; the checks must reject each."""

WRONG = {
    1: {
        "rounded down to no step": """
def edit_times(T, strength, n):
    steps, t = int(strength * n), round(strength * T)
    return ddpm_lite.spaced(t, steps) if steps else [0]
""",
        "all n steps": """
def edit_times(T, strength, n):
    t = round(strength * T)
    return ddpm_lite.spaced(t, n) if t else [0]
""",
        "strength the other way round": """
def edit_times(T, strength, n):
    t = round((1 - strength) * T)
    return ddpm_lite.spaced(t, max(1, round((1 - strength) * n))) if t else [0]
""",
        "the whole way": """
def edit_times(T, strength, n):
    return ddpm_lite.spaced(T, max(1, round(strength * n))) if strength else [0]
""",
        "rounded down to one step": """
def edit_times(T, strength, n):
    t = round(strength * T)
    return ddpm_lite.spaced(t, max(1, int(strength * n))) if t else [0]
""",
        "a step where t is rounded to 0": """
def edit_times(T, strength, n):
    t = round(strength * T)
    return ddpm_lite.spaced(t, max(1, round(strength * n))) if strength else [0]
""",
        "rounded up": """
def edit_times(T, strength, n):
    t = round(strength * T)
    return ddpm_lite.spaced(t, -int(-strength * n // 1)) if t else [0]
""",
    },
    2: {
        "the gradient at the prediction": """
def data_gradient(model, schedule, A, y, x, t):
    x0 = ddpm_lite.predict_x0(schedule, x, t, model(x, t))
    return -((y - x0.flatten(1) @ A.T) @ A).reshape(x.shape)
""",
        "the model held fixed": """
def data_gradient(model, schedule, A, y, x, t):
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        x0 = ddpm_lite.predict_x0(schedule, leaf, t, model(x, t))
        return torch.autograd.grad((y - x0.flatten(1) @ A.T).square().sum() / 2, leaf)[0]
""",
        "the norm isn't squared": """
def data_gradient(model, schedule, A, y, x, t):
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        x0 = ddpm_lite.predict_x0(schedule, leaf, t, model(leaf, t))
        return torch.autograd.grad((y - x0.flatten(1) @ A.T).norm(dim=1).sum(), leaf)[0]
""",
        "twice as long": """
def data_gradient(model, schedule, A, y, x, t):
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        x0 = ddpm_lite.predict_x0(schedule, leaf, t, model(leaf, t))
        return torch.autograd.grad((y - x0.flatten(1) @ A.T).square().sum(), leaf)[0]
""",
        "the mean over the batch": """
def data_gradient(model, schedule, A, y, x, t):
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        x0 = ddpm_lite.predict_x0(schedule, leaf, t, model(leaf, t))
        loss = (y - x0.flatten(1) @ A.T).square().sum(1).mean() / 2
        return torch.autograd.grad(loss, leaf)[0]
""",
        "the gradient of the log-probability": """
def data_gradient(model, schedule, A, y, x, t):
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        x0 = ddpm_lite.predict_x0(schedule, leaf, t, model(leaf, t))
        loss = (y - x0.flatten(1) @ A.T).square().sum() / 2
        return -torch.autograd.grad(loss, leaf)[0]
""",
        "one timestep for all images": """
def data_gradient(model, schedule, A, y, x, t):
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        x0 = ddpm_lite.predict_x0(schedule, leaf, t[:1].expand(len(t)), model(leaf, t))
        loss = (y - x0.flatten(1) @ A.T).square().sum() / 2
        return torch.autograd.grad(loss, leaf)[0]
""",
    },
    3: {
        "the transpose for the inverse": """
def null_space(model, schedule, A, y):
    def eps(x, t):
        x0 = ddpm_lite.predict_x0(schedule, x, t, model(x, t))
        x0 = x0 + ((y - x0.flatten(1) @ A.T) @ A).reshape(x0.shape)
        alpha_bar = schedule.at(t, x)
        return (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()

    return eps
""",
        "it returns x0": """
def null_space(model, schedule, A, y):
    back = torch.linalg.pinv(A)

    def eps(x, t):
        x0 = ddpm_lite.predict_x0(schedule, x, t, model(x, t))
        return x0 + ((y - x0.flatten(1) @ A.T) @ back.T).reshape(x0.shape)

    return eps
""",
        "for points only": """
def null_space(model, schedule, A, y):
    back = torch.linalg.pinv(A)

    def eps(x, t):
        x0 = ddpm_lite.predict_x0(schedule, x, t, model(x, t))
        x0 = x0 + (y - x0 @ A.T) @ back.T
        alpha_bar = schedule.at(t, x)
        return (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()

    return eps
""",
        "the model says nothing": """
def null_space(model, schedule, A, y):
    back = torch.linalg.pinv(A)

    def eps(x, t):
        x0 = (y @ back.T).reshape(x.shape)
        alpha_bar = schedule.at(t, x)
        return (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()

    return eps
""",
        "the old noise is kept": """
def null_space(model, schedule, A, y):
    return model
""",
        "the correction is subtracted": """
def null_space(model, schedule, A, y):
    back = torch.linalg.pinv(A)

    def eps(x, t):
        x0 = ddpm_lite.predict_x0(schedule, x, t, model(x, t))
        x0 = x0 - ((y - x0.flatten(1) @ A.T) @ back.T).reshape(x0.shape)
        alpha_bar = schedule.at(t, x)
        return (x - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()

    return eps
""",
    },
    4: {
        "the noise isn't squared": """
def condition(mean, cov, A, y, sigma):
    gain = cov @ A.T @ (A @ cov @ A.T + sigma * torch.eye(len(A))).inverse()
    return mean + gain @ (y - A @ mean), cov - gain @ A @ cov
""",
        "as if the covariance were I": """
def condition(mean, cov, A, y, sigma):
    gain = A.T @ (A @ A.T + sigma**2 * torch.eye(len(A))).inverse()
    return mean + gain @ (y - A @ mean), cov - gain @ A @ cov
""",
        "the covariance stays": """
def condition(mean, cov, A, y, sigma):
    gain = cov @ A.T @ (A @ cov @ A.T + sigma**2 * torch.eye(len(A))).inverse()
    return mean + gain @ (y - A @ mean), cov
""",
        "the mean isn't subtracted": """
def condition(mean, cov, A, y, sigma):
    gain = cov @ A.T @ (A @ cov @ A.T + sigma**2 * torch.eye(len(A))).inverse()
    return mean + gain @ y, cov - gain @ A @ cov
""",
        "the noise is forgotten": """
def condition(mean, cov, A, y, sigma):
    gain = cov @ A.T @ (A @ cov @ A.T).inverse()
    return mean + gain @ (y - A @ mean), cov - gain @ A @ cov
""",
        "the covariance of the mean, not of what is left": """
def condition(mean, cov, A, y, sigma):
    gain = cov @ A.T @ (A @ cov @ A.T + sigma**2 * torch.eye(len(A))).inverse()
    return mean + gain @ (y - A @ mean), gain @ A @ cov
""",
    },
}
