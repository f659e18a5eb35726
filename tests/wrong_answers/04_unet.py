"""Usual wrong answers to the exercises of chapter 4; the checks must reject each."""

WRONG = {
    1: {
        "the biases forgotten": """
def res_block_size(c_in, c_out, c_dim):
    skip = c_in * c_out if c_in != c_out else 0
    convs = 9 * c_in * c_out + 9 * c_out**2
    return 2 * c_in + 2 * c_out + convs + c_dim * c_out + skip
""",
        "a skip convolution even where the widths are equal": """
def res_block_size(c_in, c_out, c_dim):
    norms, skip = 2 * c_in + 2 * c_out, c_in * c_out + c_out
    convs = 9 * c_in * c_out + c_out + 9 * c_out**2 + c_out
    return norms + convs + c_dim * c_out + c_out + skip
""",
        "both normalisations and convolutions counted at the outer width": """
def res_block_size(c_in, c_out, c_dim):
    skip = c_in * c_out + c_out if c_in != c_out else 0
    return 4 * c_out + 2 * (9 * c_out**2 + c_out) + c_dim * c_out + c_out + skip
""",
    },
    2: {
        "the scalar product instead of the distance": """
def distance(gap, dim):
    half = dim // 2
    omega = 10000 ** (-torch.arange(half, dtype=torch.float64) / (half - 1))
    return (omega * gap).cos().sum()
""",
        "the root forgotten": """
def distance(gap, dim):
    half = dim // 2
    omega = 10000 ** (-torch.arange(half, dtype=torch.float64) / (half - 1))
    return (2 - 2 * (omega * gap).cos()).sum()
""",
        "frequencies divided by half, not by half - 1": """
def distance(gap, dim):
    half = dim // 2
    omega = 10000 ** (-torch.arange(half, dtype=torch.float64) / half)
    return (2 - 2 * (omega * gap).cos()).sum().sqrt()
""",
    },
    3: {
        "the root of all channels instead of a head's": """
from einops import rearrange

def multi_head(q, k, v, heads):
    c = q.shape[-1]
    q, k, v = (rearrange(z, "b n (m c) -> b m n c", m=heads) for z in (q, k, v))
    h = (q @ k.transpose(-2, -1) / c**0.5).softmax(-1) @ v
    return rearrange(h, "b m n c -> b n (m c)")
""",
        "the softmax over the queries": """
from einops import rearrange

def multi_head(q, k, v, heads):
    q, k, v = (rearrange(z, "b n (m c) -> b m n c", m=heads) for z in (q, k, v))
    h = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-2) @ v
    return rearrange(h, "b m n c -> b n (m c)")
""",
        "view where a permutation is needed: positions and channels mixed": """
from einops import rearrange

def multi_head(q, k, v, heads):
    b, n, c = q.shape
    q, k, v = (z.view(b, heads, n, c // heads) for z in (q, k, v))
    h = (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v
    return h.reshape(b, n, c)
""",
        "a single head": """
from einops import rearrange

def multi_head(q, k, v, heads):
    return (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1) @ v
""",
    },
    4: {
        "never cropped": """
def any_size(net, x, t):
    h, w = x.shape[2:]
    return net(F.pad(x, (0, -w % net.factor, 0, -h % net.factor), value=-1.0), t)
""",
        "a whole multiple too much where the size fits already": """
def any_size(net, x, t):
    (h, w), f = x.shape[2:], net.factor
    padded = F.pad(x, (0, f - w % f, 0, f - h % f), value=-1.0)
    return net(padded, t)[:, :, :h, :w]
""",
        "height and width exchanged": """
def any_size(net, x, t):
    h, w = x.shape[2:]
    padded = F.pad(x, (0, -h % net.factor, 0, -w % net.factor), value=-1.0)
    return net(padded, t)[:, :, :h, :w]
""",
        "to multiples of 4, whatever the network's factor is": """
def any_size(net, x, t):
    h, w = x.shape[2:]
    return net(F.pad(x, (0, -w % 4, 0, -h % 4), value=-1.0), t)[:, :, :h, :w]
""",
        "padded with zeros, which are grey": """
def any_size(net, x, t):
    h, w = x.shape[2:]
    return net(F.pad(x, (0, -w % net.factor, 0, -h % net.factor)), t)[:, :, :h, :w]
""",
        "padded at the left and the top": """
def any_size(net, x, t):
    h, w = x.shape[2:]
    x = F.pad(x, (-w % net.factor, 0, -h % net.factor, 0), value=-1.0)
    return net(x, t)[:, :, :h, :w]
""",
    },
}
