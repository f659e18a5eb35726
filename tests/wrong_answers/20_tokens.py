"""Usual wrong answers to the exercises of chapter 20; the checks must reject each."""

WRONG = {
    1: {
        "a zero instead of minus infinity": """
def without(net, tokens):
    return lambda x: net(x).index_fill(-1, tokens, 0.0)
""",
        "in place": """
def without(net, tokens):
    return lambda x: net(x).index_fill_(-1, tokens, -torch.inf)
""",
        "only the first of them": """
def without(net, tokens):
    return lambda x: net(x).index_fill(-1, tokens[:1], -torch.inf)
""",
        "everything else": """
def without(net, tokens):
    return lambda x: torch.full_like(net(x), -torch.inf).index_fill(-1, tokens, 0.0)
""",
        "along the places": """
def without(net, tokens):
    return lambda x: net(x).index_fill(1, tokens, -torch.inf)
""",
    },
    2: {
        "the sum instead of the mean": """
from torch.nn import functional as F
from ddpm_lite.tokens import MASK

def count_loss(net, x0):
    B, L = x0.shape
    n = torch.randint(1, L + 1, (B, 1))
    xu = x0.masked_fill(torch.rand(B, L).argsort(1).argsort(1) < n, MASK)
    nats = F.cross_entropy(net(xu).movedim(-1, 1), x0, reduction="none")
    return nats.masked_fill(xu != MASK, 0).sum(1).mean()
""",
        "divided by all tokens": """
from torch.nn import functional as F
from ddpm_lite.tokens import MASK

def count_loss(net, x0):
    B, L = x0.shape
    n = torch.randint(1, L + 1, (B, 1))
    xu = x0.masked_fill(torch.rand(B, L).argsort(1).argsort(1) < n, MASK)
    nats = F.cross_entropy(net(xu).movedim(-1, 1), x0, reduction="none")
    return nats.masked_fill(xu != MASK, 0).mean()
""",
        "visible tokens count": """
from torch.nn import functional as F
from ddpm_lite.tokens import MASK

def count_loss(net, x0):
    B, L = x0.shape
    n = torch.randint(1, L + 1, (B, 1))
    xu = x0.masked_fill(torch.rand(B, L).argsort(1).argsort(1) < n, MASK)
    return F.cross_entropy(net(xu).movedim(-1, 1), x0)
""",
        "n can be 0": """
from torch.nn import functional as F
from ddpm_lite.tokens import MASK

def count_loss(net, x0):
    B, L = x0.shape
    n = torch.randint(0, L, (B, 1))
    xu = x0.masked_fill(torch.rand(B, L).argsort(1).argsort(1) < n, MASK)
    nats = F.cross_entropy(net(xu).movedim(-1, 1), x0, reduction="none")
    return (nats.masked_fill(xu != MASK, 0).sum(1) / n[:, 0].clamp(min=1)).mean()
""",
        "the first n places": """
from torch.nn import functional as F
from ddpm_lite.tokens import MASK

def count_loss(net, x0):
    B, L = x0.shape
    n = torch.randint(1, L + 1, (B, 1))
    xu = x0.masked_fill(torch.arange(L) < n, MASK)
    nats = F.cross_entropy(net(xu).movedim(-1, 1), x0, reduction="none")
    return (nats.masked_fill(xu != MASK, 0).sum(1) / n[:, 0]).mean()
""",
        "n neighbours": """
from ddpm_lite.tokens import MASK, hidden_nats

def count_loss(net, x0):
    B, L = x0.shape
    n, first = torch.randint(1, L + 1, (B, 1)), torch.randint(L, (B, 1))
    nats = hidden_nats(net, x0, x0.masked_fill((torch.arange(L) - first) % L < n, MASK))
    return (nats.sum(1) / n[:, 0]).mean()
""",
        "one mean over all masks of the batch": """
from torch.nn import functional as F
from ddpm_lite.tokens import MASK

def count_loss(net, x0):
    B, L = x0.shape
    n = torch.randint(1, L + 1, (B, 1))
    xu = x0.masked_fill(torch.rand(B, L).argsort(1).argsort(1) < n, MASK)
    nats = F.cross_entropy(net(xu).movedim(-1, 1), x0, reduction="none")
    return nats[xu == MASK].mean()
""",
    },
    3: {
        "the mask's entry as a token": """
from ddpm_lite.tokens import MASK, gumbel_max, token_posterior

def token_step(net, x, t, T):
    p = token_posterior(net(x).softmax(-1), x, t / T, (t - 1) / T)
    return gumbel_max(p.log())
""",
        "all masks at once": """
from ddpm_lite.tokens import MASK, gumbel_max, token_posterior

def token_step(net, x, t, T):
    return torch.where(x == MASK, gumbel_max(net(x)), x)
""",
        "one in T instead of one in t": """
from ddpm_lite.tokens import MASK, gumbel_max, token_posterior

def token_step(net, x, t, T):
    new = torch.where(x == MASK, gumbel_max(net(x)), x)
    return torch.where(torch.rand(x.shape) < 1 / T, new, x)
""",
        "probabilities instead of logits": """
from ddpm_lite.tokens import MASK, gumbel_max, token_posterior

def token_step(net, x, t, T):
    p = token_posterior(net(x).softmax(-1), x, t / T, (t - 1) / T)
    drawn = gumbel_max(p)
    return drawn.masked_fill(drawn == p.shape[-1] - 1, MASK)
""",
        "all masks of a row together": """
from ddpm_lite.tokens import MASK, gumbel_max

def token_step(net, x, t, T):
    go = (torch.rand(len(x), 1) < 1 / t) & (x == MASK)
    return torch.where(go, gumbel_max(net(x)), x)
""",
        "visible tokens are drawn again": """
from ddpm_lite.tokens import MASK, gumbel_max, token_posterior

def token_step(net, x, t, T):
    new = gumbel_max(net(x))
    return torch.where(torch.rand(x.shape) < 1 / t, new, x)
""",
    },
    4: {
        "no blocks": """
from ddpm_lite.tokens import MASK, reveal

def in_blocks(net, x, b, k):
    while (x == MASK).any():
        x = reveal(net, x, k)
    return x
""",
        "the network sees the block alone": """
from ddpm_lite.tokens import MASK, reveal

def in_blocks(net, x, b, k):
    parts = []
    for part in x.split(b, 1):
        while (part == MASK).any():
            part = reveal(net, part, k)
        parts.append(part)
    return torch.cat(parts, 1)
""",
        "the whole block at once": """
from ddpm_lite.tokens import MASK, reveal

def in_blocks(net, x, b, k):
    for start in range(0, x.shape[1], b):
        new = reveal(net, x, x.shape[1])
        x = torch.cat([x[:, :start], new[:, start : start + b], x[:, start + b :]], 1)
    return x
""",
        "from left to right within a block": """
from ddpm_lite.tokens import MASK, reveal

def in_blocks(net, x, b, k):
    for start in range(0, x.shape[1], b):
        inside = (start <= torch.arange(x.shape[1])) & (torch.arange(x.shape[1]) < start + b)
        order = lambda p, d: -torch.arange(x.shape[1]).double().expand(d.shape)
        while (x[:, inside] == MASK).any():
            x = torch.where(inside, reveal(net, x, k, order), x)
    return x
""",
        "the most probable token": """
from ddpm_lite.tokens import MASK

def in_blocks(net, x, b, k):
    place = torch.arange(x.shape[1])
    for start in range(0, x.shape[1], b):
        inside = (start <= place) & (place < start + b)
        while (open := (x == MASK) & inside).any():
            chosen = torch.rand(x.shape).masked_fill(~open, -1).topk(k).indices
            first = torch.zeros_like(open).scatter(1, chosen, True) & open
            x = torch.where(first, net(x).argmax(-1), x)
    return x
""",
        "the last block is forgotten": """
from ddpm_lite.tokens import MASK, reveal

def in_blocks(net, x, b, k):
    for start in range(0, x.shape[1] - b + 1, b):
        place = torch.arange(x.shape[1])
        inside = (start <= place) & (place < start + b)
        order = lambda p, d: torch.rand(d.shape).masked_fill(~inside, -1)
        while (x[:, inside] == MASK).any():
            x = torch.where(inside, reveal(net, x, k, order), x)
    return x
""",
    },
}
