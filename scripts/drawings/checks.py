"""Drawings of checks: where to look for a bug, and how samples are scored."""

from __future__ import annotations

from ddpm_lite import load_classifier, load_images

from .kit import Drawing, drawing


@drawing(height=268)
def bug_route(d: Drawing) -> None:
    """The pieces of a diffusion program, and a test for each.

    In a row, from left to right: the data, the schedule, the network and the loss. Back in a second
    row, from right to left: training, the average of the weights, the sampler and the samples. Each
    piece but the samples has its test written in it and the number of the section that does it.
    """
    data = _piece(d, 4, 20, "10.2", "data", "shape and", "range?", kind="data")
    schedule = _piece(d, 136, 20, "10.2", "schedule", "clean at 0,", "noise at $T$?", kind="noise")
    net = _piece(d, 268, 20, "10.4", "network", "change one", "input", kind="model")
    loss = _piece(d, 400, 20, "10.3", "loss", "two answers", "you know")
    train = _piece(d, 400, 160, "10.5", "training", "below the", "best line?")
    ema = _piece(d, 268, 160, "10.5", "average", "near the", "network?", kind="model")
    sampler = _piece(d, 136, 160, "10.6", "sampler", "a model told", "the images")
    samples = d.box(4, 160, 112, 92, "samples", kind="data")
    for a, b in ((data, schedule), (schedule, net), (net, loss)):
        d.arrow(a.right, b.left)
    d.arrow(loss.bottom, train.top)
    for a, b in ((train, ema), (ema, sampler), (sampler, samples)):
        d.arrow(a.left, b.right)


def _piece(d: Drawing, x: float, y: float, number: str, name: str, *test: str, kind: str = ""):
    box = d.chapter(x, y, 112, 92, number, kind=kind)
    d.text(x + 56, y + 26, name, "bold")
    for i, line in enumerate(test):
        d.text(x + 56, y + 50 + 20 * i, line)
    return box


@drawing(height=382)
def read_report(d: Drawing) -> None:
    """How to read a report of diagnose.

    Run it. If there is a fault, repair the first one and run it again. If there is none and the
    ratio is above 0.9, train on. If the ratio is lower and the samples are still bad, hand in the
    loss and the sampler, too, and run it again. Otherwise the model is healthy.
    """
    run = d.box(4, 6, 176, 44, "run the tests")
    fault = d.box(4, 84, 176, 44, "any FAULT?", kind="noise")
    ratio = d.box(4, 166, 176, 44, "ratio above 0.9?", kind="noise")
    bad = d.box(4, 248, 176, 44, "samples still bad?", kind="noise")
    repair = d.box(246, 80, 216, 52, "repair the first one,", "and no other")
    train = d.box(246, 162, 216, 52, "not trained yet:", "go on training")
    more = d.box(246, 244, 216, 52, "hand in more: your", "loss and your sampler")
    for question, answer in ((fault, repair), (ratio, train), (bad, more)):
        d.arrow(question.right, answer.left)
        d.text(212, question.y + 10, "yes", "muted")
    done = d.box(4, 330, 176, 44, "healthy", kind="model")
    for a, b in ((run, fault), (fault, ratio), (ratio, bad), (bad, done)):
        d.arrow(a.bottom, b.top)
    for question in (fault, ratio, bad):
        d.text(112, question.y + 60, "no", "muted")
    d.arrow(more.right, (496, 270), (496, 28), run.right)
    for box in (repair, train):
        d.line(box.right, (496, box.y + 26))


@drawing(height=342)
def fid_pipeline(d: Drawing) -> None:
    """How a FID is computed, and where two of them may differ.

    Two columns, one for the samples and one for the reference. Each goes from images to a size and
    a file format, through Inception to 2,048 numbers an image, and to a mean and a covariance. The
    FID is the Fréchet distance of the two. Beside each step is what has to be the same.
    """
    rows = (("as 8 bits,", "resized"), ("Inception:", "2,048 numbers"), ("mean and", "covariance"))
    for x, name, kind in ((4, "samples", "model"), (162, "reference", "data")):
        above = d.box(x, 6, 142, 40, name, kind=kind)
        for i, lines in enumerate(rows):
            box = d.box(x, 72 + 76 * i, 142, 50, *lines)
            d.arrow(above.bottom, box.top)
            above = box
        d.arrow(above.bottom, (x + 71, 300))
    d.box(4, 300, 300, 36, "Fréchet distance $d^2$")
    for y, lines in ((26, ("number, labels, flips,", "the set and its split")),
                     (97, ("file format and how", "they are resized")),
                     (173, ("the same weights,", "in the same tool")),
                     (318, ("one seed, or the mean", "of several"))):  # fmt: skip
        for i, line in enumerate(lines):
            d.text(322, y - 10 + 20 * i, line, "start")


@drawing(height=236)
def pixels_features(d: Drawing) -> None:
    """How far two images are from a 3, in pixels and in features.

    A 3, the same 3 shifted right by one pixel, and an 8. In pixels the shifted 3 is farther from
    the 3 than the 8 is. In features it is much nearer.
    """
    x, y = load_images("digits")
    features, three = load_classifier("digits").features, x[y == 3][1:2]
    away = (x - three).flatten(1).norm(dim=1) + 100 * (y == 3)
    others = three.roll(1, 3), x[away.argmin()][None]
    d.text(52, 70, "a 3")
    d.tile(20, 84, 64, three[0, 0])
    far = [[(way(image) - way(three)).norm().item() for image in others]
           for way in (lambda image: image, features)]  # fmt: skip
    for i, (name, image) in enumerate(zip(("shifted", "an 8"), others, strict=True)):
        top = 36 + 104 * i
        d.tile(150, top, 64, image[0, 0])
        d.text(182, top + 80, name)
        d.arrow((88, 116), (146, top + 32))
        for k, (kind, word) in enumerate((("data", "pixels"), ("model", "features"))):
            wide = round(160 * far[k][i] / max(far[k]))
            d.rect(318, top + 4 + 32 * k, wide, 24, kind, 3)
            d.text(308, top + 16 + 32 * k, word, f"{kind} end")
    d.text(318, 16, "distance from the 3", "start")
