"""Usual wrong answers to the exercises of chapter 21; the checks must reject each."""

WRONG = {
    1: {
        "the numbers of the layer": """
def lora_numbers(layer, rank):
    return layer.weight.numel()
""",
        "the kernel forgotten": """
def lora_numbers(layer, rank):
    return rank * (layer.weight.shape[0] + layer.weight.shape[1])
""",
        "the kernel in both": """
def lora_numbers(layer, rank):
    kernel = layer.weight[0, 0].numel()
    return rank * kernel * (layer.weight.shape[0] + layer.weight.shape[1])
""",
        "the product of the sides": """
def lora_numbers(layer, rank):
    return rank * layer.weight.numel()
""",
    },
    2: {
        "scaled by alpha": """
def merged(W, adapters):
    for A, B, alpha in adapters:
        W = W + alpha * B @ A
    return W
""",
        "the caller's weights changed": """
def merged(W, adapters):
    for A, B, alpha in adapters:
        W += alpha / len(A) * B @ A
    return W
""",
        "only the last adapter": """
def merged(W, adapters):
    result = W
    for A, B, alpha in adapters:
        result = W + alpha / len(A) * B @ A
    return result
""",
        "divided by the columns of A": """
def merged(W, adapters):
    for A, B, alpha in adapters:
        W = W + alpha / A.shape[1] * B @ A
    return W
""",
        "one rank for all": """
def merged(W, adapters):
    for A, B, alpha in adapters:
        W = W + alpha / len(adapters[0][0]) * B @ A
    return W
""",
    },
    3: {
        "the old images with the label of the heart": """
def lesson(hearts, old, old_y, heart, n):
    x = torch.cat([hearts[torch.randint(len(hearts), (n,))], old[torch.randint(len(old), (n,))]])
    return x, torch.full((2 * n,), heart)
""",
        "images and labels drawn apart": """
def lesson(hearts, old, old_y, heart, n):
    x = torch.cat([hearts[torch.randint(len(hearts), (n,))], old[torch.randint(len(old), (n,))]])
    return x, torch.cat([torch.full((n,), heart), old_y[torch.randint(len(old), (n,))]])
""",
        "always the first images": """
def lesson(hearts, old, old_y, heart, n):
    i, j = torch.arange(n) % len(hearts), torch.arange(n) % len(old)
    return torch.cat([hearts[i], old[j]]), torch.cat([torch.full((n,), heart), old_y[j]])
""",
        "the old images first": """
def lesson(hearts, old, old_y, heart, n):
    i, j = torch.randint(len(hearts), (n,)), torch.randint(len(old), (n,))
    return torch.cat([old[j], hearts[i]]), torch.cat([old_y[j], torch.full((n,), heart)])
""",
        "the rows of the hearts for both": """
def lesson(hearts, old, old_y, heart, n):
    i = torch.randint(len(hearts), (n,))
    return torch.cat([hearts[i], old[i]]), torch.cat([torch.full((n,), heart), old_y[i]])
""",
        "always the same old images": """
def lesson(hearts, old, old_y, heart, n):
    i, j = torch.randint(len(hearts), (n,)), torch.arange(n) % len(old)
    return torch.cat([hearts[i], old[j]]), torch.cat([torch.full((n,), heart), old_y[j]])
""",
        "labels that aren't whole numbers": """
def lesson(hearts, old, old_y, heart, n):
    i, j = torch.randint(len(hearts), (n,)), torch.randint(len(old), (n,))
    return torch.cat([hearts[i], old[j]]), torch.cat([torch.full((n,), float(heart)), old_y[j]])
""",
        "only the hearts": """
def lesson(hearts, old, old_y, heart, n):
    return hearts[torch.randint(len(hearts), (n,))], torch.full((n,), heart)
""",
    },
    4: {
        "the smallest singular values": """
def extract(D, rank):
    U, S, V = torch.linalg.svd(D, full_matrices=False)
    return V[-rank:], U[:, -rank:] * S[-rank:]
""",
        "the singular values forgotten": """
def extract(D, rank):
    U, S, V = torch.linalg.svd(D, full_matrices=False)
    return V[:rank], U[:, :rank]
""",
        "the singular values twice": """
def extract(D, rank):
    U, S, V = torch.linalg.svd(D, full_matrices=False)
    return S[:rank, None] * V[:rank], U[:, :rank] * S[:rank]
""",
        "A and B exchanged": """
def extract(D, rank):
    U, S, V = torch.linalg.svd(D, full_matrices=False)
    return U[:, :rank] * S[:rank], V[:rank]
""",
        "the given changes erased": """
def extract(D, rank):
    D.zero_()
    return torch.zeros(rank, D.shape[1]), torch.zeros(len(D), rank)
""",
        "the first rows": """
def extract(D, rank):
    return D[:rank], torch.eye(len(D), rank)
""",
    },
}
