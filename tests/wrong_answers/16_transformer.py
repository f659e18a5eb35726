"""Usual wrong answers to the exercises of chapter 16; the checks must reject each."""

WRONG = {
    1: {
        "no biases": """
def block_size(d):
    return 18 * d**2
""",
        "the modulation forgotten": """
def block_size(d):
    return 12 * d**2 + 9 * d
""",
        "the norms with weights": """
def block_size(d):
    return 18 * d**2 + 19 * d
""",
        "an MLP that isn't wider": """
def block_size(d):
    return 12 * d**2 + 12 * d
""",
    },
    2: {
        "the other direction": """
from einops import rearrange

def reordered(tokens, patch):
    return rearrange(tokens, "b n (p q c) -> b n (c p q)", p=patch, q=patch)
""",
        "a patch transposed": """
from einops import rearrange

def reordered(tokens, patch):
    return rearrange(tokens, "b n (c p q) -> b n (q p c)", p=patch, q=patch)
""",
        "a reshape": """
def reordered(tokens, patch):
    return tokens.reshape(*tokens.shape[:2], patch * patch, -1).flatten(2)
""",
        "three channels assumed": """
from einops import rearrange

def reordered(tokens, patch):
    return rearrange(tokens[..., :3 * patch**2], "b n (c p q) -> b n (p q c)", p=patch, q=patch)
""",
    },
    3: {
        "three channels": """
def guided_output(cond, none, w):
    eps = none + (1 + w) * (cond - none)
    return torch.cat([eps[:, :3], cond[:, 3:]], dim=1)
""",
        "four channels assumed": """
def guided_output(cond, none, w):
    eps = none + (1 + w) * (cond - none)
    return torch.cat([eps[:, :4], cond[:, 4:]], dim=1)
""",
        "in place": """
def guided_output(cond, none, w):
    half = cond.shape[1] // 2
    cond[:, :half] += w * (cond - none)[:, :half]
    return cond
""",
        "the variance guided as well": """
def guided_output(cond, none, w):
    return none + (1 + w) * (cond - none)
""",
        "the other guidance scale": """
def guided_output(cond, none, w):
    half = cond.shape[1] // 2
    eps = none + w * (cond - none)
    return torch.cat([eps[:, :half], cond[:, half:]], dim=1)
""",
        "the variance of no label": """
def guided_output(cond, none, w):
    half = cond.shape[1] // 2
    eps = none + (1 + w) * (cond - none)
    return torch.cat([eps[:, :half], none[:, half:]], dim=1)
""",
        "the variance dropped": """
def guided_output(cond, none, w):
    half = cond.shape[1] // 2
    return (none + (1 + w) * (cond - none))[:, :half]
""",
    },
    4: {
        "the scale without 1": """
def folded(layer, scale, shift):
    new = torch.nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        new.weight.copy_(layer.weight * scale)
        new.bias.copy_(layer.bias + layer.weight @ shift)
    return new
""",
        "the shift scaled too": """
def folded(layer, scale, shift):
    new = torch.nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        new.weight.copy_(layer.weight * (1 + scale))
        new.bias.copy_(layer.bias + new.weight @ shift)
    return new
""",
        "the shift forgotten": """
def folded(layer, scale, shift):
    new = torch.nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        new.weight.copy_(layer.weight * (1 + scale))
        new.bias.copy_(layer.bias)
    return new
""",
        "the bias in place": """
def folded(layer, scale, shift):
    new = torch.nn.Linear(layer.in_features, layer.out_features)
    with torch.no_grad():
        layer.bias += layer.weight @ shift
        new.weight.copy_(layer.weight * (1 + scale))
        new.bias.copy_(layer.bias)
    return new
""",
        "in place": """
def folded(layer, scale, shift):
    with torch.no_grad():
        layer.bias += layer.weight @ shift
        layer.weight *= 1 + scale
    return layer
""",
    },
}
