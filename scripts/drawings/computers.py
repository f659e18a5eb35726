"""Drawings of what a run costs: its memory, and a GPU that waits for Python."""

from __future__ import annotations

from .kit import Drawing, drawing


@drawing(height=262)
def memory_shares(d: Drawing) -> None:
    """What must fit into memory, to scale.

    Five copies of the weights of the DDPM network take 0.71 gigabytes. The activations of a batch
    of 128 take 6.48, nine times as much. In four parts only a quarter of them is there at a time,
    and with checkpointing 0.22 of them.
    """
    long = 510 / 6.48  # of a gigabyte
    rows = (
        ("five copies of the weights", 0.71, "data"),
        ("activations, batch of 128", 6.48, "noise"),
        ("activations, in four parts", 6.48 / 4, "noise"),
        ("activations, with checkpointing", 6.48 * 0.22, "noise"),
    )
    for i, (name, size, kind) in enumerate(rows):
        y = 4 + 66 * i
        d.text(4, y + 10, name, "start")
        d.text(516, y + 10, f"{size:.2f} GB", "bold end")
        for k in range(5 if kind == "data" else 1):
            w = size * long / (5 if kind == "data" else 1)
            d.rect(5 + k * w, y + 26, w, 26, kind)


@drawing(height=222)
def graph_step(d: Drawing) -> None:
    """Where the time of a training step goes on an H200.

    One compiled step of 256 images, launched as a CUDA graph, takes 50.9 milliseconds. Kernels
    written by the compiler take 31 percent of it, convolutions, products and attention 33 percent,
    copies 17 percent and the optimiser 3 percent. No kernel runs in the remaining 16 percent.
    """
    shares = (
        ("convolutions, products, attention", 33, "model"),
        ("written by the compiler", 31, "data"),
        ("copies", 17, "noise"),
        ("the optimiser 3 %, and no kernel 16 %", 19, ""),
    )
    x, scale = 5, 5.1
    for i, (name, share, kind) in enumerate(shares):
        d.rect(x, 4, share * scale, 50, kind)
        d.rect(5, 76 + 37 * i, 24, 24, kind)
        d.text(42, 88 + 37 * i, name, "start")
        d.text(516, 88 + 37 * i, f"{share} %", "bold end")
        x += share * scale


@drawing(height=306)
def gpu_queue(d: Drawing) -> None:
    """A GPU works through a queue.

    Two time lines of Python and the GPU. Python puts operations into a queue. If each takes the
    GPU longer than Python, the GPU is busy without gaps. If each takes it less time than Python,
    the GPU waits after every operation.
    """
    for top, title, n, long, end in (
        (2, "Long operations: the GPU is always busy", 6, 66, "Python is done"),
        (158, "Short operations: the GPU waits for Python", 14, 10, ""),
    ):
        d.lane(2, top, 516, 146)
        d.text(14, top + 20, title, "bold start")
        d.text(14, top + 62, "Python", "start")
        d.text(14, top + 112, "GPU", "start")
        for i in range(n):
            asked = 80 + 30 * i
            d.rect(asked, top + 46, 28, 32, "", 3)
            begins = asked + 30 if long < 30 else 110 + long * i
            d.rect(begins, top + 96, long - 2, 32, "model", 3)
        if end:
            d.text(276, top + 62, end, "muted start")
