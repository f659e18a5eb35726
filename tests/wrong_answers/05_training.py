"""Usual wrong answers to the exercises of chapter 5; the checks must reject each."""

WRONG = {
    1: {
        "the memory 1 / (1 - d), not the half-life": """
def half_life(decay):
    return 1 / (1 - decay)

def decay_for(half_life):
    return 1 - 1 / half_life
""",
        "a half taken of the decay itself": """
def half_life(decay):
    return 0.5 / (1 - decay)

def decay_for(half_life):
    return 1 - 0.5 / half_life
""",
        "the way back inverted": """
def half_life(decay):
    return math.log(0.5) / math.log(decay)

def decay_for(half_life):
    return 0.5**half_life
""",
    },
    2: {
        "the optimiser forgotten": """
def pack(net, ema, optimizer, step):
    return {"net": net.state_dict(), "ema": ema.state_dict(), "step": step}

def unpack(state, net, ema, optimizer):
    net.load_state_dict(state["net"])
    ema.load_state_dict(state["ema"])
    return state["step"]
""",
        "the average forgotten": """
def pack(net, ema, optimizer, step):
    return {"net": net.state_dict(), "opt": optimizer.state_dict(), "step": step}

def unpack(state, net, ema, optimizer):
    net.load_state_dict(state["net"])
    ema.model.load_state_dict(state["net"])
    optimizer.load_state_dict(state["opt"])
    return state["step"]
""",
        "the counter of the average forgotten": """
def pack(net, ema, optimizer, step):
    return {"net": net.state_dict(), "ema": ema.model.state_dict(),
            "opt": optimizer.state_dict(), "step": step}

def unpack(state, net, ema, optimizer):
    net.load_state_dict(state["net"])
    ema.model.load_state_dict(state["ema"])
    optimizer.load_state_dict(state["opt"])
    return state["step"]
""",
        "whole objects, which no safe file holds": """
def pack(net, ema, optimizer, step):
    return {"net": net, "ema": ema, "optimizer": optimizer, "step": step}

def unpack(state, net, ema, optimizer):
    net.load_state_dict(state["net"].state_dict())
    ema.load_state_dict(state["ema"].state_dict())
    optimizer.load_state_dict(state["optimizer"].state_dict())
    return state["step"]
""",
        "the next step returned": """
def pack(net, ema, optimizer, step):
    return {"net": net.state_dict(), "ema": ema.state_dict(),
            "optimizer": optimizer.state_dict(), "step": step}

def unpack(state, net, ema, optimizer):
    net.load_state_dict(state["net"])
    ema.load_state_dict(state["ema"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"] + 1
""",
    },
    3: {
        "the sum of the parts, not their mean": """
def step_in_parts(net, optimizer, loss_fn, parts):
    optimizer.zero_grad()
    for x, y in parts:
        loss_fn(net, x, y).backward()
    optimizer.step()
""",
        "the parts joined again": """
def step_in_parts(net, optimizer, loss_fn, parts):
    x, y = (torch.cat(many) for many in zip(*parts))
    optimizer.zero_grad()
    loss_fn(net, x, y).backward()
    optimizer.step()
""",
        "each part counts the same, whatever its size": """
def step_in_parts(net, optimizer, loss_fn, parts):
    optimizer.zero_grad()
    for x, y in parts:
        (loss_fn(net, x, y) / len(parts)).backward()
    optimizer.step()
""",
        "a step after each part": """
def step_in_parts(net, optimizer, loss_fn, parts):
    for x, y in parts:
        optimizer.zero_grad()
        loss_fn(net, x, y).backward()
        optimizer.step()
""",
        "cleared between the parts": """
def step_in_parts(net, optimizer, loss_fn, parts):
    total = sum(len(x) for x, y in parts)
    for x, y in parts:
        optimizer.zero_grad()
        (loss_fn(net, x, y) * len(x) / total).backward()
    optimizer.step()
""",
        "never cleared": """
def step_in_parts(net, optimizer, loss_fn, parts):
    total = sum(len(x) for x, y in parts)
    for x, y in parts:
        (loss_fn(net, x, y) * len(x) / total).backward()
    optimizer.step()
""",
    },
    4: {
        "the mean of those that fell into the bucket": """
def bucket_losses(t, errors, p, buckets):
    width = (len(p) - 1) // buckets
    bucket = (t - 1) // width
    return torch.stack([errors[bucket == b].mean() for b in range(buckets)])
""",
        "weighted, but by the weights of the bucket": """
def bucket_losses(t, errors, p, buckets):
    width = (len(p) - 1) // buckets
    bucket, w, result = (t - 1) // width, 1 / p[t], []
    for b in range(buckets):
        rows = bucket == b
        result.append((w * errors)[rows].sum() / w[rows].sum().clamp(min=1e-9))
    return torch.stack(result)
""",
        "the probabilities ignored": """
def bucket_losses(t, errors, p, buckets):
    width = (len(p) - 1) // buckets
    result = torch.zeros(buckets, dtype=errors.dtype)
    return result.index_add(0, (t - 1) // width, errors * buckets / len(t))
""",
        "off by one: t = width falls into the second bucket": """
def bucket_losses(t, errors, p, buckets):
    width = (len(p) - 1) // buckets
    share = errors / (p[t] * width * len(t))
    result = torch.zeros(buckets + 1, dtype=errors.dtype)
    return result.index_add(0, t // width, share)[:buckets]
""",
    },
}
