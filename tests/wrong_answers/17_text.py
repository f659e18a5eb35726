"""Usual wrong answers to the exercises of chapter 17; the checks must reject each."""

WRONG = {
    1: {
        "padding is counted": """
def pooled(words, y):
    return words.mean(1)
""",
        "divided by the length of the row": """
def pooled(words, y):
    return (words * (y != 0)[:, :, None]).mean(1)
""",
        "the start token left out": """
def pooled(words, y):
    mask = (y > 1).float()[:, :, None]
    return (words * mask).sum(1) / mask.sum(1)
""",
        "weighted by the token's number": """
def pooled(words, y):
    return (words * y[:, :, None]).sum(1) / y.sum(1, keepdim=True)
""",
        "only the last token": """
def pooled(words, y):
    last = (y != 0).sum(1) - 1
    return words[torch.arange(len(y)), last]
""",
        "the maximum": """
def pooled(words, y):
    return words.masked_fill((y == 0)[:, :, None], -1e9).amax(1)
""",
        "one mean for the whole batch": """
def pooled(words, y):
    return words[y != 0].mean(0).expand(len(y), -1)
""",
    },
    2: {
        "the empty caption is kept": """
def away_from(net, y, unwanted, w):
    def eps(x, t):
        return (1 + w) * net(x, t, y) - w * net(x, t)
    return eps
""",
        "exchanged": """
def away_from(net, y, unwanted, w):
    def eps(x, t):
        return (1 + w) * net(x, t, unwanted) - w * net(x, t, y)
    return eps
""",
        "the scale of libraries": """
def away_from(net, y, unwanted, w):
    def eps(x, t):
        bad = net(x, t, unwanted)
        return bad + w * (net(x, t, y) - bad)
    return eps
""",
        "the tokens are mixed instead of the predictions": """
def away_from(net, y, unwanted, w):
    def eps(x, t):
        return net(x, t, ((1 + w) * y).long())
    return eps
""",
        "a mixture of both": """
def away_from(net, y, unwanted, w):
    def eps(x, t):
        return (1 - w) * net(x, t, y) + w * net(x, t, unwanted)
    return eps
""",
        "toward both": """
def away_from(net, y, unwanted, w):
    def eps(x, t):
        return (1 + w) * net(x, t, y) + w * net(x, t, unwanted)
    return eps
""",
    },
    3: {
        "the ordinary weights": """
def causal_weights(q, k, mask):
    score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    return score.masked_fill(~mask[:, None, None, :], float("-inf")).softmax(-1)
""",
        "reads only later words": """
def causal_weights(q, k, mask):
    score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    after = torch.ones(q.shape[2], k.shape[2]).triu().bool()
    return score.masked_fill(~(mask[:, None, None, :] & after), -1e9).softmax(-1)
""",
        "not itself": """
def causal_weights(q, k, mask):
    score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    before = torch.ones(q.shape[2], k.shape[2]).tril(-1).bool()
    return score.masked_fill(~(mask[:, None, None, :] & before), -1e9).softmax(-1)
""",
        "one word ahead": """
def causal_weights(q, k, mask):
    score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    before = torch.ones(q.shape[2], k.shape[2]).tril(1).bool()
    return score.masked_fill(~(mask[:, None, None, :] & before), -1e9).softmax(-1)
""",
        "masked after the softmax": """
def causal_weights(q, k, mask):
    score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    before = torch.ones(q.shape[2], k.shape[2]).tril().bool()
    return score.softmax(-1) * (mask[:, None, None, :] & before)
""",
        "padding is read": """
def causal_weights(q, k, mask):
    score = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    before = torch.ones(q.shape[2], k.shape[2]).tril().bool()
    return score.masked_fill(~before, float("-inf")).softmax(-1)
""",
        "not divided by the root of c": """
def causal_weights(q, k, mask):
    score = q @ k.transpose(-1, -2)
    before = torch.ones(q.shape[2], k.shape[2]).tril().bool()
    return score.masked_fill(~(mask[:, None, None, :] & before), float("-inf")).softmax(-1)
""",
    },
    4: {
        "the empty prediction counted twice": """
def both(net, y1, y2, w):
    def eps(x, t):
        none = net(x, t)
        return none + w * (net(x, t, y1) - none) + none + w * (net(x, t, y2) - none)
    return eps
""",
        "the mean of two guided models": """
def both(net, y1, y2, w):
    def eps(x, t):
        none = net(x, t)
        return none + w * ((net(x, t, y1) + net(x, t, y2)) / 2 - none)
    return eps
""",
        "the sum of the predictions": """
def both(net, y1, y2, w):
    def eps(x, t):
        return net(x, t) + w * (net(x, t, y1) + net(x, t, y2))
    return eps
""",
        "one caption made of both": """
def both(net, y1, y2, w):
    def eps(x, t):
        none = net(x, t)
        return none + w * (net(x, t, torch.maximum(y1[:, :3], y2[:, :3])) - none)
    return eps
""",
        "the first caption is the start": """
def both(net, y1, y2, w):
    def eps(x, t):
        return net(x, t, y1) + w * (net(x, t, y2) - net(x, t))
    return eps
""",
        "away from the second": """
def both(net, y1, y2, w):
    def eps(x, t):
        none = net(x, t)
        return none + w * (net(x, t, y1) - none) - w * (net(x, t, y2) - none)
    return eps
""",
    },
}
